//! How we open sessions: one way, with the run's name on them and sqlx's statement log off.

use std::time::Duration;

use indexmap::IndexMap;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use crate::formats::ClientLibrary;
use crate::server::ProviderError;
use crate::server::RunId;
use crate::server::error::describe;

/// PostgreSQL's own default: the number in the name of a local server's socket, and the port in a container.
const PORT: u16 = 5432;
const OPEN_WITHIN: Duration = Duration::from_secs(20);

/// What every session of a run has in common.
pub(crate) fn dressed(options: PgConnectOptions, run: &RunId) -> PgConnectOptions {
    options.application_name(&run.application_name()).disable_statement_logging()
}

/// For a session in which migrations of a tool with this client run. What else it has is [`ClientLibrary::settings`]'s.
pub(crate) fn as_client(options: PgConnectOptions, client: ClientLibrary) -> PgConnectOptions {
    if client.keeps_float_digits() { options.extra_float_digits(None) } else { options }
}

/// Options for a server of our own; the caller adds the address. Nothing of the environment (`PGHOST`, `PGPORT`,
/// `PGUSER`, `PGSSLMODE` …) has a say, except `PGOPTIONS`, which sqlx gives no way to take out (the server's start notes it).
pub(crate) fn own_server(run: &RunId, user: &str) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass()
        .username(user)
        .port(PORT)
        .database("postgres")
        .ssl_mode(PgSslMode::Disable);
    dressed(options, run)
}

/// Connects once. `within` bounds the whole: name look-up, TLS, log-in.
pub(crate) async fn connect(
    options: &PgConnectOptions,
    within: Duration,
) -> Result<PgConnection, sqlx::Error> {
    match tokio::time::timeout(within, options.connect()).await {
        Ok(result) => result,
        Err(_) => Err(sqlx::Error::Io(std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("no answer within {} s", within.as_secs_f32()),
        ))),
    }
}

/// Whether a server of our own, which has no settings yet, refuses a session for good: for what `PGOPTIONS` says. Class 42
/// is an unknown name, class 22 a value that does not fit (PostgreSQL's Appendix A).
pub(crate) fn refused_for_options(error: &sqlx::Error) -> Option<ProviderError> {
    let code = error.as_database_error()?.code()?;
    (code.starts_with("42") || code.starts_with("22"))
        .then(|| ProviderError::Options { reason: describe(error) })
}

/// Opens a session with the project's settings, so that a wrong one is told once, and as what it is.
pub(crate) async fn try_settings(
    options: &PgConnectOptions,
    settings: &IndexMap<String, String>,
) -> Result<(), ProviderError> {
    if settings.is_empty() {
        return Ok(());
    }
    match connect(&options.clone().options(settings), OPEN_WITHIN).await {
        Ok(connection) => {
            close(connection).await;
            Ok(())
        }
        Err(error) => Err(ProviderError::Settings { reason: describe(&error) }),
    }
}

/// Connects for a statement of ours; `doing` reads after "could not".
pub(crate) async fn open(
    options: &PgConnectOptions,
    doing: &str,
) -> Result<PgConnection, ProviderError> {
    connect(options, OPEN_WITHIN)
        .await
        .map_err(|error| ProviderError::Sql { doing: doing.to_owned(), reason: describe(&error) })
}

/// Sends statements of our own making.
pub(crate) async fn execute(
    connection: &mut PgConnection,
    sql: impl Into<String>,
    doing: &str,
) -> Result<(), ProviderError> {
    connection
        .execute(sqlx::raw_sql(AssertSqlSafe(sql.into())))
        .await
        .map(drop)
        .map_err(|error| ProviderError::sql(doing, &error))
}

/// Ends a session politely; that it could not be ended politely is of no interest.
pub(crate) async fn close(connection: PgConnection) {
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
}
