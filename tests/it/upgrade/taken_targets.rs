//! A tenant whose target belongs to PostgreSQL, to a track, or to another tenant is refused, and the others continue.

use serde_json::json as value;

use super::{counts, json_of, outcome, report, shop, upgrade};
use crate::common::upgrade_report::UpgradeReport;
use crate::common::{Database, Project, postgres, project};

/// Tenants are schemas with the tenants' names, from `from`.
fn plain_names(from: &str) -> Project {
    let shop = shop(1).file("names.txt", "shared\nt001\n");
    let config = shop.read("mig-ci.toml").replace("\"tenant_{tenant}\"", "\"{tenant}\"");
    let from = format!("from = {from}");
    let query = "from = { query = \"SELECT slug FROM audit.tenants ORDER BY id\" }";
    shop.file("mig-ci.toml", config.replace(query, &from))
}

async fn two_schemas() -> Database {
    let database = postgres().database().await;
    let sql = "CREATE SCHEMA shared; CREATE SCHEMA t001; CREATE SCHEMA audit; \
        CREATE TABLE audit.applied (tenant text, version int)";
    database.sql(sql).await;
    database
}

#[track_caller]
fn failure<'r>(report: &'r UpgradeReport, name: &str) -> &'r str {
    &report.unit(name).failure().message
}

/// The shared schema had tenant migrations 1 to 3 applied, with a ledger at 3.
async fn assert_shared_is_clean(database: &Database) {
    let tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
        WHERE relkind = 'r' AND relnamespace = 'shared'::regnamespace";
    assert_eq!(database.sql(tables).await, ["_sqlx_migrations plans"]);
    let applied = "SELECT string_agg(DISTINCT tenant, ' ') FROM audit.applied";
    assert_eq!(database.sql(applied).await, ["t001"]);
}

#[tokio::test]
async fn the_shared_schema_is_refused_from_every_tenant_source() {
    let sources = [
        "{ list = [\"shared\", \"t001\"] }",
        "{ query = \"SELECT unnest(ARRAY['shared', 't001'])\" }",
        "{ file = \"names.txt\" }",
        "{ command = \"printf 'shared\\\\nt001\\\\n'\" }",
    ];
    for from in sources {
        let (shop, database) = (plain_names(from), two_schemas().await);
        let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1);
        let run = report(&run);
        assert_eq!(counts(&run), [2, 0, 1, 0], "{from}: {run}");
        let why =
            "the schema \"shared\" does not belong to a tenant: it is the shared track's schema";
        assert_eq!(failure(&run, "shared"), why, "{from}");
        assert_shared_is_clean(&database).await;
    }
}

#[tokio::test]
async fn the_shared_schema_is_refused_on_the_command_line() {
    let (shop, database) = (plain_names("{ list = [\"t001\"] }"), two_schemas().await);
    let args = ["--tenant=shared", "--tenant=t001", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(1));
    assert_eq!([outcome(&run, "shared"), outcome(&run, "t001")], ["failed", "upgraded"]);
    let by_variable = upgrade(&shop, &database, ["--format=json"]).env("TENANT_SCHEMA", "shared");
    let by_variable = report(&by_variable.run().exit(1));
    assert!(failure(&by_variable, "shared").contains("the shared track's schema"));
    for name in ["shared", "public", "information_schema", "pg_catalog", "pg_temp_1"] {
        for command in ["create", "upgrade", "downgrade", "status"] {
            let run = match command {
                "create" => shop.mig_ci(["create", name, "--if-not-exists"]),
                "downgrade" => shop.mig_ci(["downgrade", "1", "--tenant", name]),
                _ => shop.mig_ci([command, "--tenant", name]),
            };
            let run = run.args(["--format=json"]).env("SHOP_URL", database.url()).run();
            let run = json_of(&run.exit(i32::from(command != "status")));
            let mut units = run["units"].as_array().unwrap().iter();
            let unit = units.find(|unit| unit["name"] == name).unwrap_or_else(|| panic!("{run}"));
            let why = unit["failure"]["message"].as_str().unwrap();
            let is_told =
                why.contains("does not belong to a tenant") || why.contains("reserves for itself");
            assert!(is_told, "{command} {name}: {why}");
        }
    }
    assert_shared_is_clean(&database).await;
}

#[tokio::test]
async fn a_pattern_for_all_names_returns_only_tenants() {
    let (shop, database) = (plain_names("{ pattern = \"%\" }"), two_schemas().await);
    database.sql("CREATE SCHEMA \"Shared\"").await;
    let listed = shop.mig_ci(["tenants", "--format=json"]).env("SHOP_URL", database.url());
    let listed = json_of(&listed.run().success());
    let names = listed["tenants"].as_array().unwrap().iter().map(|tenant| tenant["name"].clone());
    // PostgreSQL distinguishes case, and the tenants' schemas may have any name.
    let expected = ["Shared", "audit", "t001"].map(|name| value!(name));
    assert_eq!(names.collect::<Vec<_>>(), expected);
}

/// Schemas of a search path are shared; a schema in none of them is a tenant's.
#[tokio::test]
async fn schemas_of_the_search_paths_are_refused() {
    let shop = plain_names("{ list = [\"ext\", \"lookup\", \"public\", \"t001\"] }");
    let config = shop
        .read("mig-ci.toml")
        .replace(
            "schema = \"shared\" }",
            "schema = \"shared\", search_path = [\"shared\", \"ext\"] }",
        )
        .replace("target = ", "search_path = [\"{target}\", \"shared\", \"lookup\"]\ntarget = ");
    let shop = shop.file("mig-ci.toml", config);
    let database = two_schemas().await;
    database.sql("CREATE SCHEMA ext; CREATE SCHEMA lookup").await;
    let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1);
    let run = report(&run);
    assert!(failure(&run, "ext").ends_with("in the search path of the shared track"), "{run}");
    assert!(failure(&run, "lookup").ends_with("in the search path of all tenants"), "{run}");
    assert_eq!([outcome(&run, "public"), outcome(&run, "t001")], ["upgraded", "upgraded"]);
}

#[tokio::test]
async fn the_schema_of_another_named_database_is_refused() {
    let shop =
        plain_names("{ list = [\"reports\", \"t001\"] }").file("r/1_r.sql", "CREATE TABLE r ();");
    let config = shop.read("mig-ci.toml");
    let with = |url: &str| {
        format!(
            "{config}[databases.stats]\n{url}migrations = \"r\"\nformat = \"sqlx\"\nschema = \"reports\"\n"
        )
    };
    let other = postgres().database().await;
    let elsewhere = format!("url = \"{}\"\n", other.url());
    // With the same address, with one from an unset variable, and with none.
    for (url, is_taken) in [
        ("url = \"${SHOP_URL}\"\n", true),
        (elsewhere.as_str(), false),
        ("url = \"${NOT_SET}\"\n", false),
    ] {
        let shop = project().copy(shop.path(), ".").file("mig-ci.toml", with(url));
        let database = two_schemas().await;
        database.sql("CREATE SCHEMA reports").await;
        let run = upgrade(&shop, &database, ["-napp", "--all-tenants", "--format=json"]).run();
        let run = report(&run.exit(i32::from(is_taken)));
        let expected = if is_taken { "failed" } else { "upgraded" };
        assert_eq!(outcome(&run, "reports"), expected, "{url} {run}");
        assert_eq!(outcome(&run, "t001"), "upgraded");
    }
}

fn customers(url: &str, from: &str, more: &str) -> Project {
    let config = format!(
        "[databases.customer]\nurl = \"{url}\"\n{more}[databases.customer.tenants]\nmigrations = \"m\"\n\
         format = \"sqlx\"\ntenancy = \"database\"\nfrom = {from}\n"
    );
    let shop =
        project().file("m/1_a.sql", "CREATE TABLE a ();").file("s/1_s.sql", "CREATE TABLE s ();");
    shop.file("mig-ci.toml", config)
}

#[tokio::test]
async fn databases_of_the_server_or_of_a_track_are_refused() {
    let [main, own, other] =
        [postgres().database().await, postgres().database().await, postgres().database().await];
    let names = ["postgres", "template0", "template1", &main.name, &other.name, &own.name];
    let list = format!("{{ list = {names:?} }}");
    let shared = "shared = { migrations = \"s\", format = \"sqlx\" }\n";
    let shop = customers(&main.url(), &list, shared);
    let config = shop.read("mig-ci.toml");
    let stats = format!(
        "[databases.stats]\nurl = \"{}\"\nmigrations = \"s\"\nformat = \"sqlx\"\n",
        other.url()
    );
    let shop = shop.file("mig-ci.toml", config + &stats);
    let run =
        shop.mig_ci(["upgrade", "-ncustomer", "--all-tenants", "--format=json"]).run().exit(1);
    let run = report(&run);
    for name in ["postgres", "template0", "template1"] {
        assert!(failure(&run, name).ends_with("PostgreSQL's own database"), "{name} {run}");
    }
    assert!(failure(&run, &main.name).contains("the database of `url`"), "{run}");
    assert!(failure(&run, &other.name).ends_with("the named database `stats`"), "{run}");
    assert_eq!(outcome(&run, &own.name), "upgraded");
    assert_eq!(main.sql("SELECT to_regclass('a') IS NULL").await, ["t"]);
    // A new database with such a name is refused, too.
    let create =
        shop.mig_ci(["create", "template1", "-ncustomer", "--if-not-exists"]).run().exit(1);
    assert!(create.stdout.contains("PostgreSQL's own database"), "{create:?}");
}

/// Host names may be aliases; only the server's identity is reliable.
#[tokio::test]
async fn two_addresses_of_one_database_are_one_target() {
    let [main, first, second] =
        [postgres().database().await, postgres().database().await, postgres().database().await];
    let by_tcp = postgres().tcp_url(&first.name);
    assert!(by_tcp.contains("127.0.0.1") || by_tcp.contains("localhost"), "{by_tcp}");
    let query = |rows: &str| {
        format!("{{ query = \"SELECT name, url FROM (VALUES {rows}) AS t (name, url)\" }}")
    };
    let rows = format!(
        "('one', '{}'), ('two', '{by_tcp}'), ('three', '{}'), ('main', '{}')",
        first.url(),
        second.url(),
        postgres().tcp_url(&main.name),
    );
    let shop = customers(&main.url(), &query(&rows), "");
    let run = report(&shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).run().exit(1));
    assert_eq!(counts(&run), [1, 0, 3, 0], "{run}");
    assert!(
        failure(&run, "one").contains("the tenants \"one\", \"two\" have the same target"),
        "{run}"
    );
    assert!(failure(&run, "main").contains("the database of `url`"), "{run}");
    for database in [&main, &first] {
        assert_eq!(database.sql("SELECT to_regclass('a') IS NULL").await, ["t"]);
    }
    // Two tenants that are refused by their text still reserve the database that they name.
    let rows = format!("('one', '{}'), ('two', '{by_tcp}'), ('twin', '{by_tcp}')", first.url());
    let shop = customers(&main.url(), &query(&rows), "");
    let run = report(&shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).run().exit(1));
    assert_eq!(counts(&run), [0, 0, 3, 0], "{run}");
    let same = "the tenants \"one\", \"two\", \"twin\" have the same target";
    assert!(failure(&run, "one").contains(same), "{run}");
    assert_eq!(first.sql("SELECT to_regclass('a') IS NULL").await, ["t"]);
    // One of them alone is as ambiguous as both: the query shows that the text is the same.
    let rows = format!("('one', '{0}'), ('two', '{0}')", first.url());
    let shop = customers(&main.url(), &query(&rows), "");
    let run = report(&shop.mig_ci(["upgrade", "--tenant=one", "--format=json"]).run().exit(1));
    assert!(
        failure(&run, "one").contains("returned the same database for another tenant: two"),
        "{run}"
    );
}

/// An address with the database `postgres` is accepted: services give each customer a server with that database.
#[tokio::test]
async fn an_address_may_name_the_maintenance_database_or_the_main_one() {
    let main = postgres().database().await;
    let elsewhere = "postgres://u@127.0.0.1:1/postgres";
    let list = format!("{{ list = [\"{}\"] }}", main.name);
    let shop = customers(&main.url(), &list, "");
    let run = shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).run().success();
    assert_eq!(counts(&report(&run)), [1, 0, 0, 0]);
    let query = format!("{{ query = \"SELECT 'x' AS name, '{elsewhere}' AS url\" }}");
    let shop = customers(&main.url(), &query, "");
    let listed = shop.mig_ci(["tenants"]).run().success();
    assert!(listed.stdout.contains("at 127.0.0.1:1/postgres"), "{listed:?}");
}

/// The tenants' migrations are dbmate's, and the shared ones sqlx's.
fn with_dbmate(target: &str, from: &str) -> Project {
    let shop = plain_names(from);
    let config = shop.read("mig-ci.toml").replace("\"{tenant}\"", &format!("\"{target}\""));
    let tenants = config.find("[databases.app.tenants]").unwrap();
    let config = format!("{}{}", &config[..tenants], config[tenants..].replace("sqlx", "dbmate"));
    shop.file("mig-ci.toml", config)
        .without("tenant/1_t.sql")
        .file("tenant/1_t.sql", "-- migrate:up\nCREATE TABLE t ();\n-- migrate:down\n")
}

/// dbmate folds the name, so that `Acme` would get the tables of `acme`.
#[tokio::test]
async fn an_unsupported_schema_fails_one_tenant() {
    let shop = with_dbmate("{tenant}", "{ list = [\"Acme\", \"t001\"] }");
    let database = two_schemas().await;
    database.sql("CREATE SCHEMA \"Acme\"; CREATE SCHEMA acme").await;
    let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1);
    let run = report(&run);
    assert_eq!([outcome(&run, "Acme"), outcome(&run, "t001")], ["failed", "upgraded"]);
    assert!(failure(&run, "Acme").contains("dbmate cannot use the schema `Acme`"), "{run}");
    let tables = "SELECT count(*) FROM pg_class WHERE relname = 't' AND relnamespace <> 't001'::regnamespace";
    assert_eq!(database.sql(tables).await, ["0"]);
}

/// With such a template no name is supported: this is an error of the configuration, not of a tenant.
#[tokio::test]
async fn an_unsupported_template_is_a_configuration_error() {
    let shop = with_dbmate("Tenant_{tenant}", "{ list = [\"t001\"] }");
    let database = two_schemas().await;
    database.sql("CREATE SCHEMA \"Tenant_t001\"").await;
    for args in [
        &["upgrade", "--all-tenants"][..],
        &["status", "--all-tenants"],
        &["downgrade", "1", "--tenant=t001"],
        &["create", "new"],
        &["verify", "--provider=local"],
        &["list"],
    ] {
        let run = args.iter().fold(shop.mig_ci([]), |run, arg| run.arg(arg));
        let run = run.env("SHOP_URL", database.url()).run();
        assert_eq!(run.status.code(), Some(3), "{args:?} {run:?}");
        assert!(run.stderr.contains("dbmate cannot use the schema"), "{args:?} {run:?}");
    }
    assert_eq!(database.sql("SELECT to_regclass('shared.plans') IS NULL").await, ["t"]);
}

/// Names that PostgreSQL would interpret differently or truncate: none of them affects another tenant.
#[tokio::test]
async fn unusual_names_are_refused_or_have_their_own_schema() {
    let long = "x".repeat(64);
    let list = ["$user", "pg_temp", "pg_x", &long, "Shared", "e\u{301}", "\u{e9}", "a\"b", "t001"];
    let shop = plain_names(&format!("{{ list = {} }}", serde_json::to_string(&list).unwrap()));
    let database = two_schemas().await;
    for name in list.iter().filter(|name| !name.starts_with("pg_") && **name != "t001") {
        database.sql(&format!("CREATE SCHEMA \"{}\"", name.replace('"', "\"\""))).await;
    }
    let run = report(&upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1));
    for name in list {
        let is_fine = ["Shared", "e\u{301}", "\u{e9}", "a\"b", "t001"].contains(&name);
        let expected = if is_fine { "upgraded" } else { "failed" };
        assert_eq!(outcome(&run, name), expected, "{name} {run}");
    }
    let applied = "SELECT count(*), count(DISTINCT tenant) FROM audit.applied";
    assert_eq!(database.sql(applied).await, ["5|5"]);
}
