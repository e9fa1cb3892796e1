//! Facts of a running server: its version, and its start time.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::ProviderError;

pub(crate) struct ServerFacts {
    pub(crate) version: String,
    /// `server_version_num`.
    pub(crate) version_num: u32,
    /// See [`INCARNATION`].
    pub(crate) incarnation: String,
}

/// The server's start time, and (for roles that may see it) that of the checkpointer, which every recovery restarts.
pub(crate) const INCARNATION: &str = "SELECT pg_catalog.concat(extract(epoch FROM pg_catalog.pg_postmaster_start_time()), ' ', \
                           (SELECT extract(epoch FROM min(backend_start)) FROM pg_catalog.pg_stat_activity \
                            WHERE backend_type = 'checkpointer'))";

impl ServerFacts {
    pub(crate) async fn of(connection: &mut PgConnection) -> Result<Self, ProviderError> {
        let row = sqlx::query(
            "SELECT current_setting('server_version') AS version, \
             current_setting('server_version_num')::int4 AS version_num",
        )
        .fetch_one(&mut *connection)
        .await;
        let (version, version_num): (String, i32) = row
            .and_then(|row| Ok((row.try_get("version")?, row.try_get("version_num")?)))
            .map_err(|error| ProviderError::sql("query the server's version", &error))?;
        let incarnation = sqlx::query_scalar(INCARNATION).fetch_one(connection).await;
        Ok(Self {
            incarnation: incarnation
                .map_err(|error| ProviderError::sql("query the server's start time", &error))?,
            // Debian reports `15.18 (Debian 15.18-0+deb12u1)`.
            version: version.split_whitespace().next().unwrap_or_default().to_owned(),
            version_num: version_num.unsigned_abs(),
        })
    }
}
