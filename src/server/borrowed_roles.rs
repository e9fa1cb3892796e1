//! Roles that the project's `prepare` SQL creates on a shared server: they are removed with the run, and no other role is.
//!
//! The SQL runs in one transaction, at an isolation level that shows the roles of its start and its own new ones, but no
//! concurrent changes. The new roles get a comment with the run's name before it commits. So cleanup can always find such a
//! role, and never removes a role that another session created meanwhile.

use sqlx::postgres::PgConnection;

use super::error::ProviderError;
use super::run_id::{RunId, run_of_label};
use crate::model::Failure;
use crate::postgres::Session;
use crate::postgres::connect;
use crate::sql::{quote_identifier, quote_literal};

/// Held while a run prepares the server, and while a run removes roles. The letters `mig-ci`.
const LOCK: i64 = 0x6d69_672d_6369;
/// The maximum wait of an ending run for one that prepares.
const LOCK_WITHIN: &str = "3s";

/// Begins the transaction. Returns the OIDs of the existing roles.
pub(crate) async fn begin_prepare(session: &mut Session) -> Result<Vec<String>, Failure> {
    session.execute(format!("SELECT pg_catalog.pg_advisory_lock({LOCK})")).await?;
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    session.column("SELECT oid::text FROM pg_catalog.pg_roles").await
}

/// Labels the roles that are not in `before`, and commits.
pub(crate) async fn end_prepare(
    session: &mut Session,
    run: &RunId,
    before: &[String],
) -> Result<(), Failure> {
    // Reverts session changes of the SQL.
    session.execute("RESET SESSION AUTHORIZATION; RESET ROLE").await?;
    let new = format!(
        "SELECT rolname::text FROM pg_catalog.pg_roles WHERE oid NOT IN ({}) ORDER BY 1",
        before.join(", ")
    );
    for role in session.column(&new).await? {
        let label = quote_literal(&run.role_label());
        session.execute(format!("COMMENT ON ROLE {} IS {label}", quote_identifier(&role))).await?;
    }
    session.execute("COMMIT").await?;
    session.execute(format!("SELECT pg_catalog.pg_advisory_unlock({LOCK})")).await
}

/// Waits until no other run prepares.
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<(), ProviderError> {
    let sql =
        format!("SET lock_timeout = '{LOCK_WITHIN}'; SELECT pg_catalog.pg_advisory_lock({LOCK})");
    connect::execute(connection, sql, "wait for a run that prepares the server of postgres.url")
        .await
}

/// Releases the lock, as the end of the session would.
pub(crate) async fn unlock(connection: &mut PgConnection) {
    let sql = format!("SELECT pg_catalog.pg_advisory_unlock({LOCK})");
    let _ = connect::execute(connection, sql, "unlock").await;
}

/// The roles that `prepare` SQL of any run has created, with the run.
pub(crate) async fn labelled(
    connection: &mut PgConnection,
) -> Result<Vec<(String, String)>, ProviderError> {
    let sql = "SELECT r.rolname::text, d.description FROM pg_catalog.pg_roles r \
               JOIN pg_catalog.pg_shdescription d \
               ON d.objoid = r.oid AND d.classoid = 'pg_catalog.pg_authid'::pg_catalog.regclass \
               WHERE d.description LIKE 'mig-ci %' ORDER BY 1";
    let rows: Vec<(String, String)> = sqlx::query_as(sql)
        .fetch_all(connection)
        .await
        .map_err(|error| ProviderError::sql("find the roles of earlier runs", &error))?;
    let of_run = |(role, label): (String, String)| {
        let run = run_of_label(&label)?.to_owned();
        Some((role, run))
    };
    Ok(rows.into_iter().filter_map(of_run).collect())
}
