//! When sqlx does not begin because of the ledger.

use std::collections::BTreeSet;

use super::ledger::TABLE;
use crate::formats::LedgerRow;
use crate::model::Migration;

/// Why sqlx refuses to run with such a ledger, and the migration that it refers to.
pub(super) fn refusal_of_ledger(
    rows: &[LedgerRow],
    migrations: &[Migration],
) -> Option<(String, Option<usize>)> {
    if let Some(dirty) = rows.iter().find(|row| !row.complete) {
        let version = &dirty.version;
        let refusal = format!(
            "migration {version} is partially applied; fix and remove row from `{TABLE}` table"
        );
        return Some((refusal, migrations.iter().position(|file| file.version == *version)));
    }
    let files: BTreeSet<&str> = migrations.iter().map(|file| file.version.as_str()).collect();
    let missing = rows.iter().find(|row| !files.contains(row.version.as_str()))?;
    let refusal = format!(
        "migration {} was previously applied but is missing in the resolved migrations",
        missing.version
    );
    Some((refusal, None))
}
