//! The single row of the ledger: its meaning for the files, and the SQL that replaces it.

use std::borrow::Cow;

use crate::formats::step::{LIB_PQ, tool_transaction};
use crate::formats::{Ledger, LedgerRow, QueryBatch};
use crate::model::Migration;

/// Before the first migration. The tool writes it while it reverts that one, and treats it as no version.
pub(super) const NIL_VERSION: &str = "-1";

/// The row, if it shows that something was applied.
pub(super) fn current(rows: &[LedgerRow]) -> Option<&LedgerRow> {
    rows.last().filter(|row| !(row.complete && row.version == NIL_VERSION))
}

/// The row, and a complete one for each file below it.
pub(super) fn history<'r>(rows: &'r [LedgerRow], migrations: &[Migration]) -> Cow<'r, [LedgerRow]> {
    let [row] = rows else { return Cow::Borrowed(rows) };
    let Some(current) = current(rows) else { return Cow::Owned(Vec::new()) };
    let below = migrations.iter().filter(|file| number(&file.version) < number(&row.version));
    let whole = |file: &Migration| LedgerRow {
        version: file.version.clone(),
        checksum: None,
        complete: true,
    };
    Cow::Owned(below.map(whole).chain([current.clone()]).collect())
}

/// A dirty row is written before a step up to its version, and before a step down to it from the next version.
pub(super) fn in_doubt(rows: &[LedgerRow], migrations: &[Migration]) -> Vec<usize> {
    let Some(dirty) = rows.last().filter(|row| !row.complete) else { return Vec::new() };
    let is_it = |file: &Migration| number(&file.version) == number(&dirty.version);
    let is_above = |file: &Migration| number(&file.version) > number(&dirty.version);
    let places = [migrations.iter().position(is_it), migrations.iter().position(is_above)];
    places.into_iter().flatten().collect()
}

/// `i128` has space for the versions' 64 bits and a sign.
pub(super) fn number(version: &str) -> Option<i128> {
    version.parse().ok()
}

/// The index of the current version's migration; else why the tool refuses to run, and the migration that it refers to.
pub(super) fn current_index(
    row: &LedgerRow,
    migrations: &[Migration],
) -> Result<usize, (String, Option<usize>)> {
    let at = migrations.iter().position(|migration| migration.version == row.version);
    if !row.complete {
        let refusal = format!("Dirty database version {}. Fix and force version.", row.version);
        return Err((refusal, at));
    }
    at.ok_or_else(|| (no_migration(&row.version), None))
}

pub(super) fn no_migration(version: &str) -> String {
    format!(
        "no migration found for version {version}: read down for version {version} .: file does not exist"
    )
}

/// Replaces the single row of the ledger, in a separate transaction.
pub(super) fn set_version(version: &str, dirty: bool, ledger: &Ledger) -> QueryBatch {
    tool_transaction(&LIB_PQ, &version_is(version, dirty, ledger))
}

pub(super) fn version_is(version: &str, dirty: bool, ledger: &Ledger) -> String {
    let ledger = ledger.qualified();
    format!("TRUNCATE {ledger}; INSERT INTO {ledger} (version, dirty) VALUES ({version}, {dirty})")
}

/// Deletes the single row of the ledger.
pub(super) fn no_version(ledger: &Ledger) -> String {
    format!("TRUNCATE {}", ledger.qualified())
}
