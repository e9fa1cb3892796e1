//! What a format knows about its tool's ledger: where it is, how it is created, read and written, and what its rows mean.

use std::borrow::Cow;

use super::format_error::FormatError;
use super::{Directory, Ledger, LedgerRow, QueryBatch};
use crate::model::Migration;

/// A tool's ledger. mig-ci's own SQL uses its qualified name; SQL of the tool ([`LedgerRules::ensure_ledger`],
/// [`LedgerRules::clear_dirty_row`]) uses the name that the tool uses.
pub(crate) trait LedgerRules: Sync {
    /// The ledger that the tool uses if the search path begins with `schema`.
    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError>;

    /// What the tool sends before its first migration: creates the ledger if it does not exist.
    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch>;

    /// A query for all rows, from the oldest version to the newest, with the columns `version text`, `checksum bytea` (or
    /// null), `complete boolean`.
    fn ledger_rows(&self, ledger: &Ledger) -> String;

    /// One row for each migration that the rows show as applied, the oldest first. If the ledger has one row, the current
    /// version, that row represents all files below it as well.
    fn history<'r>(
        &self,
        rows: &'r [LedgerRow],
        _migrations: &[Migration],
    ) -> Cow<'r, [LedgerRow]> {
        Cow::Borrowed(rows)
    }

    /// Whether the ledger has the current version alone, without a history.
    fn keeps_one_row(&self) -> bool {
        false
    }

    /// An SQL expression: true if the ledger shows the migration as applied.
    fn is_applied_expr(&self, migration: &Migration, ledger: &Ledger) -> String;

    /// SQL that records these migrations as applied without running them, for samples without a ledger. It runs after
    /// [`LedgerRules::ensure_ledger`]. Empty if there is nothing to record.
    fn stamp(&self, migrations: &[&Migration], ledger: &Ledger) -> String;

    /// Indices of migrations whose state the rows do not show: a step to or from them was started and did not finish.
    fn in_doubt(&self, _rows: &[LedgerRow], _migrations: &[Migration]) -> Vec<usize> {
        Vec::new()
    }

    /// How a person who can inspect the database resolves such rows.
    fn recovery_hint(
        &self,
        _rows: &[LedgerRow],
        _migrations: &[Migration],
        _ledger: &Ledger,
    ) -> Option<String> {
        None
    }

    /// Removes the mark of a started step that had no effect. `None` if the rows are not exactly that mark.
    fn clear_dirty_row(&self, _mark: &DirtyRow<'_>, _ledger: &Ledger) -> Option<QueryBatch> {
        None
    }
}

/// A ledger's mark that a step was started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DirtyRow<'a> {
    /// The ledger's rows.
    pub(crate) rows: &'a [LedgerRow],
    /// The version of the mark; `None` below the first version.
    pub(crate) version: Option<&'a str>,
    /// The ledger's previous version.
    pub(crate) before: Option<&'a str>,
}
