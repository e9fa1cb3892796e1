//! Ledgers outside of all search paths, ledgers with hidden rows, and files of the tools that name another ledger: nothing
//! is applied a second time, and `create` leaves nothing behind.

use super::contradictions::{ACCOUNTS, bank, one, ran, run, says};
use super::{report, shop as tenants_shop, with_tenants};
use crate::common::{Project, peer, postgres, project};

const DBMATE: &str = "format = \"dbmate\"";

fn dbmate_text() -> String {
    format!("-- migrate:up\n{ACCOUNTS}-- migrate:down\n")
}

/// The line in a refusal that can be copied.
fn printed_line(text: &str) -> String {
    let begin = text.find("other-ledgers = [").unwrap_or_else(|| panic!("{text}"));
    text[begin..].lines().next().unwrap().to_owned()
}

/// Each tool's own schema, with the tables of its `CREATE TABLE`.
#[tokio::test]
async fn ledgers_in_schemas_of_their_tools_are_detected() {
    for (sql, tool) in [
        (
            "CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (id serial, hash text, created_at bigint)",
            "drizzle",
        ),
        (
            "CREATE SCHEMA graphile_migrate; CREATE TABLE graphile_migrate.migrations \
             (hash text, previous_hash text, filename text, date timestamptz)",
            "graphile-migrate",
        ),
        (
            "CREATE SCHEMA supabase_migrations; CREATE TABLE supabase_migrations.schema_migrations \
             (version text, statements text[], name text)",
            "supabase",
        ),
        (
            "CREATE SCHEMA atlas_schema_revisions; CREATE TABLE atlas_schema_revisions.atlas_schema_revisions \
             (version varchar, operator_version varchar, partial_hashes jsonb)",
            "atlas",
        ),
        ("CREATE SCHEMA pgroll; CREATE TABLE pgroll.migrations (name text, done bool)", "pgroll"),
        (
            "CREATE SCHEMA hdb_catalog; CREATE TABLE hdb_catalog.schema_migrations (version bigint)",
            "Hasura",
        ),
    ] {
        let database = bank().await;
        database.sql(sql).await;
        let shop = one("format = \"plain\"", "m/1_a.sql", ACCOUNTS);
        let refused = run(&shop, ["upgrade"], database.url()).run();
        says(&refused, 1, &[tool, "[databases.app]"]);
        assert_eq!(database.sql("SELECT cents FROM accounts").await, ["5"], "{sql}");
        let line = printed_line(&refused.stdout);
        let shop = one(&format!("format = \"plain\"\n{line}"), "m/1_a.sql", ACCOUNTS);
        run(&shop, ["upgrade"], database.url()).run().success();
        assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
    }
}

/// Tables of other products are not ledgers of these migrations.
#[tokio::test]
async fn schemas_and_tables_of_an_application_are_not_ledgers() {
    let database = bank().await;
    let sql = "CREATE SCHEMA storage; CREATE TABLE storage.migrations (id int, name text, hash text, executed_at timestamp); \
        CREATE SCHEMA drizzle; CREATE TABLE drizzle.forecasts (id int, hash text); \
        CREATE TABLE migrations (id int, species text, departed_on date); \
        CREATE TABLE events (id int, \"timestamp\" timestamptz, name text); \
        CREATE SCHEMA old; CREATE TABLE old.django_migrations (id int, app text, name text, applied timestamptz)";
    database.sql(sql).await;
    let shop = one("format = \"plain\"", "m/1_a.sql", ACCOUNTS);
    run(&shop, ["upgrade"], database.url()).run().success();
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
}

/// dbmate can keep its ledger in another schema. Without a ledger, or with an empty one, the other is decisive.
#[tokio::test]
async fn a_ledger_in_another_schema_is_detected() {
    let Some(dbmate) = peer("dbmate") else { return };
    let shop = one(DBMATE, "m/1_a.sql", &dbmate_text());
    let database = bank().await;
    let mut command = std::process::Command::new(dbmate);
    command
        .args(["--url", &database.go_url(), "--migrations-dir", "m", "--no-dump-schema"])
        .args(["--migrations-table", "ops.schema_migrations", "migrate"])
        .current_dir(shop.path());
    ran(command);
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
    let line = "other-ledgers = [\"ops.schema_migrations\"]";
    for args in [["upgrade"], ["status"]] {
        let refused = run(&shop, args, database.url()).run();
        assert!(refused.stdout.contains("\"ops\".\"schema_migrations\""), "{refused:?}");
    }
    says(&run(&shop, ["upgrade"], database.url()).run(), 1, &[line]);
    database.sql("CREATE TABLE schema_migrations (version varchar PRIMARY KEY)").await;
    says(&run(&shop, ["upgrade"], database.url()).run(), 1, &[line]);
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
    // A ledger with rows of its own is used.
    database.sql("INSERT INTO schema_migrations VALUES ('1')").await;
    run(&shop, ["upgrade"], database.url()).run().success();
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
}

/// Another named database of the project may be in the same real one, with a differently written address.
#[tokio::test]
async fn ledgers_of_the_projects_other_databases_are_no_contradiction() {
    let database = postgres().database().await;
    database.sql("CREATE SCHEMA a; CREATE SCHEMA b").await;
    let of = |name: &str| {
        format!(
            "[databases.{name}]\nurl = \"${{URL_{name}}}\"\nmigrations = \"{name}\"\nformat = \"sqlx\"\nschema = \"{name}\"\n"
        )
    };
    let shop = project()
        .file("mig-ci.toml", of("a") + &of("b"))
        .file("a/1_a.sql", "CREATE TABLE t ();")
        .file("b/1_b.sql", "CREATE TABLE t ();");
    for name in ["a", "b", "a"] {
        let url = format!("{}&application_name={name}", database.url());
        shop.mig_ci(["upgrade", "-n", name]).env(&format!("URL_{name}"), url).run().success();
    }
}

/// Row-level security silently hides rows from a role without a policy.
#[tokio::test]
async fn a_ledger_with_hidden_rows_is_refused() {
    let database = bank().await;
    let shop = one("format = \"plain\"", "m/1_a.sql", ACCOUNTS);
    run(&shop, ["upgrade"], database.url()).run().success();
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
    let secure =
        "ALTER TABLE mig_ci_migrations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY";
    database.sql(secure).await;
    says(&run(&shop, ["upgrade"], database.url()).run(), 1, &["row-level security may hide rows"]);
    let status = run(&shop, ["status"], database.url()).run();
    assert!(status.stdout.contains("row-level security"), "{status:?}");
    database.sql("CREATE POLICY p ON mig_ci_migrations FOR SELECT USING (version > '1')").await;
    says(&run(&shop, ["upgrade"], database.url()).run(), 1, &["row-level security may hide rows"]);
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
    database.sql("DROP POLICY p ON mig_ci_migrations").await;
    database.sql("CREATE POLICY p ON mig_ci_migrations USING (true)").await;
    run(&shop, ["upgrade"], database.url()).run().success();
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
}

/// The tools read `.env` in their working directory, unless the environment has the variable; dbmate's dump contains its
/// rows.
#[tokio::test]
async fn files_of_the_tool_that_name_another_ledger_are_refused() {
    let shared = "search_path=shop";
    for (config, file, beside, text, words) in [
        (DBMATE, "m/1_a.sql", ".env", "DBMATE_MIGRATIONS_TABLE=\"mine\"\n".to_owned(), "`mine`"),
        (
            DBMATE,
            "m/1_a.sql",
            ".env",
            format!("export DATABASE_URL='postgres://h/d?{shared}' # dev\n"),
            "`shop`",
        ),
        (
            "format = \"golang-migrate\"",
            "m/1_a.up.sql",
            ".env",
            "DATABASE_URL=postgres://h/d?x-migrations-table=mine\n".to_owned(),
            "`mine`",
        ),
        (
            DBMATE,
            "m/1_a.sql",
            "db/schema.sql",
            "-- Dbmate schema migrations\n--\n\nINSERT INTO shop.schema_migrations (version) VALUES\n    ('1');\n".to_owned(),
            "shop.schema_migrations",
        ),
    ] {
        let text_of = if config == DBMATE { dbmate_text() } else { ACCOUNTS.to_owned() };
        let shop = one(config, file, &text_of).file(beside, text);
        let database = bank().await;
        for command in ["upgrade", "status"] {
            says(&run(&shop, [command], database.url()).run(), 3, &[beside, words]);
        }
        assert_eq!(database.sql("SELECT cents FROM accounts").await, ["5"]);
    }
}

/// Equal values, values that the environment overrides, and variables of other programs.
#[tokio::test]
async fn files_of_the_tool_with_equal_values_are_no_contradiction() {
    for (config, beside, text) in [
        (
            DBMATE,
            ".env",
            "DBMATE_MIGRATIONS_TABLE=schema_migrations\n# DBMATE_MIGRATIONS_TABLE=x\n",
        ),
        (
            DBMATE,
            ".env",
            "DATABASE_URL=postgres://h/dev?search_path=public&sslmode=disable\nSEARCH_PATH=x\n",
        ),
        (
            DBMATE,
            "db/schema.sql",
            "-- Dbmate schema migrations\n\nINSERT INTO public.schema_migrations (version) VALUES ('1');",
        ),
        (DBMATE, "db/schema.sql", "INSERT INTO x.schema_migrations (version) VALUES ('1');"),
        ("format = \"plain\"", ".env", "DBMATE_MIGRATIONS_TABLE=mine\n"),
    ] {
        let shop = one(config, "m/1_a.sql", &dbmate_text()).file(beside, text);
        let database = bank().await;
        let shop = if config == DBMATE { shop } else { shop.file("m/1_a.sql", ACCOUNTS) };
        run(&shop, ["upgrade"], database.url()).run().success();
    }
    let shop =
        one(DBMATE, "m/1_a.sql", &dbmate_text()).file(".env", "DBMATE_MIGRATIONS_TABLE=mine\n");
    let database = bank().await;
    let by_environment =
        run(&shop, ["upgrade"], database.url()).env("DBMATE_MIGRATIONS_TABLE", "schema_migrations");
    by_environment.run().success();
    let service = format!("{}&service=shop", database.url());
    says(&run(&shop, ["upgrade"], service).run(), 3, &["service file"]);
}

#[tokio::test]
async fn create_leaves_nothing_behind_after_a_refusal() {
    let database = with_tenants(&[]).await;
    database
        .sql("CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (id int, hash text)")
        .await;
    let shop = tenants_shop(1);
    for more in [&[][..], &["--if-not-exists"]] {
        let create = shop.mig_ci(["create", "new", "--format=json"]);
        let create = more.iter().fold(create, |create, arg| create.arg(arg));
        let create = report(&create.env("SHOP_URL", database.url()).run().exit(1));
        assert!(create.to_string().contains("a ledger of drizzle"), "{create}");
        assert_eq!(database.sql("SELECT to_regnamespace('tenant_new') IS NULL").await, ["t"]);
    }
    let config = shop.read("mig-ci.toml");
    let line = "other-ledgers = [\"drizzle.__drizzle_migrations\"]\n[databases.app.tenants]";
    let shop = shop.file("mig-ci.toml", config.replace("[databases.app.tenants]", line));
    shop.mig_ci(["create", "new"]).env("SHOP_URL", database.url()).run().success();
}

fn customers(url: &str) -> Project {
    let config = format!(
        "[databases.customer]\nurl = \"{url}\"\n[databases.customer.tenants]\nmigrations = \"m\"\nformat = \"sqlx\"\n\
         tenancy = \"database\"\nfrom = {{ list = [] }}\n"
    );
    project().file("mig-ci.toml", config).file("m/1_a.sql", "CREATE TABLE a ();")
}

/// The settings of a role apply to every database that it creates.
#[tokio::test]
async fn create_leaves_no_database_behind_after_a_refusal() {
    let main = postgres().database().await;
    let template = format!("{}_t", main.name);
    let role = "CREATE ROLE {r} LOGIN CREATEDB PASSWORD 'x'; ALTER ROLE {r} SET search_path = information_schema";
    let role = role.replace("{r}", &template);
    postgres().sql(&role).await;
    let url = postgres().url_as(&template, &main.name);
    let shop = customers(&url);
    let create = shop.mig_ci(["create", &template]).run();
    says(&create, 1, &["role's settings", "\"information_schema\""]);
    let made = format!("SELECT count(*) FROM pg_database WHERE datname = '{template}'");
    assert_eq!(main.sql(&made).await, ["0"]);
}
