//! golang-migrate's ledger of one row: all earlier migrations count as applied, and a dirty one needs a manual fix.

use sqlx::Executor as _;

use super::interruption::hold;
use super::{
    any_stop_point, counts, json_of, kill_after, migration, numbered, outcome, report, upgrade,
    with_tenants,
};
use crate::common::{Command, Database, Interceptor, Project, project, random_rounds};

const CONFIG: &str = "[databases.app]\n\
    url = \"${SHOP_URL}\"\n\
    [databases.app.tenants]\n\
    migrations = \"tenant\"\n\
    format = \"golang-migrate\"\n\
    target = \"tenant_{tenant}\"\n\
    from = { query = \"SELECT slug FROM audit.tenants ORDER BY id\" }\n";

/// Each migration creates a table and records its execution; so does each down script.
fn shop(migrations: usize) -> Project {
    (1..=migrations).fold(project().file("mig-ci.toml", CONFIG), |shop, number| {
        let table = format!("CREATE TABLE t{number} (id int PRIMARY KEY);");
        let undone = format!("INSERT INTO audit.applied VALUES (current_schema(), -{number});");
        shop.file(&format!("tenant/{number}_t.up.sql"), migration(number, &table))
            .file(&format!("tenant/{number}_t.down.sql"), format!("{undone}DROP TABLE t{number};"))
    })
}

fn run<const N: usize>(shop: &Project, database: &Database, args: [&str; N]) -> Command {
    shop.mig_ci(args).env("SHOP_URL", database.url())
}

/// The rows of each tenant's ledger, in the tenants' order.
async fn ledgers(database: &Database, tenants: &[String]) -> Vec<String> {
    let one = |name: &String| {
        format!(
            "(SELECT coalesce(string_agg(version || CASE WHEN dirty THEN ' dirty' ELSE '' END, ', '), '-') \
             FROM \"tenant_{name}\".schema_migrations)"
        )
    };
    let all = tenants.iter().map(one).collect::<Vec<_>>().join(" || '; ' || ");
    let all = database.sql(&format!("SELECT {all}")).await;
    all[0].split("; ").map(str::to_owned).collect()
}

async fn assert_all_once(database: &Database, tenants: usize, migrations: usize) {
    let all = database.sql("SELECT count(*), count(DISTINCT (tenant, version)) FROM audit.applied");
    let number = tenants * migrations;
    assert_eq!(all.await, [format!("{number}|{number}")], "applied, and applied once");
}

#[tokio::test]
async fn tenants_are_upgraded_and_downgraded_with_a_single_row_ledger() {
    let (shop, names) = (shop(4), numbered(12));
    let database = with_tenants(&names).await;
    upgrade(&shop, &database, ["2", "--tenant=t00[1-3]"]).run().success();
    assert_eq!(ledgers(&database, &names[..3]).await, ["2", "2", "2"]);
    let args = ["--all-tenants", "--format=json", "--output=json=r.json"];
    let up = report(&upgrade(&shop, &database, args).run().success());
    assert_eq!(counts(&up), [12, 0, 0, 0]);
    assert_eq!(up.units[0].applied(), ["3", "4"]);
    assert_eq!(up.units[3].applied(), ["1", "2", "3", "4"]);
    let [before, after] = [&up.units[0].before, &up.units[0].after];
    assert_eq!((before.as_deref(), after.as_deref()), (Some("2"), Some("4")));
    assert_eq!(ledgers(&database, &names).await, vec!["4"; 12]);
    assert_all_once(&database, 12, 4).await;
    let again = report(&upgrade(&shop, &database, args_of_all()).run().success());
    assert_eq!(counts(&again), [0, 12, 0, 0]);
    let status = run(&shop, &database, ["status", "--all-tenants", "--check"]).run().success();
    assert!(status.stdout.contains("12 at 4"), "{}", status.stdout);

    // The migrations that the reported run applied, and no earlier ones.
    let back = run(&shop, &database, ["downgrade", "--report=r.json", "--format=json"]);
    let back = report(&back.run().success());
    assert_eq!(back.units[0].undone(), ["4", "3"]);
    assert_eq!(back.units[3].undone(), ["4", "3", "2", "1"]);
    let rows = ledgers(&database, &names).await;
    assert_eq!(rows[..3], ["2", "2", "2"]);
    assert_eq!(rows[3..], ["-"; 9]);
    run(&shop, &database, ["downgrade", "-1", "--tenant=t001"]).run().success();
    run(&shop, &database, ["downgrade", "base", "--tenant=t002"]).run().success();
    assert_eq!(ledgers(&database, &names[..3]).await, ["1", "-", "2"]);
    let tables = "SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]$'";
    assert_eq!(database.sql(tables).await, ["3"]);
}

fn args_of_all() -> [&'static str; 2] {
    ["--all-tenants", "--format=json"]
}

/// The tool, killed between its two marks, leaves a dirty row; mig-ci writes no such marks.
#[tokio::test]
async fn a_kill_between_any_two_messages_leaves_no_dirty_row() {
    let (shop, names) = (shop(4), numbered(200));
    let database = with_tenants(&names).await;
    let (mut random, rounds) = random_rounds(20_261_128, 20, 150);
    let interceptor = Interceptor::to(&database);
    for _ in 0..rounds {
        let run = shop.mig_ci(["upgrade", "--all-tenants", "--jobs=3"]);
        let (messages, point) = (random.usize(0..30), any_stop_point(&mut random));
        kill_after(run.env("SHOP_URL", interceptor.url()), &interceptor, messages, point);
    }
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    assert_eq!(ledgers(&database, &names).await, vec!["4"; 200]);
    assert_all_once(&database, 200, 4).await;
}

/// A lock of another session is waited for, and the step is retried without traces of the first attempt.
#[tokio::test]
async fn a_lost_lock_race_leaves_no_dirty_row() {
    let (shop, names) = (shop(1), numbered(2));
    let database = with_tenants(&names).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    let shop = shop.file("tenant/2_x.up.sql", migration(2, "ALTER TABLE t1 ADD x int;"));
    let mut holder = hold(&database, "LOCK tenant_t002.t1").await;
    let args = ["--all-tenants", "--lock-timeout=50ms", "--format=json"];
    let lost = report(&upgrade(&shop, &database, args).run().exit(1));
    assert_eq!(["t001", "t002"].map(|name| outcome(&lost, name)), ["upgraded", "failed"]);
    assert_eq!(lost.units[1].retries, Some(5));
    assert_eq!(ledgers(&database, &names).await, ["2", "1"], "not dirty");
    holder.execute("ROLLBACK").await.unwrap();
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    assert_all_once(&database, 2, 2).await;
}

/// A step that cannot run in a transaction is sent as by the tool. If it fails, its mark remains, with a recovery hint.
#[tokio::test]
async fn a_failed_step_outside_of_a_transaction_leaves_a_mark_with_a_recovery_hint() {
    let index = "CREATE UNIQUE INDEX CONCURRENTLY once ON t1 (x)";
    let shop = shop(1)
        .file("tenant/2_x.up.sql", migration(2, "ALTER TABLE t1 ADD x int;"))
        .file("tenant/3_once.up.sql", index)
        .file("tenant/4_y.up.sql", migration(4, "ALTER TABLE t1 ADD y int;"));
    let names = numbered(2);
    let database = with_tenants(&names).await;
    upgrade(&shop, &database, ["2", "--all-tenants"]).run().success();
    database.sql("INSERT INTO tenant_t001.t1 VALUES (1, 1), (2, 1)").await;
    let failed = report(&upgrade(&shop, &database, args_of_all()).run().exit(1));
    assert_eq!(["t001", "t002"].map(|name| outcome(&failed, name)), ["failed", "upgraded"]);
    assert_eq!(failed.units[0].applied, None, "the mark is not taken for a step");
    assert_eq!(ledgers(&database, &names).await, ["3 dirty", "4"]);
    let hint = failed.units[0].failure().hint();
    let dropped = "the invalid index that it left was dropped: tenant_t001.once";
    let back = "UPDATE \"tenant_t001\".\"schema_migrations\" SET version = 2, dirty = false;";
    assert!(hint.contains(dropped) && hint.contains(back), "{hint}");

    // Until that is fixed, the error is the tool's message with the recovery hint.
    let dirty = upgrade(&shop, &database, ["--all-tenants"]).run().exit(1);
    assert!(dirty.stdout.contains("Dirty database version 3. Fix and force version."), "{dirty:?}");
    assert!(dirty.stdout.contains("failed, now at 2"), "{}", dirty.stdout);
    let words = dirty.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(back), "{}", dirty.stdout);
    let status = run(&shop, &database, ["status", "--all-tenants", "--format=json"]);
    let status = json_of(&status.run());
    assert!(status.to_string().contains("Dirty database version 3"), "{status}");
    assert!(status.to_string().contains("SET version = 2, dirty = false"), "{status}");

    database.sql("DELETE FROM tenant_t001.t1 WHERE id = 2").await;
    database.sql(back).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    assert_eq!(ledgers(&database, &names).await, ["4", "4"]);
    assert_all_once(&database, 2, 3).await;
    let valid =
        "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid::regclass::text ~ 'once'";
    assert_eq!(database.sql(valid).await, ["2"]);
}

/// The effects of a failed down step outside of a transaction are unknown, so the possible states are listed with their
/// ledger rows.
#[tokio::test]
async fn a_failed_down_step_is_not_recorded_as_undone() {
    let shop = shop(2)
        .file("tenant/3_i.up.sql", "CREATE INDEX CONCURRENTLY i ON t1 (id)")
        .file("tenant/3_i.down.sql", "DROP INDEX CONCURRENTLY nowhere")
        .file("tenant/1_t.down.sql", "BEGIN; DROP TABLE nowhere; COMMIT;");
    let names = numbered(1);
    let database = with_tenants(&names).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    let down = |to: &'static str| {
        let args = ["downgrade", to, "--all-tenants", "--format=json"];
        report(&run(&shop, &database, args).run().exit(1)).units[0].clone()
    };
    let failed = down("2");
    assert_eq!((&failed.undone, failed.after.as_deref()), (&None, Some("3")));
    assert_eq!(ledgers(&database, &names).await, ["2 dirty"]);
    let hint = failed.failure().hint().to_owned();
    let stands = |version: &str| {
        let row = "UPDATE \"tenant_t001\".\"schema_migrations\"";
        format!("{version}: {row} SET version = {version}, dirty = false;")
    };
    assert!(hint.contains(&format!("{} {}", stands("3"), stands("2"))), "{hint}");
    database.sql(stands("3").split_once(": ").unwrap().1).await;
    // Below the first migration.
    database.sql("DROP INDEX tenant_t001.i").await;
    let shop = shop.file("tenant/3_i.down.sql", "SELECT 1;");
    let args = ["downgrade", "base", "--all-tenants", "--format=json"];
    let failed = report(&run(&shop, &database, args).run().exit(1)).units[0].clone();
    assert_eq!(failed.undone(), ["3", "2"]);
    assert_eq!(failed.after.as_deref(), Some("1"));
    assert_eq!(ledgers(&database, &names).await, ["-1 dirty"]);
    let hint = failed.failure().hint();
    assert!(hint.contains(&stands("1")), "{hint}");
    database.sql(stands("1").split_once(": ").unwrap().1).await;
    upgrade(&shop, &database, ["2", "--all-tenants"]).run().success();
    assert_eq!(ledgers(&database, &names).await, ["2"]);
}

/// The row determines the last migration, for any number of earlier files.
#[tokio::test]
async fn a_report_is_reverted_with_a_single_row_ledger() {
    let names = numbered(1);
    let database = with_tenants(&names).await;
    let reported = ["--all-tenants", "--output=json=r.json"];
    let first = shop(2);
    upgrade(&first, &database, ["--all-tenants"]).run().success();
    let third = first.file("tenant/3_t.up.sql", migration(3, "CREATE TABLE t3 ();"));
    let third = third.file("tenant/3_t.down.sql", "DROP TABLE t3;");
    upgrade(&third, &database, reported).run().success();
    // A late file does not count as applied later.
    let late = third.file("tenant/0_late.up.sql", "SELECT 1;");
    let dry = ["downgrade", "--report=r.json", "--dry-run"];
    let dry = run(&late, &database, dry).run().success();
    assert!(dry.stdout.contains("would run 1 migration: 3"), "{}", dry.stdout);
    // A later one does, also after old files were squashed.
    let fourth = late.file("tenant/4_t.up.sql", migration(4, "CREATE TABLE t4 ();"));
    let fourth = fourth.file("tenant/4_t.down.sql", "DROP TABLE t4;");
    upgrade(&fourth, &database, ["--all-tenants"]).run().success();
    let squashed = fourth.without("tenant/0_late.up.sql").without("tenant/1_t.up.sql");
    let squashed = squashed.without("tenant/1_t.down.sql");
    let no = run(&squashed, &database, ["downgrade", "--report=r.json"]).run().exit(1);
    assert!(no.stdout.contains("a migration was applied (4, perhaps) after"), "{}", no.stdout);
    assert_eq!(ledgers(&database, &names).await, ["4"]);
}

/// A script that conflicts with mig-ci's transaction runs without one, as the tool sends it.
#[tokio::test]
async fn steps_that_refuse_a_transaction_run_as_in_golang_migrate() {
    let shop = shop(0)
        .file("tenant/1_p.up.sql", "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);")
        .file("tenant/2_r.up.sql", "REINDEX TABLE p")
        .file("tenant/3_l.up.sql", "SET LOCAL ROLE plain; SELECT 1;")
        .file("tenant/4_o.up.sql", "SET TRANSACTION READ ONLY; SELECT 1;")
        .file("tenant/5_b.up.sql", "BEGIN; CREATE TABLE b (); COMMIT;")
        .file("tenant/6_e.up.sql", "");
    let names = numbered(2);
    let database = with_tenants(&names).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    assert_eq!(ledgers(&database, &names).await, ["6", "6"]);
}
