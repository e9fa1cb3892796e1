//! What dbmate runs, and what it sends.

use super::ledger::in_ledger;
use super::{Dbmate, down};
use crate::formats::ledger::by_version;
use crate::formats::step::{LIB_PQ, in_transaction};
use crate::formats::{
    ClientLibrary, Decision, DownDecision, DownRefusal, DownTo, ExecutionRules, Ledger, LedgerRow,
    QueryBatch,
};
use crate::model::Migration;

impl ExecutionRules for Dbmate {
    fn client(&self) -> ClientLibrary {
        ClientLibrary::LibPq
    }

    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision {
        let applied = by_version(rows);
        let all = migrations.iter().enumerate();
        let apply = all.filter(|(_, migration)| !applied.contains_key(migration.version.as_str()));
        Decision { apply: apply.map(|(index, _)| index).collect(), ..Decision::default() }
    }

    fn apply(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        let row = in_ledger(
            "insert into {table} (version) values ({version})",
            &migration.version,
            ledger,
        );
        if migration.in_transaction {
            in_transaction(&LIB_PQ, &migration.up, row)
        } else {
            vec![QueryBatch::script(migration.up.clone()), QueryBatch::tool(row)]
        }
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
        _below: Option<&Migration>,
        ledger: &Ledger,
    ) -> Vec<QueryBatch> {
        down::revert(migration, ledger)
    }
}
