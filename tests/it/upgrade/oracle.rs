//! Interoperability with the real tools: migrations of mig-ci count as applied for them, and mig-ci continues after them.

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};

use super::{assert_all_once, migration, numbered, report, shop, upgrade, with_tenants};
use crate::common::{Database, Project, peer, postgres, project};

async fn by_sqlx(shop: &Project, database: &Database, to: Option<i64>) {
    let mut migrator = Migrator::new(shop.path().join("m").into_std_path_buf()).await.unwrap();
    if let Some(to) = to {
        migrator.migrations.to_mut().retain(|migration| migration.version <= to);
    }
    let mut session = PgConnection::connect(&database.url()).await.unwrap();
    migrator.run(&mut session).await.unwrap();
    session.close().await.unwrap();
}

/// The output of a tool that succeeds.
fn ran(mut command: std::process::Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

const FILES: [(&str, &str); 4] = [
    ("1_a", "CREATE TABLE a (id int);\n"),
    ("2_b", "INSERT INTO a VALUES (2);\n"),
    ("3_c", "-- no-transaction\nCREATE INDEX CONCURRENTLY a_id ON a (id);\n"),
    ("4_d", "INSERT INTO a VALUES (4);\n"),
];

#[tokio::test]
async fn sqlx_and_mig_ci_continue_after_each_other() {
    let config =
        "[databases.users]\nurl = \"${SHOP_URL}\"\nmigrations = \"m\"\nformat = \"sqlx\"\n";
    let shop = project().file("mig-ci.toml", config);
    let shop =
        FILES.into_iter().fold(shop, |shop, (name, sql)| shop.file(&format!("m/{name}.sql"), sql));
    let rows = "SELECT string_agg(version::text, ' ' ORDER BY version) FROM _sqlx_migrations";
    let [ours, theirs] = [postgres().database().await, postgres().database().await];
    let upgrade = |database: &Database| {
        shop.mig_ci(["upgrade"]).env("SHOP_URL", database.url()).run().success()
    };
    // All by mig-ci: sqlx finds nothing to do, and no error.
    upgrade(&ours);
    by_sqlx(&shop, &ours, None).await;
    assert_eq!(ours.sql(rows).await, ["1 2 3 4"]);
    assert_eq!(ours.sql("SELECT count(*) FROM a").await, ["2"]);
    // Half by sqlx: mig-ci applies the rest.
    by_sqlx(&shop, &theirs, Some(2)).await;
    let rest = upgrade(&theirs);
    assert!(rest.stdout.contains("2 → 4, 2 migrations"), "{rest:?}");
    by_sqlx(&shop, &theirs, None).await;
    assert_eq!(
        ours.fingerprint("public", &[]).await,
        theirs.fingerprint("public", &[]).await,
        "in one shape"
    );
}

/// The command-line tool, tenant by tenant, as in a loop: it lists each migration of mig-ci as "installed" and has nothing
/// to do, and mig-ci applies the rest after it.
#[tokio::test]
async fn sqlx_cli_and_mig_ci_continue_after_each_other() {
    let Some(sqlx) = peer("sqlx") else { return };
    let names = numbered(6);
    let (shop, database) = (shop(4), with_tenants(&names).await);
    let run = |shop: &Project, tenant: &str, args: &[&str]| {
        let url = format!("{}&options=-c%20search_path%3Dtenant_{tenant}", database.url());
        let mut command = std::process::Command::new(&sqlx);
        command
            .arg("migrate")
            .args(args)
            .args(["--source", "tenant", "--database-url", &url])
            .current_dir(shop.path());
        ran(command)
    };
    let installed = |tenant: &str| run(&shop, tenant, &["info"]).matches("/installed").count();
    upgrade(&shop, &database, ["--shared"]).run().success();
    for tenant in &names[..3] {
        run(&shop, tenant, &["run", "--target-version", "2"]);
        assert_eq!(installed(tenant), 2);
    }
    let ours = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().success();
    let ours = report(&ours);
    assert_eq!(ours.units[1].applied(), ["3", "4"], "the tool has done two of four");
    assert_eq!(ours.units[4].applied(), ["1", "2", "3", "4"]);
    for tenant in &names {
        assert_eq!(run(&shop, tenant, &["run"]), "", "there is nothing to do for it");
        assert_eq!(installed(tenant), 4);
    }
    assert_all_once(&database, 6, 4).await;
    // Migrations that it reverts are reverted for mig-ci, and vice versa.
    let shop = shop.file("tenant/5_x.up.sql", migration(5, "CREATE TABLE x ();"));
    let shop = shop.file("tenant/5_x.down.sql", "DROP TABLE x;");
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    run(&shop, "t001", &["revert"]);
    let dry = upgrade(&shop, &database, ["--all-tenants", "--dry-run", "--format=json"]).run();
    assert_eq!(report(&dry.success()).counts.pending, 1);
    let down = ["downgrade", "-1", "--tenant=t002"];
    shop.mig_ci(down).env("SHOP_URL", database.url()).run().success();
    let tables = "SELECT count(*) FROM pg_class WHERE relname = 'x'";
    assert_eq!(database.sql(tables).await, ["4"]);
}

#[tokio::test]
async fn dbmate_and_mig_ci_continue_after_each_other() {
    let Some(dbmate) = peer("dbmate") else { return };
    let config =
        "[databases.users]\nurl = \"${SHOP_URL}\"\nmigrations = \"m\"\nformat = \"dbmate\"\n";
    let file = |sql: &str| format!("-- migrate:up\n{sql}-- migrate:down\n");
    let shop = project().file("mig-ci.toml", config);
    let shop = shop
        .file("m/20250101000001_a.sql", file("CREATE TABLE a (id int);\n"))
        .file("m/20250101000002_b.sql", file("INSERT INTO a VALUES (2);\n"));
    let database = postgres().database().await;
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(&dbmate);
        command
            .args(["--url", &database.go_url(), "--migrations-dir", "m", "--no-dump-schema"])
            .args(args)
            .current_dir(shop.path());
        ran(command)
    };
    run(&["migrate"]);
    let shop2 =
        |shop: &Project| shop.mig_ci(["upgrade"]).env("SHOP_URL", database.url()).run().success();
    let nothing = shop2(&shop);
    assert!(nothing.stdout.contains("already at 20250101000002"), "{nothing:?}");
    let path = shop.path().join("m/20250101000003_c.sql");
    std::fs::write(path, file("INSERT INTO a VALUES (3);\n")).unwrap();
    let rest = shop2(&shop);
    assert!(rest.stdout.contains("→ 20250101000003, 1 migration in"), "{rest:?}");
    let status = run(&["status"]);
    assert!(status.contains("Pending: 0"), "{status}");
    assert_eq!(database.sql("SELECT string_agg(id::text, ' ') FROM a").await, ["2 3"]);
}
