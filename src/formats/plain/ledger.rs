//! The ledger of plain SQL files.

use super::Plain;
use crate::formats::{Directory, FormatError, Ledger, LedgerRules, QueryBatch};
use crate::model::Migration;
use crate::sql::{quote_bytes, quote_literal};

pub(super) const TABLE: &str = "mig_ci_migrations";

impl LedgerRules for Plain {
    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError> {
        let name = directory.ledger.unwrap_or(TABLE);
        match name.split('.').collect::<Vec<_>>().as_slice() {
            [table] if !table.is_empty() => Ok(Ledger::new(schema, *table)),
            [schema, table] if !schema.is_empty() && !table.is_empty() => {
                Ok(Ledger::new(*schema, *table))
            }
            _ => Err(directory.no_ledger(name, "`table` or `schema.table`")),
        }
    }

    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch> {
        vec![QueryBatch::tool(format!(
            "CREATE TABLE IF NOT EXISTS {} (version text PRIMARY KEY, checksum bytea NOT NULL, \
             applied_at timestamptz NOT NULL DEFAULT now())",
            ledger.qualified()
        ))]
    }

    fn ledger_rows(&self, ledger: &Ledger) -> String {
        format!(
            "SELECT version, checksum, true AS complete FROM {} ORDER BY applied_at, version",
            ledger.qualified()
        )
    }

    fn is_applied_expr(&self, migration: &Migration, ledger: &Ledger) -> String {
        format!(
            "EXISTS (SELECT FROM {} WHERE version = {})",
            ledger.qualified(),
            quote_literal(&migration.version)
        )
    }

    fn stamp(&self, migrations: &[&Migration], ledger: &Ledger) -> String {
        // One microsecond each, because the order of the rows is that of their times.
        let insert = |(number, migration): (usize, &&Migration)| {
            format!(
                "INSERT INTO {} (version, checksum, applied_at) \
                 VALUES ({}, now() + {number} * interval '1 microsecond') ON CONFLICT DO NOTHING;",
                ledger.qualified(),
                values(migration)
            )
        };
        migrations.iter().enumerate().map(insert).collect::<Vec<_>>().join("\n")
    }
}

/// Version and checksum, as SQL.
pub(super) fn values(migration: &Migration) -> String {
    let checksum = migration.checksum.as_deref().unwrap_or_default();
    format!("{}, {}", quote_literal(&migration.version), quote_bytes(checksum))
}
