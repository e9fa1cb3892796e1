//! A session that works on one target after the other. PostgreSQL's processes grow with what they have seen, so that a
//! session is replaced from time to time; and it is replaced where a migration could leave something behind in it.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use super::batch::Batch;
use super::target::Target;
use crate::formats::{LedgerRow, Message};
use crate::model::{Failure, FailureKind, Migration};
use crate::postgres::{Aftermath, OPEN_WITHIN, Session, StepFailure};
use crate::sql::{Dialect, begins_with, quote_identifier, quote_literal, split};

/// A process of the server's grows by 5 MB with each hundred tenants, and a new one costs 2 ms.
const TARGETS: u32 = 50;
/// Statements after which a session is another one than before.
const OF_SESSIONS: [&[&str]; 10] = [
    &["RESET"],
    &["DISCARD"],
    &["SET"],
    &["PREPARE"],
    &["LISTEN"],
    &["DECLARE"],
    &["LOAD"],
    &["CREATE", "TEMP"],
    &["CREATE", "TEMPORARY"],
    &["CREATE", "LOCAL"],
];
/// What begins like one of these, and ends with the transaction.
const OF_TRANSACTIONS: [&[&str]; 3] =
    [&["SET", "LOCAL"], &["SET", "CONSTRAINTS"], &["SET", "TRANSACTION"]];
/// Anywhere, in a function's body as well.
const WORDS: [&str; 5] =
    ["set_config", "advisory_lock", "temp table", "temporary table", "lastval"];
/// Everything that a session has of its own, but its temporary tables, since no migration that makes any shares a session.
const AS_NEW: &str = "RESET ALL; RESET SESSION AUTHORIZATION; DEALLOCATE ALL; UNLISTEN *; \
    SELECT pg_catalog.pg_advisory_unlock_all(); ";

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
        let arrival = arrival(target, is_new);
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

/// Whether migrations need a session to themselves for each target: anything that outlives a transaction would be there for
/// the next one.
pub(super) fn speaks_of_sessions(migrations: &[Migration]) -> bool {
    let is_any = |statement: &str, kinds: &[&[&str]]| {
        kinds.iter().any(|words| begins_with(statement, words))
    };
    migrations.iter().map(|migration| migration.up.text()).any(|text| {
        let pieces = split(text, Dialect::Server).pieces;
        let mut statements = pieces.iter().map(|piece| &text[piece.range()]);
        let lower = text.to_ascii_lowercase();
        WORDS.iter().any(|word| lower.contains(word))
            || statements.any(|one| is_any(one, &OF_SESSIONS) && !is_any(one, &OF_TRANSACTIONS))
    })
}

/// Brings a session to a target: its search path, which the server has to see as it is meant.
fn arrival(target: &Target, is_new: bool) -> String {
    let path = target.search_path.iter().map(|name| quote_identifier(name));
    format!(
        "{}SET search_path TO {}; {}",
        if is_new { "" } else { AS_NEW },
        path.collect::<Vec<_>>().join(", "),
        on_the_path(target),
    )
}

/// SQL that fails, by a division by zero, where the session does not see the schemas that it should.
pub(super) fn on_the_path(target: &Target) -> String {
    let seen = target.search_path.iter().map(|name| quote_literal(name));
    format!(
        "SELECT 1 / (pg_catalog.current_schemas(false)::pg_catalog.text[] OPERATOR(pg_catalog.=) \
         ARRAY[{}]::pg_catalog.text[])::pg_catalog.int4",
        seen.collect::<Vec<_>>().join(", "),
    )
}

/// The division by zero is ours: see [`on_the_path`].
fn off_the_path(target: &Target, failure: Failure) -> Failure {
    let is_ours = failure.kind == FailureKind::Sql { sqlstate: "22012".to_owned() }
        && failure.statement.as_deref().is_some_and(|sql| sql.contains(&on_the_path(target)));
    if !is_ours {
        return failure;
    }
    Failure {
        hint: Some(
            "a schema that the configuration's `search_path` names is not there or may not be used, or a migration has \
             moved the session's search path"
                .to_owned(),
        ),
        ..Failure::new(
            FailureKind::SearchPath,
            format!("the server does not see the search path {:?}", target.search_path),
        )
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Script;

    fn speaks(text: &str) -> bool {
        let migration = Migration {
            version: "1".into(),
            description: String::new(),
            up: Script::whole("1.sql", text),
            down: None,
            in_transaction: true,
            down_in_transaction: true,
            checksum: None,
        };
        speaks_of_sessions(&[migration])
    }

    #[test]
    fn what_outlives_a_transaction_keeps_a_session_apart() {
        for text in [
            "select 1; set statement_timeout = 1;",
            "RESET ALL",
            "create temp table a ();",
            "create function f() returns void language plpgsql as $$begin create temp table x(); end$$",
            "select set_config('a.b', 'c', false)",
            "select pg_try_advisory_lock(1)",
            "prepare p as select 1",
        ] {
            assert!(speaks(text), "{text}");
        }
        for text in [
            "create table sessions (reset_at date, template text, upload text);",
            "set local statement_timeout = 1;",
            "do $$ declare x int; begin null; end $$;",
            "alter table a alter b set not null;",
        ] {
            assert!(!speaks(text), "{text}");
        }
    }
}
