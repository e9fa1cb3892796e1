//! What golang-migrate runs, and what it sends.

use super::version::{current, current_index};
use super::{GolangMigrate, atomic, down, up};
use crate::formats::{
    Decision, DownDecision, DownRefusal, DownTo, ExecutionRules, Ledger, LedgerRow, QueryBatch,
};
use crate::model::Migration;

impl ExecutionRules for GolangMigrate {
    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision {
        let Some(row) = current(rows) else {
            return Decision { apply: (0..migrations.len()).collect(), ..Decision::default() };
        };
        match current_index(row, migrations) {
            Ok(at) => Decision {
                apply: (at + 1..migrations.len()).collect(),
                never_applied: (0..at).collect(),
                ..Decision::default()
            },
            Err((refusal, refused)) => {
                Decision { refusal: Some(refusal), refused, ..Decision::default() }
            }
        }
    }

    fn apply(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        up::apply(migration, ledger)
    }

    fn apply_atomic(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        atomic::apply(migration, ledger)
    }

    fn decide_down(
        &self,
        rows: &[LedgerRow],
        migrations: &[Migration],
        to: &DownTo,
    ) -> Result<DownDecision, DownRefusal> {
        down::decide(rows, migrations, to)
    }

    fn revert(
        &self,
        migration: &Migration,
        below: Option<&Migration>,
        ledger: &Ledger,
    ) -> Vec<QueryBatch> {
        down::revert(migration, below, ledger)
    }

    fn revert_atomic(
        &self,
        migration: &Migration,
        below: Option<&Migration>,
        ledger: &Ledger,
    ) -> Vec<QueryBatch> {
        atomic::revert(migration, below, ledger)
    }
}
