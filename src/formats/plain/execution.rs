//! What of plain SQL files is run, and what is sent.

use super::ledger::values;
use super::refusal::refusal_of_ledger;
use super::{Plain, down};
use crate::formats::ledger::by_version;
use crate::formats::step::{PLAIN, in_transaction};
use crate::formats::{
    ClientLibrary, Decision, DownDecision, DownRefusal, DownTo, ExecutionRules, Ledger, LedgerRow,
    QueryBatch,
};
use crate::model::Migration;
use crate::sql::{Dialect, Piece, split};

impl ExecutionRules for Plain {
    fn client(&self) -> ClientLibrary {
        ClientLibrary::Psql
    }

    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision {
        if let Some((refusal, refused)) = refusal_of_ledger(rows, migrations) {
            return Decision { refusal: Some(refusal), refused, ..Decision::default() };
        }
        let applied = by_version(rows);
        let all = migrations.iter().enumerate();
        let pending = all.filter(|(_, file)| !applied.contains_key(file.version.as_str()));
        let apply = pending.map(|(index, _)| index);
        Decision { apply: apply.collect(), ..Decision::default() }
    }

    fn apply(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        let row = format!(
            // Migrations in one message share `now()`, and the order of the rows is that of their times.
            "INSERT INTO {} (version, checksum, applied_at) VALUES ({}, pg_catalog.clock_timestamp())",
            ledger.qualified(),
            values(migration)
        );
        if migration.in_transaction {
            return in_transaction(&PLAIN, &migration.up, row);
        }
        let start = migration.up.range().start;
        let statement = |piece: Piece| {
            let range = piece.range();
            QueryBatch::script(migration.up.section(start + range.start..start + range.end))
        };
        let statements =
            split(migration.up.text(), Dialect::Psql).pieces.into_iter().map(statement);
        statements.chain([QueryBatch::tool(row)]).collect()
    }

    fn decide_down(
        &self,
        rows: &[LedgerRow],
        migrations: &[Migration],
        to: &DownTo,
    ) -> Result<DownDecision, DownRefusal> {
        down::decide(rows, migrations, to)
    }

    /// There are no down files.
    fn revert(&self, _: &Migration, _: Option<&Migration>, _: &Ledger) -> Vec<QueryBatch> {
        Vec::new()
    }
}
