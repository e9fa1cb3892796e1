//! Failures of the environment on real databases: not a failure of a migration, exit code 4, and repeated by `--resume`.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection as _, Executor as _};

use super::interruption::LOG;
use super::{
    json_of, migration, numbered, outcome, report, shop, upgrade, with_tenants, with_tenants_on,
};
use crate::common::upgrade_report::{UnitOutcome, UpgradeReport, UpgradeVerdict};
use crate::common::{
    Database, Interceptor, Outcome, Postgres, Project, StopPoint, postgres, project,
    wait_for_sleepers,
};

/// Needs more temporary files than [`short_of_disk`] permits.
const SORTS: &str =
    "PERFORM count(*) FROM (SELECT n FROM generate_series(1, 500000) n ORDER BY -n) s;";

/// Failed, affected by the environment, not run.
fn bad(report: &UpgradeReport) -> [u64; 3] {
    let counts = &report.counts;
    [counts.failed, counts.environment_failed, counts.not_run]
}

fn in_tenant(name: &str, statements: &str) -> String {
    format!("IF current_schema() = 'tenant_{name}' THEN {statements} END IF;")
}

fn block(statements: &str) -> String {
    migration(2, &format!("DO $$ BEGIN {statements} END $$;"))
}

/// A limit of the server's configuration (53400) represents all resources.
async fn short_of_disk(database: &Database) {
    let settings = format!(
        "ALTER DATABASE {0} SET temp_file_limit = '1MB'; ALTER DATABASE {0} SET work_mem = '64kB'",
        database.name
    );
    postgres().sql(&settings).await;
}

async fn with_disk(database: &Database) {
    postgres().sql(&format!("ALTER DATABASE {} RESET ALL", database.name)).await;
}

async fn begun(tenants: usize) -> (Project, Database) {
    let (shop, database) = (shop(1), with_tenants(&numbered(tenants)).await);
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    (shop, database)
}

#[tokio::test]
async fn upgrade_exhausted_server_resources_are_an_environment_failure() {
    let (shop, database) = begun(4).await;
    short_of_disk(&database).await;
    let shop = shop.file("tenant/2_sort.sql", block(&in_tenant("t002", SORTS)));
    let shop = shop.file("tenant/3_x.sql", migration(3, "CREATE TABLE x ();"));
    let args = ["--all-tenants", "--format=json", "--output=json=r.json", "--output=junit=r.xml"];
    let run = report(&upgrade(&shop, &database, args).run().exit(4));
    assert_eq!((bad(&run), run.counts.upgraded), ([0, 1, 0], 3));
    assert_eq!(run.verdict, UpgradeVerdict::NotRun);
    let struck = run.unit("t002");
    assert_eq!(struck.outcome, UnitOutcome::EnvironmentFailed);
    let failure = struck.failure();
    assert_eq!((failure.kind.as_str(), failure.sqlstate()), ("environment", "53400"));
    assert_eq!(failure.cause.as_deref(), Some("configuration-limit"));
    assert_eq!(struck.after.as_deref(), Some("1"));
    assert_eq!(struck.pending(), ["2", "3"]);
    assert_eq!(run.findings[0].code, "environment-failed");
    let junit = shop.read("r.xml");
    assert!(junit.contains("<error") && !junit.contains("<failure"), "{junit}");
    // A dry run only reads.
    upgrade(&shop, &database, ["--all-tenants", "--dry-run"]).run().success();
    let text = upgrade(&shop, &database, ["--resume=r.json"]).run().exit(4);
    let line = "! app, tenant t002: the environment failed, now at 1, state of 2, 3 unknown: temporary file size";
    assert!(text.stdout.contains(line), "{text:?}");
    assert!(!text.stderr.contains("failed,"), "{text:?}");
    with_disk(&database).await;
    let rest =
        report(&upgrade(&shop, &database, ["--resume=r.json", "--format=json"]).run().success());
    assert_eq!((outcome(&rest, "t002"), rest.counts.upgraded), ("upgraded", 1));
}

/// A failure of a migration would recur.
#[tokio::test]
async fn a_migration_failure_has_precedence_over_the_environment() {
    let (shop, database) = begun(3).await;
    short_of_disk(&database).await;
    let both = in_tenant("t001", SORTS) + &in_tenant("t003", "PERFORM 1 / 0;");
    let shop = shop.file("tenant/2_both.sql", block(&both));
    let run = report(&upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1));
    assert_eq!((bad(&run), run.verdict), ([1, 1, 0], UpgradeVerdict::Failed));
    assert_eq!([outcome(&run, "t001"), outcome(&run, "t003")], ["environment-failed", "failed"]);
    let mut codes: Vec<&str> = run.findings.iter().map(|one| one.code.as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["environment-failed", "migration-failed"]);
}

/// Continuing would affect all other tenants, too.
#[tokio::test]
async fn the_environment_counts_for_canaries_and_the_limit_of_failures() {
    let (shop, database) = begun(4).await;
    short_of_disk(&database).await;
    let shop = shop.file("tenant/2_sort.sql", block(SORTS));
    for (limit, reason) in [
        ("--canary=1", "1 of the first 1 (--canary) failed"),
        ("--max-failures=0", "more than 0 (--max-failures) targets failed"),
    ] {
        let args = ["--all-tenants", "--jobs=1", "--format=json", limit];
        let run = report(&upgrade(&shop, &database, args).run().exit(4));
        assert_eq!((bad(&run), run.unit("t004").reason()), ([0, 1, 3], reason));
    }
}

/// Each of these codes can be raised by a script.
#[tokio::test]
async fn a_sqlstate_raised_by_a_script_is_a_migration_failure() {
    for sqlstate in ["53100", "53200", "53300", "58030", "XX001", "57P01", "25006"] {
        let (shop, database) = begun(1).await;
        let raise = format!("RAISE EXCEPTION 'by itself' USING ERRCODE = '{sqlstate}';");
        let shop = shop.file("tenant/2_raise.sql", block(&raise));
        let args = ["--all-tenants", "--format=json"];
        let run = report(&upgrade(&shop, &database, args).run().exit(1));
        let failed = run.unit("t001");
        assert_eq!((failed.outcome, failed.retries), (UnitOutcome::Failed, None), "{failed:?}");
        let failure = failed.failure();
        assert_eq!((failure.kind.as_str(), failure.sqlstate()), ("sql", sqlstate));
        assert_eq!(run.findings[0].code, "migration-failed");
    }
    // A handler that re-raises an error keeps its origin.
    let (shop, database) = begun(1).await;
    short_of_disk(&database).await;
    let again = format!("BEGIN {SORTS} EXCEPTION WHEN OTHERS THEN RAISE; END;");
    let shop = shop.file("tenant/2_again.sql", block(&again));
    upgrade(&shop, &database, ["--all-tenants"]).run().exit(4);
}

/// As on a standby, and on a write-protected database.
#[tokio::test]
async fn a_read_only_database_is_an_environment_failure() {
    let (shop, database) = begun(2).await;
    let read_only = |on: &str| {
        format!("ALTER DATABASE {} SET default_transaction_read_only = {on}", database.name)
    };
    postgres().sql(&read_only("on")).await;
    let shop = shop.file("tenant/2_x.sql", migration(2, "CREATE TABLE x ();"));
    let args = ["--all-tenants", "--format=json", "--output=json=r.json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(4));
    assert_eq!((bad(&run), outcome(&run, "app")), ([0, 2, 0], "up-to-date"));
    assert_eq!(run.unit("t001").failure().sqlstate(), "25006");
    let hint = run.unit("t001").failure().hint();
    assert!(hint.contains("default_transaction_read_only"), "{hint}");
    // A new tenant has no ledger, or not even a schema.
    let command = |name: &str| shop.mig_ci([name]).env("SHOP_URL", database.url());
    let create = command("create").args(["new", "--yes", "--format=json"]);
    assert_eq!(outcome(&report(&create.run().exit(4)), "new"), "environment-failed");
    database.sql("BEGIN READ WRITE; CREATE SCHEMA tenant_new; COMMIT").await;
    let new = report(&upgrade(&shop, &database, ["--tenant=new", "--format=json"]).run().exit(4));
    assert_eq!(outcome(&new, "new"), "environment-failed");
    // Read-only commands continue.
    command("status").args(["--all-tenants"]).run().success();
    postgres().sql(&read_only("off")).await;
    upgrade(&shop, &database, ["--resume=r.json"]).run().success();
    // A script that sets it has failed by itself.
    let shop = shop.file("tenant/3_y.sql", "SET TRANSACTION READ ONLY; CREATE TABLE y ();");
    let run = report(&upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1));
    assert_eq!(bad(&run), [2, 0, 0]);
}

fn command_of<const N: usize>(shop: &Project, database: &Database, args: [&str; N]) -> Outcome {
    shop.mig_ci(args).env("SHOP_URL", database.url()).run()
}

/// The session for leases is open, and no connection is left for a worker.
#[tokio::test]
async fn a_server_without_free_connections_is_an_environment_failure() {
    let (shop, database) = begun(2).await;
    let limit = |most: i32| format!("ALTER DATABASE {} CONNECTION LIMIT {most}", database.name);
    postgres().sql(&limit(1)).await;
    let shop = shop.file("tenant/2_x.sql", migration(2, "CREATE TABLE x ();"));
    let args = ["--all-tenants", "--jobs=2", "--format=json", "--output=json=r.json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(4));
    assert_eq!(bad(&run), [0, 2, 0]);
    assert_eq!(run.unit("t002").failure().sqlstate(), "53300");
    // A signal ends the wait for a connection.
    let refusal = "too many connections for database";
    let before = database.logged(refusal);
    let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).start();
    database.until_logged(refusal, before);
    let sent = std::time::Instant::now();
    run.signal(Signal::SIGTERM);
    let run = report(&run.wait().exit(130));
    assert!(sent.elapsed() < Duration::from_secs(5));
    assert_eq!(bad(&run), [0, 0, 2]);
    assert_eq!(run.unit("t001").reason(), "the run was interrupted");
    postgres().sql(&limit(-1)).await;
    upgrade(&shop, &database, ["--resume=r.json"]).run().success();
}

/// Tenants that are processed when the server is lost, and later ones.
#[tokio::test]
async fn a_lost_server_ends_the_run() {
    // Stopped when the test ends.
    let server: &'static Postgres = Box::leak(Box::new(Postgres::start()));
    for (signal, exit) in [(None, 4), (Some(Signal::SIGINT), 130)] {
        let server = if signal.is_some() { Box::leak(Box::new(Postgres::start())) } else { server };
        let database = with_tenants_on(server, &numbered(6)).await;
        let sleeps = in_tenant("t002", "PERFORM pg_sleep(100) /* gone */;");
        let shop = shop(1).file("tenant/2_x.sql", block(&sleeps));
        let args = ["--all-tenants", "--jobs=1", "--format=json"];
        let run = upgrade(&shop, &database, args).env(LOG.0, LOG.1).start();
        wait_for_sleepers(&server.url("postgres"), "gone", 1).await;
        // As with `pg_ctl stop -m immediate`.
        server.signal(Signal::SIGQUIT);
        if let Some(signal) = signal {
            run.says("the server is unavailable: retrying");
            run.signal(signal);
        }
        let run = report(&run.wait().exit(exit));
        assert_eq!(outcome(&run, "t001"), "upgraded");
        if signal.is_some() {
            assert_eq!(bad(&run)[0], 0, "{run}");
            continue;
        }
        assert_eq!(bad(&run), [0, 1, 4]);
        let struck = run.unit("t002");
        assert_eq!(struck.outcome, UnitOutcome::EnvironmentFailed);
        assert_eq!(struck.failure().kind, "server-lost");
        let reason = run.unit("t006").reason();
        assert!(reason.starts_with("the server was lost: "), "{reason}");
        assert_eq!(run.findings[0].code, "server-lost");
    }
}

/// After a recovery, steps that may be partly applied are not retried. Roles that may see the server's processes detect the
/// recovery.
#[tokio::test]
async fn a_server_crash_is_not_a_migration_failure() {
    let server: &'static Postgres = Box::leak(Box::new(Postgres::start()));
    let database = with_tenants_on(server, &numbered(1)).await;
    let shop = shop(1).file(
        "tenant/2_x.sql",
        "-- no-transaction\nINSERT INTO audit.applied VALUES (current_schema(), 2); SELECT pg_sleep(100) /* crash */",
    );
    let interceptor = Interceptor::to(&database);
    let as_admin = interceptor.url_of("admin", &database.name);
    for (url, exit) in [(interceptor.url().to_owned(), 1), (as_admin, 4)] {
        let run =
            shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).env("SHOP_URL", url).start();
        wait_for_sleepers(&server.url("postgres"), "crash", 1).await;
        let sleeper = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        let pid: i32 = server.sql(sleeper).await[0].parse().unwrap();
        let before = server.checkpointer().await.unwrap();
        // A session that is opened before the server has detected the crash would find no change.
        interceptor.stop_after(0, StopPoint::BeforeServer);
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        server.until_recovered(before).await;
        interceptor.release();
        let run = report(&run.wait().exit(exit));
        let expected = if exit == 4 { "environment-failed" } else { "failed" };
        assert_eq!(outcome(&run, "t001"), expected);
        let hint = run.unit("t001").failure().hint();
        assert!(hint.contains("it may have been applied partly"), "{hint}");
    }
}

/// The server of one tenant is unreachable: the others continue, and `status` reports what it cannot read.
#[tokio::test]
async fn an_unreachable_tenant_server_affects_its_tenants_only() {
    let (main, near) = (postgres().database().await, postgres().database().await);
    let away = "postgres://u@127.0.0.1:1/";
    let query = format!(
        "SELECT * FROM (VALUES ('far', '{away}a'), ('near', '{}'), ('farther', '{away}b')) AS t (name, url)",
        near.url()
    );
    let config = format!(
        "[databases.customer]\nurl = \"{}\"\n[databases.customer.tenants]\nmigrations = \"m\"\n\
         format = \"sqlx\"\ntenancy = \"database\"\nfrom = {{ query = \"{query}\" }}\n",
        main.url()
    );
    let shop = project().file("m/1_a.sql", "CREATE TABLE a ();").file("mig-ci.toml", config);
    let args = ["upgrade", "--all-tenants", "--jobs=1", "--format=json"];
    let run = report(&shop.mig_ci(args).run().exit(4));
    let ends = ["far", "near", "farther"].map(|name| outcome(&run, name));
    assert_eq!(ends, ["environment-failed", "upgraded", "not-run"]);
    for check in [None, Some("--check")] {
        let status = shop.mig_ci(["status", "--all-tenants", "--format=json"]);
        let status = check.into_iter().fold(status, |status, flag| status.arg(flag));
        let status = json_of(&status.run().exit(4));
        assert_eq!(status["counts"]["environment_failed"], 2);
        let mut units = status["units"].as_array().unwrap().iter();
        let far = units.find(|unit| unit["name"] == "far").unwrap();
        assert_eq!(far["standing"], "environment-failed");
    }
    let text = shop.mig_ci(["status", "--all-tenants"]).run().exit(4).stdout;
    assert!(
        text.contains("far: no result, the environment failed: cannot open a session"),
        "{text}"
    );
    // A tenant that is behind has precedence over the environment.
    let shop = shop.file("m/2_b.sql", "CREATE TABLE b ();");
    shop.mig_ci(["status", "--all-tenants", "--check"]).run().exit(1);
    shop.mig_ci(["status", "--all-tenants"]).run().exit(4);
}

#[tokio::test]
async fn an_unreachable_tenant_source_is_an_environment_failure() {
    let (shop, database) = begun(1).await;
    let config = shop.read("mig-ci.toml");
    let sorts =
        "SELECT 'a' || count(*) FROM (SELECT n FROM generate_series(1, 500000) n ORDER BY -n) s";
    let old = "SELECT slug FROM audit.tenants ORDER BY id";
    let shop = shop.file("mig-ci.toml", config.replace(old, sorts));
    short_of_disk(&database).await;
    for command in ["tenants", "upgrade"] {
        let all: &[&str] = if command == "upgrade" { &["--all-tenants"] } else { &[] };
        let run = shop.mig_ci([command]).env("SHOP_URL", database.url());
        let run = all.iter().fold(run, |run, arg| run.arg(arg)).run().exit(4);
        assert!(run.stderr.contains("temp_file_limit"), "{run:?}");
    }
    let shop = shop.file("mig-ci.toml", config.replace(old, "SELECT nothing"));
    command_of(&shop, &database, ["tenants"]).exit(3);
}

/// Scripts use the cause of a failure, not its message.
#[tokio::test]
async fn the_report_contains_the_cause_of_an_unprocessed_target() {
    let shop = shop(1);
    let database = with_tenants(&numbered(4)).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    let index = "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY t1_plan ON t1 (plan);\n";
    let shop = shop.file("tenant/2_index.sql", index);
    database
        .sql(
            "INSERT INTO shared.plans VALUES (1); INSERT INTO tenant_t001.t1 VALUES (1, 1), (2, 1); \
             DROP SCHEMA tenant_t003 CASCADE; INSERT INTO audit.tenants (slug) VALUES ('t004'), ('')",
        )
        .await;
    let mut holder = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    let build = "CREATE UNIQUE INDEX CONCURRENTLY t1_plan ON tenant_t001.t1 (plan)";
    holder.execute(build).await.unwrap_err();
    holder.execute("BEGIN; LOCK tenant_t002.t1").await.unwrap();
    let args = ["--tenant=t002", "--lock-timeout=0", "--log-format=json"];
    let other = upgrade(&shop, &database, args).start();
    other.says("\"migration-started\"");
    let args = ["--all-tenants", "--wait=0s", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(1));
    holder.close().await.unwrap();
    other.wait().success();
    let cause = |name: &str| {
        let failure = run.unit(name).failure();
        assert_eq!(failure.kind, "target", "{failure:?}");
        failure.cause.clone().unwrap()
    };
    let causes = ["t001", "t002", "t003", "t004"].map(cause);
    assert_eq!(causes, ["invalid-index", "lock-not-acquired", "missing-schema", "ambiguous-name"]);
    let nameless = run.units.last().unwrap().failure();
    assert_eq!(nameless.cause.as_deref(), Some("invalid-name"), "{nameless:?}");
}
