//! The server that all arms share, and their initial databases.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::common::postgres;
use super::cost::cpu_of_family;
use super::history::{History, Step};
use super::ledger::Ledger;

/// The number of tenants for which one connection is kept while a database is created.
const TENANTS: usize = 50;
const CONNECTIONS: usize = 2;
/// Catalogs with statistics for the planner: without them, queries over all tenants take minutes.
const CATALOGS: &str = "pg_class, pg_namespace, pg_attribute, pg_index, pg_constraint, pg_depend, pg_type, pg_proc, \
    pg_trigger, pg_enum, pg_attrdef";

/// The initial database: a history, the number of tenants, and the number of migrations of each.
type Start = (History, usize, usize);

#[derive(Debug)]
pub(crate) struct Cluster {
    /// The server's first process.
    id: u32,
    templates: BTreeMap<Start, String>,
    made: usize,
}

pub(crate) fn schema(tenant: usize) -> String {
    format!("tenant_{tenant:05}")
}

pub(crate) async fn execute(url: &str, sql: impl Into<String>) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

impl Cluster {
    pub(crate) async fn start() -> Result<Self> {
        // It would run in one arm and not in another.
        for sql in ["ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"] {
            postgres().sql(sql).await;
        }
        let file = postgres().sql("SELECT pg_read_file('postmaster.pid')").await;
        let id = file.concat().lines().next().context("an empty postmaster.pid")?.parse()?;
        Ok(Self { id, templates: BTreeMap::new(), made: 0 })
    }

    /// The machine in one line.
    pub(crate) async fn describe(&self) -> Result<String> {
        let values = "SELECT current_setting('server_version'), current_setting('data_directory'), \
            current_setting('fsync'), current_setting('shared_buffers'), current_setting('max_locks_per_transaction')";
        let row = postgres().sql(values).await.concat();
        let values: Vec<&str> = row.split('|').collect();
        let [version, folder, fsync, buffers, locks] = values[..] else {
            anyhow::bail!("an odd answer: {row}")
        };
        // Other load on the machine affects all figures.
        let load = std::fs::read_to_string("/proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default();
        let place = if folder.starts_with("/dev/shm") { "in memory" } else { "on disk" };
        Ok(format!(
            "{} cores; PostgreSQL {version}, its data {place}, fsync {fsync}, shared_buffers {buffers}, \
             max_locks_per_transaction {locks}, autovacuum off; load before {load}",
            std::thread::available_parallelism()?
        ))
    }

    /// The total CPU time of all of the server's processes.
    pub(crate) fn cpu(&self) -> Result<std::time::Duration> {
        cpu_of_family(self.id)
    }

    /// A new copy of the database in which each tenant has this number of migrations.
    pub(crate) async fn copy(&mut self, start: Start) -> Result<String> {
        let template = self.template(start).await?;
        let copy = self.copy_of(&template).await?;
        // Writes of the copy are completed before an arm runs.
        execute(&postgres().url("postgres"), "CHECKPOINT").await?;
        Ok(copy)
    }

    pub(crate) async fn drop(&self, database: &str) -> Result<()> {
        execute(&postgres().url("postgres"), format!("DROP DATABASE {database} WITH (FORCE)")).await
    }

    /// Drops databases that are not needed any more.
    pub(crate) async fn drop_templates(&mut self) -> Result<()> {
        for template in std::mem::take(&mut self.templates).into_values() {
            self.drop(&template).await?;
        }
        Ok(())
    }

    async fn copy_of(&mut self, template: &str) -> Result<String> {
        self.made += 1;
        let copy = format!("bench_{}", self.made);
        let sql = format!("CREATE DATABASE {copy} TEMPLATE {template} STRATEGY file_copy");
        execute(&postgres().url("postgres"), sql).await?;
        Ok(copy)
    }

    /// The database itself, for arms that do not change it.
    pub(crate) async fn template(&mut self, start: Start) -> Result<String> {
        if let Some(made) = self.templates.get(&start) {
            return Ok(made.clone());
        }
        let (history, tenants, applied) = start;
        let before = self.templates.range((history, tenants, 0)..start).next_back();
        let (started, database) = match before.map(|(start, name)| (start.2, name.clone())) {
            Some((started, name)) => (started, self.copy_of(&name).await?),
            None => {
                let database = self.copy_of("template0").await?;
                create(&postgres().url(&database), history, tenants).await?;
                (0, database)
            }
        };
        let url = postgres().url(&database);
        fill(&url, history, tenants, started..applied).await?;
        execute(&url, format!("VACUUM (ANALYZE) {CATALOGS}")).await?;
        self.templates.insert(start, database.clone());
        Ok(database)
    }
}

/// The shared schema at its head, and an empty schema for each tenant.
async fn create(url: &str, history: History, tenants: usize) -> Result<()> {
    let mut sql = "CREATE SCHEMA shared; SET search_path = shared;\n".to_owned();
    sql.extend(Ledger::ALL.map(Ledger::create));
    for step in history.shared() {
        sql.push_str(&step.sql());
        sql.extend(Ledger::ALL.map(|ledger| ledger.note(&step)));
    }
    execute(url, sql).await?;
    let tenants: Vec<String> = (1..=tenants).map(schema).collect();
    for some in tenants.chunks(200) {
        let of_one = |schema: &String| {
            format!(
                "CREATE SCHEMA {schema}; INSERT INTO shared.tenants (schema_name) VALUES ('{schema}');"
            )
        };
        execute(url, some.iter().map(of_one).collect::<String>()).await?;
    }
    Ok(())
}

/// Applies migrations for each tenant, and records them in the ledgers of all tools.
async fn fill(
    url: &str,
    history: History,
    tenants: usize,
    steps: std::ops::Range<usize>,
) -> Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    let ledgers: &[Ledger] = match history {
        History::Full => &Ledger::ALL,
        History::Light => &[Ledger::Sqlx],
    };
    let mut sql: String = ledgers.iter().map(|ledger| ledger.create()).collect();
    for step in &history.tenant()[steps] {
        sql.push_str(&format!("BEGIN;\n{}{}COMMIT;\n", step.sql(), notes(ledgers, step)));
    }
    let connections = (0..CONNECTIONS).map(|first| fill_some(url, &sql, first, tenants));
    try_join_all(connections).await?;
    Ok(())
}

fn notes(ledgers: &[Ledger], step: &Step) -> String {
    ledgers.iter().map(|ledger| ledger.note(step)).collect()
}

async fn fill_some(url: &str, sql: &str, first: usize, tenants: usize) -> Result<()> {
    let mine: Vec<String> = (first + 1..=tenants).step_by(CONNECTIONS).map(schema).collect();
    for some in mine.chunks(TENANTS) {
        let mut connection = PgConnection::connect(url).await?;
        for schema in some {
            let sql = format!(
                "SET client_min_messages = warning; SET search_path = {schema}, shared, public;\n{sql}"
            );
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        }
        connection.close().await?;
    }
    Ok(())
}
