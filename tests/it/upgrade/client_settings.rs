//! A migration interprets dates and times as with its tool, whose client may leave that to the role and the database.

use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection};

use super::{numbered, upgrade, with_tenants};
use crate::common::{Database, Postgres, Project, peer, postgres, project};

const MOMENT: &str = "CREATE TABLE moment (m timestamptz DEFAULT '2020-01-01', d date DEFAULT '01/02/2020', x text);\n\
                      INSERT INTO moment (x) VALUES ((0.1::float8 * 3)::text);\n";
const READ: &str =
    "SELECT concat_ws(' ', extract(epoch FROM m)::bigint, to_char(d, 'YYYY-MM-DD'), x) FROM moment";
/// Midnight in Tokyo on the first of February, with the digits that the database configures.
const PSQL: &str = "1577804400 2020-02-01 0.3";
/// The client sets a `DateStyle`.
const LIB_PQ: &str = "1577804400 2020-01-02 0.3";
/// The client sets all of them.
const SQLX: &str = "1577836800 2020-01-02 0.30000000000000004";

async fn database() -> Database {
    let database = postgres().database().await;
    for set in ["TimeZone = 'Europe/Berlin'", "DateStyle = German, DMY", "extra_float_digits = 0"] {
        let set = format!("ALTER DATABASE \"{}\" SET {set}", database.name);
        postgres().sql(&set).await;
    }
    // A setting of the role in this database has precedence.
    let role = format!(
        "ALTER ROLE CURRENT_USER IN DATABASE \"{}\" SET TimeZone = 'Asia/Tokyo'",
        database.name
    );
    database.sql(&role).await;
    database
}

fn moment(format: &str, settings: &str) -> Project {
    let config = format!(
        "{settings}[databases.users]\nurl = \"${{SHOP_URL}}\"\nmigrations = \"m\"\nformat = \"{format}\"\n"
    );
    let project = project().file("mig-ci.toml", config);
    match format {
        "dbmate" => project.file("m/1_a.sql", format!("-- migrate:up\n{MOMENT}-- migrate:down\n")),
        "golang-migrate" => project.file("m/1_a.up.sql", MOMENT),
        _ => project.file("m/1_a.sql", MOMENT),
    }
}

async fn with_mig_ci(project: &Project) -> String {
    let database = database().await;
    upgrade(project, &database, ["-nusers"]).run().success();
    database.sql(READ).await.remove(0)
}

#[tokio::test]
async fn dates_and_times_are_read_as_with_the_tools_client() {
    for (format, expected) in
        [("plain", PSQL), ("dbmate", LIB_PQ), ("golang-migrate", LIB_PQ), ("sqlx", SQLX)]
    {
        assert_eq!(with_mig_ci(&moment(format, "")).await, expected, "{format}");
    }
}

#[tokio::test]
async fn the_real_tools_read_dates_and_times_in_the_same_way() {
    let (sqlx, database_of_sqlx) = (moment("sqlx", ""), database().await);
    let migrator = Migrator::new(sqlx.path().join("m").into_std_path_buf()).await.unwrap();
    let mut session = PgConnection::connect(&database_of_sqlx.url()).await.unwrap();
    migrator.run(&mut session).await.unwrap();
    session.close().await.unwrap();
    assert_eq!(database_of_sqlx.sql(READ).await, [SQLX]);
    let Some(dbmate) = peer("dbmate") else { return };
    let (project, database_of_dbmate) = (moment("dbmate", ""), database().await);
    let ran = std::process::Command::new(&dbmate)
        .args(["--url", &database_of_dbmate.go_url(), "--migrations-dir", "m", "--no-dump-schema"])
        .arg("migrate")
        .current_dir(project.path())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(database_of_dbmate.sql(READ).await, [LIB_PQ]);
}

/// A session is reset for each tenant.
#[tokio::test]
async fn dates_and_times_are_read_in_the_same_way_for_each_tenant() {
    let config = "[databases.app]\nurl = \"${SHOP_URL}\"\n[databases.app.tenants]\nmigrations = \"m\"\nformat = \"plain\"\n\
                  target = \"tenant_{tenant}\"\nfrom = { query = \"SELECT slug FROM audit.tenants ORDER BY id\" }\n";
    let definition = "CREATE TABLE moment (m timestamptz DEFAULT '2020-01-01');";
    let project = project().file("mig-ci.toml", config).file("m/1_a.sql", definition);
    let database = with_tenants(&numbered(3)).await;
    let set = format!("ALTER DATABASE \"{}\" SET TimeZone = 'Asia/Tokyo'", database.name);
    postgres().sql(&set).await;
    upgrade(&project, &database, ["--all-tenants", "--jobs=1"]).run().success();
    for tenant in numbered(3) {
        let query = format!(
            "INSERT INTO tenant_{tenant}.moment DEFAULT VALUES RETURNING extract(epoch FROM m)::bigint::text"
        );
        assert_eq!(database.sql(&query).await, ["1577804400"], "{tenant}");
    }
}

/// The configuration applies to all tools, and `verify` uses it, too.
#[tokio::test]
async fn configured_settings_apply_to_all_formats() {
    let settings = "[postgres.settings]\ntimezone = \"Asia/Kolkata\"\n";
    for format in ["plain", "dbmate", "golang-migrate", "sqlx"] {
        let seen = with_mig_ci(&moment(format, settings)).await;
        assert!(seen.starts_with("1577817000 "), "{format}: {seen}");
        let guard = "DO $$ BEGIN ASSERT extract(epoch FROM '2020-01-01'::timestamptz) = 1577817000; END $$;\n";
        let text = match format {
            "dbmate" => format!("-- migrate:up\n{guard}-- migrate:down\n"),
            _ => guard.to_owned(),
        };
        let name = if format == "golang-migrate" { "m/2_b.up.sql" } else { "m/2_b.sql" };
        moment(format, settings).file(name, text).verify().report(0);
    }
}

/// A role without superuser privileges does not see the source of the server's time zone, only that of the log's.
#[tokio::test]
async fn the_time_zone_of_the_server_applies_to_every_role() {
    let server = Postgres::start();
    for name in ["TimeZone", "log_timezone"] {
        server.sql(&format!("ALTER SYSTEM SET {name} = 'Europe/Berlin'")).await;
    }
    server.sql("SELECT pg_reload_conf()").await;
    server.sql("CREATE ROLE app LOGIN").await;
    server.sql("CREATE DATABASE users OWNER app").await;
    let read = "SELECT extract(epoch FROM m)::bigint FROM moment";
    let as_app = server.url_as("app", "users");
    for url in [as_app, server.url("users")] {
        for (format, settings, epoch) in [
            ("plain", "", "1577833200"),
            ("golang-migrate", "", "1577833200"),
            ("plain", "[postgres.settings]\nTimeZone = \"Asia/Tokyo\"\n", "1577804400"),
            ("sqlx", "", "1577836800"),
        ] {
            let project = moment(format, settings);
            project.mig_ci(["upgrade", "-nusers"]).env("SHOP_URL", &url).run().success();
            assert_eq!(server.sql_in("users", read).await, [epoch], "{format} {settings} {url}");
            let empty = "DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION app";
            server.sql_in("users", empty).await;
        }
    }
}
