//! Defaults of a role or a database do not affect what mig-ci reads, and affect migrations as with the tool.

use serde_json::Value;

use super::{json_of, migration, numbered, report, shop, upgrade, with_tenants};
use crate::common::{Database, Project, project};

/// Settings that the owner of a database can change, each with a value that is not the default.
const DEFAULTS: [(&str, &str); 31] = [
    ("bytea_output", "escape"),
    ("DateStyle", "German, DMY"),
    ("IntervalStyle", "iso_8601"),
    ("TimeZone", "Asia/Kolkata"),
    ("extra_float_digits", "-10"),
    ("search_path", "nowhere"),
    ("standard_conforming_strings", "off"),
    ("escape_string_warning", "on"),
    ("backslash_quote", "off"),
    ("quote_all_identifiers", "on"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("row_security", "off"),
    ("statement_timeout", "1ms"),
    ("lock_timeout", "1ms"),
    ("idle_in_transaction_session_timeout", "1ms"),
    ("transform_null_equals", "on"),
    ("array_nulls", "off"),
    ("xmlbinary", "hex"),
    ("xmloption", "document"),
    ("lc_monetary", "C"),
    ("client_min_messages", "error"),
    ("enable_seqscan", "off"),
    ("enable_sort", "off"),
    ("enable_hashjoin", "off"),
    ("enable_nestloop", "off"),
    ("enable_indexscan", "off"),
    ("work_mem", "64kB"),
    ("from_collapse_limit", "1"),
    ("join_collapse_limit", "1"),
    ("check_function_bodies", "off"),
];

/// For objects that the server renders, and names with backslashes.
const SHAPE: &str = "CREATE TABLE \"Odd\" (a timestamptz DEFAULT '2024-01-31 23:00+00', b interval DEFAULT '1 day 2:00', \
    c bytea DEFAULT '\\x00ff'::bytea, d float8 DEFAULT 0.1, e text DEFAULT E'a\\\\b', f int[] DEFAULT ARRAY[1, NULL], \
    g money DEFAULT 1.5::money, CHECK (d IS DISTINCT FROM NULL));";

fn unusual_shop() -> Project {
    shop(1).file("tenant/2_shape.sql", migration(2, SHAPE))
}

async fn unusual_tenants() -> Database {
    let mut names = numbered(3);
    names.push("a\\b".to_owned());
    with_tenants(&names).await
}

/// The output of all read-only commands, without values that differ between runs.
fn read(shop: &Project, database: &Database) -> Vec<Value> {
    let said = |args: &[&str]| {
        let command = shop.mig_ci([args[0], args[1], "--format=json"]);
        let mut value = json_of(&command.env("SHOP_URL", database.url()).run());
        value.as_object_mut().unwrap().retain(|key, _| key != "started_at" && key != "duration_ms");
        value
    };
    vec![said(&["status", "--all-tenants"]), said(&["tenants", "-napp"])]
}

#[tokio::test]
async fn status_does_not_depend_on_session_defaults() {
    let (shop, database) = (unusual_shop(), unusual_tenants().await);
    upgrade(&shop, &database, ["--tenant=t001", "--tenant=t002"]).run().success();
    let expected = read(&shop, &database);
    let first = expected[0]["units"].as_array().unwrap();
    assert!(first.iter().filter(|unit| unit["standing"] == "at-head").count() >= 2, "{expected:?}");
    for (name, value) in DEFAULTS {
        let of = |what: &str| format!("ALTER DATABASE \"{}\" {what}", database.name);
        database.sql(&of(&format!("SET {name} = {}", quoted(name, value)))).await;
        assert_eq!(read(&shop, &database), expected, "{name} = {value}");
        reset(&database, name).await;
    }
    // All of them together, except the two that would interrupt the test itself.
    for (name, value) in DEFAULTS.iter().filter(|(name, _)| !name.ends_with("_timeout")) {
        let set =
            format!("ALTER DATABASE \"{}\" SET {name} = {}", database.name, quoted(name, value));
        crate::common::postgres().sql(&set).await;
    }
    assert_eq!(read(&shop, &database), expected);
}

fn quoted(name: &str, value: &str) -> String {
    // A list of names is not quoted as a whole.
    if name == "DateStyle" { value.to_owned() } else { format!("'{value}'") }
}

async fn reset(database: &Database, name: &str) {
    let reset = format!("ALTER DATABASE \"{}\" RESET {name}", database.name);
    crate::common::postgres().sql(&reset).await;
}

/// Migrations run with the defaults, and their ledger is still readable.
#[tokio::test]
async fn migrations_see_the_defaults_that_the_tool_would_see() {
    let shop = shop(1).file(
        "tenant/2_seen.sql",
        "CREATE TABLE seen AS SELECT current_setting('bytea_output') || current_setting('xmlbinary') AS it;",
    );
    let database = with_tenants(&numbered(3)).await;
    for (name, value) in
        [("bytea_output", "escape"), ("xmlbinary", "hex"), ("quote_all_identifiers", "on")]
    {
        let set = format!("ALTER DATABASE \"{}\" SET {name} = '{value}'", database.name);
        crate::common::postgres().sql(&set).await;
    }
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    for tenant in ["t001", "t002", "t003"] {
        let seen = database.sql(&format!("SELECT it FROM tenant_{tenant}.seen")).await;
        assert_eq!(seen, ["escapehex"]);
    }
    let again = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().success();
    assert_eq!(super::counts(&report(&again)), [0, 4, 0, 0]);
}

/// `verify` reads ledgers in sessions that scripts have changed, and in databases that `prepare` has changed.
#[test]
fn a_ledger_is_readable_in_a_session_that_a_script_has_changed() {
    let all =
        DEFAULTS.iter().filter(|(name, _)| !name.ends_with("_timeout") && *name != "search_path");
    let each = all.map(|(name, value)| {
        format!(
            "EXECUTE format('ALTER DATABASE %I SET {name} = {}', current_database());",
            quoted(name, value).replace('\'', "''")
        )
    });
    let prepare = format!("DO $$ BEGIN {} END $$;", each.collect::<Vec<_>>().join("\n"));
    let config = "[databases.app]\nprepare = \"prepare.sql\"\n[databases.app.tenants]\nmigrations = \"m\"\nformat = \"sqlx\"\n";
    let project = project()
        .file("mig-ci.toml", config)
        .file("prepare.sql", prepare)
        .file("m/1_a.sql", "SET bytea_output = 'escape'; SET standard_conforming_strings = off; CREATE TABLE a ();")
        .file("m/2_b.sql", "CREATE TABLE b ();");
    assert_eq!(project.verify().report(0).verdict(), "passed");
}

/// Migrations read the same settings in `verify` and on real databases.
#[tokio::test]
async fn configured_settings_apply_to_migrations_in_all_commands() {
    let config = "[postgres.settings]\n\"app.region\" = \"eu\"\n";
    let shop = shop(1);
    let config = shop.read("mig-ci.toml") + config;
    let seen = "CREATE TABLE seen AS SELECT current_setting('app.region') AS it;";
    let shop = shop.file("mig-ci.toml", config).file("tenant/1_t.sql", seen);
    let shop = shop.file(
        "shared/2_seen.sql",
        "CREATE TABLE shared.seen AS SELECT current_setting('app.region') AS it;",
    );
    shop.verify().report(0);
    let database = with_tenants(&numbered(2)).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    for schema in ["tenant_t001", "tenant_t002", "shared"] {
        assert_eq!(database.sql(&format!("SELECT it FROM {schema}.seen")).await, ["eu"]);
    }
    let new = shop.mig_ci(["create", "new"]).env("SHOP_URL", database.url()).run().success();
    assert!(new.stdout.contains("tenant new"), "{new:?}");
    assert_eq!(database.sql("SELECT it FROM tenant_new.seen").await, ["eu"]);
}
