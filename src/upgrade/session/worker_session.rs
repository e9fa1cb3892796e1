//! A session that processes one target after the other. It is replaced from time to time, because a backend's memory grows
//! with the objects that it has used, and if a migration may have left session state.

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use super::session_setup::Preamble;
use super::session_setup::{check_search_path, search_path_failure, setup_sql};
use crate::execution::batch::Batch;
use crate::execution::batch_failure::leaves_changes;
use crate::execution::{BatchRunner, RunError};
use crate::formats::{LedgerRow, QueryBatch};
use crate::model::{EnvironmentCause, Failure, FailureKind, TargetCause};
use crate::postgres::{Postcondition, Session, StepFailure};
use crate::retry::RetryError;
use crate::retry::policies::EXECUTION_LOCK;
use crate::upgrade::interruption::Backends;
use crate::upgrade::stop_reason::INTERRUPTED;
use crate::upgrade::target::Target;

/// Targets for each session. A backend grows by 5 MB with each hundred tenants, and a new one costs 2 ms.
const TARGETS_PER_SESSION: u32 = 50;
const EXECUTION_LOCK_HELD: &str =
    "a session of a terminated client is still executing on it (see pg_stat_activity)";
const RELEASE_ALL_LOCKS: &str = "SELECT pg_catalog.pg_advisory_unlock_all()";
const PID: &str = "SELECT pg_catalog.pg_backend_pid() AS pid";

#[derive(Debug)]
pub(crate) struct WorkerSession {
    options: PgConnectOptions,
    /// The target needs a session of its own.
    needs_own_session: bool,
    session: Option<Session>,
    /// The session was opened for one target, and is not reused for another.
    is_own: bool,
    /// The number of targets that the session has processed.
    seen: u32,
    /// The ledger of the target that the session is set up for.
    at_target: Option<String>,
    /// The process ID of the backend.
    pid: Option<i32>,
    backends: Arc<Backends>,
    interrupted: CancellationToken,
    /// An interruption has ended a wait of the session since the last call of `take_interruption`.
    was_interrupted: bool,
}

/// Runs batches on one target in a worker's session.
pub(crate) struct TargetRunner<'r> {
    pub(crate) session: &'r mut WorkerSession,
    pub(crate) target: &'r Target,
    /// Sent before the batch, in the same message.
    pub(crate) preamble: Option<Preamble>,
}

impl BatchRunner for TargetRunner<'_> {
    async fn run(&mut self, batch: &Batch) -> Result<Postcondition, RunError> {
        let (session, target) = (&mut *self.session, self.target);
        let sent = match self.preamble.take() {
            Some(preamble) if batch.is_whole => {
                let sent = session.send_with_preamble(target, &preamble, batch).await;
                sent.ok_or(RunError::TargetChanged)?
            }
            Some(_) => return Err(RunError::TargetChanged),
            None => session.send(target, batch).await,
        };
        sent.map_err(|failed| RunError::Failed(Box::new(failed)))
    }
}

impl WorkerSession {
    pub(crate) fn new(
        options: PgConnectOptions,
        backends: Arc<Backends>,
        interrupted: CancellationToken,
    ) -> Self {
        Self {
            options,
            needs_own_session: false,
            session: None,
            is_own: false,
            seen: 0,
            at_target: None,
            pid: None,
            backends,
            interrupted,
            was_interrupted: false,
        }
    }

    /// Whether the next target needs a session of its own.
    pub(crate) async fn set_needs_own_session(&mut self, needs_own_session: bool) {
        self.needs_own_session = needs_own_session;
        if needs_own_session != self.is_own {
            self.close().await;
        }
    }

    /// Allows new sessions after an interruption, because migrations in flight are brought to an end.
    pub(crate) fn allow_new_sessions(&mut self) {
        self.interrupted = CancellationToken::new();
    }

    /// Whether an interruption has caused a failure since the last call.
    pub(crate) fn take_interruption(&mut self) -> bool {
        std::mem::take(&mut self.was_interrupted)
    }

    /// A session in any setup, for reads by qualified names.
    async fn session(&mut self) -> Result<&mut Session, Failure> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                (self.seen, self.at_target, self.pid, self.is_own) = (0, None, None, false);
                let options = self.options.clone();
                self.unless_interrupted(Session::open_with_retry(&options)).await?
            }
        };
        Ok(self.session.insert(session))
    }

    /// Runs an operation that leaves nothing on the server when it is dropped; an interruption ends it.
    async fn unless_interrupted<T>(
        &mut self,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let ended = self.interrupted.clone().run_until_cancelled_owned(operation).await;
        ended.unwrap_or_else(|| Err(self.interrupted_wait()))
    }

    /// An interruption has ended a wait.
    fn interrupted_wait(&mut self) -> Failure {
        self.was_interrupted = true;
        Failure::new(FailureKind::Environment(EnvironmentCause::Interrupted), INTERRUPTED)
    }

    /// One exchange with the server. An interruption ends it while it waits for a lock.
    async fn watched<T>(
        &mut self,
        leaves_changes: Vec<bool>,
        exchange: impl AsyncFnOnce(&mut Session) -> T,
    ) -> Result<T, Failure> {
        let pid = match self.pid {
            Some(pid) => pid,
            None => self.session().await?.fetch_one(PID).await?,
        };
        self.pid = Some(pid);
        let backends = Arc::clone(&self.backends);
        let session = self.session().await?;
        backends.begin(pid, leaves_changes, session.sending());
        let ended = exchange(session).await;
        self.was_interrupted |= backends.end(pid);
        Ok(ended)
    }

    pub(crate) async fn ledger(
        &mut self,
        target: &Target,
        query: &str,
    ) -> Result<Option<Vec<LedgerRow>>, Failure> {
        self.watched(Vec::new(), async |session| session.ledger(&target.ledger, query).await)
            .await?
    }

    /// Sends the tool's own SQL on a target, as the tool does before its first migration.
    pub(crate) async fn prepare(
        &mut self,
        target: &Target,
        messages: &[QueryBatch],
    ) -> Result<(), Failure> {
        self.set_up(target).await?;
        for message in messages {
            self.watched(Vec::new(), async |session| session.send(message).await).await??;
        }
        Ok(())
    }

    /// Sends a batch on a target, and reads the postcondition back.
    async fn send(&mut self, target: &Target, batch: &Batch) -> Result<Postcondition, StepFailure> {
        let early = |failure| StepFailure { message: 0, completed: 0, failure };
        self.set_up(target).await.map_err(early)?;
        let sent = self
            .watched(leaves_changes(batch), async |session| {
                session.step(&batch.messages, &batch.is_applied_expr).await
            })
            .await
            .map_err(early)?;
        sent.map_err(|failed| StepFailure {
            failure: search_path_failure(target, failed.failure),
            ..failed
        })
    }

    /// Whether code of the project observes statements other than the script.
    pub(crate) async fn is_watched(&mut self, target: &Target) -> Result<bool, Failure> {
        let query = format!("SELECT {}", target.ledger.is_watched());
        self.set_up(target).await?;
        self.session().await?.fetch_one(&query).await
    }

    /// Sets the session up for a target and sends it a batch in one message. `None` if the target's ledger has changed since
    /// the scan, or another session holds the execution lock: nothing was done.
    async fn send_with_preamble(
        &mut self,
        target: &Target,
        preamble: &Preamble,
        batch: &Batch,
    ) -> Option<Result<Postcondition, StepFailure>> {
        if self.seen >= TARGETS_PER_SESSION {
            self.close().await;
        }
        let is_new = self.session.is_none();
        self.at_target = None;
        let mut messages = batch.messages.clone();
        messages[0] = preamble.before(target, is_new, &batch.messages[0]);
        let step =
            async |session: &mut Session| session.step(&messages, &batch.is_applied_expr).await;
        // The retry reports why no session can be opened.
        let sent = self.watched(Vec::new(), step).await.ok()?;
        self.seen += 1;
        match sent {
            Ok(postcondition) => {
                self.at_target = Some(target.ledger.qualified());
                Some(Ok(postcondition))
            }
            Err(failed) if failed.failure.kind == FailureKind::ConnectionLost => Some(Err(failed)),
            Err(failed)
                if failed.message == 0 && failed.completed < preamble.length(target, is_new) =>
            {
                None
            }
            Err(failed) => {
                let failure = search_path_failure(target, failed.failure);
                Some(Err(StepFailure { failure, ..failed }))
            }
        }
    }

    /// Sets the session up for the target, and acquires its execution lock. A session of another target is reset or
    /// replaced. Waits for a backend that still executes for a terminated client. Ledger rows that were read before may be
    /// outdated.
    pub(crate) async fn set_up(&mut self, target: &Target) -> Result<(), Failure> {
        if self.session.is_some() && self.at_target.as_deref() == Some(&target.ledger.qualified()) {
            return Ok(());
        }
        if self.seen >= TARGETS_PER_SESSION || (self.is_own && self.seen > 0) {
            self.close().await;
        }
        let is_new = self.session.is_none();
        if is_new && self.needs_own_session {
            // As in the tool: the search path is the session's default.
            let options = self.options.clone();
            let open = Session::open_at_with_retry(&options, &target.search_path);
            self.session = Some(self.unless_interrupted(open).await?);
            (self.is_own, self.pid) = (true, None);
        }
        self.at_target = None;
        self.seen += 1;
        let setup_sql =
            format!("{}; {}; {PID}", setup_sql(target, is_new), check_search_path(target));
        let result = self.session().await?.send(&QueryBatch::tool(setup_sql)).await;
        let row = result.map_err(|failure| search_path_failure(target, failure))?;
        self.pid = row.and_then(|row| row.try_get("pid").ok());
        self.take_execution_lock(target).await?;
        self.at_target = Some(target.ledger.qualified());
        Ok(())
    }

    /// A session set up for the target, for SQL of mig-ci.
    pub(crate) async fn at_target(&mut self, target: &Target) -> Result<&mut Session, Failure> {
        self.set_up(target).await?;
        self.session().await
    }

    async fn take_execution_lock(&mut self, target: &Target) -> Result<(), Failure> {
        let held = FailureKind::Target(TargetCause::LockNotAcquired);
        let ask = target.keys.try_execution_lock();
        let interrupted = self.interrupted.clone();
        let attempt = async || match self.session().await?.fetch_one(&ask).await? {
            true => Ok(()),
            false => Err(Failure::new(held.clone(), EXECUTION_LOCK_HELD)),
        };
        let is_held = |failure: &Failure| failure.kind == held;
        match EXECUTION_LOCK.retry_until(&interrupted, is_held, attempt).await {
            Ok(()) => Ok(()),
            Err(RetryError::Failed(failure)) => Err(failure),
            Err(RetryError::Interrupted(_)) => Err(self.interrupted_wait()),
        }
    }

    /// Releases the execution lock of the current target.
    pub(crate) async fn leave(&mut self) {
        if self.at_target.take().is_none() {
            return;
        }
        let left = match &mut self.session {
            Some(session) => session.execute(RELEASE_ALL_LOCKS).await.is_ok(),
            None => true,
        };
        if !left {
            self.close().await;
        }
    }

    /// Closes the session, whose state is not reliable any more.
    pub(crate) async fn close(&mut self) {
        (self.at_target, self.seen, self.pid, self.is_own) = (None, 0, None, false);
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}
