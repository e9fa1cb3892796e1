//! No file runs in the wrong direction: files of tools that mig-ci does not support, in all commands.

use std::fmt::Write as _;

use crate::common::{Project, postgres, project};

const SQL_MIGRATE: &str =
    "-- +migrate Up\nCREATE TABLE orders2 (id int);\n\n-- +migrate Down\nDROP TABLE orders;\n";

fn shop(file: &str, text: &str, more: &str) -> Project {
    project()
        .file(
            "mig-ci.toml",
            format!("[databases.app]\nurl = \"${{APP_URL}}\"\nmigrations = \"m\"\n{more}\n"),
        )
        .file(file, text)
}

/// Every command that reads migrations refuses them: exit code 3, the location, and the setting to use.
#[tokio::test]
async fn every_command_refuses_a_file_with_a_down_section() {
    let database = postgres().database().await;
    database.sql("CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id").await;
    for more in ["", "format = \"plain\"", "format = \"sqlx\""] {
        let shop = shop("m/1_orders.sql", SQL_MIGRATE, more);
        for words in [
            &["verify", "--no-base"][..],
            &["list", "--no-base"],
            &["upgrade"],
            &["upgrade", "--dry-run"],
            &["downgrade", "-1"],
            &["status"],
            &["revision", "-m", "next"],
        ] {
            let outcome = words
                .iter()
                .fold(shop.mig_ci([]), |command, word| command.arg(word))
                .env("APP_URL", database.url())
                .run();
            assert_eq!(outcome.status.code(), Some(3), "{words:?}: {outcome:?}");
            assert!(outcome.stderr.contains("m/1_orders.sql:4: "), "{words:?}: {outcome:?}");
            assert!(outcome.stderr.contains("forward-only = [\"1_orders.sql\"]"), "{outcome:?}");
        }
    }
    assert_eq!(database.sql("SELECT count(*) FROM orders").await, ["1000"]);
    assert_eq!(database.sql("SELECT to_regclass('orders2')::text").await, [""]);
}

#[tokio::test]
async fn create_refuses_a_file_with_a_down_section() {
    let database = postgres().database().await;
    let shop = project()
        .file("mig-ci.toml", "[databases.app]\nurl = \"${APP_URL}\"\ntenants.migrations = \"m\"\n")
        .file("m/1_a.sql", "CREATE TABLE a ();\n--//@UNDO\nDROP TABLE a;\n");
    let outcome = shop.mig_ci(["create", "acme"]).env("APP_URL", database.url()).run();
    assert_eq!(outcome.status.code(), Some(3), "{outcome:?}");
    assert!(outcome.stderr.contains("m/1_a.sql:2: "), "{outcome:?}");
    assert_eq!(
        database.sql("SELECT count(*) FROM pg_namespace WHERE nspname = 'acme'").await,
        ["0"]
    );
}

/// Folders for both directions would be two databases, one of which would be reverted.
#[test]
fn up_and_down_folders_are_not_two_databases() {
    for (up, down) in [("up", "down"), ("deploy", "revert"), ("apply", "undo")] {
        let shop = project()
            .file(&format!("migrations/{up}/1_a.sql"), "CREATE TABLE a ();")
            .file(&format!("migrations/{down}/1_a.sql"), "DROP TABLE a;");
        for words in [&["list", "--no-base"][..], &["init"], &["verify", "--no-base"]] {
            let outcome =
                words.iter().fold(shop.mig_ci([]), |command, word| command.arg(word)).run();
            assert_eq!(outcome.status.code(), Some(3), "{words:?}: {outcome:?}");
            assert!(outcome.stderr.contains(&format!("migrations/{down}: ")), "{outcome:?}");
        }
        assert!(!shop.path().join("mig-ci.toml").exists());
    }
}

/// The file may come with the pull request, or be in the base.
#[test]
fn base_and_head_are_both_checked() {
    let shop = project()
        .file("mig-ci.toml", "[databases.app]\nmigrations = \"m\"\n")
        .file("m/1_a.sql", "CREATE TABLE a ();")
        .file("m/2_b.sql", "CREATE TABLE b ();\n-- Down Migration\nDROP TABLE b;\n")
        .git_commit("main")
        .git_branch("feature");
    let fixed = shop.file("m/2_b.sql", "CREATE TABLE b ();\n");
    let outcome = fixed.mig_ci(["list"]).run();
    assert_eq!(outcome.status.code(), Some(3), "{outcome:?}");
    assert!(outcome.stderr.contains("at the base revision: m/2_b.sql:2"), "{outcome:?}");
    let allowed = fixed
        .file("mig-ci.toml", "[databases.app]\nmigrations = \"m\"\nforward-only = [\"2_b.sql\"]\n");
    assert_eq!(allowed.mig_ci(["list"]).run().status.code(), Some(0));
}

/// A file that is recognized by mistake runs once it is listed, and each report says so.
#[tokio::test]
async fn an_allowed_file_runs_and_the_reports_show_it() {
    let database = postgres().database().await;
    let text = "CREATE TABLE a (id int);\n-- down\nCREATE TABLE b (id int);\n";
    let shop = shop("m/1_a.sql", text, "forward-only = [\"1_a.sql\", \"9_gone.sql\"]");
    let report = shop.verify().args(["--no-base"]).report(0);
    let notes = report.json["notes"].to_string();
    assert!(notes.contains("m/1_a.sql:2 looks like a down migration"), "{notes}");
    assert!(notes.contains("`forward-only` lists `9_gone.sql`"), "{notes}");
    let list = shop.mig_ci(["list", "--no-base"]).run().success();
    assert!(list.stdout.contains("warning: m/1_a.sql:2 looks like a down migration"), "{list:?}");
    for words in [["upgrade"], ["status"]] {
        let outcome = shop.mig_ci(words).env("APP_URL", database.url()).run().success();
        assert!(
            outcome.stdout.contains("note: m/1_a.sql:2 looks like a down migration"),
            "{outcome:?}"
        );
    }
    assert_eq!(database.sql("SELECT to_regclass('b')::text").await, ["b"]);
}

/// Files as in the documentation of the real tools.
#[test]
fn each_format_refuses_the_sections_of_other_tools() {
    let mut passed = String::new();
    for (format, file, text) in [
        ("sqlx", "1_a.sql", "-- migrate:up\nCREATE TABLE a ();\n-- migrate:down\nDROP TABLE a;\n"),
        ("plain", "1_a.sql", "-- migrate:up\nCREATE TABLE a ();\n-- migrate:down\nDROP TABLE a;\n"),
        (
            "golang-migrate",
            "1_a.up.sql",
            "-- +goose Up\nCREATE TABLE a ();\n-- +goose Down\nDROP TABLE a;\n",
        ),
        (
            "dbmate",
            "1_a.sql",
            "-- migrate:up\nCREATE TABLE a ();\n-- +goose Down\nDROP TABLE a;\n-- migrate:down\n",
        ),
        ("plain", "1_a.down.sql", "SELECT 1;\n"),
        ("plain", "U1__a.sql", "SELECT 1;\n"),
        (
            "plain",
            "1_a.sql",
            "--liquibase formatted sql\n--changeset a:1 dbms:mysql\nCREATE TABLE a ();\n--rollback DROP TABLE a;\n",
        ),
        ("plain", "1_a.sql", "-- rambler up\nCREATE TABLE a ();\n-- rambler down\nDROP TABLE a;\n"),
        ("sqlx", "1_a.sql", "# --- !Ups\nCREATE TABLE a ();\n# --- !Downs\nDROP TABLE a;\n"),
    ] {
        let shop = shop(&format!("m/{file}"), text, &format!("format = \"{format}\""));
        let outcome = shop.mig_ci(["list", "--no-base"]).run();
        if outcome.status.code() != Some(3) || !outcome.stderr.contains("forward-only") {
            let _ = writeln!(passed, "{format} {file} {text}: {outcome:?}");
        }
    }
    assert_eq!(passed, "");
}
