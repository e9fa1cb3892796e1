//! One connection of one unit: sends messages as they are, and brings back what the server said, with places in files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Either, Executor as _, PgConnection,
    Row as _,
};

use super::failure::{self, beside_script};
use super::ledger_rows;
use super::notices;
use crate::formats::{Fragment, IN_TRANSACTION, Ledger, LedgerRow, QueryBatch};
use crate::model::{Failure, FailureKind};
use crate::sql::{quote_identifier, quote_literal};

/// A session whose search path is known to be the one that was asked for.
#[derive(Debug)]
pub(crate) struct Session {
    connection: PgConnection,
    /// Whether it is in a transaction block, as far as the last look at it tells; `None` after a message of a script's.
    in_transaction: Option<bool>,
    /// How many statements of the last message were completed.
    completed: usize,
    /// The message of a step that it sends now.
    sending: Arc<AtomicUsize>,
}

/// The message of a step that failed, and why.
#[derive(Debug, Clone)]
pub(crate) struct StepFailure {
    /// Its index among the step's messages.
    pub(crate) message: usize,
    /// How many of its statements were completed before, as far as the server told.
    pub(crate) completed: usize,
    pub(crate) failure: Failure,
}

/// What the session looks like after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Postcondition {
    /// `current_schemas(false)`.
    pub(crate) schemas: Vec<String>,
    /// The ledger, by its qualified name, shows the migration, and not merely inside a transaction left open.
    pub(crate) recorded: bool,
}

impl Session {
    /// Connects with `search_path` as the session's own default (so that `RESET` comes back to it), and asserts that the
    /// server sees exactly these schemas: PostgreSQL passes over a missing one without a word.
    pub(crate) async fn open(
        options: PgConnectOptions,
        search_path: &[String],
    ) -> Result<Self, Failure> {
        let quoted: Vec<String> = search_path.iter().map(|name| quote_identifier(name)).collect();
        let options = options.options([("search_path", quoted.join(", "))]);
        let mut session = Self::open_plain(options).await?;
        let seen = session.schemas().await?;
        if seen == search_path {
            return Ok(session);
        }
        Err(failure::wrong_search_path(search_path, &seen))
    }

    /// Connects with the server's own search path.
    pub(crate) async fn open_plain(options: PgConnectOptions) -> Result<Self, Failure> {
        let connection = options.connect().await.map_err(|error| failure::of_connection(&error))?;
        tracing::debug!(server_database = options.get_database(), "connected");
        let (in_transaction, sending) = (Some(false), Arc::default());
        Ok(Self { connection, in_transaction, completed: 0, sending })
    }

    /// Sends one message and waits for its end. The last row of its last statement comes back, if that gave any.
    pub(crate) async fn send(&mut self, message: &QueryBatch) -> Result<Option<PgRow>, Failure> {
        self.completed = 0;
        let answered = self.answer(message.text().into_owned()).await;
        notices::message_over(|completed| failure::place_of(message, completed));
        answered.map_err(|error| failure::of_message(&error, message, self.completed))
    }

    /// Reads all that the server says to `text`.
    async fn answer(&mut self, text: String) -> Result<Option<PgRow>, sqlx::Error> {
        let mut row = None;
        let mut answer = self.connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(text)));
        let error = loop {
            match answer.try_next().await {
                Ok(None) => return Ok(row),
                Ok(Some(Either::Right(next))) => row = Some(next),
                Ok(Some(Either::Left(_))) => {
                    self.completed += 1;
                    notices::statement_completed();
                }
                Err(error) => break error,
            }
        };
        drop(answer);
        if !failure::is_notification(&error) {
            return Err(error);
        }
        // Tools leave notifications alone. The server sends them before an answer or after it, never in it; the ping
        // reads what is left of it, and gives the error in it if there is one.
        self.connection.ping().await.map(|()| row)
    }

    /// Sends SQL of our own that gives no rows that matter.
    pub(crate) async fn execute(&mut self, sql: impl Into<String>) -> Result<(), Failure> {
        self.send(&QueryBatch::tool(sql)).await.map(drop)
    }

    /// The ledger's rows, oldest first, or `None` where the target has no such table.
    pub(crate) async fn ledger(
        &mut self,
        ledger: &Ledger,
        rows_query: &str,
    ) -> Result<Option<Vec<LedgerRow>>, Failure> {
        let name = quote_literal(&ledger.qualified());
        let exists = format!("SELECT pg_catalog.to_regclass({name}) IS NOT NULL AS there");
        if !self.fetch_one::<bool>(&exists).await? {
            return Ok(None);
        }
        let rows = self
            .rows(&ledger_rows::select(rows_query))
            .await
            .map_err(|error| failure::ledger_unreadable(ledger, &failure::of_own(&error)))?;
        rows.iter()
            .map(ledger_rows::row)
            .collect::<Result<_, sqlx::Error>>()
            .map(Some)
            .map_err(|error| failure::ledger_unreadable(ledger, &failure::of_own(&error)))
    }

    /// Sends a step's messages. The look at its aftermath goes along with a message that holds a whole transaction, so that
    /// it costs no round trip there.
    pub(crate) async fn step(
        &mut self,
        messages: &[QueryBatch],
        recorded: &str,
    ) -> Result<Postcondition, StepFailure> {
        let look = format!(
            "SELECT pg_catalog.array_to_json(pg_catalog.current_schemas(false))::pg_catalog.text AS schemas, \
             ({recorded}) AS recorded, {IN_TRANSACTION} AS in_transaction"
        );
        let joined = messages.last().is_some_and(takes_the_look);
        for (index, message) in messages.iter().enumerate() {
            self.completed = 0;
            self.sending.store(index, Ordering::Relaxed);
            self.check_precondition(message)
                .await
                .map_err(|failure| self.failed(index, failure))?;
            self.in_transaction = None;
            if joined && index + 1 == messages.len() {
                let mut segments = message.segments().to_vec();
                segments.push(Fragment::Tool(look.clone()));
                let row = self.send(&QueryBatch::new(segments)).await;
                let row = row.map_err(|failure| self.failed(index, failure))?;
                let seen = match row {
                    Some(row) => self.aftermath(&row),
                    None => self.look(&look).await,
                };
                return seen.map_err(|failure| self.failed(index, failure));
            }
            self.send(message).await.map_err(|failure| self.failed(index, failure))?;
        }
        self.look(&look).await.map_err(|failure| self.failed(messages.len(), failure))
    }

    /// The index of the message that [`Session::step`] sends, to be looked at meanwhile.
    pub(crate) fn sending(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.sending)
    }

    fn failed(&self, message: usize, failure: Failure) -> StepFailure {
        StepFailure { message, completed: self.completed, failure: beside_script(failure) }
    }

    /// The row of a query by the simple protocol. The first answer is lost if a notification came before it.
    async fn ask(&mut self, query: &str) -> Result<PgRow, Failure> {
        let query = QueryBatch::tool(query);
        let row = match self.send(&query).await? {
            Some(row) => Some(row),
            None => self.send(&query).await?,
        };
        row.ok_or_else(|| failure::of_own(&sqlx::Error::RowNotFound))
    }

    async fn look(&mut self, look: &str) -> Result<Postcondition, Failure> {
        let row = self.ask(look).await?;
        self.aftermath(&row)
    }

    /// What the tool's driver insists on before it sends this message.
    async fn check_precondition(&mut self, message: &QueryBatch) -> Result<(), Failure> {
        let Some(demand) = message.demand() else { return Ok(()) };
        let in_transaction = match self.in_transaction {
            Some(known) => known,
            None => self.is_in_transaction().await?,
        };
        if in_transaction == demand.in_transaction {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Refused, demand.refusal))
    }

    /// Whether its last step has left a transaction open.
    pub(crate) fn is_left_in_transaction(&self) -> bool {
        self.in_transaction == Some(true)
    }

    /// Whether it is in a transaction block that an earlier message has opened.
    pub(crate) async fn is_in_transaction(&mut self) -> Result<bool, Failure> {
        // The simple protocol, for the reason that `IN_TRANSACTION` gives.
        let row = self.ask(&format!("SELECT {IN_TRANSACTION} AS it")).await?;
        row.try_get("it").map_err(|error| failure::of_own(&error))
    }

    fn aftermath(&mut self, row: &PgRow) -> Result<Postcondition, Failure> {
        let read = |row: &PgRow| -> Result<(Vec<String>, bool, bool), sqlx::Error> {
            let schemas: String = row.try_get("schemas")?;
            Ok((read_schemas(&schemas)?, row.try_get("recorded")?, row.try_get("in_transaction")?))
        };
        let (schemas, recorded, in_transaction) =
            read(row).map_err(|error| failure::of_own(&error))?;
        self.in_transaction = Some(in_transaction);
        Ok(Postcondition { schemas, recorded: recorded && !in_transaction })
    }

    /// `current_schemas(false)`: the schemas of the search path that exist and may be used, in order.
    pub(crate) async fn schemas(&mut self) -> Result<Vec<String>, Failure> {
        // As JSON, because a schema can be called NULL.
        let schemas: String = self
            .fetch_one("SELECT pg_catalog.array_to_json(pg_catalog.current_schemas(false))::pg_catalog.text")
            .await?;
        read_schemas(&schemas).map_err(|error| failure::of_own(&error))
    }

    /// The first value of each row of our own asking.
    pub(crate) async fn column(&mut self, sql: &str) -> Result<Vec<String>, Failure> {
        let rows = self.rows(sql).await.map_err(|error| failure::of_own(&error))?;
        let values: Result<_, sqlx::Error> = rows.iter().map(|row| row.try_get(0)).collect();
        values.map_err(|error| failure::of_own(&error))
    }

    /// One value of our own asking.
    pub(crate) async fn fetch_one<T>(&mut self, sql: &str) -> Result<T, Failure>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let row = self.connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| failure::of_own(&error))
    }

    /// The rows of our own asking.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Vec<PgRow>, Failure> {
        self.rows(sql).await.map_err(|error| failure::of_own(&error))
    }

    /// By the simple protocol: a prepared statement takes two round trips, and is never used twice here.
    async fn rows(&mut self, sql: &str) -> Result<Vec<PgRow>, sqlx::Error> {
        self.connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await
    }

    /// Runs `COPY … FROM stdin` with data as `pg_dump` writes it. Returns the number of rows.
    pub(crate) async fn copy_in(
        &mut self,
        statement: &str,
        data: &[u8],
    ) -> Result<u64, sqlx::Error> {
        // A part of a megabyte at a time keeps a large table out of the socket's buffer.
        const PART: usize = 1 << 20;
        let mut copy = self.connection.copy_in_raw(statement).await?;
        for part in data.chunks(PART) {
            copy.send(part).await?;
        }
        copy.finish().await
    }

    /// Says goodbye, so that the server's process ends now. Failing at that changes nothing.
    pub(crate) async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "a session was not closed properly");
        }
    }
}

fn read_schemas(json: &str) -> Result<Vec<String>, sqlx::Error> {
    serde_json::from_str(json).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// A script that is proven not to notice goes in one message with its transaction. All else is sent as its tool sends it: what
/// is deferred to a `COMMIT` sees that message, and a trigger of the ledger sees the row's.
fn takes_the_look(message: &QueryBatch) -> bool {
    let has_script =
        message.segments().iter().any(|segment| matches!(segment, Fragment::Script(_)));
    has_script && matches!(message.segments().last(), Some(Fragment::Tool(sql)) if sql == "COMMIT")
}
