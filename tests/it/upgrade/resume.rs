//! `upgrade --resume`: only the unfinished tenants of a saved report; and the order of tenants.

use super::{migration, numbered, outcome, report, shop, upgrade, with_tenants};
use crate::common::upgrade_report::UpgradeReport;
use crate::common::{Database, Project};

/// A second migration, which fails for tenants with a row in `t1`.
fn with_second(shop: Project) -> Project {
    shop.file("tenant/2_x.sql", migration(2, "ALTER TABLE t1 ADD x int NOT NULL;"))
}

async fn begun(database: &Database) -> Vec<String> {
    database.sql("SELECT substr(tenant, 8) FROM audit.applied ORDER BY ctid").await
}

#[tokio::test]
async fn resume_runs_exactly_what_a_report_left() {
    let shop = shop(1);
    // A name that looks like a pattern is a name.
    let names = ["a*", "ab", "b", "c", "d"].map(str::to_owned);
    let database = with_tenants(&names).await;
    upgrade(&shop, &database, ["--all-tenants", "--jobs=1"]).run().success();
    let shop = with_second(shop);
    database
        .sql("INSERT INTO \"tenant_a*\".t1 VALUES (1); INSERT INTO tenant_c.t1 VALUES (1)")
        .await;
    let args = ["--tenant=a[*]", "--tenant=b", "--tenant=c", "--jobs=1", "--output=json=r.json"];
    upgrade(&shop, &database, args).run().exit(1);
    database
        .sql("DELETE FROM \"tenant_a*\".t1; DELETE FROM tenant_c.t1; DELETE FROM audit.applied")
        .await;
    let args = ["--resume=r.json", "--jobs=1", "--output=json=r2.json", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().success());
    let names: Vec<_> = run.units.iter().map(|unit| unit.name.as_str()).collect();
    assert_eq!(names, ["app", "a*", "c"], "the shared track first");
    assert_eq!(begun(&database).await, ["a*", "c"], "neither ab nor d, which was not in it");

    let none = upgrade(&shop, &database, ["--resume=r2.json", "--output=json=r3.json"]).run();
    let none = none.success();
    let words = "Nothing left to do: all 3 targets of r2.json are upgraded or up to date";
    assert!(none.stdout.contains(words), "{none:?}");
    let still = upgrade(&shop, &database, ["--resume=r3.json"]).run().success();
    assert!(still.stdout.contains("r3.json has no targets"), "{still:?}");
}

#[tokio::test]
async fn resume_includes_tenants_that_were_not_run() {
    let shop = shop(1).file("shared/2_bad.sql", "SELECT nothing;");
    let database = with_tenants(&numbered(2)).await;
    upgrade(&shop, &database, ["--all-tenants", "--output=json=r.json"]).run().exit(1);
    let shop = shop.file("shared/2_bad.sql", "SELECT 1;");
    let run =
        report(&upgrade(&shop, &database, ["--resume=r.json", "--format=json"]).run().success());
    assert_eq!(run.counts.upgraded, 3);
    // Of a shared track only.
    let shop = shop.file("shared/3_bad.sql", "SELECT nothing;");
    upgrade(&shop, &database, ["--shared", "--output=json=r.json"]).run().exit(1);
    let shop = shop.file("shared/3_bad.sql", "SELECT 1;");
    let run =
        report(&upgrade(&shop, &database, ["--resume=r.json", "--format=json"]).run().success());
    assert_eq!(run.units.len(), 1);
}

#[tokio::test]
async fn resume_reports_tenants_that_no_longer_exist() {
    let shop = with_second(shop(1));
    let database = with_tenants(&numbered(4)).await;
    upgrade(&shop, &database, ["--all-tenants", "1"]).run().success();
    database
        .sql("INSERT INTO tenant_t001.t1 VALUES (1); INSERT INTO tenant_t002.t1 VALUES (1)")
        .await;
    database.sql("INSERT INTO tenant_t003.t1 VALUES (1)").await;
    upgrade(&shop, &database, ["--all-tenants", "--output=json=r.json"]).run().exit(1);
    database.sql("DELETE FROM tenant_t001.t1; DELETE FROM tenant_t002.t1").await;
    database
        .sql("DELETE FROM audit.tenants WHERE slug = 't002'; DROP SCHEMA tenant_t003 CASCADE")
        .await;
    let run =
        report(&upgrade(&shop, &database, ["--resume=r.json", "--format=json"]).run().exit(1));
    let ends = ["t001", "t002", "t003"].map(|name| outcome(&run, name));
    assert_eq!(ends, ["upgraded", "failed", "failed"]);
    let why = |index: usize| run.units[index].failure().message.clone();
    assert_eq!(run.units[2].failure().cause.as_deref(), Some("not-in-source"));
    assert_eq!(why(2), "`from.query` of `app` no longer returns this tenant");
    assert_eq!(why(3), "the schema \"tenant_t003\" does not exist");
}

#[tokio::test]
async fn unusable_resume_reports_are_refused() {
    let shop = shop(1).file("users/1_u.sql", "SELECT nothing;");
    let config = shop.read("mig-ci.toml")
        + "[databases.users]\nurl = \"${SHOP_URL}\"\nmigrations = \"users\"\nformat = \"sqlx\"\n";
    let shop = shop.file("mig-ci.toml", config);
    let database = with_tenants(&numbered(1)).await;
    upgrade(&shop, &database, ["-n", "users", "--output=json=users.json"]).run().exit(1);
    let written = shop.read("users.json");
    let older = written.replace(env!("CARGO_PKG_VERSION"), "0.0.1");
    let shop = shop
        .file("older.json", older)
        .file("text.json", "✔ all is well")
        .file("verify.json", written.replace("mig-ci.upgrade/1", "mig-ci.report/1"))
        .file("gone.json", written.replace("\"users\"", "\"customers\""));
    for (args, exit, words) in [
        (["--resume=users.json", "-n=app"], 2, "is for the database `users`, but -n is `app`"),
        (["--resume=older.json", "-q"], 3, "it was written by mig-ci 0.0.1, but this is"),
        (["--resume=text.json", "-q"], 3, "text.json: it is not a JSON report (line 1, column 1)"),
        (["--resume=verify.json", "-q"], 3, "its schema is \"mig-ci.report/1\""),
        (["--resume=nowhere.json", "-q"], 4, "cannot read the report nowhere.json"),
        (["--resume=gone.json", "-q"], 3, "customers"),
        (["--resume=users.json", "--all-tenants"], 2, "cannot be used with"),
        (["--resume=users.json", "--tenant=x"], 2, "cannot be used with"),
    ] {
        let run = upgrade(&shop, &database, args).run().exit(exit);
        assert!(run.stderr.contains(words), "{args:?}: {run:?}");
    }
    // Without -n the report's database is used.
    let shop = shop.file("users/1_u.sql", "SELECT 1;");
    upgrade(&shop, &database, ["--resume=users.json"]).run().success();
}

#[tokio::test]
async fn tenants_start_in_the_requested_order() {
    let shop = shop(1);
    let names: Vec<String> = numbered(30).into_iter().rev().collect();
    let database = with_tenants(&names).await;
    let mut sorted = names.clone();
    sorted.sort();
    let listed = |run: &UpgradeReport| -> Vec<String> {
        let units = run.units.iter().skip(1);
        units.map(|unit| unit.name.clone()).collect()
    };
    let mut shop = shop;
    for (number, order) in ["source", "name", "random"].into_iter().enumerate() {
        shop = shop.file(&format!("tenant/{}_n.sql", number + 2), migration(number, "SELECT 1;"));
        database.sql("DELETE FROM audit.applied").await;
        let args = ["--all-tenants", "--jobs=1", "--format=json", "--order", order];
        let run = report(&upgrade(&shop, &database, args).run().success());
        assert_eq!(listed(&run), names, "the report is in the order of the source");
        let begun = database
            .sql(&format!(
                "SELECT substr(tenant, 8) FROM audit.applied WHERE version = {number} ORDER BY ctid"
            ))
            .await;
        match order {
            "source" => assert_eq!(begun, names),
            "name" => assert_eq!(begun, sorted),
            _ => {
                assert!(begun != names && begun != sorted, "one in 10^32");
                let mut begun = begun;
                begun.sort();
                assert_eq!(begun, sorted);
            }
        }
    }
    // Canaries are the first in that order.
    let shop = shop.file("tenant/9_x.sql", migration(9, "ALTER TABLE t1 ADD x int NOT NULL;"));
    database.sql("INSERT INTO tenant_t001.t1 VALUES (1)").await;
    let args = ["--all-tenants", "--canary=1", "--order=name", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(1));
    assert_eq!([outcome(&run, "t001"), outcome(&run, "t030")], ["failed", "not-run"]);
}
