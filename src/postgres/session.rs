//! A session of one unit: sends messages unchanged, and returns the server's responses, with locations in files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::TryStreamExt as _;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Either, Executor as _, PgConnection,
    Row as _,
};

use super::failure::{self, explain_tool_sql};
use super::ledger_rows;
use super::notices;
use crate::formats::{Fragment, IN_TRANSACTION, Ledger, LedgerRow, QueryBatch};
use crate::model::{Failure, FailureKind};
use crate::sql::{quote_identifier, quote_literal};

/// A session whose search path was verified when it was opened.
#[derive(Debug)]
pub(crate) struct Session {
    connection: PgConnection,
    /// Whether the session is in a transaction block at the last check; `None` after a message of a script.
    in_transaction: Option<bool>,
    /// The number of completed statements of the last message.
    completed: usize,
    /// The index of the step's message that is being sent.
    sending: Arc<AtomicUsize>,
}

/// The failed message of a step, and the cause.
#[derive(Debug, Clone)]
pub(crate) struct StepFailure {
    /// Its index among the step's messages.
    pub(crate) message: usize,
    /// The number of its statements that were completed before, as far as the server reported.
    pub(crate) completed: usize,
    pub(crate) failure: Failure,
}

/// The state of the session after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Postcondition {
    /// `current_schemas(false)`.
    pub(crate) schemas: Vec<String>,
    /// The ledger, by its qualified name, shows the migration, and no transaction was left open.
    pub(crate) is_applied: bool,
}

impl Session {
    /// Connects with `search_path` as the session's default (so that `RESET` restores it), and verifies that its schemas are
    /// exactly these: PostgreSQL silently ignores a missing schema.
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

    /// Connects with the server's default search path.
    pub(crate) async fn open_plain(options: PgConnectOptions) -> Result<Self, Failure> {
        let connection = options.connect().await.map_err(|error| failure::of_connection(&error))?;
        tracing::debug!(server_database = options.get_database(), "connected");
        let (in_transaction, sending) = (Some(false), Arc::default());
        Ok(Self { connection, in_transaction, completed: 0, sending })
    }

    /// Sends one message and waits for its end. Returns the last row of its last statement, if any.
    pub(crate) async fn send(&mut self, message: &QueryBatch) -> Result<Option<PgRow>, Failure> {
        self.completed = 0;
        let response = self.read_response(message.text().into_owned()).await;
        notices::message_over(|completed| failure::place_of(message, completed));
        response.map_err(|error| failure::of_message(&error, message, self.completed))
    }

    /// Reads the complete response to `text`.
    async fn read_response(&mut self, text: String) -> Result<Option<PgRow>, sqlx::Error> {
        let mut row = None;
        let mut read_response = self.connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(text)));
        let error = loop {
            match read_response.try_next().await {
                Ok(None) => return Ok(row),
                Ok(Some(Either::Right(next))) => row = Some(next),
                Ok(Some(Either::Left(_))) => {
                    self.completed += 1;
                    notices::statement_completed();
                }
                Err(error) => break error,
            }
        };
        drop(read_response);
        if !failure::is_notification(&error) {
            return Err(error);
        }
        // Tools ignore notifications. The server sends them before or after a response, never within it. The ping reads the
        // rest of the response, and returns its error if there is one.
        self.connection.ping().await.map(|()| row)
    }

    /// Sends SQL of mig-ci whose rows are not needed.
    pub(crate) async fn execute(&mut self, sql: impl Into<String>) -> Result<(), Failure> {
        self.send(&QueryBatch::tool(sql)).await.map(drop)
    }

    /// The ledger's rows, oldest first; `None` if the table does not exist.
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

    /// Sends a step's messages and reads the postcondition. If the last message contains a whole transaction, the
    /// postcondition query is part of that message, which saves a round trip.
    pub(crate) async fn step(
        &mut self,
        messages: &[QueryBatch],
        is_applied_expr: &str,
    ) -> Result<Postcondition, StepFailure> {
        let read_back = format!(
            "SELECT pg_catalog.array_to_json(pg_catalog.current_schemas(false))::pg_catalog.text AS schemas, \
             ({is_applied_expr}) AS recorded, {IN_TRANSACTION} AS in_transaction"
        );
        let is_joined = messages.last().is_some_and(may_share_message);
        for (index, message) in messages.iter().enumerate() {
            self.completed = 0;
            self.sending.store(index, Ordering::Relaxed);
            self.check_precondition(message)
                .await
                .map_err(|failure| self.failed(index, failure))?;
            self.in_transaction = None;
            if is_joined && index + 1 == messages.len() {
                let mut fragments = message.fragments().to_vec();
                fragments.push(Fragment::Tool(read_back.clone()));
                let row = self.send(&QueryBatch::new(fragments)).await;
                let row = row.map_err(|failure| self.failed(index, failure))?;
                let seen = match row {
                    Some(row) => self.postcondition_of(&row),
                    None => self.read_back(&read_back).await,
                };
                return seen.map_err(|failure| self.failed(index, failure));
            }
            self.send(message).await.map_err(|failure| self.failed(index, failure))?;
        }
        self.read_back(&read_back).await.map_err(|failure| self.failed(messages.len(), failure))
    }

    /// The index of the message that [`Session::step`] is sending, for concurrent readers.
    pub(crate) fn sending(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.sending)
    }

    fn failed(&self, message: usize, failure: Failure) -> StepFailure {
        StepFailure { message, completed: self.completed, failure: explain_tool_sql(failure) }
    }

    /// The row of a query in the simple protocol. The first response is lost if a notification preceded it.
    async fn fetch_row(&mut self, query: &str) -> Result<PgRow, Failure> {
        let query = QueryBatch::tool(query);
        let row = match self.send(&query).await? {
            Some(row) => Some(row),
            None => self.send(&query).await?,
        };
        row.ok_or_else(|| failure::of_own(&sqlx::Error::RowNotFound))
    }

    async fn read_back(&mut self, query: &str) -> Result<Postcondition, Failure> {
        let row = self.fetch_row(query).await?;
        self.postcondition_of(&row)
    }

    /// Checks what the tool's driver requires before this message.
    async fn check_precondition(&mut self, message: &QueryBatch) -> Result<(), Failure> {
        let Some(precondition) = message.precondition() else { return Ok(()) };
        let in_transaction = match self.in_transaction {
            Some(known_state) => known_state,
            None => self.is_in_transaction().await?,
        };
        if in_transaction == precondition.in_transaction {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Refused, precondition.refusal))
    }

    /// Whether its last step left a transaction open.
    pub(crate) fn is_left_in_transaction(&self) -> bool {
        self.in_transaction == Some(true)
    }

    /// Whether the session is in a transaction block that an earlier message opened.
    pub(crate) async fn is_in_transaction(&mut self) -> Result<bool, Failure> {
        // The simple protocol, for the reason given at `IN_TRANSACTION`.
        let row = self.fetch_row(&format!("SELECT {IN_TRANSACTION} AS it")).await?;
        row.try_get("it").map_err(|error| failure::of_own(&error))
    }

    fn postcondition_of(&mut self, row: &PgRow) -> Result<Postcondition, Failure> {
        let read = |row: &PgRow| -> Result<(Vec<String>, bool, bool), sqlx::Error> {
            let schemas: String = row.try_get("schemas")?;
            Ok((read_schemas(&schemas)?, row.try_get("recorded")?, row.try_get("in_transaction")?))
        };
        let (schemas, is_applied, in_transaction) =
            read(row).map_err(|error| failure::of_own(&error))?;
        self.in_transaction = Some(in_transaction);
        Ok(Postcondition { schemas, is_applied: is_applied && !in_transaction })
    }

    /// `current_schemas(false)`: the schemas of the search path that exist and are accessible, in order.
    pub(crate) async fn schemas(&mut self) -> Result<Vec<String>, Failure> {
        // As JSON, because a schema can be named NULL.
        let schemas: String = self
            .fetch_one("SELECT pg_catalog.array_to_json(pg_catalog.current_schemas(false))::pg_catalog.text")
            .await?;
        read_schemas(&schemas).map_err(|error| failure::of_own(&error))
    }

    /// The first value of each row of a query.
    pub(crate) async fn column(&mut self, sql: &str) -> Result<Vec<String>, Failure> {
        let rows = self.rows(sql).await.map_err(|error| failure::of_own(&error))?;
        let values: Result<_, sqlx::Error> = rows.iter().map(|row| row.try_get(0)).collect();
        values.map_err(|error| failure::of_own(&error))
    }

    /// One value of a query.
    pub(crate) async fn fetch_one<T>(&mut self, sql: &str) -> Result<T, Failure>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let row = self.connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| failure::of_own(&error))
    }

    /// The rows of a query.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Vec<PgRow>, Failure> {
        self.rows(sql).await.map_err(|error| failure::of_own(&error))
    }

    /// In the simple protocol: a prepared statement needs two round trips, and is never reused here.
    async fn rows(&mut self, sql: &str) -> Result<Vec<PgRow>, sqlx::Error> {
        self.connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await
    }

    /// Runs `COPY … FROM stdin` with data as `pg_dump` writes it. Returns the number of rows.
    pub(crate) async fn copy_in(
        &mut self,
        statement: &str,
        data: &[u8],
    ) -> Result<u64, sqlx::Error> {
        // In chunks of one megabyte, so that a large table does not fill the socket's buffer.
        const PART: usize = 1 << 20;
        let mut copy = self.connection.copy_in_raw(statement).await?;
        for part in data.chunks(PART) {
            copy.send(part).await?;
        }
        copy.finish().await
    }

    /// Closes the connection, so that the backend ends now. A failure to do so is ignored.
    pub(crate) async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "a session was not closed properly");
        }
    }
}

fn read_schemas(json: &str) -> Result<Vec<String>, sqlx::Error> {
    serde_json::from_str(json).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Whether the postcondition query may share the message: only for a script that provably cannot observe it, in one message
/// with its transaction. All other scripts are sent as their tool sends them, because deferred triggers and triggers on the
/// ledger can see the text of their message.
fn may_share_message(message: &QueryBatch) -> bool {
    let has_script =
        message.fragments().iter().any(|fragment| matches!(fragment, Fragment::Script(_)));
    has_script && matches!(message.fragments().last(), Some(Fragment::Tool(sql)) if sql == "COMMIT")
}
