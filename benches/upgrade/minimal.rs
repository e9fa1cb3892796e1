//! The minimal program that applies sqlx's migrations to all tenants over some connections: no locks, no checks, no reports.
//! mig-ci is compared with it, and it runs as a separate process: `upgrade minimal FOLDER JOBS tenant|migration`. And, as
//! `upgrade minimal shapes`, the minimal query that distinguishes tenants with another shape.

use std::cell::Cell;
use std::fs;

use anyhow::{Context as _, Result, bail};
use futures::future::try_join_all;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::ledger::{Ledger, note_for_sqlx};

/// The number of tenants for which one connection is kept, as mig-ci keeps its sessions.
const TENANTS: usize = 50;
/// The number of ledgers that are read together.
const TOGETHER: usize = 200;

/// The number of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Messages {
    /// All ledgers are read together, and everything that a tenant needs is one message.
    PerTenant,
    /// One query of the tenant's ledger, and a message for each of its migrations.
    PerMigration,
}

/// The shared state of the connections.
struct SharedWork {
    options: PgConnectOptions,
    messages: Messages,
    /// Each with its transaction and its ledger row.
    steps: Vec<String>,
    schemas: Vec<String>,
    /// The number of migrations of each tenant; `None` if there is no ledger.
    applied: Vec<Option<usize>>,
    next: Cell<usize>,
}

pub(crate) async fn run(arguments: &[String]) -> Result<()> {
    if arguments == ["shapes"] {
        return shapes().await;
    }
    let [folder, jobs, messages] = arguments else { bail!("minimal FOLDER JOBS tenant|migration") };
    let messages = if messages == "tenant" { Messages::PerTenant } else { Messages::PerMigration };
    let url = std::env::var("BENCH_URL").context("BENCH_URL")?;
    let options = url.parse::<PgConnectOptions>()?.options([("client_min_messages", "warning")]);
    let options = options.disable_statement_logging();
    let steps = read(folder)?;
    let mut first = options.connect().await?;
    let tenants = "SELECT schema_name FROM shared.tenants ORDER BY id";
    let schemas = texts(&send(&mut first, tenants.to_owned()).await?)?;
    let applied = match messages {
        Messages::PerTenant => read_ledgers(&mut first, &schemas).await?,
        Messages::PerMigration => vec![None; schemas.len()],
    };
    first.close().await?;
    let next = Cell::new(0);
    let work = SharedWork { options, messages, steps, schemas, applied, next };
    try_join_all((0..jobs.parse()?).map(|_| work.connection())).await?;
    Ok(())
}

fn read(folder: &str) -> Result<Vec<String>> {
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    let step = |path: &std::path::PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let (version, name) = stem.split_once('_').context("VERSION_NAME.sql")?;
        let sql = fs::read_to_string(path)?;
        let note = note_for_sqlx(version.parse()?, name, sql.as_bytes());
        Ok(format!("BEGIN;\n{sql}{note}COMMIT;\n"))
    };
    paths.iter().map(step).collect()
}

/// The number of migrations of each tenant, in a few round trips.
async fn read_ledgers(
    session: &mut PgConnection,
    schemas: &[String],
) -> Result<Vec<Option<usize>>> {
    let mut applied = Vec::new();
    for some in schemas.chunks(TOGETHER) {
        let names: Vec<String> = some.iter().map(|schema| format!("'{schema}'")).collect();
        let query = format!(
            "SELECT n.nspname::text FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid \
             WHERE c.relname = '{}' AND n.nspname IN ({})",
            Ledger::Sqlx.table(),
            names.join(", ")
        );
        let with = texts(&send(session, query).await?)?;
        let count =
            |schema: &String| format!("(SELECT count(*) FROM {schema}.{})", Ledger::Sqlx.table());
        let counts: Vec<String> = with.iter().map(count).collect();
        let rows = match counts.is_empty() {
            true => Vec::new(),
            false => send(session, counts.join(" UNION ALL ")).await?,
        };
        let counted: Vec<(&String, usize)> =
            with.iter().zip(rows.iter().map(number).collect::<Result<Vec<_>>>()?).collect();
        let applied_of =
            |schema: &String| counted.iter().find(|(name, _)| *name == schema).map(|s| s.1);
        applied.extend(some.iter().map(applied_of));
    }
    Ok(applied)
}

impl SharedWork {
    /// Processes tenants until none is left.
    async fn connection(&self) -> Result<()> {
        let mut session: Option<(PgConnection, usize)> = None;
        loop {
            let index = self.next.get();
            self.next.set(index + 1);
            if index >= self.schemas.len() {
                break;
            }
            if self.applied[index] == Some(self.steps.len()) {
                continue;
            }
            if session.as_ref().is_some_and(|(_, seen)| *seen >= TENANTS)
                && let Some((old, _)) = session.take()
            {
                old.close().await?;
            }
            let (mut connection, seen) = match session.take() {
                Some(session) => session,
                None => (self.options.connect().await?, 0),
            };
            match self.messages {
                Messages::PerTenant => self.send_whole(&mut connection, index).await?,
                Messages::PerMigration => self.send_each(&mut connection, index).await?,
            }
            session = Some((connection, seen + 1));
        }
        if let Some((session, _)) = session {
            session.close().await?;
        }
        Ok(())
    }

    async fn send_whole(&self, connection: &mut PgConnection, index: usize) -> Result<()> {
        let ledger = if self.applied[index].is_none() { Ledger::Sqlx.create() } else { "" };
        let pending = &self.steps[self.applied[index].unwrap_or_default()..];
        let path = &self.schemas[index];
        let message =
            format!("SET search_path = {path}, shared, public; {ledger}{}", pending.concat());
        send(connection, message).await?;
        Ok(())
    }

    async fn send_each(&self, connection: &mut PgConnection, index: usize) -> Result<()> {
        let look = format!(
            "SET search_path = {}, shared, public; {}SELECT count(*) FROM {}",
            self.schemas[index],
            Ledger::Sqlx.create(),
            Ledger::Sqlx.table()
        );
        let rows = send(connection, look).await?;
        let applied = number(rows.last().context("no count")?)?;
        for step in &self.steps[applied..] {
            send(connection, step.clone()).await?;
        }
        Ok(())
    }
}

async fn send(session: &mut PgConnection, sql: String) -> Result<Vec<PgRow>> {
    Ok(sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(session).await?)
}

fn texts(rows: &[PgRow]) -> Result<Vec<String>> {
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

fn number(row: &PgRow) -> Result<usize> {
    Ok(usize::try_from(row.try_get::<i64, _>(0)?)?)
}

/// One query, whose rows are compared with each other. With nested loops, the planner's query over catalogs would take minutes.
async fn shapes() -> Result<()> {
    let url = std::env::var("BENCH_URL").context("BENCH_URL")?;
    let options = url.parse::<PgConnectOptions>()?.disable_statement_logging();
    let mut session = options.connect().await?;
    send(&mut session, "SET enable_nestloop = off; SET search_path = ''".to_owned()).await?;
    let mut shapes = texts(&send(&mut session, include_str!("shapes.sql").to_owned()).await?)?;
    session.close().await?;
    shapes.sort();
    shapes.dedup();
    println!("{} shapes", shapes.len());
    Ok(())
}
