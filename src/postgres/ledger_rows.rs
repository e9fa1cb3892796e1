//! Reads a ledger's rows independently of session settings. Scripts, roles and databases may set any value (`bytea_output =
//! 'escape'`), and a read does not change the settings of the session that migrations run in.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::formats::LedgerRow;

/// The columns of a query for a ledger's rows with the alias `l`: version, checksum and completeness, each as text.
pub(crate) const COLUMNS: &str = "l.version::pg_catalog.text AS version, pg_catalog.encode(l.checksum, 'hex') AS checksum, \
    CASE WHEN l.complete THEN 'yes' WHEN NOT l.complete THEN 'no' END AS complete";

/// The query for the rows of a format (`LedgerRules::ledger_rows`), to be read with [`row`].
pub(crate) fn select(rows_query: &str) -> String {
    format!("SELECT {COLUMNS} FROM ({rows_query}) AS l")
}

/// # Errors
/// If a required value is NULL.
pub(crate) fn row(row: &PgRow) -> Result<LedgerRow, sqlx::Error> {
    let checksum: Option<String> = row.try_get("checksum")?;
    let checksum = checksum.map(hex::decode).transpose();
    let complete: String = row.try_get("complete")?;
    Ok(LedgerRow {
        version: row.try_get("version")?,
        checksum: checksum.map_err(|error| sqlx::Error::Decode(error.into()))?,
        complete: complete == "yes",
    })
}
