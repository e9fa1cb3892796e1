//! A session that works on one target after the other. PostgreSQL's processes grow with what they have seen, so that a
//! session is replaced from time to time; and it is replaced where a migration could leave something behind in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::Row as _;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use super::preamble::Preamble;
use super::session_setup::{arrival, off_the_path, on_the_path};
use crate::execution::batch::Batch;
use crate::execution::batch_failure::leaves_something;
use crate::execution::{BatchRunner, RunError};
use crate::formats::{LedgerRow, QueryBatch};
use crate::model::{EnvironmentCause, Failure, FailureKind, TargetCause};
use crate::postgres::{Postcondition, Session, StepFailure};
use crate::upgrade::interruption::Backends;
use crate::upgrade::stop_reason::INTERRUPTED;
use crate::upgrade::target::Target;

/// A process of the server's grows by 5 MB with each hundred tenants, and a new one costs 2 ms.
const TARGETS: u32 = 50;
/// For the server's end of a message whose client is gone.
const END_WITHIN: Duration = Duration::from_secs(600);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const RELEASE_ALL_LOCKS: &str = "SELECT pg_catalog.pg_advisory_unlock_all()";
const PID: &str = "SELECT pg_catalog.pg_backend_pid() AS pid";

/// See the file's head.
#[derive(Debug)]
pub(crate) struct WorkerSession {
    options: PgConnectOptions,
    /// The target has a session to itself.
    apart: bool,
    session: Option<Session>,
    /// The session was opened for one target, and is not used for another.
    is_own: bool,
    /// Targets that the session has seen.
    seen: u32,
    /// Where the session is.
    at: Option<String>,
    /// The server's process of the session.
    pid: Option<i32>,
    backends: Arc<Backends>,
    interrupted: CancellationToken,
    /// An interruption has ended a wait of it since it was last asked.
    was_interrupted: bool,
}

/// Runs batches at one target in a worker's session.
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
                let sent = session.send_at_once(target, &preamble, batch).await;
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
            apart: false,
            session: None,
            is_own: false,
            seen: 0,
            at: None,
            pid: None,
            backends,
            interrupted,
            was_interrupted: false,
        }
    }

    /// From now on the target has a session to itself, or one that it shares with others.
    pub(crate) async fn keep_apart(&mut self, apart: bool) {
        self.apart = apart;
        if apart != self.is_own {
            self.close().await;
        }
    }

    /// Sessions are opened also after an interruption: what was begun is brought to its end.
    pub(crate) fn close_out(&mut self) {
        self.interrupted = CancellationToken::new();
    }

    /// Whether an interruption, and nothing else, is why something failed since this was last asked.
    pub(crate) fn take_interruption(&mut self) -> bool {
        std::mem::take(&mut self.was_interrupted)
    }

    /// A session that may be anywhere, for reading by qualified names.
    async fn session(&mut self) -> Result<&mut Session, Failure> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                (self.seen, self.at, self.pid, self.is_own) = (0, None, None, false);
                let options = self.options.clone();
                self.unless_interrupted(Session::open_patiently(&options)).await?
            }
        };
        Ok(self.session.insert(session))
    }

    /// Something that leaves nothing on the server when it is not waited for any more.
    async fn unless_interrupted<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let ended = self.interrupted.clone().run_until_cancelled_owned(work).await;
        ended.unwrap_or_else(|| {
            self.was_interrupted = true;
            Err(Failure::new(FailureKind::Environment(EnvironmentCause::Interrupted), INTERRUPTED))
        })
    }

    /// One exchange with the server, which an interruption ends where it waits for a lock.
    async fn watched<T>(
        &mut self,
        leaves_something: Vec<bool>,
        exchange: impl AsyncFnOnce(&mut Session) -> T,
    ) -> Result<T, Failure> {
        let pid = match self.pid {
            Some(pid) => pid,
            None => self.session().await?.fetch_one(PID).await?,
        };
        self.pid = Some(pid);
        let backends = Arc::clone(&self.backends);
        let session = self.session().await?;
        backends.begin(pid, leaves_something, session.sending());
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

    /// Sends the tool's own SQL at a target, as it does before its first migration.
    pub(crate) async fn prepare(
        &mut self,
        target: &Target,
        messages: &[QueryBatch],
    ) -> Result<(), Failure> {
        self.arrive(target).await?;
        for message in messages {
            self.watched(Vec::new(), async |session| session.send(message).await).await??;
        }
        Ok(())
    }

    /// Sends a batch at a target, and reads back what it has left.
    async fn send(&mut self, target: &Target, batch: &Batch) -> Result<Postcondition, StepFailure> {
        let early = |failure| StepFailure { message: 0, completed: 0, failure };
        self.arrive(target).await.map_err(early)?;
        let sent = self
            .watched(leaves_something(batch), async |session| {
                session.step(&batch.messages, &batch.recorded).await
            })
            .await
            .map_err(early)?;
        sent.map_err(|failed| StepFailure {
            failure: off_the_path(target, failed.failure),
            ..failed
        })
    }

    /// Whether code of the project's sees what is sent at the target beside a script.
    pub(crate) async fn is_watched(&mut self, target: &Target) -> Result<bool, Failure> {
        let query = format!("SELECT {}", target.ledger.is_watched());
        self.arrive(target).await?;
        self.session().await?.fetch_one(&query).await
    }

    /// Goes to a target and sends it a batch. `None` if the target is not as it was seen, or somebody else
    /// is there: nothing has been done.
    async fn send_at_once(
        &mut self,
        target: &Target,
        opening: &Preamble,
        batch: &Batch,
    ) -> Option<Result<Postcondition, StepFailure>> {
        if self.seen >= TARGETS {
            self.close().await;
        }
        let is_new = self.session.is_none();
        self.at = None;
        let mut messages = batch.messages.clone();
        messages[0] = opening.before(target, is_new, &batch.messages[0]);
        let step = async |session: &mut Session| session.step(&messages, &batch.recorded).await;
        // What keeps a session from being opened is told by whoever tries again.
        let sent = self.watched(Vec::new(), step).await.ok()?;
        self.seen += 1;
        match sent {
            Ok(aftermath) => {
                self.at = Some(target.ledger.qualified());
                Some(Ok(aftermath))
            }
            Err(failed) if failed.failure.kind == FailureKind::ConnectionLost => Some(Err(failed)),
            Err(failed)
                if failed.message == 0 && failed.completed < opening.length(target, is_new) =>
            {
                None
            }
            Err(failed) => {
                let failure = off_the_path(target, failed.failure);
                Some(Err(StepFailure { failure, ..failed }))
            }
        }
    }

    /// Brings the session to the target, alone there: another one's is replaced or made like new, and whoever works there
    /// still, such as a session whose client is gone, is waited for. What is read of the target's ledger before is not to
    /// be relied on.
    pub(crate) async fn arrive(&mut self, target: &Target) -> Result<(), Failure> {
        if self.session.is_some() && self.at.as_deref() == Some(&target.ledger.qualified()) {
            return Ok(());
        }
        if self.seen >= TARGETS || (self.is_own && self.seen > 0) {
            self.close().await;
        }
        let is_new = self.session.is_none();
        if is_new && self.apart {
            // As the tool has it: the path is the session's own default.
            let options = self.options.clone();
            let open = Session::open_at_patiently(&options, &target.search_path);
            self.session = Some(self.unless_interrupted(open).await?);
            (self.is_own, self.pid) = (true, None);
        }
        self.at = None;
        self.seen += 1;
        let arrival = format!("{}; {}; {PID}", arrival(target, is_new), on_the_path(target));
        let arrived = self.session().await?.send(&QueryBatch::tool(arrival)).await;
        let row = arrived.map_err(|failure| off_the_path(target, failure))?;
        self.pid = row.and_then(|row| row.try_get("pid").ok());
        self.take_execution_lock(target).await?;
        self.at = Some(target.ledger.qualified());
        Ok(())
    }

    /// The session at the target, for SQL of our own.
    pub(crate) async fn at(&mut self, target: &Target) -> Result<&mut Session, Failure> {
        self.arrive(target).await?;
        self.session().await
    }

    async fn take_execution_lock(&mut self, target: &Target) -> Result<(), Failure> {
        let asked = Instant::now();
        let ask = target.keys.try_execution_lock();
        while !self.session().await?.fetch_one::<bool>(&ask).await? {
            if asked.elapsed() > END_WITHIN {
                let words = "a session of a terminated client is still executing on it (see pg_stat_activity)";
                return Err(Failure::new(FailureKind::Target(TargetCause::LockNotAcquired), words));
            }
            let pause = async {
                tokio::time::sleep(LOOK_AGAIN).await;
                Ok(())
            };
            tracing::debug!(pause = ?LOOK_AGAIN, "execution lock is held: asking again");
            self.unless_interrupted(pause).await?;
        }
        Ok(())
    }

    /// Gives back the mark of where it is.
    pub(crate) async fn leave(&mut self) {
        if self.at.take().is_none() {
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

    /// What is in the session is not to be trusted any more.
    pub(crate) async fn close(&mut self) {
        (self.at, self.seen, self.pid, self.is_own) = (None, 0, None, false);
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}
