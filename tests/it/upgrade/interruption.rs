//! Signals end pauses and waits for locks at once, and a locked tenant does not delay the others.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::{counts, customers, migration, numbered, outcome, report, shop, upgrade, with_tenants};
use crate::common::upgrade_report::UnitOutcome;
use crate::common::{Database, Outcome, Project, Running, peer, postgres, project};

/// The time limit for a run that waits for nothing, on a machine with many tests.
const AT_ONCE: Duration = Duration::from_secs(5);
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND application_name LIKE 'mig-ci%' AND wait_event_type = 'Lock'";
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
    AND application_name LIKE 'mig-ci%'";

/// A statement that executes without waiting for a lock, for as long as a session holds [`GATE`].
pub(super) const COMPUTES: &str = "DO $$ BEGIN WHILE NOT pg_try_advisory_xact_lock_shared(7) LOOP \
    PERFORM pg_sleep(0.005); END LOOP; END $$;";
pub(super) const GATE: &str = "SELECT pg_advisory_xact_lock(7)";
pub(super) const COMPUTING: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event = 'PgSleep'";
/// Makes the binary log a received signal.
pub(super) const LOG: (&str, &str) = ("MIG_CI_LOG", "mig_ci=debug");
/// The log message.
pub(super) const NOTICED: &str = "interruption requested";

/// A session in a transaction that has executed this SQL.
pub(super) async fn hold(database: &Database, sql: &str) -> PgConnection {
    let mut session = PgConnection::connect(&database.url()).await.unwrap();
    let sql = format!("BEGIN ISOLATION LEVEL REPEATABLE READ; {sql}");
    session.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    session
}

/// Waits until a statement of the run has waited for a lock for this interval, by the server's clock.
pub(super) async fn until_waited(database: &Database, interval: &str) {
    let query = format!(
        "SELECT count(*) > 0 FROM pg_locks JOIN pg_stat_activity AS a USING (pid) WHERE NOT granted \
         AND a.datname = current_database() AND application_name LIKE 'mig-ci%' \
         AND clock_timestamp() - waitstart > interval '{interval}'"
    );
    until(database, &query, "t").await;
}

pub(super) async fn until(database: &Database, query: &str, answer: &str) {
    let begun = Instant::now();
    while database.sql(query).await != [answer] {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for {query}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The run ends in time, and leaves no session on the server.
pub(super) async fn interrupted(database: &Database, run: Running, signal: Signal) -> Outcome {
    let sent = Instant::now();
    run.signal(signal);
    let ended = run.wait();
    assert!(sent.elapsed() < AT_ONCE, "{:?}: {ended:?}", sent.elapsed());
    until(database, SESSIONS, "0").await;
    ended.exit(130)
}

/// Tenants at the first of two migrations; the second changes the table of the first.
async fn begun(tenants: usize) -> (Project, Database) {
    let shop = shop(1).file("tenant/2_x.sql", migration(2, "ALTER TABLE t1 ADD x int;"));
    let database = with_tenants(&numbered(tenants)).await;
    upgrade(&shop, &database, ["--all-tenants", "1"]).run().success();
    (shop, database)
}

/// The run waits for the lock, with or without a timeout; or it pauses before a retry.
#[tokio::test]
async fn a_signal_ends_waits_for_a_lock() {
    for (signal, timeout, is_refused) in [
        (Signal::SIGINT, "--lock-timeout=5s", false),
        (Signal::SIGTERM, "--lock-timeout=0", false),
        (Signal::SIGINT, "--lock-timeout=1ms", true),
    ] {
        let (shop, database) = begun(3).await;
        let mut holder = hold(&database, "LOCK tenant_t002.t1").await;
        // A session of another client that waits for the same lock is not affected.
        let other = {
            let mut other = hold(&database, "SET application_name = 'other'").await;
            tokio::spawn(async move { other.execute("LOCK tenant_t002.t1").await.map(drop) })
        };
        let args = ["--all-tenants", timeout, "--format=json", "--output=json=r.json"];
        let run = upgrade(&shop, &database, args).start();
        until(&database, "SELECT count(*) FROM audit.applied WHERE version = 2", "2").await;
        match is_refused {
            false => until(&database, WAITING, "1").await,
            true => database.until_logged("canceling statement due to lock timeout", 1),
        }
        let run = report(&interrupted(&database, run, signal).await);
        assert_eq!(counts(&run), [2, 1, 0, 1], "{timeout}");
        assert_eq!(run.unit("t002").reason(), "the run was interrupted");
        let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'tenant_t002.t1'::regclass \
            AND attname = 'x'";
        assert_eq!(database.sql(columns).await, ["0"]);
        holder.execute("ROLLBACK").await.unwrap();
        other.await.unwrap().unwrap();
        upgrade(&shop, &database, ["--resume=r.json"]).run().success();
        let all = "SELECT count(*), count(DISTINCT (tenant, version)) FROM audit.applied";
        assert_eq!(database.sql(all).await, ["6|6"]);
    }
}

/// No connection is left for another session, which would cancel the wait.
#[tokio::test]
async fn a_signal_ends_a_wait_for_a_lock_on_a_full_server() {
    let (shop, database) = begun(1).await;
    let mut holder = hold(&database, "LOCK tenant_t001.t1").await;
    let args = ["--all-tenants", "--lock-timeout=0", "--format=json"];
    let run = upgrade(&shop, &database, args).start();
    until(&database, WAITING, "1").await;
    // For the holder of the lock, the leases, and the worker that waits.
    let limit = |most: i32| format!("ALTER DATABASE {} CONNECTION LIMIT {most}", database.name);
    postgres().sql(&limit(3)).await;
    let sent = Instant::now();
    run.signal(Signal::SIGINT);
    let ended = run.wait().exit(130);
    assert!(sent.elapsed() < AT_ONCE, "{:?}", sent.elapsed());
    postgres().sql(&limit(-1)).await;
    assert_eq!(counts(&report(&ended)), [0, 1, 0, 1]);
    holder.execute("ROLLBACK").await.unwrap();
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
}

/// Migrations that were applied before the wait are in the report.
#[tokio::test]
async fn an_interrupted_tenant_reports_its_applied_migrations() {
    let (shop, database) = begun(1).await;
    let shop = shop
        .file("tenant/2_x.sql", "-- no-transaction\nSELECT 1")
        .file("tenant/3_x.sql", migration(3, "ALTER TABLE t1 ADD y int;"));
    let mut holder = hold(&database, "LOCK tenant_t001.t1").await;
    let args = ["--all-tenants", "--lock-timeout=0", "--format=json"];
    let run = upgrade(&shop, &database, args).start();
    until(&database, WAITING, "1").await;
    let run = report(&interrupted(&database, run, Signal::SIGINT).await);
    let unit = run.unit("t001");
    assert_eq!((unit.outcome, unit.applied()[0].as_str()), (UnitOutcome::NotRun, "2"));
    assert_eq!(unit.after.as_deref(), Some("2"));
    holder.execute("ROLLBACK").await.unwrap();
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
}

/// An executing migration is not a wait: it completes, and the next one is not started.
#[tokio::test]
async fn an_executing_migration_finishes_after_a_signal() {
    let shop = shop(1)
        .file("tenant/2_x.sql", migration(2, COMPUTES))
        .file("tenant/3_x.sql", "-- no-transaction\nCREATE TABLE u ()");
    let database = with_tenants(&numbered(1)).await;
    let mut gate = hold(&database, GATE).await;
    let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]);
    let run = run.env(LOG.0, LOG.1).start();
    until(&database, COMPUTING, "1").await;
    run.signal(Signal::SIGINT);
    run.says(NOTICED);
    gate.execute("ROLLBACK").await.unwrap();
    let run = report(&run.wait().exit(130));
    assert_eq!(run.unit("t001").applied(), ["1", "2"]);
    assert_eq!(outcome(&run, "t001"), "not-run");
}

/// Reading ledgers waits for locks, too, and so do downgrades and the creation of tenants.
#[tokio::test]
async fn other_commands_cancel_their_lock_waits() {
    let (shop, database) = begun(2).await;
    let up = shop.read("tenant/1_t.sql");
    let shop = shop.file("tenant/1_t.down.sql", "DROP TABLE t1;").file("tenant/1_t.up.sql", up);
    let shop = shop.without("tenant/1_t.sql").without("tenant/2_x.sql");
    let command = |args: [&str; 4]| {
        shop.mig_ci([]).args(args).env("SHOP_URL", database.url()).arg("--format=json")
    };
    for (locks, args) in [
        ("LOCK tenant_t001._sqlx_migrations", ["upgrade", "--all-tenants", "--jobs=2", "head"]),
        ("LOCK tenant_t001._sqlx_migrations", ["status", "--all-tenants", "--jobs=2", "-q"]),
        ("LOCK tenant_t001.t1", ["downgrade", "base", "--all-tenants", "--lock-timeout=0"]),
        ("CREATE SCHEMA tenant_new", ["create", "new", "--lock-timeout=0", "--yes"]),
    ] {
        let mut holder = hold(&database, locks).await;
        let run = command(args).start();
        until(&database, WAITING, "1").await;
        interrupted(&database, run, Signal::SIGTERM).await;
        holder.execute("ROLLBACK").await.unwrap();
    }
    assert_eq!(database.sql("SELECT to_regnamespace('tenant_new') IS NULL").await, ["t"]);
}

/// With one worker, the first tenant is locked until all others are finished.
#[tokio::test]
async fn a_locked_tenant_is_retried_after_the_others() {
    let (shop, database) = begun(8).await;
    let mut holder = hold(&database, "LOCK tenant_t001.t1").await;
    let args = ["--all-tenants", "--jobs=1", "--lock-timeout=50ms", "--format=json"];
    let run = upgrade(&shop, &database, args).start();
    until(&database, "SELECT count(*) FROM audit.applied WHERE version = 2", "7").await;
    holder.execute("ROLLBACK").await.unwrap();
    let run = report(&run.wait().success());
    assert_eq!(counts(&run), [8, 1, 0, 0]);
    assert!(run.unit("t001").retries.unwrap() >= 1);
    let last = "SELECT tenant FROM audit.applied WHERE version = 2 ORDER BY ctid DESC LIMIT 1";
    assert_eq!(database.sql(last).await, ["tenant_t001"]);
}

/// More tenants are locked than there are workers: all others are processed first.
#[tokio::test]
async fn locked_tenants_do_not_occupy_workers() {
    for jobs in ["--jobs=1", "--jobs=2"] {
        let (shop, database) = begun(8).await;
        let locks = "LOCK tenant_t001.t1, tenant_t002.t1, tenant_t003.t1, tenant_t005.t1";
        let mut holder = hold(&database, locks).await;
        let args = ["--all-tenants", jobs, "--lock-timeout=50ms", "--format=json"];
        let run = upgrade(&shop, &database, args).start();
        until(&database, "SELECT count(*) FROM audit.applied WHERE version = 2", "4").await;
        holder.execute("ROLLBACK").await.unwrap();
        let run = report(&run.wait().success());
        assert_eq!(counts(&run), [8, 1, 0, 0]);
        let order = "SELECT tenant FROM audit.applied WHERE version = 2 ORDER BY ctid LIMIT 4";
        let first = ["t004", "t006", "t007", "t008"].map(|name| format!("tenant_{name}"));
        let mut begun_first = database.sql(order).await;
        begun_first.sort_unstable();
        assert_eq!(begun_first, first, "{jobs}");
        for name in ["t001", "t002", "t003", "t005"] {
            assert!(run.unit(name).retries.unwrap() >= 1, "{jobs} {name}");
        }
    }
}

/// The same for tenants with a database each.
#[tokio::test]
async fn a_locked_database_is_retried_after_the_others() {
    let (shop, databases) = customers(4).await;
    shop.mig_ci(["upgrade", "--all-tenants"]).run().success();
    let shop = shop.file("m/2_b.sql", "ALTER TABLE a ADD b int;");
    let mut holder = hold(&databases[0], "LOCK a").await;
    let run = shop
        .mig_ci(["upgrade", "--all-tenants", "--jobs=1", "--lock-timeout=50ms", "--format=json"])
        .start();
    let has_it = "SELECT count(*) FROM _sqlx_migrations";
    for database in &databases[1..] {
        until(database, has_it, "2").await;
    }
    assert_eq!(databases[0].sql(has_it).await, ["1"]);
    holder.execute("ROLLBACK").await.unwrap();
    let run = report(&run.wait().success());
    assert_eq!(counts(&run), [4, 0, 0, 0]);
    // Nothing remains if it never gets the lock, and a signal ends that wait, too.
    let shop = shop.file("m/3_c.sql", "ALTER TABLE a ADD c int;");
    let _holder = hold(&databases[0], "LOCK a").await;
    let run = shop
        .mig_ci(["upgrade", "--all-tenants", "--jobs=2", "--lock-timeout=0", "--format=json"])
        .start();
    until(&databases[0], WAITING, "1").await;
    for database in &databases[1..] {
        until(database, has_it, "3").await;
    }
    let run = report(&interrupted(&databases[0], run, Signal::SIGINT).await);
    assert_eq!(counts(&run), [3, 0, 0, 1]);
}

/// While a canary is retried, no other tenant starts; its final failure stops them.
#[tokio::test]
async fn a_locked_canary_keeps_the_others_waiting() {
    let (shop, database) = begun(5).await;
    let _holder = hold(&database, "LOCK tenant_t001.t1").await;
    let args = ["--all-tenants", "--canary=2", "--lock-timeout=20ms", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(1));
    assert_eq!(counts(&run), [1, 1, 1, 3]);
    assert_eq!((outcome(&run, "t001"), run.unit("t001").retries), ("failed", Some(5)));
    assert_eq!(run.unit("t005").reason(), "1 of the first 2 (--canary) failed");
}

/// A run waits while another one processes its only target, or while a backend executes the statement of a killed run.
#[tokio::test]
async fn a_signal_ends_a_wait_for_another_run() {
    for is_killed in [false, true] {
        let (shop, database) = begun(1).await;
        let shop = shop.file("tenant/2_x.sql", migration(2, COMPUTES));
        let mut gate = hold(&database, GATE).await;
        let first = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).start();
        until(&database, COMPUTING, "1").await;
        let first = if is_killed {
            first.signal(Signal::SIGKILL);
            first.wait();
            None
        } else {
            Some(first)
        };
        let args = ["--all-tenants", "--wait=1h", "--format=json"];
        let second = upgrade(&shop, &database, args).start();
        // It has requested the target, which the other one holds.
        let claims = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND application_name = 'mig-ci upgrade claims' AND state = 'idle' \
            AND query LIKE '%pg_try_advisory_lock(claim)%'";
        until(&database, claims, if is_killed { "1" } else { "2" }).await;
        let sent = Instant::now();
        second.signal(Signal::SIGTERM);
        let second = second.wait().exit(130);
        assert!(sent.elapsed() < Duration::from_secs(2), "{:?}", sent.elapsed());
        let second = report(&second);
        assert_eq!(counts(&second), [0, 1, 0, 1], "{is_killed}");
        assert_eq!(second.unit("t001").reason(), "the run was interrupted");
        gate.execute("ROLLBACK").await.unwrap();
        if let Some(first) = first {
            assert_eq!(counts(&report(&first.wait().success())), [1, 1, 0, 0]);
        }
        until(&database, SESSIONS, "0").await;
        upgrade(&shop, &database, ["--all-tenants"]).run().success();
        let all = "SELECT count(*), count(DISTINCT (tenant, version)) FROM audit.applied";
        assert_eq!(database.sql(all).await, ["2|2"]);
    }
}

/// Simultaneous signals count as one: a terminal signals all processes of a job.
#[tokio::test]
async fn simultaneous_signals_count_as_one() {
    let (shop, database) = begun(2).await;
    let shop = shop.file("tenant/2_x.sql", migration(2, "COMMIT; ALTER TABLE t1 ADD x int;"));
    let mut holder = hold(&database, "LOCK tenant_t001.t1").await;
    let args = ["--all-tenants", "--jobs=1", "--lock-timeout=0", "--format=json"];
    let run = upgrade(&shop, &database, args).env(LOG.0, LOG.1).start();
    until(&database, WAITING, "1").await;
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGINT] {
        run.signal(signal);
    }
    // Two signals of one kind may be merged.
    crate::common::until("both kinds of signals", || (run.said(NOTICED) > 1).then_some(()));
    // A part of the migration is committed: the wait continues with its lock timeout.
    until_waited(&database, "1500 ms").await;
    assert_eq!(run.said("interruption repeated"), 0);
    holder.execute("ROLLBACK").await.unwrap();
    let run = report(&run.wait().exit(130));
    assert_eq!(run.unit("t001").applied(), ["2"]);
    assert_eq!(outcome(&run, "t002"), "not-run");
    until(&database, SESSIONS, "0").await;
}

/// A second signal, while the run waits for a migration that would be partly applied, ends that wait, too.
#[tokio::test]
async fn a_second_signal_cancels_the_remaining_lock_waits() {
    let (shop, database) = begun(2).await;
    let shop = shop.file("tenant/2_x.sql", migration(2, "COMMIT; ALTER TABLE t1 ADD x int;"));
    let mut holder = hold(&database, "LOCK tenant_t001.t1").await;
    let args = ["--all-tenants", "--jobs=1", "--lock-timeout=0", "--format=json"];
    let args = [args[0], args[1], args[2], args[3], "--output=json=r.json"];
    let mut run = upgrade(&shop, &database, args).start();
    until(&database, WAITING, "1").await;
    let sent = Instant::now();
    // Signals within a second count as one. The wait continues while there is only one.
    while !run.has_ended() {
        run.try_signal(Signal::SIGINT);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(sent.elapsed() > Duration::from_secs(1), "{:?}", sent.elapsed());
    assert!(sent.elapsed() < AT_ONCE, "{:?}", sent.elapsed());
    let ended = run.wait().exit(1);
    until(&database, SESSIONS, "0").await;
    let run = report(&ended);
    assert_eq!([outcome(&run, "t001"), outcome(&run, "t002")], ["failed", "not-run"]);
    let hint = run.unit("t001").failure().hint();
    assert!(hint.contains("the statements before the failure stay applied"), "{hint}");
    assert_eq!(shop.read("r.json"), ended.stdout);
    holder.execute("ROLLBACK").await.unwrap();
}

/// While an executing migration completes, further signals have no effect, and leave nothing behind.
#[tokio::test]
async fn repeated_signals_do_not_cancel_an_executing_migration() {
    let (shop, database) = begun(2).await;
    let shop = shop.file("tenant/2_x.sql", migration(2, COMPUTES));
    let mut gate = hold(&database, GATE).await;
    let args = ["--all-tenants", "--jobs=1", "--format=json"];
    let run = upgrade(&shop, &database, args).env(LOG.0, LOG.1).start();
    until(&database, COMPUTING, "1").await;
    while run.said("interruption repeated") < 2 {
        run.signal(Signal::SIGTERM);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    gate.execute("ROLLBACK").await.unwrap();
    let run = report(&run.wait().exit(130));
    assert_eq!([outcome(&run, "t001"), outcome(&run, "t002")], ["upgraded", "not-run"]);
    until(&database, SESSIONS, "0").await;
}

/// On a terminal, before anything is changed; later input is ignored.
#[test]
fn a_signal_ends_the_confirmation_prompt() {
    // It creates a terminal for a command.
    let Some(script) = peer("script") else { return };
    let config =
        "[databases.users]\nurl = \"${SHOP_URL}\"\nmigrations = \"m\"\nformat = \"sqlx\"\n";
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let shop = project()
            .file("mig-ci.toml", config)
            .file("m/1_a.sql", "CREATE TABLE a ();")
            .file("said", "")
            .file("ask.sh", "echo $$ > pid\nexec \"$MIG_CI\" upgrade 2> said\n");
        let command = format!(
            "mkfifo keys && exec 3<>keys && MIG_CI=$0 exec {} -qec 'sh ask.sh' /dev/null <&3",
            script.display()
        );
        let none: [&str; 0] = [];
        let run = shop.mig_ci(none).through("sh", &["-c", &command]);
        let run = run.env("SHOP_URL", "postgres://app@nowhere.invalid:5999/users").start();
        crate::common::until("the question", || shop.read("said").contains("[y/N]").then_some(()));
        let pid = shop.read("pid").trim().parse().unwrap();
        let sent = Instant::now();
        kill(Pid::from_raw(pid), signal).unwrap();
        run.wait().exit(130);
        assert!(sent.elapsed() < Duration::from_secs(2), "{:?}", sent.elapsed());
        assert!(shop.read("said").contains("interrupted"), "{}", shop.read("said"));
    }
}
