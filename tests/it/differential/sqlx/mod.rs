//! sqlx: the crate's own `Migrator`, which `sqlx migrate run` and `sqlx::migrate!()` use, too.

mod directories;
mod scripts;

use camino::Utf8Path;
use sqlx::migrate::{MigrateError, Migrator, ResolveConfig, ResolveWith};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Error};

use super::compare::{Peer, Said, all_agree};
use crate::common::Database;

#[derive(Debug, Clone, Copy)]
struct Sqlx;

impl Peer for Sqlx {
    const FORMAT: &'static str = "sqlx";

    async fn migrate(
        &self,
        database: &Database,
        search_path: Option<&str>,
        directory: &Utf8Path,
    ) -> Result<(), Said> {
        let mut url = database.url();
        if let Some(path) = search_path {
            url += &format!("&options=-csearch_path%3D{}", path.replace(',', "%2C"));
        }
        let mut connection = PgConnection::connect(&url).await.unwrap();
        // The method behind `run`, whose signature the compiler does not accept in a future that is sent between threads.
        let outcome =
            async { migrator(directory).await?.run_direct(None, &mut connection, false).await };
        let outcome = outcome.await;
        // A session in a transaction is closed without a rollback, as when a process ends.
        let _ = connection.close().await;
        outcome.map_err(|error| said(&error))
    }
}

/// With the settings of `sqlx.toml`, as sqlx-cli reads it.
async fn migrator(directory: &Utf8Path) -> Result<Migrator, MigrateError> {
    let config = std::fs::read_to_string(directory.with_file_name("sqlx.toml")).unwrap_or_default();
    let config: toml::Table = config.parse().unwrap();
    let strings = |key: &str| -> Vec<String> {
        let list = config.get("migrate").and_then(|migrate| migrate.get(key)?.as_array());
        list.into_iter().flatten().map(|value| value.as_str().unwrap().to_owned()).collect()
    };
    let mut resolve = ResolveConfig::new();
    resolve.ignore_chars(strings("ignored-chars").iter().flat_map(|text| text.chars()));
    let path = directory.as_std_path().to_owned();
    let mut migrator = Migrator::new(ResolveWith(path, resolve)).await?;
    if let Some(name) = config.get("migrate").and_then(|migrate| migrate.get("table-name")) {
        migrator.dangerous_set_table_name(name.as_str().unwrap().to_owned());
    }
    for schema in strings("create-schemas") {
        migrator.create_schema(schema);
    }
    Ok(migrator)
}

fn said(error: &MigrateError) -> Said {
    let cause = match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Some(error),
        _ => None,
    };
    let sqlstate = cause.and_then(Error::as_database_error).and_then(|error| error.code());
    Said { sqlstate: sqlstate.map(Into::into), text: error.to_string() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_run_as_sqlx_runs_them() {
    all_agree(Sqlx, scripts::in_a_transaction()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_outside_of_a_transaction_run_as_sqlx_runs_them() {
    all_agree(Sqlx, scripts::outside_of_one()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directories_and_ledgers_are_read_as_sqlx_reads_them() {
    all_agree(Sqlx, directories::all()).await;
}

/// A ledger with one row, as sqlx creates it.
fn ledger(schema: &str, row: &str) -> String {
    format!(
        "create table {schema}._sqlx_migrations (version bigint primary key, description text not null, \
         installed_on timestamptz not null default now(), success boolean not null, \
         checksum bytea not null, execution_time bigint not null);\n\
         insert into {schema}._sqlx_migrations {row};\n"
    )
}
