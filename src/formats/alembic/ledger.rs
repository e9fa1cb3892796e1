//! Alembic's ledger: the table `alembic_version`, with a row for each head that the target has reached.
//!
//! Rules from alembic 1.20.1, `runtime/migration.py` (`MigrationContext.__init__`, `_ensure_version_table`) and
//! `runtime/environment.py` (`configure`). The names of the table and its schema are arguments of `context.configure`, so only
//! env.py knows them: `ledger` states them where they differ. `version_table_pk = False` leaves out the primary key.

use std::borrow::Cow;

use super::Alembic;
use super::graph::RevisionGraph;
use crate::formats::ledger::parse_name;
use crate::formats::{Directory, FormatError, Ledger, LedgerRow, LedgerRules, QueryBatch};
use crate::model::Migration;
use crate::sql::quote_literal;

impl LedgerRules for Alembic {
    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError> {
        let Some(name) = directory.ledger else {
            return Ok(Ledger::new(schema, "alembic_version"));
        };
        let (own, table) = parse_name(name).ok_or_else(|| {
            directory.no_ledger(
                name,
                "in `context.configure`: `version_table`, or `version_table_schema.version_table`",
            )
        })?;
        Ok(Ledger::new(own.unwrap_or_else(|| schema.to_owned()), table))
    }

    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch> {
        vec![QueryBatch::tool(format!(
            "CREATE TABLE IF NOT EXISTS {} (\n    version_num VARCHAR(32) NOT NULL, \n    CONSTRAINT {} PRIMARY KEY \
             (version_num)\n)",
            ledger.qualified(),
            crate::sql::quote_identifier(&format!("{}_pkc", ledger.table))
        ))]
    }

    fn ledger_rows(&self, ledger: &Ledger) -> String {
        format!(
            "SELECT version_num::text AS version, NULL::bytea AS checksum, true AS complete FROM {} ORDER BY 1",
            ledger.qualified()
        )
    }

    fn history<'r>(&self, rows: &'r [LedgerRow], migrations: &[Migration]) -> Cow<'r, [LedgerRow]> {
        let graph = RevisionGraph::new(migrations);
        let applied = graph.applied(rows.iter().map(|row| row.version.as_str()));
        let mut shown: Vec<(usize, LedgerRow)> = applied
            .iter()
            .enumerate()
            .filter(|(_, applied)| **applied)
            .map(|(revision, _)| {
                let version = graph.migration(revision).version.clone();
                (graph.index(revision), LedgerRow { version, checksum: None, complete: true })
            })
            .collect();
        shown.sort_by_key(|(index, _)| *index);
        // A row that no file has shows itself alone.
        let unknown = rows.iter().filter(|row| graph.resolve(&row.version).is_none()).cloned();
        shown.into_iter().map(|(_, row)| row).chain(unknown).collect()
    }

    /// A row stands for its revision and everything before it, so any revision after this one shows it, too.
    fn is_applied_expr(&self, migration: &Migration, ledger: &Ledger) -> String {
        let version = migration.version.as_str();
        let own = || [version].into_iter().collect();
        let shown =
            migration.node.as_ref().map_or_else(own, |node| node.lineage.descendants(version));
        let versions: Vec<String> = shown.into_iter().map(quote_literal).collect();
        format!(
            "EXISTS (SELECT FROM {} WHERE version_num::text IN ({}))",
            ledger.qualified(),
            versions.join(", ")
        )
    }

    fn stamp(&self, migrations: &[&Migration], ledger: &Ledger) -> String {
        let migrations: Vec<Migration> = migrations.iter().map(|one| (*one).clone()).collect();
        let graph = RevisionGraph::new(&migrations);
        let all = vec![true; graph.len()];
        let values: Vec<String> = graph
            .rows_of(&all)
            .into_iter()
            .map(|revision| format!("({})", quote_literal(&graph.migration(revision).version)))
            .collect();
        if values.is_empty() {
            return String::new();
        }
        let table = ledger.qualified();
        format!("INSERT INTO {table} (version_num) VALUES {}", values.join(", "))
    }
}
