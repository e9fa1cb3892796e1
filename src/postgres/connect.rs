//! Opens sessions, with the run's name as `application_name` and sqlx's statement log off.

use std::time::Duration;

use indexmap::IndexMap;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use crate::formats::ClientLibrary;
use crate::server::ProviderError;
use crate::server::RunId;
use crate::server::error::describe;

/// PostgreSQL's default port: part of the socket's name of a local server, and the port in a container.
const PORT: u16 = 5432;
const OPEN_WITHIN: Duration = Duration::from_secs(20);

/// Options that all sessions of a run have in common.
pub(crate) fn with_run_name(options: PgConnectOptions, run: &RunId) -> PgConnectOptions {
    options.application_name(&run.application_name()).disable_statement_logging()
}

/// Options for a session that runs migrations of a tool with this client. Its other settings are
/// [`ClientLibrary::settings`].
pub(crate) fn as_client(options: PgConnectOptions, client: ClientLibrary) -> PgConnectOptions {
    if client.keeps_float_digits() { options.extra_float_digits(None) } else { options }
}

/// Options for a server that mig-ci starts; the caller adds the address. No variable of the environment (`PGHOST`, `PGPORT`,
/// `PGUSER`, `PGSSLMODE` …) has an effect, except `PGOPTIONS`, which sqlx cannot ignore (the server's start detects it).
pub(crate) fn own_server(run: &RunId, user: &str) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass()
        .username(user)
        .port(PORT)
        .database("postgres")
        .ssl_mode(PgSslMode::Disable);
    with_run_name(options, run)
}

/// Connects once. `within` limits the total time: name resolution, TLS, authentication.
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

/// Whether a server that mig-ci started, which has no settings yet, rejects sessions because of `PGOPTIONS`. Class 42: an
/// unknown name; class 22: an invalid value (PostgreSQL, Appendix A).
pub(crate) fn refused_for_options(error: &sqlx::Error) -> Option<ProviderError> {
    let code = error.as_database_error()?.code()?;
    (code.starts_with("42") || code.starts_with("22"))
        .then(|| ProviderError::Options { reason: describe(error) })
}

/// Opens a session with the project's settings, so that an invalid one is reported once, with its cause.
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

/// Connects for a statement of mig-ci; `doing` completes "could not …" in the error.
pub(crate) async fn open(
    options: &PgConnectOptions,
    doing: &str,
) -> Result<PgConnection, ProviderError> {
    connect(options, OPEN_WITHIN)
        .await
        .map_err(|error| ProviderError::Sql { doing: doing.to_owned(), reason: describe(&error) })
}

/// Sends statements of mig-ci.
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

/// Closes a session. A failure to close it is ignored.
pub(crate) async fn close(connection: PgConnection) {
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.close()).await;
}
