//! Tests of the rules of golang-migrate.

use pretty_assertions::assert_eq;

use super::GolangMigrate;
use super::file::{FileDirection, GolangFile};
use crate::formats::testing::{directory, rows, texts};
use crate::formats::{
    Decision, Detection, Directory, DirectoryRules as _, ExecutionRules as _, FormatError, Ledger,
    LedgerRow, LedgerRules as _,
};
use crate::model::{MemoryFiles, Migration};

fn load(names: &[&str]) -> Result<Vec<Migration>, FormatError> {
    let files = MemoryFiles::new(names.iter().map(|name| (format!("m/{name}"), *name)));
    GolangMigrate.load(&directory(&files, "m"))
}

#[test]
fn names_are_paired_by_version_and_ordered_by_number() {
    let migrations = load(&[
        "10_b.up.sql",
        "9_a_c.up.pgsql",
        "09_x.down.sql",
        "8_.up.",
        "7_only.down.sql",
        "1_a.sql",
        "x_1.up.sql",
        "99999999999999999999_x.up.sql",
        "sub/1_a.up.sql",
    ])
    .unwrap();
    let found: Vec<_> = migrations
        .iter()
        .map(|m| {
            let down = m.down.as_ref().map(|down| down.path().as_str());
            (m.version.as_str(), m.description.as_str(), m.up.text(), down)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("7", "only", "", Some("m/7_only.down.sql")),
            ("8", "", "8_.up.", None),
            ("9", "a c", "9_a_c.up.pgsql", Some("m/09_x.down.sql")),
            ("10", "b", "10_b.up.sql", None),
        ]
    );
    assert!(migrations.iter().all(|migration| !migration.in_transaction));
}

#[test]
fn the_last_direction_in_a_name_applies() {
    let file = GolangFile::parse("1_a.up.b.down.sql").unwrap();
    assert_eq!((file.description, file.direction), ("a.up.b", FileDirection::Down));
}

#[test]
fn duplicates_are_an_error() {
    let error = load(&["1_a.up.sql", "01_b.up.sql"]).unwrap_err();
    assert_eq!(error.to_string(), "m/1_a.up.sql: duplicate migration file: 1_a.up.sql");
    assert_eq!(error.help(), Some("`01_b.up.sql` has the same version"));
}

#[test]
fn without_migrations_there_is_an_error() {
    assert!(matches!(load(&["1_a.sql"]), Err(FormatError::NoMigrations { .. })));
}

#[test]
fn the_ledger_is_in_the_first_schema() {
    let files = MemoryFiles::default();
    let ledger = |name| {
        let directory = Directory { ledger: name, ..directory(&files, "m") };
        GolangMigrate.ledger(&directory, "t").map(|ledger| ledger.qualified())
    };
    assert_eq!(ledger(None).unwrap(), "\"t\".\"schema_migrations\"");
    assert_eq!(ledger(Some("a.b")).unwrap(), "\"t\".\"a.b\"", "as the tool reads it");
    assert_eq!(ledger(Some("\"a\".\"b\"")).unwrap(), "\"a\".\"b\"");
    assert!(ledger(Some("\"a\".\"b\".\"c\"")).is_err());
}

#[test]
fn decisions_follow_the_row() {
    let migrations = load(&["1_a.up.sql", "2_b.up.sql", "3_c.up.sql"]).unwrap();
    let decide = |rows: &[LedgerRow]| GolangMigrate.decide(rows, &migrations);
    assert_eq!(decide(&[]).apply, [0, 1, 2]);
    assert_eq!(
        decide(&rows([("2", None)])),
        Decision { apply: vec![2], never_applied: vec![0], ..Decision::default() }
    );
    assert_eq!(decide(&rows([("3", None)])).apply, Vec::<usize>::new());
    assert_eq!(
        decide(&rows([("4", None)])).refusal.unwrap(),
        "no migration found for version 4: read down for version 4 .: file does not exist"
    );
    let dirty = LedgerRow { version: "2".into(), checksum: None, complete: false };
    assert_eq!(
        decide(&[dirty]),
        Decision {
            refusal: Some("Dirty database version 2. Fix and force version.".into()),
            refused: Some(1),
            ..Decision::default()
        }
    );
}

#[test]
fn the_script_runs_between_two_updates_of_the_row() {
    let migrations = load(&["1_a.up.sql", "2_b.down.sql"]).unwrap();
    let ledger = Ledger::new("t", "l");
    let row = |version, dirty| {
        format!(
            "BEGIN READ WRITE; TRUNCATE \"t\".\"l\"; INSERT INTO \"t\".\"l\" (version, dirty) VALUES ({version}, \
             {dirty}); COMMIT"
        )
    };
    let messages = GolangMigrate.apply(&migrations[0], &ledger);
    assert_eq!(texts(&messages), [row(1, true), "1_a.up.sql".into(), row(1, false)]);
    assert!(messages[2].precondition().is_some_and(|precondition| !precondition.in_transaction));
    assert_eq!(texts(&GolangMigrate.apply(&migrations[1], &ledger)), [row(2, true), row(2, false)]);
    let all: Vec<_> = migrations.iter().collect();
    assert!(GolangMigrate.stamp(&all, &ledger).ends_with("VALUES (2, false);"));
    assert_eq!(GolangMigrate.stamp(&[], &ledger), "");
}

#[test]
fn go_mod_is_certain_evidence() {
    let detect = |files: &[(&str, &str)]| {
        GolangMigrate.detect(&directory(&MemoryFiles::new(files.iter().copied()), "m")).unwrap()
    };
    assert!(matches!(detect(&[("m/1_a.up.sql", "")]), Detection::Possible(_)));
    assert_eq!(detect(&[("m/1_a.sql", "")]), Detection::No);
    assert_eq!(
        detect(&[
            ("m/1_a.up.sql", ""),
            ("go.mod", "\tgithub.com/golang-migrate/migrate/v4 v4.1\n")
        ]),
        Detection::Certain("`go.mod` names golang-migrate".into())
    );
}
