//! Reproduces the figures of `docs/benchmarks.md`: `cargo bench --bench upgrade -- --tenants 1000 --runs 5`.
//!
//! Compares `mig-ci upgrade --all-tenants` with the minimal program that sends the same SQL, and with loops that start a
//! migration tool for each tenant. Tables are printed to stdout, progress to stderr. Linux only: CPU and memory are read from
//! `/proc`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for developers")]

mod address;
mod arm;
mod check;
mod cluster;
#[path = "../../tests/it/common/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests need more of it than this program does")]
#[expect(clippy::unwrap_used, reason = "as in tests")]
mod common;
mod cost;
mod far;
mod files;
mod history;
mod ledger;
mod minimal;
mod options;
mod scenario;
#[path = "../../tests/it/skipped.rs"]
#[expect(clippy::unwrap_used, reason = "as in tests")]
mod skipped;
mod summary;
mod targets;

use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use sqlx::{Connection as _, Executor as _, PgConnection};

use arm::Arm;
use cluster::Cluster;
use common::postgres;
use far::Far;
use history::{History, LENGTH};
use options::Options;
use scenario::{Compared, Scenario};
use summary::{Columns, Summary, table};
use targets::Targets;

/// Half of the round trip to the distant server.
const ONE_WAY: Duration = Duration::from_millis(2);
/// The arms without other requirements.
const OURS: [Arm; 3] = [Arm::MigCi, Arm::PerTenant, Arm::PerMigration];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("minimal", rest)) = arguments.split_first().map(|(first, rest)| (&**first, rest)) {
        return minimal::run(rest).await;
    }
    let mut options = Options::parse(&arguments)?;
    options.peers.retain(|peer| {
        let is_here = peer.is_here();
        if !is_here {
            println!("Skipped: {0}, which `benches/upgrade/peers {0}` installs.\n", peer.package());
        }
        is_here
    });
    let mut cluster = Cluster::start().await?;
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let command = ["cargo bench --bench upgrade --", &arguments.join(" ")].join(" ");
    println!(
        "mig-ci {}, {}: `{}`\n\n{}\n",
        env!("CARGO_PKG_VERSION"),
        &now[..10],
        command.trim_end_matches(" --bench").trim_end_matches(" --"),
        cluster.describe().await?
    );
    let mut targets = Targets::default();
    near(&options, &mut cluster, &mut targets).await?;
    if options.wants("far") {
        far(&options, &mut cluster).await?;
    }
    many_tenants(&options, &mut cluster, &mut targets).await?;
    if let Some(table) = targets.table() {
        println!("### Targets\n\n{table}");
    }
    Ok(())
}

fn say(line: &str) {
    eprintln!("{line}");
}

/// A scenario over the socket, with all arms.
fn scenario<'a>(options: &Options, title: &str, applied: usize) -> Scenario<'a> {
    Scenario {
        title: title.to_owned(),
        history: History::Full,
        tenants: options.tenants,
        applied,
        arms: OURS.into_iter().chain(options.peers.iter().copied()).collect(),
        peer_tenants: options.peer_tenants,
        runs: options.runs,
        jobs: options.jobs,
        far: None,
    }
}

/// Runs it, and prints its table.
async fn show(
    options: &Options,
    scenario: &Scenario<'_>,
    cluster: &mut Cluster,
) -> Result<Vec<Summary>> {
    let Compared { heading, summaries } = scenario.run(cluster).await?;
    println!("{heading}\n{}", table(&summaries, options.jobs, Columns::Near));
    Ok(summaries)
}

async fn near(options: &Options, cluster: &mut Cluster, targets: &mut Targets) -> Result<()> {
    let all = [
        ("whole", "The whole history", 0, 18.0),
        ("one-new", "One new migration", LENGTH - 1, 150.0),
        ("nothing", "Nothing to do", LENGTH, 0.0),
    ];
    for (name, title, applied, loops) in all {
        if options.wants(name) {
            let scenario = scenario(options, title, applied);
            let found = show(options, &scenario, cluster).await?;
            if applied < LENGTH {
                targets.work(title, &found, loops);
            }
        }
    }
    if options.wants("status") {
        let title = "Status of all tenants";
        let arms = vec![Arm::Status, Arm::Query, Arm::PgDump];
        let scenario = Scenario { arms, ..scenario(options, title, LENGTH) };
        targets.status(title, &show(options, &scenario, cluster).await?);
    }
    cluster.drop_templates().await
}

async fn far(options: &Options, cluster: &mut Cluster) -> Result<()> {
    let far = Far::from(postgres().port(), ONE_WAY)?;
    let trip = round_trip(&far).await?;
    let all = [
        ("Far away, the whole history", 0),
        ("Far away, one new migration", LENGTH - 1),
        ("Far away, nothing to do", LENGTH),
    ];
    for (title, applied) in all {
        let scenario = Scenario {
            tenants: options.far_tenants,
            peer_tenants: options.far_peer_tenants,
            far: Some(&far),
            ..scenario(options, title, applied)
        };
        let Compared { heading, summaries } = scenario.run(cluster).await?;
        let ms = trip.as_secs_f64() * 1000.0;
        println!("{heading}A round trip takes {ms:.1} ms, over TCP with a password.\n");
        println!("{}", table(&summaries, options.jobs, Columns::Far));
    }
    cluster.drop_templates().await
}

/// The median of a single round trip.
async fn round_trip(far: &Far) -> Result<Duration> {
    let mut session =
        PgConnection::connect(&postgres().tcp_url_through(far.port, "postgres")).await?;
    let mut all = Vec::new();
    for _ in 0..51 {
        let started = Instant::now();
        session.execute(sqlx::raw_sql("SELECT 1")).await?;
        all.push(started.elapsed());
    }
    session.close().await?;
    all.sort();
    Ok(all[all.len() / 2])
}

/// Scenarios that depend only on the number of tenants.
async fn many_tenants(
    options: &Options,
    cluster: &mut Cluster,
    targets: &mut Targets,
) -> Result<()> {
    let light = |title: &str, tenants, applied, arms: &[Arm], runs| Scenario {
        history: History::Light,
        tenants,
        arms: arms.to_vec(),
        runs,
        ..scenario(options, title, applied)
    };
    if options.wants("nothing") {
        let scenario =
            light("Nothing to do, many tenants", options.idle_tenants, LENGTH, &OURS, options.runs);
        let found = show(options, &scenario, cluster).await?;
        targets.nothing(&format!("Nothing to do, {} tenants", options.idle_tenants), &found);
        cluster.drop_templates().await?;
    }
    if options.wants("memory") {
        let all = [
            ("Memory, the whole history", 0),
            ("Memory, one new migration", LENGTH - 1),
            ("Memory, nothing to do", LENGTH),
        ];
        for (title, applied) in all {
            let scenario = light(title, options.memory_tenants, applied, &[Arm::MigCi], 1);
            let found = show(options, &scenario, cluster).await?;
            targets.memory(&format!("{title}, {} tenants", options.memory_tenants), &found);
        }
        cluster.drop_templates().await?;
    }
    Ok(())
}
