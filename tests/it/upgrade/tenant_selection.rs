//! `mig-ci tenants`: the tenants and their targets, resolved as for an upgrade.

use super::{counts, json_of, numbered, report, shop, upgrade, with_tenants};
use crate::common::{Database, Outcome, Project, postgres, project};

fn tenants<const N: usize>(shop: &Project, database: &Database, args: [&str; N]) -> Outcome {
    shop.mig_ci(["tenants"]).args(args).env("SHOP_URL", database.url()).run()
}

#[tokio::test]
async fn tenants_are_listed_with_their_addresses() {
    let shop = shop(1);
    let database = with_tenants(&numbered(3)).await;
    let listed = tenants(&shop, &database, ["-n", "app"]).success().stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[1].starts_with("t002  schema tenant_t002  at "), "{listed}");
    assert!(lines[1].ends_with(&format!("/{}", database.name)), "{listed}");
    let json = json_of(&tenants(&shop, &database, ["--format=json"]).success());
    assert_eq!(
        (&json["schema"], &json["database"], &json["tenancy"]),
        (&"mig-ci.tenants/1".into(), &"app".into(), &"schema".into())
    );
    assert_eq!(json["tenants"][2]["name"], "t003");
    assert_eq!(json["tenants"][2]["target"], "tenant_t003");
    let parts: usize = ["1/3", "2/3", "3/3"]
        .map(|part| tenants(&shop, &database, ["--partition", part]).success().stdout)
        .map(|text| text.lines().count())
        .iter()
        .sum();
    assert_eq!(parts, 3);
}

/// Errors have the same messages as with `upgrade`.
#[tokio::test]
async fn create_reports_the_same_errors_as_upgrade() {
    let database = with_tenants(&[]).await;
    let shop = shop(1);
    let nobody = tenants(&shop, &database, []).exit(5);
    assert!(nobody.stderr.contains("`from.query` of `app` returned no tenants"), "{nobody:?}");
    assert_eq!(nobody.stderr, upgrade(&shop, &database, ["--all-tenants", "-q"]).run().stderr);
    let list = shop.read("mig-ci.toml");
    let list = list.replace(
        "{ query = \"SELECT slug FROM audit.tenants ORDER BY id\" }",
        "{ list = [\"a\"] }",
    );
    let shop = shop.file("mig-ci.toml", list);
    for args in [["tenants", "-q"], ["upgrade", "--all-tenants"], ["upgrade", "--tenant=a"]] {
        let bad = shop.mig_ci(args).env("SHOP_URL", "postgres://h:port/d").run().exit(3);
        assert!(bad.stderr.contains("the address of `app`: it is not the URL"), "{bad:?}");
    }
    let plain = project().file("mig-ci.toml", "[databases.users]\nmigrations = \"m\"\n");
    let plain = plain.file("m/1.sql", "SELECT 1;");
    let none = plain.mig_ci(["tenants", "-n", "users"]).run().exit(2);
    assert!(none.stderr.contains("`users` has no tenants"), "{none:?}");
}

#[tokio::test]
async fn addresses_have_no_passwords_and_invalid_ones_are_reported() {
    let database = postgres().database().await;
    let config = format!(
        "[databases.customer]\nurl = \"{}\"\n[databases.customer.tenants]\nmigrations = \"m\"\n\
         format = \"sqlx\"\ntenancy = \"database\"\n\
         from = {{ query = \"SELECT 'a' AS name, 'postgres://u:hunter2@db1.example:6432/a' AS url \
         UNION ALL SELECT 'b', NULL UNION ALL SELECT 'c', 'mysql://u:hunter2@h/c'\" }}\n",
        database.url()
    );
    let shop = project().file("m/1_a.sql", "SELECT 1;").file("mig-ci.toml", config);
    let text = tenants(&shop, &database, []).exit(1);
    assert!(text.stdout.contains("a  database a  at db1.example:6432/a\n"), "{text:?}");
    assert!(
        text.stdout.contains("c  database c  error: the address of this tenant: it is not the URL")
    );
    let json = json_of(&tenants(&shop, &database, ["--format=json"]).exit(1));
    assert!(json["tenants"][1]["address"].as_str().unwrap().ends_with("/b"), "{json}");
    assert!(json["tenants"][2].get("address").is_none() && json["tenants"][2]["error"].is_string());
    assert!(!format!("{text:?}{json}").contains("hunter2"));
}

/// A query without an end would block a deployment silently.
#[tokio::test]
async fn the_query_for_the_tenants_has_a_time_limit() {
    let shop = shop(1);
    let database = with_tenants(&[]).await;
    let config = shop.read("mig-ci.toml");
    let config =
        config.replace("SELECT slug FROM audit.tenants ORDER BY id", "SHOW statement_timeout");
    let shop = shop.file("mig-ci.toml", config);
    let listed = tenants(&shop, &database, []).success().stdout;
    assert!(listed.starts_with("1min  "), "{listed}");
}

#[tokio::test]
async fn a_repeated_name_is_one_ineligible_tenant() {
    let shop = shop(1);
    let database = with_tenants(&numbered(2)).await;
    let args = ["--tenant=t001", "--tenant=t002", "--tenant=t001", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().success());
    let names = run.units.iter().map(|unit| unit.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["app", "t001", "t002"]);
    let both = upgrade(&shop, &database, ["--format=json"]).env("TENANT_SCHEMA", "tenant_t001");
    let both = report(&both.env("TENANT_DB", "tenant_t001").run().success());
    assert_eq!(both.units.len(), 2);
}

/// A variable that is left over from a loop is reported if it does not apply.
#[tokio::test]
async fn a_variable_for_a_database_without_tenants_is_the_reason() {
    let shop = shop(1).file("users/1_u.sql", "CREATE TABLE u ();");
    let config = shop.read("mig-ci.toml")
        + "[databases.users]\nurl = \"${SHOP_URL}\"\nmigrations = \"users\"\nformat = \"sqlx\"\n";
    let shop = shop.file("mig-ci.toml", config);
    let database = with_tenants(&numbered(1)).await;
    let run = upgrade(&shop, &database, ["-n", "users"]).env("TENANT_SCHEMA", "tenant_t001");
    let run = run.run().exit(2);
    let words =
        "`users` has no tenants, but TENANT_SCHEMA or TENANT_DB in the environment names one";
    assert!(run.stderr.contains(words), "{run:?}");
    upgrade(&shop, &database, ["-n", "users"]).run().success();
    let run = upgrade(&shop, &database, ["--format=json"]).env("TENANT_SCHEMA", "tenant_t001");
    assert_eq!(report(&run.run().success()).units[1].name, "t001");
}

/// One invalid row of the tenants' table does not stop a run over all tenants: it is a failure of its own.
#[tokio::test]
async fn an_invalid_tenant_name_fails_that_tenant_only() {
    let names = numbered(3);
    let (shop, database) = (shop(1), with_tenants(&names).await);
    let long = "x".repeat(80);
    let rows = format!("INSERT INTO audit.tenants (slug) VALUES (E'a\\tb'), ('{long}')");
    database.sql(&rows).await;
    let run = report(&upgrade(&shop, &database, ["--all-tenants", "--format=json"]).run().exit(1));
    assert_eq!(counts(&run), [4, 0, 2, 0]);
    let tab = run.units[4].failure();
    let message = &tab.message;
    assert!(message.contains("`from.query` of `app` returned an invalid tenant name"), "{tab:?}");
    assert!(message.contains("contains a control character"), "{tab:?}");
    assert!(tab.hint().starts_with("correct the name"), "{tab:?}");
    let message = &run.units[5].failure().message;
    assert!(message.contains("has 87 bytes"), "{message}");
    let named = upgrade(&shop, &database, ["--tenant", &long]).run().exit(1);
    assert!(
        named.stdout.contains("the command line of `app` returned an invalid tenant name"),
        "{named:?}"
    );
    let text = tenants(&shop, &database, []).exit(1).stdout;
    assert_eq!(text.lines().count(), 5, "{text}");
    // A schema with such a name does not belong to this tenant.
    let odd = "é".repeat(31);
    database.sql(&format!("INSERT INTO audit.tenants (slug) VALUES ('{odd}'), (E'a\\tb')")).await;
    database.sql(&format!("CREATE SCHEMA \"{odd}\"")).await;
    let status = shop.mig_ci(["status", "--all-tenants", "--format=json"]);
    let status = json_of(&status.env("SHOP_URL", database.url()).run().success());
    let of = |name: &str| {
        let units = status["units"].as_array().unwrap();
        units.iter().find(|unit| unit["name"] == name).unwrap().clone()
    };
    assert_eq!((&of(&odd)["standing"], of(&odd).get("shape")), (&"unreadable".into(), None));
    let why = of(&odd)["failure"]["message"].as_str().unwrap().to_owned();
    assert!(why.contains("has 69 bytes"), "{why}");
    assert_eq!(of("a\tb")["target"], "tenant_a\tb");
}

/// If a query returns no addresses, a named tenant need not be in its result.
#[tokio::test]
async fn a_new_tenant_need_not_be_in_a_source_without_addresses() {
    let main = postgres().database().await;
    main.sql("CREATE TABLE tenants (slug text); INSERT INTO tenants VALUES ('a')").await;
    let tenant = postgres().database().await;
    let config = "[databases.customer]\nurl = \"${SHOP_URL}\"\n[databases.customer.tenants]\nmigrations = \"m\"\n\
        format = \"sqlx\"\ntenancy = \"database\"\nfrom = { query = \"SELECT slug FROM tenants\" }\n";
    let shop = project().file("mig-ci.toml", config).file("m/1_a.sql", "CREATE TABLE a ();");
    let named = shop.mig_ci(["upgrade", "--tenant", &tenant.name, "--format=json"]);
    let named = report(&named.env("SHOP_URL", main.url()).run().success());
    assert_eq!(counts(&named), [1, 0, 0, 0]);
    let by_variable = shop.mig_ci(["upgrade", "--format=json"]).env("TENANT_DB", &tenant.name);
    let by_variable = report(&by_variable.env("SHOP_URL", main.url()).run().success());
    assert_eq!(counts(&by_variable), [0, 1, 0, 0]);
    // If it returns addresses, a tenant without a row has none.
    let config = config.replace("SELECT slug", "SELECT slug, 'postgres://u@h/d' AS url");
    let shop = shop.file("mig-ci.toml", config);
    let unknown = shop.mig_ci(["upgrade", "--tenant", &tenant.name]);
    let unknown = unknown.env("SHOP_URL", main.url()).run().exit(3);
    assert!(unknown.stderr.contains("`customer` has no tenant"), "{unknown:?}");
}

/// The query is read-only.
#[tokio::test]
async fn the_query_for_the_tenants_changes_nothing() {
    let database = with_tenants(&numbered(2)).await;
    let shop = shop(1);
    let config = shop.read("mig-ci.toml");
    let query = "SELECT slug FROM audit.tenants ORDER BY id";
    let shop =
        shop.file("mig-ci.toml", config.replace(query, "DELETE FROM audit.tenants RETURNING slug"));
    let no = tenants(&shop, &database, []).exit(3);
    assert!(no.stderr.contains("read-only transaction"), "{no:?}");
    assert_eq!(database.sql("SELECT count(*) FROM audit.tenants").await, ["2"]);
}
