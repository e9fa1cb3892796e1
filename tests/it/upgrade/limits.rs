//! Limits of a rollout: canaries, a number of failures, locks, time.

use sqlx::Executor as _;

use super::interruption::{hold, until, until_waited};
use super::{
    assert_all_once, counts, customers, json_of, migration, numbered, outcome, report, shop,
    upgrade, with_tenants,
};
use crate::common::{Database, postgres, project};

#[tokio::test]
async fn a_failed_canary_stops_the_rollout() {
    let shop = shop(1).file("tenant/2_x.sql", migration(2, "ALTER TABLE t1 ADD x int NOT NULL;"));
    let database = with_tenants(&numbered(20)).await;
    upgrade(&shop, &database, ["--all-tenants", "1"]).run().success();
    database.sql("INSERT INTO tenant_t002.t1 VALUES (1)").await;
    let run = upgrade(&shop, &database, ["--all-tenants", "--canary=3", "--format=json"]);
    let run = report(&run.run().exit(1));
    assert_eq!(counts(&run), [2, 1, 1, 17]);
    assert_eq!(run.units[20].reason(), "1 of the first 3 (--canary) failed");
    database.sql("DELETE FROM tenant_t002.t1").await;
    upgrade(&shop, &database, ["--all-tenants", "--canary=3"]).run().success();
    assert_eq!(database.sql("SELECT count(*) FROM audit.applied").await, ["40"]);
}

#[tokio::test]
async fn max_failures_stops_the_rollout() {
    let shop = shop(1).file("tenant/2_x.sql", migration(2, "ALTER TABLE t1 ADD x int NOT NULL;"));
    let database = with_tenants(&numbered(100)).await;
    upgrade(&shop, &database, ["--all-tenants", "1"]).run().success();
    let fill = "DO $$ DECLARE s text; BEGIN FOR s IN SELECT slug FROM audit.tenants LOOP \
        EXECUTE format('INSERT INTO %I.t1 VALUES (1)', 'tenant_' || s); END LOOP; END $$";
    database.sql(fill).await;
    let args = ["--all-tenants", "--max-failures=4", "--jobs=2", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(1));
    let failed = run.counts.failed;
    assert!((5..=6).contains(&failed), "{failed}: those at work come to their end");
    assert_eq!(run.units[100].reason(), "more than 4 (--max-failures) targets failed");
    assert_eq!(database.sql("SELECT count(*) FROM audit.applied").await, ["100"]);
}

/// A lock that is held for long fails one tenant, and leaves nothing partly applied.
#[tokio::test]
async fn a_held_lock_is_retried_and_then_fails_the_tenant() {
    let shop = shop(1).file("tenant/2_x.sql", migration(2, "ALTER TABLE t1 ADD x int;"));
    let database = with_tenants(&numbered(6)).await;
    upgrade(&shop, &database, ["--all-tenants", "1"]).run().success();
    let mut holder = hold(&database, "LOCK tenant_t004.t1").await;
    let args = ["--all-tenants", "--lock-timeout=50ms", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(1));
    assert_eq!(outcome(&run, "t004"), "failed");
    let unit = run.unit("t004");
    assert_eq!(unit.failure().sqlstate(), "55P03");
    assert_eq!(unit.retries, Some(5));
    assert_eq!(run.counts.upgraded, 5);
    // The holder releases it while the next run waits.
    let next = upgrade(&shop, &database, ["--all-tenants", "--lock-timeout=2s"]).start();
    until_waited(&database, "0").await;
    holder.execute("ROLLBACK").await.unwrap();
    next.wait().success();
    let all = database.sql("SELECT count(*), count(DISTINCT (tenant, version)) FROM audit.applied");
    assert_eq!(all.await, ["12|12"]);
}

#[tokio::test]
async fn a_statement_timeout_is_not_retried() {
    let shop = shop(1).file("tenant/2_x.sql", migration(2, "SELECT pg_sleep(60);"));
    let database = with_tenants(&numbered(1)).await;
    let args = ["--all-tenants", "--statement-timeout=200ms", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(1));
    let unit = &run.units[1];
    assert_eq!((unit.failure().sqlstate(), unit.retries), ("57014", None));
    assert_eq!(unit.applied(), ["1"]);
    assert_eq!(unit.after.as_deref(), Some("1"));
}

/// Leftovers of an earlier run are reported, with a hint.
#[tokio::test]
async fn an_invalid_index_is_reported_with_a_hint() {
    let index = "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY t1_plan ON t1 (plan);\n";
    let shop = shop(1);
    let database = with_tenants(&numbered(2)).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    database
        .sql(
            "INSERT INTO shared.plans VALUES (1); \
             INSERT INTO tenant_t001.t1 VALUES (1, 1), (2, 1)",
        )
        .await;
    let shop = shop.file("tenant/2_index.sql", index);
    let run = upgrade(&shop, &database, ["--all-tenants"]).run().exit(1);
    assert!(run.stdout.contains("could not create unique index"), "{run:?}");
    assert!(run.stdout.contains("it left was dropped: tenant_t001.t1_plan"), "{run:?}");
    // An index that was invalid before is not dropped, and the migration is not started.
    build(&database, "CREATE UNIQUE INDEX CONCURRENTLY t1_plan ON tenant_t001.t1 (plan)").await;
    database.sql("DELETE FROM tenant_t001.t1 WHERE id = 2").await;
    let run = upgrade(&shop, &database, ["--all-tenants"]).run().exit(1);
    assert!(run.stdout.contains("the index tenant_t001.t1_plan is invalid"), "{run:?}");
    assert!(run.stdout.contains("DROP INDEX CONCURRENTLY tenant_t001.t1_plan;"), "{run:?}");
    database.sql("DROP INDEX tenant_t001.t1_plan").await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
}

/// Fails, and leaves an invalid index.
async fn build(database: &Database, sql: &'static str) {
    use sqlx::{Connection as _, Executor as _};
    let mut session = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    session.execute(sql).await.unwrap_err();
}

#[tokio::test]
async fn partitions_cover_all_tenants() {
    let shop = shop(2);
    let database = with_tenants(&numbered(11)).await;
    for part in ["1/3", "2/3", "3/3"] {
        upgrade(&shop, &database, ["--all-tenants", "--partition", part]).run().success();
    }
    assert_all_once(&database, 11, 2).await;
}

/// Without a transaction a second execution is not undone: two runs execute a step once, even if one has lost its leases.
#[tokio::test]
async fn steps_without_a_transaction_run_once() {
    let count = "-- no-transaction\nUPDATE n SET n = n + 1 RETURNING pg_sleep(0.1);\n";
    let shop = shop(1).file("tenant/2_n.sql", migration(2, "CREATE TABLE n AS SELECT 0 AS n;"));
    let database = with_tenants(&numbered(30)).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    let shop = shop.file("tenant/3_count.sql", count);
    let slow = upgrade(&shop, &database, ["--all-tenants", "--jobs=1"]).start();
    let fast = upgrade(&shop, &database, ["--all-tenants", "--jobs=4"]).start();
    let cut = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity \
        WHERE datname = current_database() AND application_name = 'mig-ci upgrade claims'";
    let all = (1..=30).map(|number| format!("SELECT n FROM tenant_t{number:03}.n"));
    let all = all.collect::<Vec<_>>().join(" UNION ALL ");
    // Repeatedly during the run: after each second tenant.
    for round in 0..10 {
        let enough = format!("SELECT sum(n) >= {} FROM ({all}) AS a", 2 * round);
        until(&database, &enough, "t").await;
        until(&database, cut, "t").await;
    }
    slow.wait();
    fast.wait();
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    assert_eq!(database.sql(&format!("SELECT min(n), max(n) FROM ({all}) AS a")).await, ["1|1"]);
}

/// Other tenants do not count as canaries.
#[tokio::test]
async fn canary_counts_canary_tenants_only() {
    let shop = shop(1);
    let database = with_tenants(&numbered(6)).await;
    database.sql("DROP SCHEMA tenant_t006").await;
    let run = upgrade(&shop, &database, ["--all-tenants", "--canary=2", "--format=json"]).run();
    let run = report(&run.exit(1));
    assert_eq!(counts(&run), [6, 0, 1, 0]);
}

/// With a database for each, pending work is known only after a scan. A tenant without pending work is no canary.
#[tokio::test]
async fn a_canary_with_a_database_has_pending_work() {
    let (shop, databases) = customers(6).await;
    let names: Vec<String> = databases.iter().map(|database| database.name.clone()).collect();
    let first = ["upgrade", "--tenant", &names[0], "--tenant", &names[1], "--tenant", &names[2]];
    shop.mig_ci(first).run().success();
    databases[3].sql("CREATE TABLE a ()").await;
    let args = ["upgrade", "--all-tenants", "--canary=1", "--jobs=2", "--format=json"];
    let stopped = shop.mig_ci(args).run().exit(1);
    assert!(stopped.stderr.contains("3 done, 1 failed, 2 not run"), "{stopped:?}");
    let run = report(&stopped);
    assert_eq!(counts(&run), [0, 3, 1, 2]);
    assert_eq!(outcome(&run, &names[3]), "failed");
    assert_eq!(run.units[5].reason(), "1 of the first 1 (--canary) failed");
    databases[3].sql("DROP TABLE a").await;
    let run = report(&shop.mig_ci(args).run().success());
    assert_eq!(run.counts.upgraded, 3);
    let names: Vec<_> = run.units.iter().map(|unit| &unit.name).collect();
    assert_eq!(names, databases.iter().map(|database| &database.name).collect::<Vec<_>>());
}

/// All addresses are checked before anything is changed.
#[tokio::test]
async fn an_invalid_address_is_reported_before_any_change() {
    let main = postgres().database().await;
    let tenant = postgres().database().await;
    let config = |tenants: &str| {
        format!(
            "[databases.customer]\nurl = \"{}\"\nshared = {{ migrations = \"s\", format = \"sqlx\" }}\n\
             [databases.customer.tenants]\nmigrations = \"m\"\nformat = \"sqlx\"\n\
             tenancy = \"database\"\nfrom = {{ query = \"{tenants}\" }}\n",
            main.url()
        )
    };
    let one = "SELECT 'bad' AS name, 'mysql://h/d' AS url";
    let both = format!("{one} UNION ALL SELECT '{}', NULL", tenant.name);
    let shop =
        project().file("m/1_a.sql", "CREATE TABLE a ();").file("s/1_s.sql", "CREATE TABLE s ();");
    let has_it = "SELECT to_regclass('public.s') IS NOT NULL";
    let shop = shop.file("mig-ci.toml", config(&both));
    let args = ["upgrade", "--all-tenants", "--format=json", "--max-failures=0"];
    let run = report(&shop.mig_ci(args).run().exit(1));
    assert_eq!(counts(&run), [0, 0, 1, 2]);
    assert_eq!(run.units[0].reason(), "more than 0 (--max-failures) targets failed");
    let shop = shop.file("mig-ci.toml", config(one));
    let run = report(&shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).run().exit(1));
    assert_eq!(run.units[0].reason(), "all selected tenants failed before the start");
    assert_eq!(main.sql(has_it).await, ["f"]);
    let shop = shop.file("mig-ci.toml", config(&both));
    let run = report(&shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).run().exit(1));
    assert_eq!([outcome(&run, "bad"), outcome(&run, &tenant.name)], ["failed", "upgraded"]);
    assert_eq!(main.sql(has_it).await, ["t"]);
}

/// A view could contain another tenant's rows.
#[tokio::test]
async fn a_ledger_that_is_a_view_is_refused() {
    let shop = shop(1);
    let database = with_tenants(&numbered(3)).await;
    upgrade(&shop, &database, ["--tenant=t001"]).run().success();
    let view =
        "CREATE VIEW tenant_t002._sqlx_migrations AS SELECT * FROM tenant_t001._sqlx_migrations";
    database.sql(view).await;
    let run = report(&upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1));
    let ends = ["t001", "t002", "t003"].map(|name| outcome(&run, name));
    assert_eq!(ends, ["up-to-date", "failed", "upgraded"]);
    let message = &run.units[2].failure().message;
    assert!(message.ends_with("is a view, not a table"), "{message}");
}

/// A step outside of a transaction may be completely applied when its connection breaks: it is not retried.
#[tokio::test]
async fn steps_without_a_transaction_are_not_retried_after_a_lost_connection() {
    let sql = "-- no-transaction\nINSERT INTO audit.applied VALUES (current_schema(), 2); SELECT pg_sleep(600);";
    let shop = shop(1).file("tenant/2_x.sql", sql);
    let database = with_tenants(&numbered(1)).await;
    let running = upgrade(&shop, &database, ["--all-tenants"]).start();
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE wait_event = 'PgSleep' AND datname = current_database()";
    until(&database, cut, "1").await;
    let failed = running.wait().exit(1);
    assert!(
        failed.stdout.contains("the connection broke while a migration ran outside"),
        "{failed:?}"
    );
}

/// Effects of a statement outside of a transaction before the failure are reported.
#[tokio::test]
async fn committed_parts_of_a_failed_migration_are_reported() {
    let shop = shop(1).file("tenant/2_x.sql", migration(2, "COMMIT; SELECT 1 / 0;"));
    let database = with_tenants(&numbered(1)).await;
    let failed = upgrade(&shop, &database, ["--all-tenants"]).run().exit(1);
    assert!(failed.stdout.contains("the statements before the failure stay applied"), "{failed:?}");
}

/// Session state that a function leaves for one tenant does not reach the next one.
#[tokio::test]
async fn temporary_tables_do_not_leak_into_other_tenants() {
    let stage = "CREATE FUNCTION shared.stage() RETURNS void LANGUAGE plpgsql AS $$ BEGIN \
        CREATE TEMP  TABLE IF NOT EXISTS moved AS SELECT * FROM items; END $$;";
    let shop = shop(0)
        .file("shared/2_stage.sql", stage)
        .file("tenant/1_i.sql", "CREATE TABLE items AS SELECT current_schema()::text AS id;")
        .file(
            "tenant/2_a.sql",
            "SELECT shared.stage(); CREATE TABLE archive AS SELECT id FROM moved;",
        );
    let database = with_tenants(&numbered(3)).await;
    upgrade(&shop, &database, ["--all-tenants", "--jobs=1"]).run().success();
    for tenant in ["tenant_t001", "tenant_t002", "tenant_t003"] {
        assert_eq!(database.sql(&format!("SELECT id FROM {tenant}.archive")).await, [tenant]);
    }
}

/// `IF NOT EXISTS` accepts an invalid index.
#[tokio::test]
async fn an_invalid_index_does_not_pass() {
    let index =
        "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t1_u ON t1 ((1));";
    let mut shop = shop(1).file("tenant/2_u.sql", index);
    let database = with_tenants(&numbered(1)).await;
    upgrade(&shop, &database, ["1", "--all-tenants"]).run().success();
    database.sql("INSERT INTO tenant_t001.t1 VALUES (1), (2)").await;
    build(&database, "CREATE UNIQUE INDEX CONCURRENTLY t1_u ON tenant_t001.t1 ((1))").await;
    for before in ["", "", "-- REINDEX, or: drop index t1_u\n", "DROP INDEX IF EXISTS t1_u_2;\n"] {
        let script = index.replace("CREATE", &format!("{before}CREATE"));
        // Several statements of one message are a transaction, which the server refuses; so the file has only one.
        shop = match before.contains(';') {
            true => shop.file("tenant/2_u.sql", script.replace("CONCURRENTLY ", "")),
            false => shop.file("tenant/2_u.sql", script),
        };
        let failed = upgrade(&shop, &database, ["--all-tenants"]).run().exit(1);
        assert!(failed.stdout.contains("DROP INDEX CONCURRENTLY tenant_t001.t1_u;"), "{failed:?}");
    }
    // After a rebuild by a statement for it, the index is valid.
    database.sql("DELETE FROM tenant_t001.t1 WHERE id = 2").await;
    let repairs = "-- no-transaction\nREINDEX INDEX t1_u; CREATE UNIQUE INDEX IF NOT EXISTS t1_u ON t1 ((1));";
    shop = shop.file("tenant/2_u.sql", repairs);
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'tenant_t001.t1_u'::regclass";
    assert_eq!(database.sql(valid).await, ["t"]);
}

/// A row that no tool would write fails its tenant.
#[tokio::test]
async fn a_ledger_with_a_null_fails_that_tenant_only() {
    let shop = shop(1);
    let database = with_tenants(&numbered(3)).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    database
        .sql(
            "ALTER TABLE tenant_t002._sqlx_migrations ALTER success DROP NOT NULL; \
             UPDATE tenant_t002._sqlx_migrations SET success = NULL",
        )
        .await;
    let run = report(&upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1));
    assert_eq!(counts(&run), [0, 3, 1, 0]);
    let why = &run.units[2].failure().message;
    assert!(why.contains("_sqlx_migrations"), "{why}");
    let status = shop.mig_ci(["status", "--all-tenants", "--format=json"]);
    let status = json_of(&status.env("SHOP_URL", database.url()).run().success());
    assert_eq!(status["counts"]["unreadable"], 1, "{status}");
}
