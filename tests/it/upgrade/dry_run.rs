//! `--dry-run`: the printed SQL is the SQL that would be sent, and printing it changes nothing.

use super::{migration, numbered, outcome, report, shop, upgrade, with_tenants};

#[tokio::test]
async fn the_printed_sql_has_the_effect_of_the_run() {
    let names = [numbered(3), vec!["We'ird-Ténant".to_owned(), "a\"b".to_owned()]].concat();
    let database = with_tenants(&names).await;
    let shop = shop(3);
    upgrade(&shop, &database, ["2", "--tenant=t002"]).run().success();
    let before = database.fingerprint("tenant_t001", &[]).await;
    let dry = upgrade(&shop, &database, ["--all-tenants", "--dry-run"]).run().success();
    assert_eq!(database.fingerprint("tenant_t001", &[]).await, before, "nothing was changed");
    let sql = dry.stdout;
    assert!(sql.contains("-- app, tenant t001 (tenant_t001): 3 migrations\n"), "{sql}");
    assert!(sql.contains("-- app, tenant t002 (tenant_t002): 1 migration\n"), "{sql}");
    assert!(sql.contains("-- · app, tenant t002: at 2, would run 1 migration: 3\n"), "{sql}");
    assert!(sql.contains("-- = app, shared track: already at 1"), "{sql}");
    database.sql(&sql).await;
    let rest = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().success();
    assert_eq!(report(&rest).counts.up_to_date, 6);
    super::assert_all_once(&database, 5, 3).await;
}

#[tokio::test]
async fn a_dry_run_reports_pending_migrations_and_refusals() {
    let database = with_tenants(&numbered(3)).await;
    let first = shop(1);
    upgrade(&first, &database, ["--tenant=t001", "--tenant=t002"]).run().success();
    let edited = shop(2).file("tenant/1_t.sql", migration(1, "SELECT 'edited';"));
    let args = ["--all-tenants", "--dry-run", "--format=json"];
    let plan = report(&upgrade(&edited, &database, args).run().exit(1));
    assert_eq!(plan.dry_run, Some(true));
    assert_eq!(["t001", "t003"].map(|name| outcome(&plan, name)), ["failed", "pending"]);
    assert_eq!(plan.unit("t003").pending(), ["1", "2"]);
    // A downgrade has a dry run, too.
    let down = first.mig_ci(["downgrade", "base", "--all-tenants", "--dry-run"]);
    let down = down.env("SHOP_URL", database.url()).run().exit(1);
    assert!(down.stdout.contains("1 cannot be reverted: it has no down script"), "{}", down.stdout);
}
