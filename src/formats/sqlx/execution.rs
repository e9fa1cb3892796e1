//! What sqlx runs, and what it sends.

use super::ledger::values;
use super::refusal::refusal_of_ledger;
use super::{Sqlx, down};
use crate::formats::ledger::by_version;
use crate::formats::step::{PLAIN, in_transaction};
use crate::formats::{
    ClientLibrary, Decision, DownDecision, DownRefusal, DownTo, ExecutionRules, Ledger, LedgerRow,
    QueryBatch,
};
use crate::model::Migration;

impl ExecutionRules for Sqlx {
    fn client(&self) -> ClientLibrary {
        ClientLibrary::Sqlx
    }

    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision {
        if let Some((refusal, refused)) = refusal_of_ledger(rows, migrations) {
            return Decision { refusal: Some(refusal), refused, ..Decision::default() };
        }
        let rows = by_version(rows);
        let mut decision = Decision::default();
        for (index, migration) in migrations.iter().enumerate() {
            match rows.get(migration.version.as_str()) {
                None => decision.apply.push(index),
                Some(row) if row.checksum != migration.checksum => {
                    decision.refusal = Some(format!(
                        "migration {} was previously applied but has been modified",
                        migration.version
                    ));
                    decision.refused = Some(index);
                    break;
                }
                Some(_) => {}
            }
        }
        decision
    }

    fn apply(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        let row = |time: &str| format!("INSERT INTO {} {}", ledger.named, values(migration, time));
        if migration.in_transaction {
            let time = "(extract(epoch FROM clock_timestamp() - now()) * 1000000000)::bigint";
            in_transaction(&PLAIN, &migration.up, row(time))
        } else {
            vec![QueryBatch::script(migration.up.clone()), QueryBatch::tool(row("0"))]
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
