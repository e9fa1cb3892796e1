//! No migration is applied twice if the address, the role's settings, or the database's content contradict the
//! configuration.

use super::interruption::until;
use super::{migration, numbered, report, shop as tenants_shop, with_tenants};
use crate::common::{Command, Database, Outcome, Postgres, Project, peer, postgres, project};

pub(super) const ACCOUNTS: &str = "UPDATE accounts SET cents = cents * 100;\n";

pub(super) fn one(config: &str, file: &str, text: &str) -> Project {
    project()
        .file(
            "mig-ci.toml",
            format!("[databases.app]\nurl = \"${{APP_URL}}\"\nmigrations = \"m\"\n{config}\n"),
        )
        .file(file, text)
}

pub(super) async fn bank() -> Database {
    let database = postgres().database().await;
    database.sql("CREATE TABLE accounts AS SELECT 5 AS cents").await;
    database
}

pub(super) fn run<const N: usize>(
    shop: &Project,
    args: [&str; N],
    url: impl AsRef<str>,
) -> Command {
    shop.mig_ci(args).env("APP_URL", url.as_ref())
}

pub(super) fn says(outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!(outcome.status.code(), Some(code), "{outcome:?}");
    // Lines are wrapped for a terminal.
    let text = format!("{} {}", outcome.stdout, outcome.stderr).replace("\n-- ", "\n");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(text.contains(word), "{word}: {outcome:?}");
    }
}

/// The run of a tool that succeeds.
pub(super) fn ran(mut command: std::process::Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn contradicting_parameters_are_refused() {
    let database = bank().await;
    let golang = "format = \"golang-migrate\"";
    for (config, file, parameter, words) in [
        ("", "m/1_a.sql", "search_path=shop", ["`shop`", "`public`"]),
        ("", "m/1_a.sql", "Search_Path=shop", ["`shop`", "`public`"]),
        ("", "m/1_a.sql", "options=--search-path%3Dshop", ["`shop`", "`public`"]),
        ("", "m/1_a.sql", "currentSchema=shop", ["`shop`", "`public`"]),
        ("", "m/1_a.sql", "schema=shop", ["`shop`", "`public`"]),
        ("", "m/1_a.sql", "options=-csearch_path%3Dshop", ["`shop`", "`public`"]),
        ("", "m/1_a.sql", "options=-c%20search_path%3Dshop%2Cpublic", ["`shop`", "`public`"]),
        ("", "m/1_a.sql", "options[search_path]=shop", ["`shop`", "`public`"]),
        ("", "m/1_a.sql", "x-migrations-table=m", ["golang-migrate", "`schema_migrations`"]),
        (
            golang,
            "m/1_a.up.sql",
            "x-migrations-table=my_migrations",
            ["`my_migrations`", "`schema_migrations`"],
        ),
        (
            golang,
            "m/1_a.up.sql",
            "x-migrations-table=%22b%22.%22schema_migrations%22&x-migrations-table-quoted=1",
            ["\"b\".", "`schema_migrations`"],
        ),
        (
            golang,
            "m/1_a.up.sql",
            "x-multi-statement=true",
            ["x-multi-statement=true", "does not support"],
        ),
    ] {
        let config = if config.is_empty() { "format = \"plain\"" } else { config };
        let config = if parameter == "x-migrations-table=m" {
            "format = \"plain\"\nledger = \"schema_migrations\""
        } else {
            config
        };
        let shop = one(config, file, ACCOUNTS);
        let url = format!("{}&{parameter}", database.url());
        for command in ["upgrade", "status"] {
            says(&run(&shop, [command], &url).run(), 3, &words);
        }
        says(&run(&shop, ["upgrade", "--dry-run"], &url).run(), 3, &words);
    }
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["5"]);
}

#[tokio::test]
async fn contradicting_variables_are_refused() {
    let database = bank().await;
    let plain = one("format = \"plain\"", "m/1_a.sql", ACCOUNTS);
    let options =
        run(&plain, ["upgrade"], database.url()).env("PGOPTIONS", "-c search_path=shop").run();
    says(&options, 3, &["PGOPTIONS", "`shop`"]);
    let text = format!("-- migrate:up\n{ACCOUNTS}-- migrate:down\n");
    let dbmate = one("format = \"dbmate\"", "m/1_a.sql", &text);
    let table =
        run(&dbmate, ["upgrade"], database.url()).env("DBMATE_MIGRATIONS_TABLE", "mine").run();
    says(&table, 3, &["DBMATE_MIGRATIONS_TABLE", "`mine`"]);
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["5"]);
}

#[tokio::test]
async fn the_same_value_is_no_contradiction() {
    let database = postgres().database().await;
    database.sql("CREATE SCHEMA shop").await;
    let config = "format = \"golang-migrate\"\nledger = \"mine\"\nschema = \"shop\"";
    let shop = one(config, "m/1_a.up.sql", "CREATE TABLE a (id int);");
    let url = format!(
        "{}&x-migrations-table=mine&x-multi-statement=false&search_path=shop,public&options=-c%20search_path%3Dshop",
        database.url()
    );
    run(&shop, ["upgrade"], &url).run().success();
    assert_eq!(database.sql("SELECT version FROM shop.mine").await, ["1"]);
}

/// A ledger of another tool, by its name or by its columns, and a view of that name; nothing is written.
#[tokio::test]
async fn another_ledger_in_the_target_is_refused_until_it_is_allowed() {
    for (sql, words, allowed) in [
        ("CREATE TABLE river_migration (line text, version int)", "River", "river_migration"),
        (
            "CREATE TABLE schema_migrations (version bigint, dirty boolean)",
            "golang-migrate",
            "schema_migrations",
        ),
        ("CREATE TABLE mine (version bigint, dirty boolean)", "golang-migrate", "mine"),
        ("CREATE VIEW goose_db_version AS SELECT 1 AS version_id", "goose", "goose_db_version"),
        (
            "CREATE TABLE old (version bigint, description text, installed_on timestamptz, success bool, checksum bytea, execution_time bigint)",
            "sqlx",
            "old",
        ),
        ("CREATE TABLE mig (version text, checksum bytea, applied_at timestamptz)", "plain", "mig"),
    ] {
        let database = bank().await;
        database.sql(sql).await;
        let shop = one("format = \"plain\"", "m/1_a.sql", ACCOUNTS);
        let line = format!("other-ledgers = [\"{allowed}\"]");
        for args in [&["upgrade"][..], &["upgrade", "--dry-run"]] {
            let command =
                args.iter().fold(run(&shop, [], database.url()), |command, arg| command.arg(arg));
            says(&command.run(), 1, &[words, &line, "[databases.app]"]);
        }
        let status = run(&shop, ["status"], database.url()).run();
        assert!(status.stdout.contains(allowed), "{status:?}");
        assert_eq!(database.sql("SELECT cents FROM accounts").await, ["5"], "{sql}");
        assert_eq!(database.sql("SELECT to_regclass('mig_ci_migrations')::text").await, [""]);
        let shop = one(&format!("format = \"plain\"\n{line}"), "m/1_a.sql", ACCOUNTS);
        run(&shop, ["upgrade"], database.url()).run().success();
        assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
    }
}

#[tokio::test]
async fn a_ledger_with_another_tools_columns_is_not_read() {
    let database = bank().await;
    database.sql("CREATE TABLE schema_migrations (version bigint, dirty boolean)").await;
    let text = format!("-- migrate:up\n{ACCOUNTS}-- migrate:down\n");
    let shop = one("format = \"dbmate\"", "m/1_a.sql", &text);
    says(&run(&shop, ["upgrade"], database.url()).run(), 1, &["columns of golang-migrate, but"]);
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["5"]);
}

#[tokio::test]
async fn contradicting_settings_of_role_and_database_are_refused() {
    for settings in [
        "ALTER DATABASE {d} SET search_path = shop",
        "ALTER ROLE CURRENT_USER IN DATABASE {d} SET search_path = shop",
    ] {
        let database = bank().await;
        database.sql("CREATE SCHEMA shop").await;
        database.sql(&settings.replace("{d}", &format!("\"{}\"", database.name))).await;
        let shop =
            one("format = \"plain\"", "m/1_a.sql", "UPDATE public.accounts SET cents = 500;");
        says(
            &run(&shop, ["upgrade"], database.url()).run(),
            1,
            &["SET search_path", "\"shop\"", "schema = \"shop\""],
        );
        assert_eq!(database.sql("SELECT cents FROM public.accounts").await, ["5"]);
        let shop = one(
            "format = \"plain\"\nschema = \"shop\"",
            "m/1_a.sql",
            "UPDATE public.accounts SET cents = 500;",
        );
        run(&shop, ["upgrade"], database.url()).run().success();
    }
}

/// The same for a whole server.
#[tokio::test]
async fn contradicting_settings_of_the_server_are_refused() {
    let server: &'static Postgres = Box::leak(Box::new(Postgres::start()));
    let database = server.database().await;
    database.sql("CREATE SCHEMA shop").await;
    let shop = one("format = \"plain\"", "m/1_a.sql", "CREATE TABLE a (id int);");
    for (set, reset, words) in [
        (
            "ALTER ROLE ALL SET search_path = shop",
            "ALTER ROLE ALL RESET search_path",
            "ALTER ROLE ALL",
        ),
        (
            "ALTER SYSTEM SET search_path = shop",
            "ALTER SYSTEM RESET search_path",
            "postgresql.conf",
        ),
    ] {
        server.sql(set).await;
        server.sql("SELECT pg_reload_conf()").await;
        // The server reloads its files asynchronously.
        until(&database, "SHOW search_path", "shop").await;
        says(&run(&shop, ["upgrade"], database.url()).run(), 1, &[words, "\"shop\""]);
        server.sql(reset).await;
    }
    assert_eq!(database.sql("SELECT to_regclass('public.a') IS NULL").await, ["t"]);
}

/// Tenants: the shared track's ledger is expected; another tenant's, or one from before multi-tenancy, is not.
#[tokio::test]
async fn a_tenant_is_refused_next_to_a_ledger_of_another_tool() {
    let names = numbered(3);
    let (shop, database) = (tenants_shop(2), with_tenants(&names).await);
    let upgrade = || {
        shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).env("SHOP_URL", database.url())
    };
    upgrade().run().success();
    let shop = shop.file("tenant/3_t.sql", migration(3, "SELECT 1;"));
    database.sql("CREATE TABLE tenant_t002.goose_db_version (version_id bigint)").await;
    let upgrade = || {
        shop.mig_ci(["upgrade", "--all-tenants", "--format=json"]).env("SHOP_URL", database.url())
    };
    let partly = upgrade().run();
    assert_eq!(partly.status.code(), Some(1), "{partly:?}");
    let counts = report(&partly).counts;
    assert_eq!((counts.upgraded, counts.failed), (2, 1), "{counts:?}");
    database.sql("DROP TABLE tenant_t002.goose_db_version; CREATE TABLE public._sqlx_migrations (version bigint)").await;
    let all = upgrade().run();
    assert!(all.stdout.contains("other-ledgers = [\\\"public._sqlx_migrations\\\"]"), "{all:?}");
}

/// The real tools first, then mig-ci from other folders: its marker files are above the project.
#[tokio::test]
async fn migrations_of_sqlx_are_not_applied_again_from_a_subfolder() {
    let Some(sqlx) = peer("sqlx") else { return };
    let manifest = "[dependencies]\nsqlx = { version = \"0.9\", features = [\"migrate\"] }\n";
    let shop = project()
        .file("Cargo.toml", manifest)
        .file("services/bank/migrations/1_a.sql", ACCOUNTS)
        .git_commit("main");
    let database = bank().await;
    let mut command = std::process::Command::new(sqlx);
    command
        .args([
            "migrate",
            "run",
            "--source",
            "services/bank/migrations",
            "--database-url",
            &database.url(),
        ])
        .current_dir(shop.path());
    ran(command);
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
    for folder in ["services/bank", "services/bank/migrations"] {
        let list = shop.mig_ci(["list", "--no-base"]).in_folder(folder).run().success();
        assert!(
            list.stdout.contains("because `../../Cargo.toml` names the crate sqlx"),
            "{list:?}"
        );
        let upgrade =
            shop.mig_ci(["upgrade"]).in_folder(folder).env("DATABASE_URL", database.url());
        upgrade.run().success();
        assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
    }
    // If only the ledger identifies the tool, the ledger decides.
    let shop = shop.without("Cargo.toml");
    let upgrade =
        shop.mig_ci(["upgrade"]).in_folder("services/bank").env("DATABASE_URL", database.url());
    says(&upgrade.run(), 1, &["a ledger of sqlx"]);
    assert_eq!(database.sql("SELECT cents FROM accounts").await, ["500"]);
}

#[tokio::test]
async fn migrations_of_dbmate_are_not_applied_again_through_another_address() {
    let Some(dbmate) = peer("dbmate") else { return };
    let text = format!("-- migrate:up\n{ACCOUNTS}-- migrate:down\n");
    let shop = one("", "m/1_a.sql", &text);
    let database = bank().await;
    database.sql("CREATE SCHEMA shop; ALTER TABLE accounts SET SCHEMA shop").await;
    let url = format!("{}&search_path=shop", database.go_url());
    let mut command = std::process::Command::new(dbmate);
    command
        .args(["--url", &url, "--migrations-dir", "m", "--no-dump-schema", "migrate"])
        .current_dir(shop.path());
    ran(command);
    assert_eq!(database.sql("SELECT cents FROM shop.accounts").await, ["500"]);
    let url = format!("{}&search_path=shop", database.url());
    says(&run(&shop, ["upgrade"], &url).run(), 3, &["`shop`", "schema = \"shop\""]);
    let shop = one("schema = \"shop\"", "m/1_a.sql", &text);
    run(&shop, ["upgrade"], &url).run().success();
    assert_eq!(database.sql("SELECT cents FROM shop.accounts").await, ["500"]);
}
