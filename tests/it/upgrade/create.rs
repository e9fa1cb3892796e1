//! `mig-ci create`: new tenants.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _, PgConnection};

use super::interruption::{COMPUTES, COMPUTING, GATE, hold, until};
use super::{counts, migration, numbered, outcome, report, shop, upgrade, with_tenants};
use crate::common::{Command, Database, Postgres, Project, postgres, project, wait_for};

fn create<const N: usize>(shop: &Project, database: &Database, args: [&str; N]) -> Command {
    shop.mig_ci(["create"]).args(args).env("SHOP_URL", database.url())
}

#[tokio::test]
async fn create_makes_a_tenant_at_head() {
    let shop = shop(2);
    let database = with_tenants(&numbered(1)).await;
    let run = create(&shop, &database, ["acme", "globex", "-n", "app"]).run().success();
    assert!(run.stdout.contains("✔ app, tenant acme: nothing → 2, 2 migrations in"), "{run:?}");
    let applied = "SELECT tenant, string_agg(version::text, ',' ORDER BY version) FROM audit.applied \
        GROUP BY 1 ORDER BY 1";
    // Other tenants are not changed.
    let expected = ["tenant_acme|1,2", "tenant_globex|1,2"];
    assert_eq!(database.sql(applied).await, expected);
    assert_eq!(database.sql("SELECT count(*) FROM shared.plans").await, ["0"]);

    let again = create(&shop, &database, ["acme"]).run().exit(1);
    assert!(again.stdout.contains("the schema \"tenant_acme\" already exists"), "{again:?}");
    assert!(again.stdout.contains("`mig-ci upgrade -n app --tenant acme`"), "{again:?}");
    let shop = shop.file("tenant/3_t.sql", migration(3, "CREATE TABLE t3 ();"));
    let args = ["acme", "hooli", "--if-not-exists", "--format=json"];
    let both = report(&create(&shop, &database, args).run().success());
    assert_eq!(both.schema, "mig-ci.upgrade/1");
    assert_eq!(both.units[1].applied(), ["3"]);
    assert_eq!(both.units[2].applied(), ["1", "2", "3"]);
}

/// An invalid name changes nothing, and does not prevent the creation of others.
#[tokio::test]
async fn create_refuses_existing_tenants_before_any_change() {
    let shop = shop(1);
    let database = with_tenants(&numbered(1)).await;
    let run = report(&create(&shop, &database, ["t001", "--format=json"]).run().exit(1));
    assert_eq!(counts(&run), [0, 0, 1, 1]);
    assert_eq!(run.units[0].reason(), "all selected tenants failed before the start");
    assert_eq!(database.sql("SELECT to_regclass('shared.plans') IS NULL").await, ["t"]);
    let run = report(&create(&shop, &database, ["t001", "new", "--format=json"]).run().exit(1));
    assert_eq!([outcome(&run, "t001"), outcome(&run, "new")], ["failed", "upgraded"]);
}

/// As with `upgrade`.
#[test]
fn an_unreachable_server_is_an_environment_failure() {
    let run = |url: &str| shop(1).mig_ci(["create", "acme"]).env("SHOP_URL", url).run();
    let nobody = run("postgres://u:hunter2@127.0.0.1:1/d").exit(4);
    assert!(nobody.stderr.contains("cannot connect to 127.0.0.1:1/d"), "{nobody:?}");
    let none = run("postgres://u:hunter2@127.0.0.1:port/d").exit(3);
    assert!(none.stderr.contains("the address of `app`: it is not the URL"), "{none:?}");
    assert!(!format!("{nobody:?}{none:?}").contains("hunter2"));
}

#[tokio::test]
async fn create_requires_the_shared_track_at_its_head() {
    let shop = shop(1).file("shared/2_bad.sql", "SELECT nothing;");
    let database = with_tenants(&[]).await;
    let run = report(&create(&shop, &database, ["acme", "--format=json"]).run().exit(1));
    assert_eq!([outcome(&run, "app"), outcome(&run, "acme")], ["failed", "not-run"]);
    assert_eq!(database.sql("SELECT to_regnamespace('tenant_acme') IS NULL").await, ["t"]);
}

#[tokio::test]
async fn a_partly_created_tenant_is_kept_and_completed() {
    let shop = shop(1).file("tenant/2_bad.sql", migration(2, "SELECT nothing;"));
    let database = with_tenants(&[]).await;
    let run = create(&shop, &database, ["a cme"]).run().exit(1);
    let way = "the schema was created and remains; fix the cause, then continue with `mig-ci upgrade -n app --tenant 'a \
               cme'`";
    let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(way), "{run:?}");
    let shop = shop.file("tenant/2_bad.sql", migration(2, "SELECT 1;"));
    upgrade(&shop, &database, ["--tenant=a cme"]).run().success();
    let applied = "SELECT tenant, version FROM audit.applied ORDER BY version";
    assert_eq!(database.sql(applied).await, ["tenant_a cme|1", "tenant_a cme|2"]);
}

/// If the run is killed, created objects remain, and an upgrade continues.
#[tokio::test]
async fn create_that_was_killed_is_completed_by_upgrade() {
    let shop = shop(1).file("tenant/2_waits.sql", migration(2, COMPUTES));
    let database = with_tenants(&[]).await;
    let mut gate = hold(&database, GATE).await;
    let running = create(&shop, &database, ["acme"]).start();
    until(&database, COMPUTING, "1").await;
    running.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(running.wait().status.code(), None);
    gate.execute("ROLLBACK").await.unwrap();
    let again = create(&shop, &database, ["acme"]).run().exit(1);
    assert!(again.stdout.contains("already exists"), "{again:?}");
    upgrade(&shop, &database, ["--tenant=acme"]).run().success();
    let applied = "SELECT tenant, version FROM audit.applied ORDER BY version";
    assert_eq!(database.sql(applied).await, ["tenant_acme|1", "tenant_acme|2"]);
}

#[tokio::test]
async fn of_two_concurrent_creates_one_succeeds() {
    let shop = shop(1);
    let database = with_tenants(&[]).await;
    for round in 0..6 {
        let name = format!("n{round}");
        let both = [(), ()].map(|()| create(&shop, &database, [&name, "--format=json"]).start());
        let mut ends = both.map(|run| {
            let run = run.wait();
            (run.status.code(), run.stdout)
        });
        ends.sort();
        assert_eq!((ends[0].0, ends[1].0), (Some(0), Some(1)), "{ends:?}");
        let said = &ends[1].1;
        let there = said.contains("already exists") || said.contains("has just been created");
        assert!(there, "{said}");
    }
    let applied = database.sql("SELECT count(*), count(DISTINCT tenant) FROM audit.applied");
    assert_eq!(applied.await, ["6|6"]);
    // With --if-not-exists neither fails.
    let args = ["together", "--if-not-exists"];
    let both = [(), ()].map(|()| create(&shop, &database, args).start());
    both.into_iter().for_each(|run| drop(run.wait().success()));
    let applied = "SELECT count(*) FROM audit.applied WHERE tenant = 'tenant_together'";
    assert_eq!(database.sql(applied).await, ["1"]);
}

#[tokio::test]
async fn hostile_names_are_created_unchanged() {
    let shop = shop(1);
    let database = with_tenants(&[]).await;
    // With `tenant_` these are 63 bytes.
    let longest = "ü".repeat(28);
    let names = ["We'ird-Ténant\"", "select", "a*", "-x", "{tenant}", &longest];
    for name in names {
        let run = create(&shop, &database, ["--format=json", "--", name]).run().success();
        assert_eq!(outcome(&report(&run), name), "upgraded");
    }
    let schemas = database.sql("SELECT substr(tenant, 8) FROM audit.applied ORDER BY ctid").await;
    assert_eq!(schemas, names);
    let long = create(&shop, &database, [&"x".repeat(57)]).run().exit(1);
    assert!(long.stdout.contains("has 64 bytes, and PostgreSQL truncates names to 63"), "{long:?}");
    let config = shop.read("mig-ci.toml").replace("target = \"tenant_{tenant}\"\n", "");
    let shop = shop.file("mig-ci.toml", config);
    let reserved = create(&shop, &database, ["pg_x"]).run().exit(1);
    assert!(
        reserved.stdout.contains("begins with `pg_`, which PostgreSQL reserves"),
        "{reserved:?}"
    );
    let none = create(&shop, &database, [""]).run().exit(1);
    assert!(none.stdout.contains("the name is empty"), "{none:?}");
}

/// A database for each, created from the URL's database, or from the server's default one.
#[tokio::test]
async fn a_new_tenant_can_have_a_database() {
    let main = postgres().database().await;
    let made = |tenant: &str| format!("{}_{tenant}", main.name);
    let config = |url: &str| {
        format!(
            "[databases.customer]\nurl = \"{url}\"\n[databases.customer.tenants]\nmigrations = \"m\"\n\
             format = \"sqlx\"\ntenancy = \"database\"\ntarget = \"{}_{{tenant}}\"\n",
            main.name
        )
    };
    let admin = postgres().url(&main.name);
    let shop =
        project().file("m/1_a.sql", "CREATE TABLE a ();").file("mig-ci.toml", config(&admin));
    let has_it = "SELECT to_regclass('public.a') IS NOT NULL";
    let run = shop.mig_ci(["create", "We'ird \"Té", "--format=json"]).run().success();
    assert_eq!(outcome(&report(&run), "We'ird \"Té"), "upgraded");
    let names = format!("SELECT datname FROM pg_database WHERE datname LIKE '{}\\_%'", main.name);
    assert_eq!(main.sql(&names).await, [made("We'ird \"Té")]);
    shop.mig_ci(["create", "b"]).run().success();
    let again = shop.mig_ci(["create", "b"]).run().exit(1);
    let words = format!("the database \"{}\" already exists", made("b"));
    assert!(again.stdout.contains(&words), "{again:?}");
    assert_eq!(postgres().sql_in(&made("b"), has_it).await, ["t"]);

    // A template names only the tenants' databases.
    let shop = shop.file("mig-ci.toml", config(&admin.replace(&main.name, "{target}")));
    shop.mig_ci(["create", "c"]).run().success();
    assert_eq!(postgres().sql_in(&made("c"), has_it).await, ["t"]);
    let both = [(), ()].map(|()| shop.mig_ci(["create", "d"]).start());
    let mut codes = both.map(|run| run.wait().status.code());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(1)]);

    let shop = shop.file("mig-ci.toml", config(&main.url()));
    let plain = shop.mig_ci(["create", "e"]).run().exit(1);
    assert!(plain.stdout.contains("permission denied to create database"), "{plain:?}");
    assert!(plain.stdout.contains("needs CREATEDB"), "{plain:?}");
}

/// Only the source has the tenants' addresses.
#[tokio::test]
async fn a_tenant_must_be_in_a_source_that_returns_addresses() {
    let main = postgres().database().await;
    let target = format!("{}_far", main.name);
    let config = format!(
        "[databases.customer]\nurl = \"{}\"\n[databases.customer.tenants]\nmigrations = \"m\"\n\
         format = \"sqlx\"\ntenancy = \"database\"\ntarget = \"{}_{{tenant}}\"\n\
         from = {{ query = \"SELECT 'far' AS name, '{}' AS url\" }}\n",
        main.url(),
        main.name,
        postgres().url(&target)
    );
    let shop = project().file("m/1_a.sql", "CREATE TABLE a ();").file("mig-ci.toml", config);
    shop.mig_ci(["create", "far"]).run().success();
    let has_it = "SELECT to_regclass('public.a') IS NOT NULL";
    assert_eq!(postgres().sql_in(&target, has_it).await, ["t"]);
    let unknown = shop.mig_ci(["create", "near"]).run().exit(3);
    assert!(unknown.stderr.contains("`customer` has no tenant \"near\""), "{unknown:?}");
}

/// `CREATE DATABASE` waits 5 s for the sessions of its template, and this is not a wait for a lock.
#[tokio::test]
async fn a_signal_ends_the_wait_for_the_template_database() {
    let server = Postgres::start();
    let mut holder = PgConnection::connect(&server.url("template1")).await.unwrap();
    holder.ping().await.unwrap();
    let config = format!(
        "[databases.customer]\nurl = \"{}\"\n[databases.customer.tenants]\nmigrations = \"m\"\n\
         format = \"sqlx\"\ntenancy = \"database\"\ntarget = \"of_{{tenant}}\"\n",
        server.url("postgres")
    );
    let shop = project().file("m/1_a.sql", "CREATE TABLE a ();").file("mig-ci.toml", config);
    let running = shop.mig_ci(["create", "new", "--format=json"]).start();
    wait_for(
        &server.url("postgres"),
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CREATE DATABASE %'",
        1,
    )
    .await;
    let sent = Instant::now();
    running.signal(nix::sys::signal::Signal::SIGINT);
    let ended = running.wait().exit(130);
    assert!(sent.elapsed() < Duration::from_secs(3), "{:?}", sent.elapsed());
    assert_eq!(outcome(&report(&ended), "new"), "not-run");
    holder.close().await.unwrap();
    let made = "SELECT count(*) FROM pg_database WHERE datname LIKE 'of\\_%'";
    assert_eq!(server.sql(made).await, ["0"], "it was cancelled, not left to itself");
    shop.mig_ci(["create", "new"]).run().success();
    assert_eq!(server.sql(made).await, ["1"]);
}
