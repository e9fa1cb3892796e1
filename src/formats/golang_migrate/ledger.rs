//! golang-migrate's ledger: one row, the current version.

use std::borrow::Cow;

use super::version::{history, in_doubt, version_is};
use super::{GolangMigrate, atomic};
use crate::formats::ledger::parse_name;
use crate::formats::{
    Directory, DirtyRow, FormatError, Ledger, LedgerRow, LedgerRules, QueryBatch,
};
use crate::model::Migration;

const TABLE: &str = "schema_migrations";

impl LedgerRules for GolangMigrate {
    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError> {
        match directory.ledger {
            None => Ok(Ledger::new(schema, TABLE)),
            // As with `x-migrations-table-quoted`.
            Some(quoted) if quoted.starts_with('"') => match parse_name(quoted) {
                Some((explicit, table)) => {
                    Ok(Ledger::new(explicit.unwrap_or_else(|| schema.to_owned()), table))
                }
                None => {
                    Err(directory.no_ledger(quoted, "`table`, or `\"schema\".\"table\"` in quotes"))
                }
            },
            Some(table) => Ok(Ledger::new(schema, table)),
        }
    }

    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch> {
        vec![QueryBatch::tool(format!(
            "CREATE TABLE IF NOT EXISTS {} (version bigint not null primary key, dirty boolean not null)",
            ledger.qualified()
        ))]
    }

    fn ledger_rows(&self, ledger: &Ledger) -> String {
        format!(
            "SELECT version::text AS version, NULL::bytea AS checksum, NOT dirty AS complete FROM {} LIMIT 1",
            ledger.qualified()
        )
    }

    fn history<'r>(&self, rows: &'r [LedgerRow], migrations: &[Migration]) -> Cow<'r, [LedgerRow]> {
        history(rows, migrations)
    }

    fn keeps_one_row(&self) -> bool {
        true
    }

    fn is_applied_expr(&self, migration: &Migration, ledger: &Ledger) -> String {
        format!(
            "EXISTS (SELECT FROM {} WHERE version >= {} AND NOT dirty)",
            ledger.qualified(),
            migration.version
        )
    }

    fn stamp(&self, migrations: &[&Migration], ledger: &Ledger) -> String {
        let at_version = |last: &&Migration| version_is(&last.version, false, ledger) + ";";
        migrations.last().map(at_version).unwrap_or_default()
    }

    fn in_doubt(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Vec<usize> {
        in_doubt(rows, migrations)
    }

    fn recovery_hint(
        &self,
        rows: &[LedgerRow],
        migrations: &[Migration],
        ledger: &Ledger,
    ) -> Option<String> {
        atomic::recovery_hint(rows, migrations, ledger)
    }

    fn clear_dirty_row(&self, dirty: &DirtyRow<'_>, ledger: &Ledger) -> Option<QueryBatch> {
        atomic::clear_dirty_row(dirty, ledger)
    }
}
