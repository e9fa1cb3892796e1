//! Downgrades: exactly the selected migrations are reverted, by their own scripts, or nothing.

use sqlx::Executor as _;

use super::interruption::{COMPUTES, COMPUTING, GATE, hold, until};
use super::{any_stop_point, kill_after, migration, numbered, outcome, report, with_tenants};
use crate::common::upgrade_report::UnitOutcome;
use crate::common::{Command, Database, Interceptor, Project, postgres, project, random_rounds};

/// Each migration creates a table, and its down script drops it; both record their execution.
fn reversible(migrations: usize) -> Project {
    let start = super::shop(0);
    (1..=migrations).fold(start, |shop, number| {
        let undone = format!("INSERT INTO audit.applied VALUES (current_schema(), -{number});");
        shop.file(
            &format!("tenant/{number}_t.up.sql"),
            migration(number, &format!("CREATE TABLE t{number} (id int);")),
        )
        .file(&format!("tenant/{number}_t.down.sql"), format!("{undone}\nDROP TABLE t{number};\n"))
    })
}

fn run<const N: usize>(shop: &Project, database: &Database, args: [&str; N]) -> Command {
    shop.mig_ci(args).env("SHOP_URL", database.url())
}

/// The tables of each tenant, in the order of the tenants.
async fn tables(database: &Database) -> Vec<String> {
    let sql = "SELECT n.nspname || ': ' || coalesce(string_agg(c.relname, ' ' ORDER BY c.relname), '') \
        FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r' \
        AND c.relname <> '_sqlx_migrations' WHERE n.nspname LIKE 'tenant\\_%' GROUP BY n.nspname ORDER BY 1";
    database.sql(sql).await
}

#[tokio::test]
async fn a_plain_database_goes_down_by_steps_to_a_version_and_to_its_base() {
    let files = |shop: Project, number: usize| {
        shop.file(&format!("m/{number}_t.up.sql"), format!("CREATE TABLE t{number} ();"))
            .file(&format!("m/{number}_t.down.sql"), format!("DROP TABLE t{number};"))
    };
    let config = "[databases.users]\nmigrations = \"m\"\nformat = \"sqlx\"\nurl = \"${SHOP_URL}\"\n\
        [databases.other]\nmigrations = \"o\"\nurl = \"${OTHER_URL}\"\n";
    let users = (1..=5).fold(project().file("mig-ci.toml", config), files);
    let users = users.file("o/1_o.sql", "SELECT 1;");
    let database = postgres().database().await;
    let left = async || {
        let sql = "SELECT count(*), (SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]$') \
            FROM _sqlx_migrations";
        database.sql(sql).await[0].clone()
    };
    run(&users, &database, ["upgrade", "-n", "users"]).run().success();
    assert_eq!(left().await, "5|5");
    let run_of = run(&users, &database, ["-n", "users", "downgrade", "-1", "--format=json"]);
    let unit = report(&run_of.run().success()).units[0].clone();
    assert_eq!(unit.outcome, UnitOutcome::Downgraded);
    assert_eq!([unit.before.as_deref(), unit.after.as_deref()], [Some("5"), Some("4")]);
    assert_eq!(unit.undone(), ["5"]);
    assert_eq!(left().await, "4|4");
    let text = run(&users, &database, ["downgrade", "2", "-n", "users"]).run().success();
    assert!(text.stdout.contains("4 → 2, 2 migrations reverted"), "{}", text.stdout);
    assert_eq!(left().await, "2|2");
    run(&users, &database, ["downgrade", "-n", "users", "base"]).run().success();
    assert_eq!(left().await, "0|0");
    let again = run(&users, &database, ["downgrade", "-n", "users", "-1"]).run().success();
    assert!(again.stdout.contains("up to date"), "{}", again.stdout);
    run(&users, &database, ["upgrade", "-n", "users"]).run().success();
    assert_eq!(left().await, "5|5");
    for (to, words) in [("9", "9"), ("head", "mig-ci upgrade"), ("-0", "-1")] {
        let no = run(&users, &database, ["downgrade", "-n", "users", to]).run().exit(2);
        assert!(no.stderr.contains(words), "{}", no.stderr);
    }
    assert_eq!(left().await, "5|5");
}

#[tokio::test]
async fn tenants_go_down_and_their_shared_track_stays() {
    let shop = reversible(3);
    let database = with_tenants(&numbered(12)).await;
    run(&shop, &database, ["upgrade", "--all-tenants"]).run().success();
    run(&shop, &database, ["downgrade", "-2", "--tenant", "t00[1-3]"]).run().success();
    run(&shop, &database, ["downgrade", "2", "--all-tenants"]).run().success();
    let all = tables(&database).await;
    assert_eq!(all[..3], ["tenant_t001: t1", "tenant_t002: t1", "tenant_t003: t1"]);
    assert!(all[3..].iter().all(|one| one.ends_with(": t1 t2")), "{all:?}");
    assert_eq!(database.sql("SELECT count(*) FROM shared.plans").await, ["0"]);
    run(&shop, &database, ["upgrade", "--all-tenants"]).run().success();
    let all = tables(&database).await;
    assert!(all.iter().all(|one| one.ends_with(": t1 t2 t3")), "{all:?}");
}

/// Nothing is reverted if a required down script is missing.
#[tokio::test]
async fn missing_down_scripts_are_reported_before_any_change() {
    let database = with_tenants(&numbered(2)).await;
    let empty = reversible(3).file("tenant/2_t.down.sql", "-- cannot be undone\n");
    run(&empty, &database, ["upgrade", "--all-tenants"]).run().success();
    let no = run(&empty, &database, ["downgrade", "1", "--all-tenants"]).run().exit(1);
    assert!(no.stdout.contains("2 cannot be reverted: its down script has no statement"), "{no:?}");
    assert!(no.stdout.contains("tenant/2_t.down.sql"), "{no:?}");
    let all = tables(&database).await;
    assert!(all.iter().all(|one| one.ends_with(": t1 t2 t3")), "{all:?}");
    // Above it, down scripts exist.
    run(&empty, &database, ["downgrade", "2", "--all-tenants"]).run().success();
}

/// A failed down script has no effect, and the other tenants continue.
#[tokio::test]
async fn a_failed_downgrade_leaves_the_tenant_at_its_version() {
    let shop = reversible(2);
    let database = with_tenants(&numbered(4)).await;
    run(&shop, &database, ["upgrade", "--all-tenants"]).run().success();
    database.sql("CREATE VIEW tenant_t003.v AS SELECT * FROM tenant_t003.t2").await;
    let run = run(&shop, &database, ["downgrade", "-1", "--all-tenants", "--format=json"]);
    let run = report(&run.run().exit(1));
    assert_eq!(outcome(&run, "t003"), "failed");
    assert_eq!(run.counts.downgraded, 3);
    assert_eq!(tables(&database).await[2], "tenant_t003: t1 t2");
    let finding = &run.findings[0];
    assert_eq!(finding.place.as_ref().unwrap().path, "tenant/2_t.down.sql", "{finding:?}");
    let command = finding.reproduce.as_deref().unwrap();
    assert!(command.starts_with("mig-ci downgrade"), "{finding:?}");
}

/// If a run is killed before or after any message to the server, the next run to the same version continues, and nothing is
/// reverted twice.
#[tokio::test]
async fn killed_downgrades_revert_each_migration_once() {
    const TENANTS: usize = 100;
    let shop = reversible(4);
    let database = with_tenants(&numbered(TENANTS)).await;
    run(&shop, &database, ["upgrade", "--all-tenants"]).run().success();
    let (mut random, rounds) = random_rounds(7, 15, 60);
    let interceptor = Interceptor::to(&database);
    for _ in 0..rounds {
        let run = shop.mig_ci(["downgrade", "1", "--all-tenants", "--jobs=4"]);
        let (messages, point) = (random.usize(0..30), any_stop_point(&mut random));
        kill_after(run.env("SHOP_URL", interceptor.url()), &interceptor, messages, point);
    }
    run(&shop, &database, ["downgrade", "1", "--all-tenants"]).run().success();
    let undone =
        "SELECT count(*), count(DISTINCT (tenant, version)) FROM audit.applied WHERE version < 0";
    let number = 3 * TENANTS;
    assert_eq!(database.sql(undone).await, [format!("{number}|{number}")]);
    let all = tables(&database).await;
    assert!(all.iter().all(|one| one.ends_with(": t1")), "{all:?}");
}

/// Exactly the tenants and steps of one run are reverted.
#[tokio::test]
async fn downgrade_report_undoes_that_run() {
    let shop = reversible(4).file("shared/2_more.up.sql", "CREATE TABLE shared.more ();");
    let shop = shop.file("shared/2_more.down.sql", "DROP TABLE shared.more;");
    let database = with_tenants(&numbered(6)).await;
    // The first two are ahead of the others, the third has no migrations.
    run(&shop, &database, ["upgrade", "3", "--tenant", "t001", "--tenant", "t002"]).run().success();
    run(&shop, &database, ["upgrade", "1", "--tenant", "t00[456]"]).run().success();
    database
        .sql("DROP TABLE shared.more; DELETE FROM shared._sqlx_migrations WHERE version = 2")
        .await;
    let before = tables(&database).await;
    run(&shop, &database, ["upgrade", "--all-tenants", "--output=json=run.json"]).run().success();
    // A tenant created later is not affected.
    database
        .sql("CREATE SCHEMA tenant_t007; INSERT INTO audit.tenants (slug) VALUES ('t007')")
        .await;
    run(&shop, &database, ["upgrade", "--tenant=t007"]).run().success();
    let back = run(&shop, &database, ["downgrade", "--report=run.json", "--format=json"]);
    let back = report(&back.run().success());
    assert_eq!(back.counts.downgraded, 7, "{back}");
    let after = tables(&database).await;
    assert_eq!(after[..6], before);
    assert_eq!(after[6], "tenant_t007: t1 t2 t3 t4");
    assert_eq!(database.sql("SELECT to_regclass('shared.more') IS NULL").await, ["t"]);
    // A second time nothing is left to revert.
    let again = run(&shop, &database, ["downgrade", "--report=run.json", "--format=json"]);
    assert_eq!(report(&again.run().success()).counts.up_to_date, 7);
}

/// Later migrations may depend on those of the run.
#[tokio::test]
async fn downgrade_report_refuses_when_later_migrations_exist() {
    let shop = reversible(2);
    let database = with_tenants(&numbered(3)).await;
    run(&shop, &database, ["upgrade", "--all-tenants", "--output=json=run.json"]).run().success();
    let later = shop.file("tenant/3_t.up.sql", "CREATE TABLE t3 ();");
    let later = later.file("tenant/3_t.down.sql", "DROP TABLE t3;");
    run(&later, &database, ["upgrade", "--tenant=t002"]).run().success();
    let back = run(&later, &database, ["downgrade", "--report=run.json", "--format=json"]);
    let back = report(&back.run().exit(1));
    assert_eq!(
        ["t001", "t002", "t003"].map(|name| outcome(&back, name)),
        ["downgraded", "failed", "downgraded"]
    );
    assert_eq!(outcome(&back, "app"), "not-run", "{back}");
    assert!(
        back.to_string().contains("a migration was applied (3, perhaps) after those to revert"),
        "{back}"
    );
    assert_eq!(tables(&database).await[1], "tenant_t002: t1 t2 t3");
    let no = run(&later, &database, ["downgrade", "--report=mig-ci.toml"]).run();
    assert!(!no.status.success() && no.stderr.contains("mig-ci.toml"), "{no:?}");
}

/// A late migration has a higher one above it that was applied before.
#[tokio::test]
async fn a_late_migration_is_reverted_alone() {
    let database = with_tenants(&numbered(2)).await;
    let early = super::shop(0)
        .file("tenant/1_t.up.sql", "CREATE TABLE t1 ();")
        .file("tenant/1_t.down.sql", "DROP TABLE t1;")
        .file("tenant/3_t.up.sql", "CREATE TABLE t3 ();")
        .file("tenant/3_t.down.sql", "DROP TABLE t3;");
    run(&early, &database, ["upgrade", "--all-tenants"]).run().success();
    let late = early
        .file("tenant/2_t.up.sql", "CREATE TABLE t2 ();")
        .file("tenant/2_t.down.sql", "DROP TABLE t2;");
    run(&late, &database, ["upgrade", "--all-tenants", "--output=json=late.json"]).run().success();
    run(&late, &database, ["downgrade", "--report=late.json"]).run().success();
    assert_eq!(tables(&database).await, ["tenant_t001: t1 t3", "tenant_t002: t1 t3"]);
}

/// A report belongs to one server.
#[tokio::test]
async fn a_report_of_another_server_is_refused() {
    let shop = reversible(1);
    let [staging, production] =
        [with_tenants(&numbered(2)).await, with_tenants(&numbered(2)).await];
    run(&shop, &staging, ["upgrade", "--all-tenants", "--output=json=run.json"]).run().success();
    run(&shop, &production, ["upgrade", "--all-tenants"]).run().success();
    for command in [["downgrade", "--report=run.json"], ["upgrade", "--resume=other.json"]] {
        if command[0] == "upgrade" {
            let report = shop.path().join("run.json");
            let text = std::fs::read_to_string(&report).unwrap();
            let failed = text.replacen("\"upgraded\",", "\"failed\",", 2);
            std::fs::write(shop.path().join("other.json"), failed).unwrap();
        }
        let no = run(&shop, &production, command).run().exit(2);
        assert!(no.stderr.contains(&staging.name), "{}", no.stderr);
        assert!(no.stderr.contains(&production.name), "{}", no.stderr);
    }
    assert_eq!(tables(&production).await, ["tenant_t001: t1", "tenant_t002: t1"]);
}

/// "The last one" is one migration, for any number of concurrent runs.
#[tokio::test]
async fn concurrent_downgrades_undo_the_last_migration_once() {
    let shop = reversible(3);
    let shop = shop.file(
        "tenant/3_t.down.sql",
        format!(
            "{COMPUTES}\nINSERT INTO audit.applied VALUES (current_schema(), -3);\nDROP TABLE t3;\n"
        ),
    );
    let database = with_tenants(&numbered(1)).await;
    run(&shop, &database, ["upgrade", "--all-tenants"]).run().success();
    let mut gate = hold(&database, GATE).await;
    let both = [0, 1].map(|_| run(&shop, &database, ["downgrade", "-1", "--all-tenants"]).start());
    // One is executing, and both have requested the target.
    until(&database, COMPUTING, "1").await;
    let claims = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND application_name = 'mig-ci downgrade claims' AND state = 'idle' \
        AND query LIKE '%pg_try_advisory_lock(claim)%'";
    until(&database, claims, "2").await;
    gate.execute("ROLLBACK").await.unwrap();
    both.into_iter().for_each(|run| drop(run.wait().success()));
    assert_eq!(tables(&database).await, ["tenant_t001: t1 t2"]);
}
