//! `mig-ci status`: the versions of tenants, and tenants that differ.

use serde_json::{Value, json};

use super::{json_of, numbered, shop, upgrade, with_tenants, with_tenants_on};
use crate::common::{Command, Database, Postgres, Project, Wire, postgres, project};

fn status<const N: usize>(shop: &Project, database: &Database, args: [&str; N]) -> Command {
    shop.mig_ci(["status"]).args(args).env("SHOP_URL", database.url())
}

fn unit<'r>(report: &'r Value, name: &str) -> &'r Value {
    let units = report["units"].as_array().unwrap();
    units.iter().find(|unit| unit["name"] == name).unwrap_or_else(|| panic!("no {name}: {report}"))
}

#[tokio::test]
async fn a_plain_database_shows_its_history_and_pending_migrations() {
    let config =
        "[databases.users]\nmigrations = \"m\"\nformat = \"sqlx\"\nurl = \"${SHOP_URL}\"\n";
    let users = project().file("mig-ci.toml", config).file("m/1_a.sql", "CREATE TABLE a ();");
    let users = users.file("m/2_b.sql", "CREATE TABLE b ();");
    let database = postgres().database().await;
    let text = |args: [&str; 2]| status(&users, &database, args).run().success().stdout;
    let before = text(["-n", "users"]);
    assert!(before.contains("users: at nothing, 2 pending: 1, 2"), "{before}");
    upgrade(&users, &database, ["1", "-n", "users"]).run().success();
    let half = users.mig_ci(["-n", "users", "status"]).env("SHOP_URL", database.url()).run();
    let half = half.success().stdout;
    assert!(
        half.contains("users: at 1, 1 pending: 2\n  ✔ 1  m/1_a.sql\n  · 2  m/2_b.sql  pending"),
        "{half}"
    );
    status(&users, &database, ["--check"]).run().exit(1);
    upgrade(&users, &database, ["-n", "users"]).run().success();
    status(&users, &database, ["--check"]).run().success();
    // An applied migration without a file is shown, and the tool refuses.
    let gone = project().file("mig-ci.toml", config).file("m/1_a.sql", "CREATE TABLE a ();");
    let gone = status(&gone, &database, ["-n", "users"]).run().success().stdout;
    assert!(gone.contains("✔ 2  no file has this version"), "{gone}");
    assert!(gone.contains("the tool refuses"), "{gone}");
}

/// Each incorrect tenant is named, with its problem.
#[tokio::test]
async fn status_names_drifted_tenants() {
    let shop = shop(3);
    let database = with_tenants(&numbered(40)).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    let fine = status(&shop, &database, ["--all-tenants", "--check", "--format=json"]).run();
    let fine = json_of(&fine.success());
    assert_eq!(fine["counts"]["at_head"], 41);
    assert_eq!(fine["versions"].as_array().unwrap().len(), 1);
    assert_eq!(unit(&fine, "t007")["agreement"], "same");

    database
        .sql(
            "CREATE INDEX extra ON tenant_t003.t1 (plan);
             DELETE FROM tenant_t004._sqlx_migrations WHERE version = 3;
             DROP SCHEMA tenant_t005 CASCADE;
             UPDATE tenant_t006._sqlx_migrations SET checksum = '\\x00' WHERE version = 1;
             DROP TABLE tenant_t008.t3; DELETE FROM tenant_t008._sqlx_migrations WHERE version = 3;
             DROP TABLE tenant_t009.t3; DELETE FROM tenant_t009._sqlx_migrations WHERE version = 3;
             DROP TABLE tenant_t010.t3;
             INSERT INTO tenant_t011.t1 (id) VALUES (1)",
        )
        .await;
    let run = status(&shop, &database, ["--all-tenants", "--format=json"]).run().success();
    let report = json_of(&run);
    let seen = |name: &str| {
        let unit = unit(&report, name);
        (unit["standing"].clone(), unit["agreement"].clone())
    };
    assert_eq!(seen("t001"), (json!("at-head"), json!("same")));
    assert_eq!(seen("t003"), (json!("at-head"), json!("drifted")));
    // Three have this ledger; two of them have its shape, and the third that of the head.
    assert_eq!(seen("t004"), (json!("behind"), json!("ledger-mismatch")));
    assert_eq!(unit(&report, "t004")["looks_like"], "3");
    assert_eq!(seen("t005"), (json!("absent"), Value::Null));
    assert_eq!(seen("t006").0, "refused");
    assert_eq!(seen("t008"), (json!("behind"), json!("same")));
    // Its ledger shows 3, and its shape is that of 2.
    assert_eq!(seen("t010"), (json!("at-head"), json!("ledger-mismatch")));
    assert_eq!(seen("t011"), (json!("at-head"), json!("same")), "rows are no shape");
    let differences = report["differences"].to_string();
    assert!(differences.contains("extra"), "{differences}");
    let text = status(&shop, &database, ["--all-tenants", "--check"]).run().exit(1).stdout;
    assert!(
        text.contains(
            "t004: at 2, 1 pending: 3; its ledger does not match its schema, which is that of 3"
        ),
        "{text}"
    );
    assert!(text.contains("t003, compared with t001"), "{text}");
    assert!(text.contains("t005: tenant_t005 does not exist"), "{text}");
    assert!(!text.contains("t012"), "who is like all others has no line: {text}");
}

/// The schema's own name is not part of its shape, in any spelling.
#[tokio::test]
async fn hostile_names_have_the_same_shape() {
    let names = ["We'ird-Ténant", "select", "a\"b", "x", &"y".repeat(56)].map(str::to_owned);
    let database = with_tenants(&names).await;
    let shop = shop(2);
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    status(&shop, &database, ["--all-tenants", "--check"]).run().success();
}

/// A template with the tenant's own name in everything that PostgreSQL does not render: this is not drift.
#[tokio::test]
async fn the_own_name_in_texts_is_not_drift() {
    own_names_are_not_drift(postgres()).await;
}

/// Each major version renders definitions differently.
#[tokio::test]
async fn the_own_name_in_texts_is_not_drift_in_newer_versions() {
    for major in [16, 17, 18] {
        let Some(server) = Postgres::of_version(major) else { continue };
        let version = server.sql("SHOW server_version_num").await;
        assert!(version[0].starts_with(&major.to_string()), "{version:?}");
        own_names_are_not_drift(server).await;
    }
}

async fn own_names_are_not_drift(server: &'static Postgres) {
    let own = "DO $do$ BEGIN\n\
        EXECUTE format('CREATE TABLE %I (id int, tenant text DEFAULT %L, kind text DEFAULT ''users'')', 'of_' || current_schema(), current_schema());\n\
        EXECUTE format('CREATE INDEX %I ON t1 (plan)', current_schema() || '_by_plan');\n\
        EXECUTE format('COMMENT ON TABLE t1 IS %L', 'of ' || current_schema());\n\
        EXECUTE format('CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS %L', format('BEGIN PERFORM count(*) FROM %I.t1; RETURN NEW; END', current_schema()));\n\
        EXECUTE format('CREATE TRIGGER noted AFTER INSERT ON t1 FOR EACH ROW EXECUTE FUNCTION note(%L)', current_schema());\n\
        END $do$;\n";
    let shop = shop(1).file("tenant/2_own.sql", own);
    let config = shop.read("mig-ci.toml").replace("tenant_{tenant}", "{tenant}");
    let shop = shop.file("mig-ci.toml", config);
    let names = ["acme", "users", "We'ird-Ténant", "a\"b", "x", "of"];
    let database = with_tenants_on(server, &[]).await;
    for name in names {
        let (schema, slug) = (name.replace('"', "\"\""), name.replace('\'', "''"));
        let sql = format!(
            "CREATE SCHEMA \"{schema}\"; INSERT INTO audit.tenants (slug) VALUES ('{slug}')"
        );
        database.sql(&sql).await;
    }
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    status(&shop, &database, ["--all-tenants", "--check"]).run().success();

    // A body that reads another tenant's rows contains the other's name, and not its own.
    database
        .sql(
            "CREATE OR REPLACE FUNCTION x.note() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN PERFORM count(*) FROM acme.t1; RETURN NEW; END'",
        )
        .await;
    let run = status(&shop, &database, ["--all-tenants", "--format=json"]).run().success();
    let report = json_of(&run);
    assert_eq!(report["counts"]["drifted"], 1);
    assert_eq!(unit(&report, "x")["agreement"], "drifted");
    let differences = report["differences"].to_string();
    assert!(differences.contains("function note()"), "{differences}");
    assert!(differences.contains("acme.t1"), "{differences}");
}

/// With only the foreign name as evidence: the text equals that of the tenant with this name, but has another meaning here.
#[tokio::test]
async fn another_tenants_name_is_drift_among_few_tenants() {
    let shop = shop(1);
    let database = with_tenants(&numbered(4)).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    let body = |own: &str, read: &str| {
        format!(
            "CREATE FUNCTION tenant_{own}.rows() RETURNS bigint LANGUAGE sql AS \
             'SELECT count(*) FROM tenant_{read}.t1'; "
        )
    };
    let own = |names: &[&str]| names.iter().map(|name| body(name, name)).collect::<String>();
    database.sql(&(own(&["t001", "t002", "t003"]) + &body("t004", "t001"))).await;
    let run = status(&shop, &database, ["--all-tenants", "--check", "--format=json"]).run().exit(1);
    let report = json_of(&run);
    assert_eq!(report["counts"]["drifted"], 1, "{report}");
    assert_eq!(unit(&report, "t004")["agreement"], "drifted", "{report}");
    assert!(report["differences"].to_string().contains("tenant_t001.t1"), "{report}");
    // The same word as data of all tenants is not drift, even if it is a tenant's name.
    let same = ["t001", "t002", "t003", "t004"].map(|name| {
        let replaced = body(name, "t001").replacen("CREATE", "CREATE OR REPLACE", 1);
        replaced + &format!("COMMENT ON FUNCTION tenant_{name}.rows() IS 'tenant_{name}'; ")
    });
    database.sql(&same.concat()).await;
    status(&shop, &database, ["--all-tenants", "--check"]).run().success();
    // A difference elsewhere does not make it drift.
    database.sql("DROP FUNCTION tenant_t004.rows(); COMMENT ON FUNCTION tenant_t002.rows() IS NULL; \
        COMMENT ON FUNCTION tenant_t001.rows() IS NULL; COMMENT ON FUNCTION tenant_t003.rows() IS NULL").await;
    let run = status(&shop, &database, ["--all-tenants", "--format=json"]).run().success();
    let report = json_of(&run);
    assert_eq!(report["counts"]["drifted"], 1, "{report}");
    assert_eq!(unit(&report, "t004")["agreement"], "drifted", "{report}");
}

/// Shapes are compared in the order of their hashes, which any text changes.
#[tokio::test]
async fn a_default_naming_another_tenant_is_drift() {
    let shop = shop(1);
    let database = with_tenants(&numbered(3)).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    for text in [".x", ".y", ".z", "_k", " q", "-1", "/a", ""] {
        let defaults =
            [("t001", "t001"), ("t002", "t002"), ("t003", "t001")].map(|(own, named)| {
                format!(
                    "ALTER TABLE tenant_{own}.t1 ADD COLUMN IF NOT EXISTS name text; \
                 ALTER TABLE tenant_{own}.t1 ALTER COLUMN name SET DEFAULT 'tenant_{named}{text}'; "
                )
            });
        database.sql(&defaults.concat()).await;
        let run = status(&shop, &database, ["--all-tenants", "--check", "--format=json"]);
        let report = json_of(&run.run().exit(1));
        assert_eq!(unit(&report, "t003")["agreement"], "drifted", "{text}: {report}");
        assert_eq!(report["counts"]["drifted"], 1, "{text}: {report}");
    }
}

/// Any number of tenants is read together.
#[tokio::test]
async fn status_of_many_tenants_takes_few_round_trips() {
    let database = with_tenants(&numbered(200)).await;
    let shop = shop(1);
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    let wire = Wire::to(postgres().port());
    let run = status(&shop, &database, ["--all-tenants", "--check"]);
    run.env("SHOP_URL", postgres().tcp_url_through(wire.port(), &database.name)).run().success();
    let queries = super::round_trips::queries(&wire).len();
    assert!(queries < 60, "{queries} for 200 tenants");
}

/// A database for each tenant: shapes are those of whole databases.
#[tokio::test]
async fn databases_are_compared_with_each_other() {
    let config = "[databases.app]\nurl = \"${SHOP_URL}\"\n[databases.app.tenants]\nmigrations = \"m\"\n\
        tenancy = \"database\"\ntarget = \"{tenant}\"\nfrom = { file = \"names\" }\n";
    let mut databases = Vec::new();
    for _ in 0..3 {
        databases.push(postgres().database().await);
    }
    let names: String = databases.iter().map(|one| format!("{}\n", one.name)).collect();
    let shop = project().file("mig-ci.toml", config).file("names", names);
    let shop = shop.file("m/1_a.sql", "CREATE TABLE a (id int);");
    upgrade(&shop, &databases[0], ["--all-tenants"]).run().success();
    databases[1].sql("CREATE INDEX extra ON a (id)").await;
    let report = status(&shop, &databases[0], ["--all-tenants", "--format=json"]).run().success();
    let report = json_of(&report);
    assert_eq!(unit(&report, &databases[1].name)["agreement"], "drifted");
    assert_eq!(report["counts"]["drifted"], 1);
    assert!(report["differences"].to_string().contains("extra"), "{report}");

    // A comment with the own name is not drift.
    databases[1].sql("DROP INDEX extra").await;
    for one in &databases {
        one.sql(&format!("COMMENT ON TABLE a IS 'of {}'", one.name)).await;
    }
    status(&shop, &databases[0], ["--all-tenants", "--check"]).run().success();
}
