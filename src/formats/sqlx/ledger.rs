//! sqlx's ledger.

use super::Sqlx;
use crate::formats::ledger::parse_name;
use crate::formats::sqlx_toml::settings;
use crate::formats::{Directory, FormatError, Ledger, LedgerRules, QueryBatch};
use crate::model::Migration;
use crate::sql::{quote_bytes, quote_literal};

pub(super) const TABLE: &str = "_sqlx_migrations";

impl LedgerRules for Sqlx {
    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError> {
        let settings = settings(directory)?;
        let named = directory.ledger.or(settings.table_name.as_deref()).unwrap_or(TABLE);
        let Some((explicit, table)) = parse_name(named) else {
            return Err(directory.no_ledger(named, "`table` or `schema.table`, as in SQL"));
        };
        Ok(Ledger {
            schema: explicit.unwrap_or_else(|| schema.to_owned()),
            table,
            named: named.to_owned(),
            schemas: settings.create_schemas.into_iter().collect(),
        })
    }

    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch> {
        let schemas =
            ledger.schemas.iter().map(|schema| format!("CREATE SCHEMA IF NOT EXISTS {schema};"));
        let table = format!(
            "CREATE TABLE IF NOT EXISTS {} (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
             installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, \
             checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL);",
            ledger.named
        );
        schemas.chain([table]).map(QueryBatch::tool).collect()
    }

    fn ledger_rows(&self, ledger: &Ledger) -> String {
        format!(
            "SELECT version::text AS version, checksum, success AS complete FROM {} \
             ORDER BY {0}.version",
            ledger.qualified()
        )
    }

    fn is_applied_expr(&self, migration: &Migration, ledger: &Ledger) -> String {
        format!(
            "EXISTS (SELECT FROM {} WHERE version = {} AND success)",
            ledger.qualified(),
            migration.version
        )
    }

    fn stamp(&self, migrations: &[&Migration], ledger: &Ledger) -> String {
        let insert = |migration: &&Migration| {
            let ledger = ledger.qualified();
            format!("INSERT INTO {ledger} {} ON CONFLICT DO NOTHING;", values(migration, "-1"))
        };
        migrations.iter().map(insert).collect::<Vec<_>>().join("\n")
    }
}

/// `( columns ) VALUES ( … )` of a migration's row; the time is an SQL expression for nanoseconds.
pub(super) fn values(migration: &Migration, time: &str) -> String {
    format!(
        "( version, description, success, checksum, execution_time ) \
         VALUES ( {}, {}, TRUE, {}, {time} )",
        migration.version,
        quote_literal(&migration.description),
        quote_bytes(migration.checksum.as_deref().unwrap_or_default()),
    )
}
