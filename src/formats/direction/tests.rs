//! Marks and names of real tools, and comments and names that are not directions.

use pretty_assertions::assert_eq;
use proptest::prelude::*;

use super::*;
use crate::formats::testing::directory;
use crate::formats::{FORMATS, Format, detect_format};
use crate::model::MemoryFiles;

fn format(name: &str) -> &'static dyn Format {
    FORMATS.iter().copied().find(|format| format.name() == name).unwrap()
}

/// The result of loading a directory `m` in a format.
fn loaded(name: &str, files: &[(&str, &str)]) -> Result<LoadedDirectory, FormatError> {
    loaded_of(name, files, &[])
}

fn loaded_of(
    name: &str,
    files: &[(&str, &str)],
    forward_only: &[String],
) -> Result<LoadedDirectory, FormatError> {
    let files = MemoryFiles::new(files.iter().map(|(path, text)| (format!("m/{path}"), *text)));
    load(format(name), &Directory { forward_only, ..directory(&files, "m") })
}

fn is_refused(loaded: &Result<LoadedDirectory, FormatError>) -> bool {
    matches!(loaded, Err(FormatError::Direction { .. }))
}

/// Headings of down sections, each after an up section and before a statement.
const MARKERS: &[&str] = &[
    // sql-migrate, goose, dbmate, micrate, node-pg-migrate, MyBatis and dbdeploy, rambler, shmig, Play, tern.
    "-- +migrate Down",
    "-- +goose Down",
    "--  +GOOSE  DOWN",
    "-- +goose down",
    "-- migrate:down",
    "-- migrate:down transaction:false",
    "--migrate:down",
    "-- +micrate Down",
    "-- Down Migration",
    "-- //@UNDO",
    "--//@UNDO",
    "//@UNDO",
    "-- @UNDO",
    "--@undo",
    "-- rambler down",
    "-- ==== DOWN ====",
    "# --- !Downs",
    "-- !Downs",
    "-- --- !Downs",
    "---- create above / drop below ----",
    "--- create above, drop below ---",
    "-- up above / down below",
    "-- apply above, rollback below",
    "-- +duck Down",
    "-- +mig down",
    // Written by hand, in all decorations.
    "-- down",
    "-- Down",
    "-- DOWN",
    "--down",
    "--DOWN--",
    "--- DOWN ---",
    "-- Down:",
    "-- DOWN :",
    "-- [down]",
    "-- <DOWN>",
    "-- {down}",
    "-- {{ down }}",
    "-- (down)",
    "-- *** DOWN ***",
    "-- ~~~ down ~~~",
    "-- >>> down",
    "-- #down",
    "#down",
    "# down",
    "-- @down",
    "-- %down",
    "-- $down",
    "--! down",
    "--: down",
    "-- ;;down",
    "-- name: down",
    "-- section: down",
    "-- direction: down",
    "-- sql:down",
    "/* down */",
    "/* DOWN */",
    "/*down*/",
    "/**** DOWN ****/",
    "/* Down Migration */",
    "/*\n * DOWN\n */",
    "/* ===========\n   ROLLBACK\n   =========== */",
    "/* +migrate Down */",
    "-- ============\n-- DOWN\n-- ============",
    "-- 2. Down",
    "-- Down (rollback)",
    "-- down script",
    "-- Down SQL",
    "-- DOWN MIGRATION STARTS HERE",
    "-- migrate down",
    "-- migration down",
    "-- MigrateDown",
    "-- downMigration",
    "-- this is the down migration",
    "-- downgrade",
    "-- DOWNGRADE SCRIPT",
    "-- rollback",
    "-- ROLLBACK",
    "-- Rollback:",
    "-- Rollback script",
    "-- rollback section",
    "-- *** ROLLBACK ***",
    "-- Roll back",
    "-- roll-back migration",
    "-- +rollback",
    "-- @rollback",
    "-- undo",
    "-- UNDO",
    "-- Undo section",
    "-- un-do",
    "-- revert",
    "-- Revert script",
    "-- @revert",
    "-- Reverse migration",
    "-- backward",
    "-- Backwards",
    "-- unapply",
    "-- Down\n-- SQL in this section is run when the migration is rolled back.",
    "-- down\n-- DROP INDEX a_id;",
    "-- =====[ down ]=====",
    "-- drop",
    "-- sqitch revert",
    "-- down for version 12",
    // Decorations of other alphabets and editors, and marks of unknown tools.
    "-- ▼ down",
    "-- DOWN ⬇",
    "-- \u{a0}down",
    "-- — down —",
    "--;; down",
    "-- |down|",
    "-- ::down::",
    "-- @@down",
    "-- ^down",
    "/*! down */",
    "/*+ down */",
    "-- down-migration",
    "-- Down_Migration",
    "-- <!-- down -->",
    "-- [[down]]",
    "-- \"down\"",
    "-- 'down'",
    "-- `down`",
    "-- down,",
    "-- Migrations.Down",
    // Liquibase.
    "--changeset bob:2",
    "-- changeset bob:2 dbms:mysql",
    "--liquibase formatted sql",
    "--rollback DROP TABLE a;",
];

/// Comments that authors write in up migrations.
const UP_COMMENTS: &[&str] = &[
    "-- roll back to the old value if the import fails\nSELECT 1;",
    "-- drop down menu items\nCREATE TABLE menu (id int);",
    "-- Down payment table\nCREATE TABLE down_payments (id int);",
    "-- down_payments: one row for each contract\nCREATE TABLE down_payments (id int);",
    "CREATE TABLE upgrade (id int);\n-- upgrade: one row for each plan\nCREATE TABLE rollback (id int);",
    "-- the counter goes up\nCREATE TABLE a (up int);",
    "-- up\nCREATE TABLE a (id int);",
    "-- Up Migration\nCREATE TABLE a (id int);",
    "-- +migrate Up\nCREATE TABLE a (id int);",
    "-- apply\nCREATE TABLE a (id int);\n-- deploy\nCREATE TABLE b (id int);",
    "CREATE TYPE d AS ENUM (\n  -- up\n  'up',\n  -- down\n  'down'\n);\nSELECT 1;",
    "CREATE TYPE d AS ENUM ('up', -- up\n 'down' -- down\n);\nSELECT 1;",
    "SELECT 1; -- down\nSELECT 2;",
    "SELECT '\n-- +migrate Down\n';\nSELECT 2;",
    "DO $$ BEGIN\n  -- rollback\n  RAISE NOTICE 'x';\nEND $$;\nSELECT 2;",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $f$\nBEGIN\n-- down\nRETURN 1;\nEND $f$;",
    "SELECT 1;\n-- This is counted up and\n-- down\n-- as votes come in.\nSELECT 2;",
    "SELECT 1;\n-- If this is slow, shut it down, or\n-- rollback\nSELECT 2;",
    "CREATE TABLE a (id int);\n-- Rollback:\n-- DROP TABLE a;\n",
    "CREATE TABLE a (id int);\n-- down\n",
    "CREATE TABLE a (id int);\n/* Down:\nDROP TABLE a;\n*/\n",
    "CREATE TABLE a (id int);\n/* Down:\nDROP TABLE a;\n*/\nCREATE TABLE b (id int);",
    "CREATE TABLE a (id int);\n-- Rollback:\n-- DROP TABLE a;\n\nCREATE TABLE b (id int);",
    "-- Migration: add a\n-- Rollback: DROP TABLE a;\nCREATE TABLE a (id int);",
    "-- Up: adds the table\n-- Down: drops it\nCREATE TABLE a (id int);",
    "CREATE TABLE a (id int);\n-- rollback: DROP TABLE a;\nCREATE TABLE b (id int);\n-- rollback: DROP TABLE b;\n",
    "BEGIN;\nSELECT 1;\n--ROLLBACK;\nCOMMIT;",
    "BEGIN;\n-- ROLLBACK;\nCOMMIT;",
    "SAVEPOINT a;\n-- rollback to savepoint a when that fails\nSELECT 1;",
    "-- Revert\nALTER TABLE a DROP COLUMN b;",
    "-- Rollback of 0012\nALTER TABLE a DROP COLUMN b;",
    "-- Revert \"add column b\"\nALTER TABLE a DROP COLUMN b;",
    "-- drop\nDROP TABLE old;\n-- create\nCREATE TABLE new (id int);",
    "-- create the new index\nSELECT 1;\n-- drop the old index\nSELECT 2;",
    "-- add column\nSELECT 1;\n-- remove column\nSELECT 2;",
    "SELECT 1;\n-- TODO: rollback\nSELECT 2;",
    "SELECT 1;\n-- see: down\nSELECT 2;",
    "SELECT 1;\n-- @todo rollback\nSELECT 2;",
    "SELECT 1;\n-- note: undo log\nSELECT 2;",
    "SELECT 1;\n-- #123 rollback the prices\nSELECT 2;",
    "SELECT 1;\n-- up and down\nSELECT 2;",
    "SELECT 1;\n-- up/down votes\nSELECT 2;",
    "SELECT 1;\n-- undo log of the editor\nCREATE TABLE undo (id int);",
    "SELECT 1;\n-- reverse lookup\nSELECT 2;",
    "SELECT 1;\n-- reverse the sign of debits\nSELECT 2;",
    "SELECT 1;\n-- count down to zero\nSELECT 2;",
    "SELECT 1;\n-- there is no down migration: the data are gone\nSELECT 2;",
    "SELECT 1;\n-- Add down migration script here\nSELECT 2;",
    "SELECT 1;\n-- backwards compatible: old clients write NULL\nSELECT 2;",
    "SELECT 1;\n-- forward and backward references\nSELECT 2;",
    "SELECT 1;\n-- break down by month\nSELECT 2;",
    "SELECT 1;\n-- slow down, it locks\nSELECT 2;",
    "SELECT 1;\n-- scale down the sizes\nSELECT 2;",
    "SELECT 1;\n-- changeset of the last release\nSELECT 2;",
    "SELECT 1;\n-- the rows above were dropped, those below stay\nSELECT 2;",
    "SELECT 5 # 3;\nSELECT 2;",
    "ALTER TABLE a ADD COLUMN direction text CHECK (direction IN ('up', 'down'));",
    "COMMENT ON TABLE a IS '-- down';\nSELECT 1;",
    "SELECT 1;\n-- https://example.com/rollback\nSELECT 2;",
    "SELECT 1;\n-- 1) down payment, 2) rest\nSELECT 2;",
];

#[test]
fn down_sections_are_refused_in_every_format_that_would_run_them() {
    assert!(MARKERS.len() >= 60);
    let mut missed = Vec::new();
    for marker in MARKERS {
        // tern's marker, and `drop`, require an opposite.
        let up = if *marker == "-- drop" { "-- create\n" } else { "" };
        let text = format!("{up}CREATE TABLE a (id int);\n\n{marker}\nDROP TABLE a;\n");
        for (name, file) in [
            ("plain", "1_a.sql"),
            ("sqlx", "1_a.sql"),
            ("sqlx", "1_a.up.sql"),
            ("golang-migrate", "1_a.up.sql"),
        ] {
            if !is_refused(&loaded(name, &[(file, &text)])) {
                missed.push((name, *marker));
            }
        }
        // dbmate reads only its own two lines.
        let text = format!("-- migrate:up\n{text}-- migrate:down\n");
        let in_dbmate = loaded("dbmate", &[("1_a.sql", &text)]);
        if !marker.to_lowercase().contains("migrate:down") && !is_refused(&in_dbmate) {
            missed.push(("dbmate", *marker));
        }
        let crlf = text.replace('\n', "\r\n");
        if !marker.contains("migrate:") && !is_refused(&loaded("plain", &[("1.sql", &crlf)])) {
            missed.push(("CRLF", *marker));
        }
    }
    assert_eq!(missed, []);
}

#[test]
fn comments_that_only_mention_directions_are_accepted() {
    assert!(UP_COMMENTS.len() >= 40);
    let refused: Vec<_> = UP_COMMENTS
        .iter()
        .filter_map(|text| Some((text, loaded("plain", &[("1_a.sql", text)]).err()?.to_string())))
        .collect();
    assert_eq!(refused, []);
}

#[test]
fn a_heading_after_a_byte_order_mark_is_recognised() {
    for text in ["\u{feff}-- down\nDROP TABLE a;", "\u{feff}-- +goose Down\nDROP TABLE a;"] {
        assert!(is_refused(&loaded("plain", &[("1_a.sql", text)])), "{text}");
    }
}

/// Flyway runs them around an undo or a clean, and never during an up migration.
#[test]
fn callbacks_of_undo_and_clean_are_refused() {
    for name in
        ["beforeUndo.sql", "afterEachUndo__log.sql", "afterUndoError.sql", "beforeClean.sql"]
    {
        let files = [("V1__a.sql", "SELECT 1;"), (name, "SELECT 1;")];
        assert!(is_refused(&loaded("plain", &files)), "{name}");
    }
    for name in
        ["afterMigrate.sql", "before_cleanup.sql", "beforeCleaning_rooms.sql", "R__view.sql"]
    {
        let files = [("V1__a.sql", "SELECT 1;"), (name, "SELECT 1;")];
        assert!(loaded("plain", &files).is_ok(), "{name}");
    }
}

#[test]
fn pairs_of_headings_count_if_sql_follows_both() {
    for text in [
        "-- UP: add a\nCREATE TABLE a ();\n-- DOWN: remove a\nDROP TABLE a;",
        "-- Up - add a\nCREATE TABLE a ();\n-- Down - remove a\nDROP TABLE a;",
        "/* apply: new table */\nCREATE TABLE a ();\n/* revert: no table */\nDROP TABLE a;",
        "-- create\nCREATE TABLE a ();\n-- drop\nDROP TABLE a;",
        "-- install\nCREATE TABLE a ();\n-- uninstall\nDROP TABLE a;",
        "-- Migration: add a\nCREATE TABLE a ();\n-- Rollback: remove a\nDROP TABLE a;",
        "-- down\nDROP TABLE a;\n-- up\nCREATE TABLE a ();",
        "-- Revert\nDROP TABLE a;\n-- Deploy\nCREATE TABLE a ();",
    ] {
        assert!(is_refused(&loaded("plain", &[("1_a.sql", text)])), "{text}");
    }
}

#[test]
fn each_tool_reads_its_own_directions() {
    for (name, files) in [
        (
            "dbmate",
            &[("1_a.sql", "-- migrate:up\nCREATE TABLE a ();\n-- migrate:down\nDROP TABLE a;\n")][..],
        ),
        (
            "sqlx",
            &[
                ("1_a.up.sql", "-- Add up migration script here\nSELECT 1;"),
                ("1_a.down.sql", "-- Add down migration script here\nSELECT 1;"),
            ],
        ),
        (
            "sqlx",
            &[("1_shut_down.up.sql", "SELECT 1;"), ("1_shut_down.down.sql", "-- down\nSELECT 1;")],
        ),
        (
            "golang-migrate",
            &[
                ("1_a.up.sql", "SELECT 1;"),
                ("1_a.down.sql", "DROP TABLE a;"),
                ("2_only.down.sql", "SELECT 1;"),
            ],
        ),
        ("golang-migrate", &[("1_a.up.pgsql", "SELECT 1;"), ("1_a.down.pgsql", "DROP TABLE a;")]),
    ] {
        assert!(loaded(name, files).is_ok(), "{files:?}");
    }
}

#[test]
fn an_up_section_in_a_down_file_is_refused() {
    let down = "-- migrate:up\nCREATE TABLE a ();\n-- migrate:down\nDROP TABLE a;\n";
    let error = loaded("sqlx", &[("1_a.up.sql", "SELECT 1;"), ("1_a.down.sql", down)]).unwrap_err();
    assert!(error.to_string().starts_with("m/1_a.down.sql:1: "), "{error}");
}

/// Names of down migrations and their counterparts, one directory per line.
const NAMES: &[&[&str]] = &[
    &["001.do.title.sql", "001.undo.title.sql"],
    &["x.do.sql", "x.undo.sql"],
    &["1_x.sql", "1_x.rollback.sql"],
    &["1_x.sql", "1_x.down.sql"],
    &["1_x.up.sql", "1_x.down.sql"],
    &["up.1.sql", "down.1.sql"],
    &["V1__x.sql", "U1__x.sql"],
    &["1_x.sql", "1_x_down.sql"],
    &["1_x_up.sql", "1_x_down.sql"],
    &["001_a_up.sql", "001_b_down.sql"],
    &["up_1.sql", "down_1.sql"],
    &["1_up.sql", "1_down.sql"],
    &["1-x.sql", "1-x-revert.sql"],
    &["1-x-up.sql", "1-x-down.sql"],
    &["1-x-deploy.sql", "1-x-revert.sql"],
    &["1_up_x.sql", "1_down_x.sql"],
    &["1_usersUp.sql", "1_usersDown.sql"],
    &["do1.sql", "undo1.sql"],
    &["1_x.sql", "1_x_rollback.sql"],
    &["1_x_upgrade.sql", "1_x_downgrade.sql"],
    &["001_postgresql_upgrade.sql", "001_postgresql_downgrade.sql"],
    &["1_x.sql", "1_x_undo.sql"],
    &["001_users.sql", "001_rollback.sql"],
    &["1.sql", "rollback.sql", "rollback_1.sql"],
    &["up.sql", "down.sql"],
    &["apply.sql", "undo.sql"],
    &["1_x_create.sql", "1_x_rollback.sql"],
    &["forward_1.sql", "backward_1.sql"],
    &["1_x_forward.sql", "1_x_reverse.sql"],
    &["0001_u.sql", "0001_d.sql"],
    &["U001.sql", "D001.sql"],
    &["1_x.forth.sql", "1_x.back.sql"],
    &["1_x_forth.sql", "1_x_back.sql"],
    &["001_install.sql", "001_uninstall.sql"],
    &["1_create_users.sql", "1_drop_users.sql"],
    &["add_users.sql", "remove_users.sql"],
];

const INNOCENT_NAMES: &[&[&str]] = &[
    &["0001_menu.sql", "0004_drop_down_menu.sql"],
    &["1_a.sql", "5_revert_prices.sql"],
    &["1_rollback_feature_flags.sql", "2_undo_log.sql"],
    &["1_add_up_down_votes.sql", "2_round_up.sql"],
    &["1_a.sql", "2_shut_down.sql", "3_break_down.sql"],
    &["1_count_down.sql"],
    &["1_up.sql", "2_up.sql"],
    &["1_x.up.txt", "1_x.sql"],
    &["20240101000000_add_column.sql", "20240102000000_revert_add_column.sql"],
    &["1_upgrade_plans.sql", "2_downgrade_plans.sql"],
    &["1_down_payments.sql"],
    &["001_do_it.sql", "002_undo_it.sql"],
    &["1_deploy_keys.sql", "2_apply_discounts.sql"],
    &["1_backward_compatible_view.sql"],
    &["1_create_users.sql", "2_drop_users.sql"],
    &["1_install.sql", "2_uninstall.sql"],
    &["1_back_office.sql", "2_call_back.sql"],
    &["1_u.sql", "2_d.sql"],
];

#[test]
fn names_of_down_migrations_are_refused() {
    for names in NAMES {
        let files: Vec<_> = names.iter().map(|name| (*name, "SELECT 1;")).collect();
        assert!(is_refused(&loaded("plain", &files)), "{names:?}");
        // sqlx and dbmate would run some of them, and ignore down files.
        for format in ["sqlx", "dbmate"] {
            let files: Vec<_> = names
                .iter()
                .map(|name| (*name, "-- migrate:up\nSELECT 1;\n-- migrate:down\n"))
                .collect();
            let ran = loaded(format, &files).map(|loaded| {
                let paths =
                    loaded.migrations.iter().map(|migration| migration.up.path().to_string());
                paths.collect::<Vec<_>>()
            });
            let last = format!("m/{}", names.last().unwrap());
            assert!(!ran.is_ok_and(|ran| ran.contains(&last)), "{format} {names:?}");
        }
    }
    for names in INNOCENT_NAMES {
        let files: Vec<_> = names.iter().map(|name| (*name, "SELECT 1;")).collect();
        let loaded = loaded("plain", &files);
        assert!(loaded.is_ok(), "{names:?}: {loaded:?}");
    }
}

#[test]
fn folders_of_down_migrations_are_refused() {
    for folder in ["m/down", "revert", "db/rollback", "undo", "sql/Down", "rollback-scripts"] {
        let files = MemoryFiles::new([(format!("{folder}/1_a.sql"), "SELECT 1;")]);
        for name in ["plain", "sqlx"] {
            let error = load(format(name), &directory(&files, folder)).unwrap_err();
            assert!(matches!(error, FormatError::Direction { .. }), "{folder}");
        }
    }
    for folder in ["m/up", "deploy", "down_payments", "shutdown", "undo-log", "upgrade"] {
        let files = MemoryFiles::new([(format!("{folder}/1_a.sql"), "SELECT 1;")]);
        assert!(load(format("plain"), &directory(&files, folder)).is_ok(), "{folder}");
    }
}

#[test]
fn the_error_has_the_line_and_the_setting() {
    let text = "CREATE TABLE a (id int);\n\n-- Down Migration\nDROP TABLE a;\n";
    let error = loaded("plain", &[("1_a.sql", text)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "m/1_a.sql:3: this may be a down migration, or contain one: the line `-- Down Migration` looks like the start of a \
         down migration; plain would run it as an up migration, from its first line to its last"
    );
    let help = error.help().unwrap();
    assert!(help.ends_with("forward-only = [\"1_a.sql\"]"), "{help}");
}

#[test]
fn forward_only_allows_a_file_by_its_name() {
    let text = "SELECT 1;\n-- down\nSELECT 2;\n";
    let files = [("1_a.sql", text), ("2_b.sql", text)];
    let one = ["1_a.sql".to_owned()];
    let error = loaded_of("plain", &files, &one).unwrap_err();
    assert!(error.to_string().starts_with("m/2_b.sql:2: "), "{error}");
    let both = ["1_a.sql".to_owned(), "2_b.sql".to_owned()];
    let allowed = loaded_of("plain", &files, &both).unwrap().allowed;
    let places: Vec<_> = allowed.iter().map(|allowed| allowed.place.as_str()).collect();
    assert_eq!(places, ["m/1_a.sql:2", "m/2_b.sql:2"]);
}

#[test]
fn detected_formats_have_the_same_error() {
    for (files, expected) in [
        (
            &[("m/1_a.sql", "-- +migrate Up\nSELECT 1;\n-- +migrate Down\nSELECT 2;")][..],
            "1_a.sql:3",
        ),
        (
            &[("m/1_a.sql", "SELECT 1;\n--//@UNDO\nSELECT 2;"), ("Cargo.toml", "sqlx = \"0.9\"")],
            "1_a.sql:2",
        ),
        (&[("m/1_a.down.sql", "SELECT 1;"), ("m/a.sql", "")], "1_a.down.sql"),
    ] {
        let files = MemoryFiles::new(files.iter().copied());
        let directory = directory(&files, "m");
        let detected = detect_format(&directory, None);
        let error = detected.and_then(|detected| load(detected.format, &directory)).unwrap_err();
        assert!(
            error.to_string().contains(expected) || error.to_string().contains("ambiguous"),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn headings_are_recognised_in_any_decoration(
        open in "[-=*~>\\[({ ]{0,6}", close in "[-=*~<\\])} :.]{0,6}",
        word in "(down|Down|DOWN|undo|UNDO|rollback|Rollback|revert|downgrade)",
        neutral in "( migration| script| SECTION| part)?",
        space in "[ \t]{0,3}",
    ) {
        let text = format!("SELECT 1;\n{space}-- {open}{word}{neutral}{close}\nSELECT 2;\n");
        prop_assert!(is_refused(&loaded("plain", &[("1.sql", &text)])), "{text}");
    }

    #[test]
    fn strings_and_dollar_quotes_contain_no_headings(marker in 0..MARKERS.len(), quote in "('|\\$a\\$)") {
        let text = format!("SELECT 1;\nSELECT {quote}\n{}\nDROP TABLE a;\n{quote};\nSELECT 3;\n", MARKERS[marker]);
        prop_assert!(loaded("plain", &[("1.sql", &text)]).is_ok(), "{text}");
    }

    #[test]
    fn any_text_can_be_checked(text in "(?s)[-a-z+@!#/*:;'$ \n]{0,80}") {
        let _ = opposite_marker(&text, Heading::Up);
        let _ = opposite_marker(&text, Heading::Down);
    }
}
