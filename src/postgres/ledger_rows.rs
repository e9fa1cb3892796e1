//! How a ledger's rows are read: one way, that depends on no setting of the session. Scripts, roles and databases may set what
//! they like (`bytea_output = 'escape'`), and the session that a migration runs in is not changed for a read.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::formats::LedgerRow;

/// The columns of a query for a ledger's rows, as `l`: version, checksum and completeness, each as text.
pub(crate) const COLUMNS: &str = "l.version::pg_catalog.text AS version, pg_catalog.encode(l.checksum, 'hex') AS checksum, \
    CASE WHEN l.complete THEN 'yes' WHEN NOT l.complete THEN 'no' END AS complete";

/// The query of a format (`LedgerRules::ledger_rows`), to be read with [`row`].
pub(crate) fn select(rows_query: &str) -> String {
    format!("SELECT {COLUMNS} FROM ({rows_query}) AS l")
}

/// # Errors
/// If a value is null that a ledger has to have.
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
