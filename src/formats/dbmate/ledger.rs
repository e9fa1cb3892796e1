//! dbmate's ledger.

use super::Dbmate;
use crate::formats::{Directory, FormatError, Ledger, LedgerRules, QueryBatch};
use crate::model::Migration;
use crate::sql::{quote_identifier, quote_literal};

const TABLE: &str = "schema_migrations";

impl LedgerRules for Dbmate {
    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError> {
        let name = directory.ledger.unwrap_or(TABLE);
        if !survives_unquoted(schema) {
            return Err(FormatError::Directory {
                path: directory.path.to_owned(),
                problem: format!("dbmate cannot use the schema `{schema}`"),
                help: Some(
                    "dbmate does not quote its `search_path`: the server reads it in lower case, and a comma or a quote \
                     ends the name, so tables are created in the next schema; choose a `target` without these characters"
                        .to_owned(),
                ),
            });
        }
        match name.split('.').collect::<Vec<_>>().as_slice() {
            [table] => Ok(Ledger::new(schema, *table)),
            [schema, table] => {
                // dbmate creates it when the server reports that it does not exist.
                Ok(Ledger {
                    schemas: vec![quote_identifier(schema)],
                    ..Ledger::new(*schema, *table)
                })
            }
            _ => Err(directory.no_ledger(name, "`table` or `schema.table`")),
        }
    }

    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch> {
        let schemas =
            ledger.schemas.iter().map(|schema| format!("create schema if not exists {schema}"));
        let table = format!(
            "create table if not exists {} (version varchar primary key)",
            ledger.qualified()
        );
        schemas.chain([table]).map(QueryBatch::tool).collect()
    }

    fn ledger_rows(&self, ledger: &Ledger) -> String {
        format!(
            "SELECT version::text AS version, NULL::bytea AS checksum, true AS complete FROM {} \
             ORDER BY version::text COLLATE \"C\"",
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
        let insert = |migration: &&Migration| {
            format!(
                "INSERT INTO {} (version) VALUES ({}) ON CONFLICT DO NOTHING;",
                ledger.qualified(),
                quote_literal(&migration.version)
            )
        };
        migrations.iter().map(insert).collect::<Vec<_>>().join("\n")
    }
}

/// SQL about a version's row, where dbmate writes it: see the top of `mod.rs`. `statement` has `{table}` and `{version}`.
pub(super) fn in_ledger(statement: &str, version: &str, ledger: &Ledger) -> String {
    let with = |version: &str, table: &str| {
        statement.replace("{version}", version).replace("{table}", table)
    };
    if ledger.schema == "public" && ledger.schemas.is_empty() {
        let block = format!(
            "BEGIN EXECUTE pg_catalog.format({}, \
             coalesce(pg_catalog.current_schema(), 'public'), {}, {}); END",
            quote_literal(&with("%L", "%I.%I")),
            quote_literal(&ledger.table),
            quote_literal(version)
        );
        return format!("DO {}", quote_literal(&block));
    }
    with(&quote_literal(version), &ledger.qualified())
}

/// Whether the server reads a name in an unquoted list as written. Seen with dbmate 2.36.0: with
/// `?search_path=tenant_Acme,shared` its ledger is in "tenant_Acme", and the migrations create objects in `shared`.
fn survives_unquoted(schema: &str) -> bool {
    let ends_it = |c: char| c.is_ascii_uppercase() || c.is_whitespace() || matches!(c, ',' | '"');
    !schema.contains(ends_it)
}
