//! A session that works on one target after the other. PostgreSQL's processes grow with what they have seen, so that a
//! session is replaced from time to time; and it is replaced where a migration could leave something behind in it.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use super::batch::Batch;
use super::opening::Opening;
use super::path::{arrival, off_the_path, on_the_path};
use super::target::Target;
use crate::formats::{LedgerRow, Message};
use crate::model::{Failure, FailureKind};
use crate::postgres::{Aftermath, OPEN_WITHIN, Session, StepFailure};
use crate::sql::quote_literal;

/// A process of the server's grows by 5 MB with each hundred tenants, and a new one costs 2 ms.
const TARGETS: u32 = 50;
/// For the server's end of a message whose client is gone.
const END_WITHIN: Duration = Duration::from_secs(600);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const UNMARK: &str = "SELECT pg_catalog.pg_advisory_unlock_all()";

/// See the file's head.
#[derive(Debug)]
pub(super) struct Lane {
    options: PgConnectOptions,
    /// Each target has a session to itself.
    apart: bool,
    session: Option<Session>,
    /// Targets that the session has seen.
    seen: u32,
    /// Where the session is.
    at: Option<String>,
}

impl Lane {
    pub(super) fn new(options: PgConnectOptions, apart: bool) -> Self {
        Self { options, apart, session: None, seen: 0, at: None }
    }

    /// A session that may be anywhere, for reading by qualified names.
    async fn session(&mut self) -> Result<&mut Session, Failure> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                (self.seen, self.at) = (0, None);
                Session::open_patiently(&self.options).await?
            }
        };
        Ok(self.session.insert(session))
    }

    pub(super) async fn ledger(
        &mut self,
        target: &Target,
        query: &str,
    ) -> Result<Option<Vec<LedgerRow>>, Failure> {
        let session = self.session().await?;
        session.ledger(&target.ledger, query).await
    }

    /// Sends the tool's own SQL at a target, as it does before its first migration.
    pub(super) async fn prepare(
        &mut self,
        target: &Target,
        messages: &[Message],
    ) -> Result<(), Failure> {
        self.arrive(target).await?;
        for message in messages {
            self.session().await?.send(message).await?;
        }
        Ok(())
    }

    /// Sends a batch at a target, and looks at what it has left.
    pub(super) async fn send(
        &mut self,
        target: &Target,
        batch: &Batch,
    ) -> Result<Aftermath, StepFailure> {
        let early = |failure| StepFailure { message: 0, completed: 0, failure };
        self.arrive(target).await.map_err(early)?;
        let session = self.session().await.map_err(early)?;
        let sent = session.step(&batch.messages, &batch.recorded).await;
        sent.map_err(|failed| StepFailure {
            failure: off_the_path(target, failed.failure),
            ..failed
        })
    }

    /// Whether a target can be gone to and worked on in one message.
    pub(super) fn goes_at_once(&self) -> bool {
        !self.apart
    }

    /// Goes to a target and sends it a batch of one message. `None` if the target is not as it was seen, or somebody else
    /// is there: nothing has been done.
    pub(super) async fn send_at_once(
        &mut self,
        target: &Target,
        opening: &Opening,
        batch: &Batch,
    ) -> Option<Result<Aftermath, StepFailure>> {
        if self.seen >= TARGETS {
            self.close().await;
        }
        let is_new = self.session.is_none();
        self.at = None;
        // What keeps a session from being opened is told by whoever tries again.
        let session = self.session().await.ok()?;
        let message = opening.before(target, is_new, &batch.messages[0]);
        let sent = session.step(&[message], &batch.recorded).await;
        self.seen += 1;
        match sent {
            Ok(aftermath) => {
                self.at = Some(target.ledger.qualified());
                Some(Ok(aftermath))
            }
            Err(failed) if failed.failure.kind == FailureKind::ConnectionLost => Some(Err(failed)),
            Err(failed) if failed.completed < opening.length(target, is_new) => None,
            Err(failed) => {
                let failure = off_the_path(target, failed.failure);
                Some(Err(StepFailure { failure, ..failed }))
            }
        }
    }

    /// Brings the session to the target, alone there: another one's is replaced or made like new, and whoever works there
    /// still, such as a session whose client is gone, is waited for. What is read of the target's ledger before is not to
    /// be relied on.
    pub(super) async fn arrive(&mut self, target: &Target) -> Result<(), Failure> {
        if self.session.is_some() && self.at.as_deref() == Some(&target.ledger.qualified()) {
            return Ok(());
        }
        if self.seen >= TARGETS || (self.apart && self.seen > 0) {
            self.close().await;
        }
        let is_new = self.session.is_none();
        if is_new && self.apart {
            // As the tool has it: the path is the session's own default.
            let open = Session::open(self.options.clone(), &target.search_path);
            self.session = Some(within(open).await?);
        }
        self.at = None;
        self.seen += 1;
        let arrival = format!("{}; {}", arrival(target, is_new), on_the_path(target));
        let arrived = self.session().await?.execute(arrival).await;
        arrived.map_err(|failure| off_the_path(target, failure))?;
        self.take_mark(target).await?;
        self.at = Some(target.ledger.qualified());
        Ok(())
    }

    async fn take_mark(&mut self, target: &Target) -> Result<(), Failure> {
        let asked = Instant::now();
        let ask = target.keys.take_mark();
        while !self.session().await?.fetch_one::<bool>(&ask).await? {
            if asked.elapsed() > END_WITHIN {
                let words =
                    "a session whose client is gone works on it still (pg_stat_activity shows it)";
                return Err(Failure::new(FailureKind::Environment, words));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Indexes of the target's schema that a failed `CREATE INDEX CONCURRENTLY` has left.
    pub(super) async fn invalid_indexes(
        &mut self,
        target: &Target,
    ) -> Result<Vec<String>, Failure> {
        let query = format!(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index AS i \
             JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE NOT i.indisvalid AND c.relkind = 'i' AND n.nspname = {} ORDER BY 1",
            quote_literal(&target.search_path[0])
        );
        self.session().await?.column(&query).await
    }

    /// Gives back the mark of where it is.
    pub(super) async fn leave(&mut self) {
        if self.at.take().is_none() {
            return;
        }
        let left = match &mut self.session {
            Some(session) => session.execute(UNMARK).await.is_ok(),
            None => true,
        };
        if !left {
            self.close().await;
        }
    }

    /// What is in the session is not to be trusted any more.
    pub(super) async fn close(&mut self) {
        (self.at, self.seen) = (None, 0);
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}

/// A server that takes a connection and says nothing would be waited for without end.
async fn within<T>(open: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match tokio::time::timeout(OPEN_WITHIN, open).await {
        Ok(opened) => opened,
        Err(_) => Err(Failure::new(
            FailureKind::Environment,
            format!("the server does not open a session within {} s", OPEN_WITHIN.as_secs()),
        )),
    }
}
