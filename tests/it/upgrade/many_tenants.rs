//! Two hundred tenants, with failures during their upgrade.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::interruption::{LOG, NOTICED, until};
use super::{
    any_stop_point, assert_all_once, counts, kill_after, migration, numbered, report, shop,
    upgrade, with_tenants, with_tenants_on,
};
use crate::common::upgrade_report::UpgradeVerdict;
use crate::common::{Database, Interceptor, Postgres, Project, Running, StopPoint, random_rounds};

const TENANTS: usize = 200;
const MIGRATIONS: usize = 4;

/// If a run is killed before or after any message to the server, the next run continues: each migration is applied once.
#[tokio::test]
async fn killed_runs_apply_each_migration_once() {
    let (mut random, rounds) = random_rounds(20_261_127, 50, 300);
    let shop = shop(MIGRATIONS);
    let database = with_tenants(&numbered(TENANTS)).await;
    let interceptor = Interceptor::to(&database);
    for round in 0..rounds {
        let run = shop.mig_ci(["upgrade", "--all-tenants", "--jobs=4"]);
        // The start of a run takes about twenty messages, one tenant one or two. Far more remain than all rounds apply.
        let messages = random.usize(0..if round < 10 { 20 } else { 30 });
        let point = any_stop_point(&mut random);
        kill_after(run.env("SHOP_URL", interceptor.url()), &interceptor, messages, point);
    }
    let last = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().success();
    assert_eq!(report(&last).counts.failed, 0);
    assert_all_at_head(&shop, &database, TENANTS).await;
}

/// Each tenant has each migration once, is at the head with the same shape, and no other schema has any.
async fn assert_all_at_head(shop: &Project, database: &Database, tenants: usize) {
    assert_all_once(database, tenants, MIGRATIONS).await;
    let status = shop.mig_ci(["status", "--all-tenants", "--check"]);
    status.env("SHOP_URL", database.url()).run().success();
    let elsewhere = "SELECT string_agg(DISTINCT nspname, ' ' ORDER BY nspname) FROM pg_class \
        JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'i', 'S', 'v') \
        AND nspname !~ '^(pg_|tenant_|information_schema)'";
    assert_eq!(database.sql(elsewhere).await, ["audit shared"], "nothing is anywhere else");
}

/// Some have rows that violate a migration, and one is locked: the others continue, and the remaining ones are upgraded
/// after a fix.
#[tokio::test]
async fn resume_repeats_failed_tenants_only() {
    let shop = shop(MIGRATIONS).file(
        "tenant/4_t.sql",
        migration(4, "ALTER TABLE t1 ADD y int NOT NULL; CREATE TABLE t4 ();"),
    );
    let database = with_tenants(&numbered(TENANTS)).await;
    upgrade(&shop, &database, ["1", "--all-tenants"]).run().success();
    let odd = ["t007", "t042", "t043", "t099", "t150", "t200"];
    for name in odd {
        database.sql(&format!("INSERT INTO tenant_{name}.t1 VALUES (1)")).await;
    }
    let mut holder = PgConnection::connect(&database.url()).await.unwrap();
    holder.execute("BEGIN; LOCK tenant_t100.t1 IN SHARE MODE").await.unwrap();
    let args = ["--all-tenants", "--jobs=4", "--lock-timeout=50ms", "--format=json"];
    let run = upgrade(&shop, &database, args).arg("--output=json=r.json").run().exit(1);
    let run = report(&run);
    assert_eq!(counts(&run), [193, 1, 7, 0]);
    // Three causes at most: the lock, and the consequences of the rows.
    assert!(run.findings.len() <= 3, "{run}");
    holder.execute("ROLLBACK").await.unwrap();
    holder.close().await.unwrap();
    for name in odd {
        database.sql(&format!("DELETE FROM tenant_{name}.t1")).await;
    }
    let rest = upgrade(&shop, &database, ["--resume=r.json", "--format=json"]).run().success();
    assert_eq!(counts(&report(&rest)), [7, 1, 0, 0], "and a look at the shared track");
    assert_all_at_head(&shop, &database, TENANTS).await;
}

/// Two and four concurrent runs, as on several machines: they share the work, and nothing is applied twice.
#[tokio::test]
async fn concurrent_runs_share_the_work() {
    for runs in [2, 4] {
        let shop = shop(MIGRATIONS);
        let database = with_tenants(&numbered(TENANTS)).await;
        let args = ["--all-tenants", "--jobs=2", "--format=json"];
        let all: Vec<_> = (0..runs).map(|_| upgrade(&shop, &database, args).start()).collect();
        let reports: Vec<_> = all.into_iter().map(|run| report(&run.wait().success())).collect();
        assert_all_at_head(&shop, &database, TENANTS).await;
        let mut upgraded = 0;
        for report in &reports {
            let counts = &report.counts;
            assert_eq!((counts.failed, counts.not_run), (0, 0));
            upgraded += counts.upgraded;
        }
        // One of them upgrades the shared track, too.
        assert_eq!(upgraded, TENANTS as u64 + 1, "no tenant twice, none left out");
    }
}

/// Sessions that the server terminates are reopened; the ledger tells what was applied.
#[tokio::test]
async fn terminated_connections_are_reopened() {
    let shop = shop(MIGRATIONS);
    let database = with_tenants(&numbered(TENANTS)).await;
    let (mut random, _) = random_rounds(20_261_129, 1, 1);
    let interceptor = Interceptor::to(&database);
    interceptor.stop_after(0, StopPoint::BeforeServer);
    let running = shop.mig_ci(["upgrade", "--all-tenants", "--jobs=4", "--format=json"]);
    let mut running = running.env("SHOP_URL", interceptor.url()).start();
    step_until_applied(&database, &interceptor, &mut running, 1).await;
    // One session at a time: the one with the leases, or a worker's.
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name LIKE 'mig-ci upgrade%' \
        ORDER BY random() LIMIT 1) AS one";
    for round in 0..15 {
        loop {
            assert!(interceptor.is_stopped(&mut running), "{round}: {:?}", running.wait());
            // There may be no session at this moment: the last one has just been terminated.
            let is_cut = database.sql(cut).await == ["1"];
            interceptor.stop_after(random.usize(5..12), any_stop_point(&mut random));
            if is_cut {
                break;
            }
        }
    }
    interceptor.release();
    let outcome = running.wait();
    let run = report(&outcome);
    // A run can lose more often than it retries; the next one does not.
    if !outcome.status.success() {
        assert!(run.counts.failed > 0, "{run}");
        upgrade(&shop, &database, ["--all-tenants"]).run().success();
    }
    assert_all_at_head(&shop, &database, TENANTS).await;
}

/// Lets a run continue until this number of tenant migrations is applied, and then stops it.
async fn step_until_applied(
    database: &Database,
    interceptor: &Interceptor,
    run: &mut Running,
    migrations: usize,
) {
    let enough = format!("SELECT count(*) >= {migrations} FROM audit.applied");
    while database.sql(&enough).await != ["t"] {
        interceptor.stop_after(4, StopPoint::BeforeServer);
        assert!(interceptor.is_stopped(run), "it has ended before");
    }
}

/// The server has no free connection: later sessions wait for one.
#[tokio::test]
async fn a_full_server_is_retried() {
    // Eight workers share three connections, and one that gets none in all of its attempts fails: more tenants would take
    // longer than that on a slow machine.
    const FEW: usize = 40;
    let shop = shop(MIGRATIONS);
    let server: &'static Postgres = Box::leak(Box::new(Postgres::start_with_connection_limit(5)));
    let database = with_tenants_on(server, &numbered(FEW)).await;
    // Other sessions use all connections at first, and some until the end. A terminated session keeps its connection for a
    // moment.
    let (mut sessions, begun) = (Vec::new(), Instant::now());
    while sessions.len() < 5 {
        match PgConnection::connect(&database.url()).await {
            Ok(session) => sessions.push(session),
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(50), "{error}"),
        }
    }
    let refusal = "too many clients already";
    let before = database.logged(refusal);
    let running = upgrade(&shop, &database, ["--all-tenants", "--jobs=8", "--format=json"]).start();
    database.until_logged(refusal, before);
    let full = PgConnection::connect(&database.url()).await.unwrap_err();
    assert!(full.to_string().contains("too many clients already"), "{full}");
    for session in sessions.drain(2..) {
        session.close().await.unwrap();
    }
    let run = report(&running.wait().success());
    assert_eq!(counts(&run), [FEW as u64 + 1, 0, 0, 0]);
    for session in sessions {
        session.close().await.unwrap();
    }
    assert_all_at_head(&shop, &database, FEW).await;
}

/// An interrupted run reports its progress, and the next one continues.
#[tokio::test]
async fn an_interrupted_run_ends_in_order() {
    let shop = shop(MIGRATIONS);
    let database = with_tenants(&numbered(TENANTS)).await;
    let interceptor = Interceptor::to(&database);
    interceptor.stop_after(0, StopPoint::BeforeServer);
    let running = shop.mig_ci(["upgrade", "--all-tenants", "--jobs=2", "--format=json"]);
    let running = running.env("SHOP_URL", interceptor.url()).env(LOG.0, LOG.1);
    let mut running = running.start();
    step_until_applied(&database, &interceptor, &mut running, 21).await;
    running.signal(Signal::SIGINT);
    running.says(NOTICED);
    interceptor.release();
    let run = report(&running.wait().exit(130));
    assert_eq!((run.interrupted, run.verdict), (true, UpgradeVerdict::NotRun));
    assert!(run.counts.not_run > 50, "{run}");
    assert_eq!(run.counts.failed, 0);
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    assert_all_at_head(&shop, &database, TENANTS).await;
}

/// A slow tenant delays only itself.
#[tokio::test]
async fn a_slow_tenant_does_not_delay_others() {
    let names = numbered(12);
    let (shop, database) = (shop(1), with_tenants(&names).await);
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    let long = "SELECT CASE current_schema() WHEN 'tenant_t001' THEN pg_sleep(60) END;";
    let shop = shop.file("tenant/2_long.sql", migration(2, long));
    let running = upgrade(&shop, &database, ["--all-tenants", "--jobs=2", "--format=json"]).start();
    let done = "SELECT count(*) FROM audit.applied WHERE version = 2";
    until(&database, done, "11").await;
    let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event = 'PgSleep'";
    assert_eq!(database.sql(cancel).await, ["1"], "the long one is at it still");
    let run = report(&running.wait().exit(1));
    assert_eq!(counts(&run), [11, 1, 1, 0]);
}
