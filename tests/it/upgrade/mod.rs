//! `mig-ci upgrade` on real databases: one database, one tenant, and all tenants.

mod client_settings;
mod concurrent_index;
mod connections;
mod contradictions;
mod create;
mod downgrade;
mod dry_run;
mod environment;
mod golang_migrate;
mod interruption;
mod limits;
mod logging;
mod many_tenants;
mod observation;
mod oracle;
mod other_ledgers;
mod pooler;
mod progress;
mod races;
mod resume;
mod round_trips;
mod session_defaults;
mod status;
mod taken_targets;
mod tenant_selection;
mod tenants;

use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::upgrade_report::UpgradeReport;
use crate::common::{
    Command, Database, Interceptor, Outcome, Postgres, Project, StopPoint, postgres, project,
};

/// Each migration records its execution and schema: a repeated one is there twice.
pub(super) fn migration(number: usize, sql: &str) -> String {
    format!("INSERT INTO audit.applied VALUES (current_schema(), {number});\n{sql}\n")
}

/// A project with `migrations` for each tenant, and a shared track.
pub(super) fn shop(migrations: usize) -> Project {
    let shop = project()
        .file(
            "mig-ci.toml",
            "[databases.app]\n\
             url = \"${SHOP_URL}\"\n\
             shared = { migrations = \"shared\", format = \"sqlx\", schema = \"shared\" }\n\
             [databases.app.tenants]\n\
             migrations = \"tenant\"\n\
             format = \"sqlx\"\n\
             target = \"tenant_{tenant}\"\n\
             from = { query = \"SELECT slug FROM audit.tenants ORDER BY id\" }\n",
        )
        .file("shared/1_plans.sql", "CREATE TABLE shared.plans (id int PRIMARY KEY);\n");
    (1..=migrations).fold(shop, |shop, number| {
        let table = format!(
            "CREATE TABLE t{number} (id int PRIMARY KEY, plan int REFERENCES shared.plans);\n\
             CREATE INDEX ON t{number} (plan);"
        );
        shop.file(&format!("tenant/{number}_t.sql"), migration(number, &table))
    })
}

/// A database with schemas for some tenants, and the table of executions.
pub(super) async fn with_tenants(names: &[String]) -> Database {
    with_tenants_on(postgres(), names).await
}

pub(super) async fn with_tenants_on(server: &'static Postgres, names: &[String]) -> Database {
    let database = server.database().await;
    let mut sql = "CREATE SCHEMA shared; CREATE SCHEMA audit;\n\
        CREATE TABLE audit.applied (tenant text, version int);\n\
        CREATE TABLE audit.tenants (id serial, slug text);\n"
        .to_owned();
    for name in names {
        let schema = format!("tenant_{name}").replace('"', "\"\"");
        let slug = name.replace('\'', "''");
        let _ = writeln!(sql, "CREATE SCHEMA \"{schema}\";");
        let _ = writeln!(sql, "INSERT INTO audit.tenants (slug) VALUES ('{slug}');");
    }
    database.sql(&sql).await;
    database
}

/// Tenants with a database each, and a project that creates a table `a` in them.
pub(super) async fn customers(count: usize) -> (Project, Vec<Database>) {
    let main = postgres().database().await;
    let mut databases = Vec::new();
    for _ in 0..count {
        databases.push(postgres().database().await);
    }
    let names: Vec<String> = databases.iter().map(|database| database.name.clone()).collect();
    let config = format!(
        "[databases.customer]\nurl = \"{}\"\n[databases.customer.tenants]\nmigrations = \"m\"\n\
         format = \"sqlx\"\ntenancy = \"database\"\nfrom = {{ list = {names:?} }}\n",
        main.url()
    );
    let shop = project().file("m/1_a.sql", "CREATE TABLE a ();").file("mig-ci.toml", config);
    (shop, databases)
}

pub(super) fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("t{number:03}")).collect()
}

pub(super) fn upgrade<const N: usize>(
    shop: &Project,
    database: &Database,
    args: [&str; N],
) -> Command {
    shop.mig_ci(["upgrade"]).args(args).env("SHOP_URL", database.url())
}

/// Starts a run, stops it after this number of messages, and kills it there. Its address must be the interceptor's.
///
/// # Panics
/// If it ends before.
pub(super) fn kill_after(
    command: Command,
    interceptor: &Interceptor,
    messages: usize,
    point: StopPoint,
) {
    interceptor.stop_after(messages, point);
    let mut run = command.start();
    let seen = interceptor.seen();
    assert!(interceptor.is_stopped(&mut run), "it ended after {seen} messages: {:?}", run.wait());
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait().status.signal(), Some(9));
    interceptor.close_sessions();
}

/// Before or after a message.
pub(super) fn any_stop_point(random: &mut fastrand::Rng) -> StopPoint {
    if random.bool() { StopPoint::BeforeServer } else { StopPoint::BeforeBinary }
}

/// The report on stdout, which matches its schema.
#[track_caller]
pub(super) fn report(outcome: &Outcome) -> UpgradeReport {
    assert_eq!(json_of(outcome)["schema"], "mig-ci.upgrade/1");
    UpgradeReport::parse(&outcome.stdout)
}

/// The JSON on stdout, which matches its schema.
#[track_caller]
pub(super) fn json_of(outcome: &Outcome) -> Value {
    let json = serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"));
    assert_fits(&json);
    json
}

fn assert_fits(report: &Value) {
    let schema = match report["schema"].as_str().unwrap() {
        "mig-ci.upgrade/1" => include_str!("../../../docs/upgrade.schema.json"),
        "mig-ci.status/1" => include_str!("../../../docs/status.schema.json"),
        "mig-ci.tenants/1" => include_str!("../../../docs/tenants.schema.json"),
        other => panic!("{other}"),
    };
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let errors: Vec<_> = validator.iter_errors(report).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
}

/// The outcome of a unit: `upgraded`, `failed` ….
#[track_caller]
pub(super) fn outcome(report: &UpgradeReport, name: &str) -> &'static str {
    report.unit(name).outcome.into()
}

/// Upgraded, up to date, failed, not run.
pub(super) fn counts(report: &UpgradeReport) -> [u64; 4] {
    let counts = &report.counts;
    [counts.upgraded, counts.up_to_date, counts.failed, counts.not_run]
}

/// Each tenant has each migration once, and none of another tenant.
pub(super) async fn assert_all_once(database: &Database, tenants: usize, migrations: usize) {
    let all = database.sql("SELECT count(*), count(DISTINCT (tenant, version)) FROM audit.applied");
    let number = tenants * migrations;
    assert_eq!(all.await, [format!("{number}|{number}")], "applied, and applied once");
    let ledgers = "SELECT count(*) FROM pg_class WHERE relname = '_sqlx_migrations'";
    // The shared track's one in addition.
    assert_eq!(database.sql(ledgers).await, [(tenants + 1).to_string()]);
    let tables = "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
        WHERE relkind = 'r' AND nspname LIKE 'tenant\\_%' AND relname <> '_sqlx_migrations'";
    assert_eq!(database.sql(tables).await, [number.to_string()]);
}
