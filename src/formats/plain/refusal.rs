//! When nothing is applied because of the ledger.

use std::collections::BTreeMap;

use crate::formats::LedgerRow;
use crate::model::Migration;

/// Why nothing is run with such a ledger, and the migration that it refers to.
pub(super) fn refusal_of_ledger(
    rows: &[LedgerRow],
    migrations: &[Migration],
) -> Option<(String, Option<usize>)> {
    let files: BTreeMap<&str, (usize, &Migration)> = migrations
        .iter()
        .enumerate()
        .map(|(index, migration)| (migration.version.as_str(), (index, migration)))
        .collect();
    for row in rows {
        let (refused, problem) = match files.get(row.version.as_str()) {
            None => (None, "it no longer exists"),
            Some((index, file)) if file.checksum != row.checksum => {
                (Some(*index), "it has been edited since")
            }
            Some(_) => continue,
        };
        let refusal = format!("`{}.sql` was applied before, and {problem}", row.version);
        return Some((refusal, refused));
    }
    None
}
