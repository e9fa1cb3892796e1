//! The selection of tenants, the target version, and the messages.

use super::{
    assert_all_once, counts, migration, numbered, outcome, report, shop, upgrade, with_tenants,
};
use crate::common::upgrade_report::UpgradeReport;
use crate::common::{postgres, project};

#[tokio::test]
async fn a_plain_database_is_upgraded_to_the_head_or_the_given_version() {
    let shop = project()
        .file(
            "mig-ci.toml",
            "[databases.users]\nurl = \"${SHOP_URL}\"\nmigrations = \"m\"\nformat = \"sqlx\"\n",
        )
        .file("m/1_a.up.sql", "CREATE TABLE a ();")
        .file("m/1_a.down.sql", "DROP TABLE a;")
        .file("m/2_b.up.sql", "CREATE TABLE b ();")
        .file("m/2_b.down.sql", "DROP TABLE b;");
    let database = postgres().database().await;
    let tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let first = upgrade(&shop, &database, ["-n", "users", "1", "--format=json"]).run().success();
    let first = report(&first);
    assert_eq!(first.units[0].applied(), ["1"]);
    let unit = &first.units[0];
    assert_eq!((&unit.before, unit.after.as_deref()), (&None, Some("1")));
    assert_eq!(database.sql(tables).await, ["_sqlx_migrations a"]);
    // The flag before the command, as with other tools.
    let head = shop.mig_ci(["-n", "users", "upgrade", "head"]).env("SHOP_URL", database.url());
    let head = head.run().success();
    assert!(head.stdout.contains("✔ users, shared track: 1 → 2, 1 migration in"), "{head:?}");
    assert_eq!(database.sql(tables).await, ["_sqlx_migrations a b"]);
    let again = upgrade(&shop, &database, []).run().success();
    assert!(again.stdout.contains("= users, shared track: already at 2"), "{again:?}");
    let unknown = upgrade(&shop, &database, ["7"]).run().exit(2);
    assert!(unknown.stderr.contains("no migration of `users` has the version 7"), "{unknown:?}");
}

#[tokio::test]
async fn the_address_comes_from_the_flag_then_the_file_then_the_environment() {
    let shop = project().file("migrations/1_a.sql", "CREATE TABLE a ();").file("sqlx.toml", "");
    let [first, second] = [postgres().database().await, postgres().database().await];
    let has_it = "SELECT to_regclass('public.a') IS NOT NULL";
    let plain = |config: &str| {
        shop.mig_ci(["upgrade"]).env("DATABASE_URL", first.url()).env("OTHER", config)
    };
    plain("").args(["--url", &second.url()]).run().success();
    assert_eq!([first.sql(has_it).await, second.sql(has_it).await], [["f"], ["t"]]);
    plain("").run().success();
    assert_eq!(first.sql(has_it).await, ["t"]);
    let none = shop.mig_ci(["upgrade"]).run().exit(3);
    assert!(none.stderr.contains("DATABASE_URL in the environment, or --url"), "{none:?}");

    // A section's own address is used only for it, regardless of the environment.
    let third = postgres().database().await;
    let config = "[databases.users]\nurl = \"${OTHER}\"\nmigrations = \"migrations\"\n\
        [databases.more]\nurl = \"${NOT_SET}\"\nmigrations = \"migrations\"\n";
    let shop = shop.file("mig-ci.toml", config);
    let command = shop.mig_ci(["upgrade", "-n", "users"]).env("DATABASE_URL", first.url());
    command.env("OTHER", third.url()).run().success();
    assert_eq!(third.sql(has_it).await, ["t"]);
    let which = shop.mig_ci(["upgrade"]).env("OTHER", "x").env("NOT_SET", "x").run().exit(2);
    assert!(which.stderr.contains("choose a database with -n: users, more"), "{which:?}");
    // The flag's value replaces an unset variable.
    let by_flag = shop.mig_ci(["upgrade", "-n", "more", "--url", &second.url()]).run().success();
    assert!(by_flag.stdout.contains("already at 1"), "{by_flag:?}");
    let status = shop.mig_ci(["status", "-n", "more", "--url", &second.url()]).run().success();
    assert!(status.stdout.contains("more"), "{status:?}");
    let unset = shop.mig_ci(["upgrade", "-n", "more"]).run().exit(3);
    assert!(unset.stderr.contains("`NOT_SET` is not set"), "{unset:?}");
    let bad = shop.mig_ci(["upgrade", "-n", "users", "--url", "postgres://u:hunter2@h:x/d"]);
    let bad = bad.env("OTHER", "x").run().exit(3);
    assert!(bad.stderr.contains("its host, port or parameters are invalid"), "{bad:?}");
    assert!(!bad.stderr.contains("hunter2"), "{bad:?}");
}

#[tokio::test]
async fn one_tenant_is_selected_by_flag_pattern_or_variable() {
    let shop = shop(2);
    let database = with_tenants(&numbered(12)).await;
    let done = "SELECT string_agg(DISTINCT tenant, ' ' ORDER BY tenant) FROM audit.applied";
    upgrade(&shop, &database, ["--tenant", "t003"]).run().success();
    assert_eq!(database.sql(done).await, ["tenant_t003"]);
    upgrade(&shop, &database, []).env("TENANT_SCHEMA", "tenant_t004").run().success();
    assert_eq!(database.sql(done).await, ["tenant_t003 tenant_t004"]);
    upgrade(&shop, &database, ["--tenant", "t01?", "--tenant", "t001"]).run().success();
    assert_eq!(
        database.sql(done).await,
        ["tenant_t001 tenant_t003 tenant_t004 tenant_t010 tenant_t011 tenant_t012"]
    );
    let nobody = upgrade(&shop, &database, ["--tenant", "z*"]).run().exit(3);
    assert!(nobody.stderr.contains("`app` has no tenant \"z*\""), "{nobody:?}");
    let absent = upgrade(&shop, &database, ["--tenant", "nope"]).run().exit(1);
    assert!(absent.stdout.contains("the schema \"tenant_nope\" does not exist"), "{absent:?}");
    let neither = upgrade(&shop, &database, []).run().exit(2);
    assert!(neither.stderr.contains("use --shared for its shared track only"), "{neither:?}");
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    assert_all_once(&database, 12, 2).await;
}

#[tokio::test]
async fn hostile_names_are_valid_names() {
    let names =
        ["We'ird-Ténant", "a\"b", "select", "x y", "ü".repeat(28).as_str()].map(str::to_owned);
    let shop = shop(2);
    let database = with_tenants(&names).await;
    let all = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().success();
    let all = report(&all);
    for name in &names {
        assert_eq!(outcome(&all, name), "upgraded", "{name}");
    }
    assert_all_once(&database, names.len(), 2).await;
    let long = "INSERT INTO audit.tenants (slug) VALUES (repeat('x', 60))";
    database.sql(long).await;
    let long = upgrade(&shop, &database, ["--all-tenants"]).run().exit(1);
    assert!(long.stdout.contains("PostgreSQL truncates names to 63"), "{long:?}");
}

#[tokio::test]
async fn each_source_returns_the_tenants() {
    let database = with_tenants(&numbered(4)).await;
    let outcomes = |from: &str| {
        let shop = shop(1);
        let config = shop.read("mig-ci.toml");
        let config = config.replace(
            "from = { query = \"SELECT slug FROM audit.tenants ORDER BY id\" }",
            &format!("from = {from}"),
        );
        let shop = shop.file("mig-ci.toml", config).file("who.txt", "\u{feff}t001\r\n\nt003");
        let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run();
        let run = report(&run.success());
        let units = run.units.iter().skip(1);
        let names: Vec<_> = units.map(|unit| unit.name.clone()).collect();
        names.join(" ")
    };
    assert_eq!(outcomes("{ list = [\"t002\"] }"), "t002");
    assert_eq!(outcomes("{ file = \"who.txt\" }"), "t001 t003");
    assert_eq!(outcomes("{ pattern = \"tenant\\\\_t00%\" }"), "t001 t002 t003 t004");
    assert_eq!(outcomes("{ command = \"echo t001; echo t004\" }"), "t001 t004");
    assert_eq!(outcomes("{ command = [\"printf\", \"%s\\\\n\", \"t002\"] }"), "t002");
}

#[tokio::test]
async fn empty_tenant_sources_are_reported() {
    let database = with_tenants(&numbered(1)).await;
    let said = |from: &str, exit| {
        let shop = shop(1);
        let config = shop.read("mig-ci.toml");
        let config = config.replace("SELECT slug FROM audit.tenants ORDER BY id", from);
        let shop = shop.file("mig-ci.toml", config);
        upgrade(&shop, &database, ["--all-tenants"]).run().exit(exit).stderr
    };
    let none = said("SELECT slug FROM audit.tenants WHERE false", 5);
    assert!(none.contains("`from.query` of `app` returned no tenants"), "{none}");
    let broken = said("SELECT nothing", 3);
    assert!(broken.contains("column \\\"nothing\\\" does not exist") || broken.contains("nothing"));
}

fn report_failures(report: &UpgradeReport, message: &str) -> u64 {
    let failures = report.units.iter().filter_map(|unit| unit.failure.as_ref());
    failures.filter(|failure| failure.message.contains(message)).count() as u64
}

/// An invalid name fails only its tenant; names are used exactly as the source returns them.
#[tokio::test]
async fn an_unusable_name_fails_only_its_tenant() {
    let long = "x".repeat(64);
    let quoted =
        |names: &[&str]| names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ");
    let names = ["t001", "t002", "#t003", " t001", "t002 ", "t001", &long, "a\tb"];
    let text = names.join("\n");
    let sources = [
        format!("{{ list = [{}] }}", quoted(&names)),
        "{ file = \"who.txt\" }".to_owned(),
        "{ command = [\"cat\", \"who.txt\"] }".to_owned(),
        "{ query = \"SELECT slug FROM audit.tenants ORDER BY id\" }".to_owned(),
    ];
    for from in sources {
        let database = with_tenants(&["t002", "#t003", " t001", "t002 "].map(str::to_owned)).await;
        let rows = format!(
            "INSERT INTO audit.tenants (slug) VALUES ('t001'), ('t001'), ('{long}'), (E'a\tb'), (''), (NULL)"
        );
        database.sql(&format!("CREATE SCHEMA tenant_t001; {rows}")).await;
        let shop = shop(1);
        let config = shop.read("mig-ci.toml");
        let query = "{ query = \"SELECT slug FROM audit.tenants ORDER BY id\" }";
        let shop = shop.file("mig-ci.toml", config.replace(query, &from)).file("who.txt", &text);
        let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1);
        let run = report(&run);
        for name in ["t002", "#t003", " t001", "t002 "] {
            assert_eq!(outcome(&run, name), "upgraded", "{from} {name:?}");
        }
        let nameless = if from.contains("SELECT") { 2 } else { 0 };
        assert_eq!(counts(&run), [5, 0, 3 + nameless, 0], "{from} {run}");
        let said = run.to_string();
        assert!(said.contains("returned this name 2 times"), "{from} {said}");
        let without = report_failures(&run, "returned an entry without a name");
        assert_eq!(without, nameless);
        let first = "SELECT count(*) FROM audit.applied WHERE tenant = 'tenant_t001'";
        assert_eq!(database.sql(first).await, ["0"]);
    }
    let (shop, database) = (shop(1), with_tenants(&numbered(1)).await);
    let args = ["--tenant", &long, "--tenant=t001", "--tenant=", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(1));
    assert_eq!(counts(&run), [2, 0, 2, 0], "{run}");
}

/// A database for each: by the name in the URL, by a template, and by the query's result.
#[tokio::test]
async fn tenants_with_databases_are_found_by_their_addresses() {
    let main = postgres().database().await;
    let databases = [postgres().database().await, postgres().database().await];
    let names = databases.each_ref().map(|database| database.name.clone());
    let url = main.url();
    let config = |url: &str, from: &str| {
        format!(
            "[databases.customer]\nurl = \"{url}\"\n[databases.customer.tenants]\nmigrations = \"m\"\n\
             format = \"sqlx\"\ntenancy = \"database\"\nfrom = {from}\n"
        )
    };
    let list = format!("{{ list = [\"{}\", \"{}\"] }}", names[0], names[1]);
    let shop = project().file("m/1_a.sql", "CREATE TABLE a ();");
    let shop = shop.file("mig-ci.toml", config(&url, &list));
    let one = shop.mig_ci(["upgrade"]).env("TENANT_DB", &names[0]).run().success();
    assert!(one.stdout.contains(&format!("✔ customer, tenant {}", names[0])), "{one:?}");
    let both = shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).run().success();
    let both = report(&both);
    assert_eq!([outcome(&both, &names[0]), outcome(&both, &names[1])], ["up-to-date", "upgraded"]);

    let shop = shop.file("m/2_b.sql", "CREATE TABLE b ();");
    let query = format!(
        "{{ query = \"SELECT name, url FROM (VALUES ('{}', '{}'), ('{}', NULL)) AS t (name, url)\" }}",
        names[0],
        databases[0].url(),
        names[1]
    );
    let shop = shop.file("mig-ci.toml", config(&url, &query));
    let both = shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).run().success();
    let both = report(&both);
    assert_eq!([outcome(&both, &names[0]), outcome(&both, &names[1])], ["upgraded", "upgraded"]);
    for database in &databases {
        assert_eq!(database.sql("SELECT to_regclass('b') IS NOT NULL").await, ["t"]);
    }
    assert_eq!(main.sql("SELECT count(*) FROM pg_class WHERE relname = 'a'").await, ["0"]);

    let gone = format!("{{ list = [\"{}\", \"not_there\"] }}", names[0]);
    let shop = shop.file("mig-ci.toml", config(&url, &gone));
    let gone = report(&shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).run().exit(1));
    assert_eq!([outcome(&gone, &names[0]), outcome(&gone, "not_there")], ["up-to-date", "failed"]);
}

#[tokio::test]
async fn no_tenant_runs_before_its_shared_track() {
    let shop = shop(1).file("shared/2_bad.sql", "SELECT nothing;");
    let database = with_tenants(&numbered(3)).await;
    let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1);
    let run = report(&run);
    assert_eq!(counts(&run), [0, 0, 1, 3]);
    assert_eq!(
        run.units[1].reason(),
        "the shared track is not at the version that the tenants need"
    );
    assert_eq!(run.units[0].applied(), ["1"]);
    assert_eq!(run.units[0].failure().place.as_ref().unwrap().path, "shared/2_bad.sql");
    // Without the flag the command would be refused: the database has tenants.
    let again = run.findings[0].reproduce.as_deref();
    assert_eq!(again, Some("mig-ci upgrade -n app --shared"));
    assert_eq!(database.sql("SELECT count(*) FROM audit.applied").await, ["0"]);
    let shared = upgrade(&shop, &database, ["--shared", "1"]).run().success();
    assert!(shared.stdout.contains("already at 1"), "{shared:?}");
}

#[tokio::test]
async fn a_shared_cause_is_one_finding_and_other_tenants_continue() {
    let shop = shop(1).file("tenant/2_x.sql", migration(2, "ALTER TABLE t1 ADD x int NOT NULL;"));
    let database = with_tenants(&numbered(20)).await;
    upgrade(&shop, &database, ["--all-tenants", "1"]).run().success();
    database
        .sql("INSERT INTO tenant_t005.t1 VALUES (1); INSERT INTO tenant_t011.t1 VALUES (1);")
        .await;
    let outcome = upgrade(&shop, &database, ["--all-tenants"]).run().exit(1);
    let text = &outcome.stdout;
    assert_eq!(text.matches("error[migration-failed]").count(), 1, "{text}");
    assert!(text.contains("contains null values") && text.contains("t005, t011"), "{text}");
    assert!(text.contains("tenant/2_x.sql:2:"), "{text}");
    assert!(text.contains("reproduce: mig-ci upgrade -n app --tenant t005"), "{text}");
    assert!(text.contains("21 targets: 2 failed, 18 upgraded, 1 up to date"), "{text}");
    let junit = upgrade(&shop, &database, ["--all-tenants", "--format=junit"]).run().exit(1);
    assert!(junit.stdout.contains("tests=\"20\" ") && junit.stdout.contains("failures=\"2\""));
    // After a fix, the next run continues where it stopped.
    database.sql("DELETE FROM tenant_t005.t1; DELETE FROM tenant_t011.t1;").await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    let all = database.sql("SELECT count(*), count(DISTINCT (tenant, version)) FROM audit.applied");
    assert_eq!(all.await, ["40|40"]);
}

/// A change of the search path that is not visible in a migration's text does not affect the next one.
#[tokio::test]
async fn a_hidden_change_of_the_search_path_is_rolled_back() {
    let shop = shop(1)
        .file("tenant/2_go.sql", migration(2, "SELECT audit.go_elsewhere();"))
        .file("tenant/3_t.sql", migration(3, "CREATE TABLE t3 ();"));
    let database = with_tenants(&numbered(2)).await;
    database
        .sql(
            "CREATE SCHEMA other; CREATE FUNCTION audit.go_elsewhere() RETURNS void LANGUAGE sql AS \
             $$ SELECT set_config('search_path', 'other', false) $$",
        )
        .await;
    for words in [
        "relation \"_sqlx_migrations\" does not exist",
        "the migration changed search_path, role or the ledger",
    ] {
        let run = upgrade(&shop, &database, ["--all-tenants"]).run().exit(1);
        assert!(run.stdout.contains(words), "{run:?}");
        assert!(run.stdout.contains("tenant/2_go.sql"), "{run:?}");
        // Nothing of it is applied, so nothing needs a fix.
        assert_eq!(database.sql("SELECT count(*) FROM audit.applied").await, ["2"]);
        let elsewhere = "SELECT count(*) FROM pg_class WHERE relname = 't3' \
            AND relnamespace = 'other'::regnamespace";
        assert_eq!(database.sql(elsewhere).await, ["0"]);
        // A ledger in the other schema would get the row.
        let ledger = "CREATE TABLE IF NOT EXISTS other._sqlx_migrations (LIKE tenant_t001._sqlx_migrations INCLUDING ALL)";
        database.sql(ledger).await;
    }
    assert_eq!(database.sql("SELECT count(*) FROM other._sqlx_migrations").await, ["0"]);
}

/// Session state of one tenant does not reach the next one.
#[tokio::test]
async fn set_role_does_not_leak_into_other_tenants() {
    let set = "DO $$ BEGIN EXECUTE 'SET ROLE plain'; END $$;\nCREATE TABLE t2 ();";
    let shop = shop(1).file("tenant/2_role.sql", migration(2, set));
    let database = with_tenants(&numbered(6)).await;
    upgrade(&shop, &database, ["--all-tenants", "--jobs=1"]).run().success();
    assert_all_once(&database, 6, 2).await;
}

#[tokio::test]
async fn an_invalid_tenant_address_fails_that_tenant_only() {
    let [database, main] = [postgres().database().await, postgres().database().await];
    let config = |url: &str, from: &str| {
        format!(
            "[databases.customer]\nurl = \"{url}\"\n[databases.customer.tenants]\nmigrations = \"m\"\n\
             format = \"sqlx\"\ntenancy = \"database\"\nfrom = {from}\n"
        )
    };
    let shop = project().file("m/1_a.sql", "CREATE TABLE a ();");
    let query = format!(
        "{{ query = \"SELECT '{0}' AS name, NULL AS url UNION ALL SELECT 'bad', 'nonsense'\" }}",
        database.name
    );
    let shop = shop.file("mig-ci.toml", config(&main.url(), &query));
    let run = shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).run().exit(1);
    let run = report(&run);
    assert_eq!([outcome(&run, &database.name), outcome(&run, "bad")], ["upgraded", "failed"]);
    let unknown = shop.mig_ci(["upgrade", "--tenant", "nobody"]).run().exit(3);
    assert!(unknown.stderr.contains("`customer` has no tenant"), "{unknown:?}");
    // A template names only the tenants' databases.
    let template = database.url().replace(&database.name, "{target}");
    let list = format!("{{ list = [\"{}\"] }}", database.name);
    let shop = shop.file("mig-ci.toml", config(&template, &list));
    let run = shop.mig_ci(["upgrade", "--all-tenants"]).run().success();
    assert!(run.stdout.contains("already at 1"), "{run:?}");
}

/// A variable that names no tenant's target does not lead to migrations there.
#[tokio::test]
async fn a_variable_naming_an_unknown_tenant_is_refused() {
    let shop = shop(1);
    let database = with_tenants(&numbered(1)).await;
    for (variable, value, words) in [
        ("TENANT_SCHEMA", "audit", "is not the schema of a tenant"),
        ("TENANT_DB", "postgres", "use --tenant"),
    ] {
        let no = upgrade(&shop, &database, []).env(variable, value).run().exit(3);
        assert!(no.stderr.contains(words), "{}", no.stderr);
    }
    let ledgers = "SELECT count(*) FROM pg_class WHERE relname = '_sqlx_migrations'";
    assert_eq!(database.sql(ledgers).await, ["0"]);
}
