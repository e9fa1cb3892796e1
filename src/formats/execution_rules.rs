//! What a format knows about running migrations: which ones its tool would apply or revert, and what it sends for each.

use super::{ClientLibrary, DownDecision, DownRefusal, DownTo, Ledger, LedgerRow, QueryBatch};
use crate::model::Migration;

/// How a tool runs migrations, up and down.
pub(crate) trait ExecutionRules: Sync {
    /// The client library with which the tool connects. The default is that of most tools in Go.
    fn client(&self) -> ClientLibrary {
        ClientLibrary::LibPq
    }

    /// Whether migrations are programs that the tool runs, so that no message to the server applies or reverts one:
    /// [`ExecutionRules::apply`] and [`ExecutionRules::revert`] then give a message that fails.
    fn runs_programs(&self) -> bool {
        false
    }

    /// What the tool would apply: the part of its algorithm between reading the ledger and the first script.
    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision;

    /// What the tool sends to apply one migration and to write its ledger row, in as few messages as its semantics allow.
    /// [`QueryBatch::precondition`] must hold before each message, else the tool stops there with its text.
    fn apply(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch>;

    /// As [`ExecutionRules::apply`], for real databases. If the tool marks the beginning and the end of a step in separate
    /// transactions, the step and its ledger row are one transaction here, provided that the script allows it. A process that
    /// is killed in between has changed nothing then, and the final state is the one that the tool expects.
    fn apply_atomic(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        self.apply(migration, ledger)
    }

    /// What the tool would revert, and what prevents it.
    ///
    /// # Errors
    /// If the tool refuses to begin, or if there is no such target.
    fn decide_down(
        &self,
        rows: &[LedgerRow],
        migrations: &[Migration],
        to: &DownTo,
    ) -> Result<DownDecision, DownRefusal>;

    /// What the tool sends to revert one migration and to remove its ledger row, as for [`ExecutionRules::apply`]. `below` is
    /// the migration before it in the tool's order, to which a ledger of one row returns. Empty if the tool does nothing for a
    /// migration without a down script.
    fn revert(
        &self,
        migration: &Migration,
        below: Option<&Migration>,
        ledger: &Ledger,
    ) -> Vec<QueryBatch>;

    /// As [`ExecutionRules::revert`], with the guarantee of [`ExecutionRules::apply_atomic`].
    fn revert_atomic(
        &self,
        migration: &Migration,
        below: Option<&Migration>,
        ledger: &Ledger,
    ) -> Vec<QueryBatch> {
        self.revert(migration, below, ledger)
    }
}

/// What a tool would do with a directory and a ledger in their current state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Indices of the migrations that it applies, in its order.
    pub(crate) apply: Vec<usize>,
    /// Why it stops after those, in the tool's words as far as possible.
    pub(crate) refusal: Option<String>,
    /// Index of the migration that the refusal is about, if its file exists.
    pub(crate) refused: Option<usize>,
    /// Indices of migrations that the ledger does not show and that the tool will never apply, without reporting it.
    ///
    /// A ledger of one row (golang-migrate) shows the current version alone. This lists all migrations below it, and the
    /// caller, which knows the base, drops those that the base has.
    pub(crate) never_applied: Vec<usize>,
}

impl Decision {
    /// Writes the newest ledger row and the decision to the log.
    pub(crate) fn log(&self, rows: &[LedgerRow], migrations: &[Migration]) {
        let newest = rows.last().map(|row| row.version.as_str());
        tracing::debug!(rows = rows.len(), newest, "ledger read");
        let versions = || self.apply.iter().map(|index| &*migrations[*index].version);
        let refusal = self.refusal.as_deref();
        tracing::debug!(apply = ?versions().collect::<Vec<_>>(), refusal, "decision");
    }
}
