//! Checks that depend on the server's notices have the same results if a script disables notices, or report that they were
//! not possible.

use crate::common::{Project, Report, project};

/// Plain SQL, and a base with a table.
fn app() -> Project {
    configured("[databases.app]\nmigrations = \"m\"\nformat = \"plain\"\n", "")
}

/// With this configuration, and a file `quiet.sql`, also in the base.
fn configured(config: &str, quiet: &str) -> Project {
    project()
        .file("mig-ci.toml", config)
        .file("quiet.sql", quiet)
        .file(
            "m/1_users.sql",
            "CREATE TABLE users (id int, email text);\nCREATE INDEX by_id ON users (id);\n",
        )
        .git_commit("base")
        .git_branch("feature")
}

fn told(report: &Report, code: &str) -> Vec<String> {
    let findings = report.json["findings"].as_array().unwrap().iter();
    let mut told: Vec<String> = findings
        .filter(|finding| finding["code"] == code)
        .map(|finding| {
            format!("{} {}", finding["place"]["line"], finding["message"].as_str().unwrap())
        })
        .collect();
    told.sort();
    told
}

const GUARDED: &str = "CREATE TABLE IF NOT EXISTS users (id bigint, name text);\n\
    CREATE INDEX IF NOT EXISTS by_id ON users (email);\n\
    ALTER TABLE users ADD COLUMN IF NOT EXISTS email int, ADD COLUMN IF NOT EXISTS fresh int;\n\
    CREATE TABLE IF NOT EXISTS fresh (id int);\n";

/// Each way to disable notices, compared with the run that does not.
#[test]
fn skipped_objects_are_found_without_notices() {
    let with = |before: &str| {
        let report = app().file("m/2_guarded.sql", format!("{before}{GUARDED}")).verify().report(0);
        (told(&report, "already-exists-skipped"), report)
    };
    let (loud, report) = with("SELECT 1;\n");
    assert_eq!(
        loud,
        [
            "2 relation \"users\" already exists, skipping",
            "3 relation \"by_id\" already exists, skipping",
            "4 column \"email\" of relation \"users\" already exists, skipping",
        ]
    );
    let notices = report.unit("shared base")["steps"][1]["notices"].as_array().unwrap();
    assert_eq!(notices.len(), 3, "the server's own words");
    for notice in notices {
        let message = notice["message"].as_str().unwrap();
        assert!(loud.iter().any(|line| line.ends_with(message)), "{message}");
    }
    for quiet in [
        "SET client_min_messages = error;\n",
        "SET LOCAL client_min_messages = warning;\n",
        "SELECT pg_catalog.set_config('client_min_messages', 'error', false);\n",
        "DO $$ BEGIN PERFORM set_config('client_min_messages', 'error', true); END $$;\n",
        "SET client_min_messages = debug5;\n",
    ] {
        let (said, report) = with(quiet);
        assert_eq!(said, loud, "{quiet}");
        assert!(told(&report, "notices-hidden").is_empty(), "{quiet}: the catalog tells all");
    }
}

#[test]
fn settings_of_project_role_and_database_disable_no_check() {
    let config = "[postgres]\nrole = \"superuser\"\nsettings = { client_min_messages = \"error\" }\n\
                  [databases.app]\nmigrations = \"m\"\nformat = \"plain\"\nprepare = \"quiet.sql\"\n";
    let block = "DO $$ BEGIN CREATE TABLE IF NOT EXISTS users (id int); END $$;\n";
    let quiet = "DO $$ BEGIN\n  EXECUTE format('ALTER DATABASE %I SET client_min_messages = error', current_database());\n\
                 END $$;\n";
    let report = configured(config, quiet).file("m/2_block.sql", block).verify().report(0);
    assert_eq!(
        told(&report, "already-exists-skipped"),
        ["1 relation \"users\" already exists, skipping"]
    );
    assert!(told(&report, "notices-hidden").is_empty());
}

/// Only a notice shows what a block has skipped; without it the result is unknown.
#[test]
fn blocks_without_notices_are_reported_as_not_checked() {
    let block = "DO $$ BEGIN CREATE TABLE IF NOT EXISTS users (id int); END $$;\n";
    let quiet = app().file("m/2_block.sql", format!("SET client_min_messages = error;\n{block}"));
    let report = quiet.verify().report(0);
    assert!(told(&report, "already-exists-skipped").is_empty());
    assert_eq!(report.units_of("notices-hidden"), ["base", "fresh"]);
    let not_checked = &report.unit("shared base")["steps"][1]["not_checked"];
    assert_eq!(not_checked["check"], "already-exists-skipped");
    assert!(not_checked["reason"].as_str().unwrap().contains("client_min_messages"));
    for format in ["terminal", "markdown", "junit"] {
        let text = quiet.verify().args(["--format", format]).run().exit(0).stdout;
        assert!(text.contains("not checked: already-exists-skipped"), "{format}: {text}");
    }
    // The session keeps the setting for the next file.
    let later = app()
        .file("m/2_quiet.sql", "SET client_min_messages = error;\n")
        .file("m/3_block.sql", block);
    let report = later.verify().report(0);
    let reason = report.finding("notices-hidden")["message"].as_str().unwrap();
    assert!(reason.contains("client_min_messages"), "{reason}");
    // A function can do it, too.
    let hidden = app()
        .file(
            "m/2_function.sql",
            "CREATE FUNCTION quietly() RETURNS void LANGUAGE plpgsql SET client_min_messages = error AS \
             'BEGIN EXECUTE ''CREATE TABLE IF NOT EXISTS users (id int)''; END';\n",
        )
        .file("m/3_call.sql", "SELECT quietly(), 'CREATE TABLE IF NOT EXISTS x ()';\n");
    let report = hidden.verify().report(0);
    assert!(!told(&report, "notices-hidden").is_empty(), "{:#}", report.json["findings"]);
}

#[test]
fn a_skip_in_a_block_is_found_by_its_notice() {
    let block = "DO $$ BEGIN CREATE TABLE IF NOT EXISTS users (id int); END $$;\n";
    let report = app().file("m/2_block.sql", block).verify().report(0);
    assert_eq!(
        told(&report, "already-exists-skipped"),
        ["1 relation \"users\" already exists, skipping"]
    );
    assert!(told(&report, "notices-hidden").is_empty());
}

/// Many other notices do not displace it.
#[test]
fn many_other_notices_do_not_hide_a_skip() {
    let flood = "DO $$ BEGIN FOR i IN 1..500 LOOP RAISE NOTICE 'row %', i; END LOOP; END $$;\n";
    let block = "DO $$ BEGIN CREATE TABLE IF NOT EXISTS users (id int); END $$;\n";
    let report = app().file("m/2_flood.sql", format!("{flood}{block}")).verify().report(0);
    assert_eq!(
        told(&report, "already-exists-skipped"),
        ["2 relation \"users\" already exists, skipping"]
    );
}

/// A recreated object is new, although one existed before.
#[test]
fn recreated_objects_are_not_reported_as_skipped() {
    let script = "SET client_min_messages = error;\nDROP INDEX by_id;\nCREATE INDEX IF NOT EXISTS by_id ON users (id);\n\
                  ALTER TABLE users RENAME TO people;\nCREATE TABLE IF NOT EXISTS users (id int);\n";
    let report = app().file("m/2_again.sql", script).verify().report(0);
    assert!(told(&report, "already-exists-skipped").is_empty(), "{:#}", report.json["findings"]);
}

/// The same scripts with and without the server's warnings, which are the reference.
#[test]
fn transaction_commands_are_found_without_the_servers_warnings() {
    let config = "[databases.app]\nmigrations = \"m\"\nformat = \"sqlx\"\n";
    let app = || {
        project()
            .file("mig-ci.toml", config)
            .file("m/1_users.sql", "CREATE TABLE users (id int);\n")
            .git_commit("base")
            .git_branch("feature")
    };
    for (script, exit) in [
        ("SELECT 1;\nBEGIN;\nCREATE TABLE a (id int);\nCOMMIT;\n", 0),
        ("SELECT 1;\nCREATE TABLE a (id int);\nCOMMIT;\nCREATE TABLE b (id int);\n", 0),
        ("SELECT 1;\nROLLBACK;\nSELECT 2;\n", 0),
        ("SELECT 1;\nSAVEPOINT a;\nROLLBACK TO SAVEPOINT a;\nSELECT 'BEGIN;';\n", 0),
    ] {
        let loud = app().file("m/2_commands.sql", script).verify().report(exit);
        let steps = loud.unit("shared base")["steps"].as_array().unwrap();
        let notices = steps[1].get("notices").map(ToString::to_string).unwrap_or_default();
        let loud = told(&loud, "transaction-control");
        for words in ["already a transaction in progress", "no transaction in progress"] {
            let said = loud.iter().any(|line| line.contains(words));
            assert_eq!(said, notices.contains(words), "{script}: {notices}");
        }
        let quiet = script.replace("SELECT 1;", "SET client_min_messages = error;");
        let quiet = app().file("m/2_commands.sql", quiet).verify().report(exit);
        assert_eq!(told(&quiet, "transaction-control"), loud, "{script}");
    }
}
