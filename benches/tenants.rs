//! Reproduces the figures of `docs/performance.md`: `cargo bench --bench tenants -- --tenants 100,1000`.
//!
//! Three clients replay the same migrations for the same number of tenants: mig-ci, sqlx's own `Migrator`, and the minimum that
//! any client has to send (a message for each migration, on one connection for all tenants of a worker). Also measures the demo
//! project from process start to verdict. Linux only: the server's CPU time is read from `/proc`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for developers")]

#[path = "../tests/it/common/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests need more of it than this program does")]
mod common;
#[path = "../tests/it/skipped.rs"]
mod skipped;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use common::{ManyTenants, Project, demo, postgres};
use futures::future::try_join_all;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, SqlSafeStr as _};

/// The number of cores of the machine in the documents.
const WORKERS: usize = 2;
const MIGRATIONS: usize = 30;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The resources that one client used.
#[derive(Debug, Clone, Copy)]
struct Cost {
    wall: Duration,
    client: Duration,
    server: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| {
        arguments.iter().position(|argument| argument == flag).map(|at| arguments[at + 1].as_str())
    };
    let runs: usize = after("--runs").unwrap_or("5").parse()?;
    measure_demo(runs);
    for tenants in after("--tenants").unwrap_or("100").split(',') {
        let tenants: usize = tenants.parse()?;
        println!(
            "\n{tenants} tenants, {WORKERS} workers, {MIGRATIONS} migrations, the last is new"
        );
        measure_mig_ci(tenants);
        for peer in [Peer::Least, Peer::Migrator] {
            measure_peer(peer, tenants).await?;
        }
    }
    Ok(())
}

/// Start to verdict of the project in this repository, on local binaries.
fn measure_demo(runs: usize) {
    let demo = demo().git_commit("all");
    verify(&demo);
    let mut all: Vec<_> = (0..runs).map(|_| verify(&demo)).collect();
    all.sort_by_key(|(took, _)| *took);
    let (median, report) = &all[runs / 2];
    println!("demo: {median:.2?} (median of {runs}, {:.2?} to {:.2?})", all[0].0, all[runs - 1].0);
    println!("  {}\n  {}", report["summary"], report["timings"]);
}

fn verify(project: &Project) -> (Duration, serde_json::Value) {
    let run = project
        .mig_ci(["verify", "--quiet", "--provider", "local", "--timings", "--format", "json"])
        .arg(format!("--jobs={WORKERS}"))
        .run()
        .success();
    (run.took, run.json())
}

fn measure_mig_ci(tenants: usize) {
    let many = ManyTenants { tenants, base: MIGRATIONS - 1, head: MIGRATIONS }.project();
    let (wall, report) = verify(&many);
    let timings = &report["timings"];
    let ms = |name: &str| Duration::from_millis(timings[name].as_u64().unwrap());
    let (client, server) = (ms("tool_cpu_ms"), ms("server_cpu_ms"));
    show("mig-ci, start to verdict", tenants, &Cost { wall, client, server });
    let workers = u32::try_from(WORKERS).unwrap();
    for (name, sum) in [("to the base", "units_to_base_ms"), ("the new one", "units_to_head_ms")] {
        let wall = ms(sum) / workers;
        println!(
            "  {:<34} {:>8.2} s {:>7.2} ms a tenant",
            format!("  {name}"),
            wall.as_secs_f64(),
            each(wall, tenants)
        );
    }
    println!("    memory: {} MiB", timings["tool_peak_rss_kib"].as_u64().unwrap() / 1024);
}

/// The clients that mig-ci is compared with.
#[derive(Debug, Clone, Copy)]
enum Peer {
    Least,
    Migrator,
}

async fn measure_peer(peer: Peer, tenants: usize) -> Result<()> {
    let database = postgres().database().await;
    let admin = postgres().url("postgres");
    // The settings of mig-ci's own servers.
    for setting in
        ["autovacuum = off", "jit = off", "bgwriter_lru_maxpages = 0", "checkpoint_timeout = '1h'"]
    {
        execute(&admin, &format!("ALTER SYSTEM SET {setting}")).await?;
    }
    execute(&admin, "SELECT pg_reload_conf()").await?;
    let schemas: Vec<_> = (0..tenants).map(|tenant| format!("CREATE SCHEMA t{tenant};")).collect();
    let shared = "CREATE SCHEMA shared; SET search_path = shared;";
    database.sql(&format!("{shared}{}", common::many_tenants::SHARED)).await;
    for some in schemas.chunks(200) {
        database.sql(&some.concat()).await;
    }
    for (what, upto) in [("to the base", MIGRATIONS - 1), ("the new one", MIGRATIONS)] {
        let started = (Instant::now(), own_cpu(), server_cpu().await?);
        let workers = (0..WORKERS).map(|worker| work(peer, database.url(), worker, tenants, upto));
        try_join_all(workers).await?;
        let cost = Cost {
            wall: started.0.elapsed(),
            client: own_cpu() - started.1,
            server: server_cpu().await? - started.2,
        };
        let name = match peer {
            Peer::Least => "a message a migration",
            Peer::Migrator => "sqlx Migrator",
        };
        show(&format!("{name}, {what}"), tenants, &cost);
    }
    execute(&admin, &format!("DROP DATABASE {} WITH (FORCE)", database.name)).await
}

/// Every n-th tenant, where n is the number of workers.
async fn work(peer: Peer, url: String, worker: usize, tenants: usize, upto: usize) -> Result<()> {
    let options: PgConnectOptions = url.parse()?;
    let texts: Vec<String> = (1..=upto).map(common::many_tenants::migration).collect();
    let mine = (worker..tenants).step_by(WORKERS);
    match peer {
        Peer::Least => {
            let mut connection = options.disable_statement_logging().connect().await?;
            for tenant in mine {
                send_minimum(&mut connection, tenant, &texts).await?;
            }
            connection.close().await?;
        }
        Peer::Migrator => {
            let migrator = migrator(&texts);
            for tenant in mine {
                let path = format!("t{tenant}, shared, public");
                let options = options.clone().options([("search_path", path)]);
                let mut connection = options.disable_statement_logging().connect().await?;
                migrator.run_direct(None, &mut connection, false).await?;
                connection.close().await?;
            }
        }
    }
    Ok(())
}

async fn send_minimum(
    connection: &mut PgConnection,
    tenant: usize,
    texts: &[String],
) -> Result<()> {
    let open = format!(
        "SET search_path = t{tenant}, shared, public; SET client_min_messages = warning; \
         CREATE TABLE IF NOT EXISTS ledger (version bigint PRIMARY KEY)"
    );
    connection.execute(sqlx::raw_sql(AssertSqlSafe(open))).await?;
    let done: i64 = sqlx::query_scalar("SELECT count(*) FROM ledger")
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?;
    for (index, text) in texts.iter().enumerate().skip(usize::try_from(done)?) {
        let message = format!("BEGIN; {text} INSERT INTO ledger VALUES ({index}); COMMIT");
        connection.execute(sqlx::raw_sql(AssertSqlSafe(message))).await?;
    }
    Ok(())
}

/// Without its lock, which is one for the whole database.
fn migrator(texts: &[String]) -> Migrator {
    let migrations = texts.iter().zip(1..).map(|(text, version)| {
        let sql = AssertSqlSafe(text.clone()).into_sql_str();
        Migration::new(version, "step".into(), MigrationType::Simple, sql, false)
    });
    Migrator { migrations: Cow::Owned(migrations.collect()), locking: false, ..Migrator::DEFAULT }
}

async fn execute(url: &str, sql: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
    Ok(connection.close().await?)
}

fn own_cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// Of the server's sessions that have ended: fields 16 and 17 of `/proc/PID/stat`, in hundredths of a second.
async fn server_cpu() -> Result<Duration> {
    // A session's process ends shortly after the session.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut connection = PgConnection::connect(&postgres().url("postgres")).await?;
    let file: String = sqlx::query_scalar("SELECT pg_read_file('postmaster.pid')")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", file.lines().next().unwrap()))?;
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    Ok(Duration::from_millis((fields[13].parse::<u64>()? + fields[14].parse::<u64>()?) * 10))
}

fn each(whole: Duration, tenants: usize) -> f64 {
    whole.as_secs_f64() * 1000.0 / f64::from(u32::try_from(tenants).unwrap())
}

fn show(name: &str, tenants: usize, cost: &Cost) {
    println!(
        "  {name:<34} {:>8.2} s {:>7.2} ms a tenant; CPU of the client {:>6.2} ms, of the server {:>7.2} ms a tenant",
        cost.wall.as_secs_f64(),
        each(cost.wall, tenants),
        each(cost.client, tenants),
        each(cost.server, tenants)
    );
}
