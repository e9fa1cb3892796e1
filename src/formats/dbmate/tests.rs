//! Tests of the rules of dbmate.

use pretty_assertions::assert_eq;

use super::Dbmate;
use crate::formats::testing::{directory, rows, texts};
use crate::formats::{
    Decision, Detection, Directory, DirectoryRules as _, ExecutionRules as _, FormatError, Ledger,
    LedgerRules as _,
};
use crate::model::{MemoryFiles, Migration};

const EMPTY: &str = "-- migrate:up\n-- migrate:down\n";

fn load(files: &[(&str, &str)]) -> Result<Vec<Migration>, FormatError> {
    Dbmate.load(&directory(&MemoryFiles::new(files.iter().copied()), "m"))
}

#[test]
fn files_are_sorted_by_name_and_versions_kept_as_written() {
    let migrations = load(&[
        ("m/9_a.sql", EMPTY),
        ("m/10_add_x.sql", EMPTY),
        ("m/01.sql", EMPTY),
        ("m/2foo.sql", EMPTY),
        ("m/x3.sql", "not read"),
        ("m/4_a.txt", "not read"),
    ])
    .unwrap();
    let found: Vec<_> =
        migrations.iter().map(|m| (m.version.as_str(), m.description.as_str())).collect();
    assert_eq!(found, [("01", ""), ("10", "add x"), ("2", "foo"), ("9", "a")]);
}

#[test]
fn a_file_is_split_at_its_markers() {
    let text = "\n-- first\n-- migrate:up transaction:false\nvacuum;\n--migrate:down\nselect 2;\n\
                --\t migrate:up foo:bar\nselect 3;\n-- migrate:down transaction:false x:y\n";
    let migrations = load(&[("m/1_a.sql", text)]).unwrap();
    let ups: Vec<_> = migrations.iter().map(|m| m.up.text()).collect();
    assert_eq!(
        ups,
        ["-- migrate:up transaction:false\nvacuum;\n", "--\t migrate:up foo:bar\nselect 3;\n"]
    );
    assert_eq!(migrations[0].down.as_ref().unwrap().text(), "--migrate:down\nselect 2;\n");
    let modes: Vec<_> =
        migrations.iter().map(|m| (m.in_transaction, m.down_in_transaction)).collect();
    assert_eq!(modes, [(false, true), (true, false)]);
    assert_eq!(migrations[1].version, "1");
    assert_eq!(migrations[1].description, "a (section 2)");
    assert_eq!(migrations[1].up.file_text(), text);
}

#[test]
fn files_that_dbmate_refuses_are_refused_with_its_message() {
    let up = "an up block with '-- migrate:up'";
    let down = "a down block with '-- migrate:down'";
    for (text, expected) in [
        ("create table a();", format!("m/1_a.sql:1: dbmate requires each migration to define {up}")),
        ("\u{feff}-- migrate:up\n-- migrate:down", format!("m/1_a.sql:1: dbmate requires each migration to define {up}")),
        ("-- a\n-- migrate:up\nselect 1;", format!("m/1_a.sql:2: dbmate requires each migration to define {down}")),
        ("-- migrate:down\n-- migrate:up", format!("m/1_a.sql:2: dbmate requires each migration to define {down}")),
        ("-- migrate:up\n-- migrate:up\n-- migrate:down", format!("m/1_a.sql:1: dbmate requires each migration to define {down}")),
        ("-- migrate:up\n-- migrate:down\n-- migrate:down", "m/1_a.sql:3: dbmate requires every '-- migrate:down' to be preceded by a '-- migrate:up'".into()),
        ("-- a\n\nselect 1;\n-- migrate:up\n-- migrate:down", "m/1_a.sql:3: dbmate does not support statements preceding the '-- migrate:up' block".into()),
    ] {
        let error = load(&[("m/1_a.sql", text)]).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.help().is_some());
    }
    assert!(matches!(load(&[("m/a.sql", "")]), Err(FormatError::NoMigrations { .. })));
}

#[test]
fn lines_that_only_look_like_markers_are_text() {
    let text = "-- migrate:up\n-- migrate:downwards\n -- migrate:down\n-- migrate:down\n";
    assert_eq!(
        load(&[("m/1.sql", text)]).unwrap()[0].down.as_ref().unwrap().text(),
        "-- migrate:down\n"
    );
}

#[test]
fn the_ledger_follows_the_table_name() {
    let files = MemoryFiles::new([("m/1.sql", EMPTY)]);
    let ledger = |name| Dbmate.ledger(&Directory { ledger: name, ..directory(&files, "m") }, "t");
    assert_eq!(ledger(None).unwrap().qualified(), "\"t\".\"schema_migrations\"");
    assert_eq!(ledger(Some("Foo")).unwrap().qualified(), "\"t\".\"Foo\"");
    let elsewhere = ledger(Some("x.y")).unwrap();
    assert_eq!(
        texts(&Dbmate.ensure_ledger(&elsewhere)),
        [
            "create schema if not exists \"x\"",
            "create table if not exists \"x\".\"y\" (version varchar primary key)"
        ]
    );
    assert!(ledger(Some("a.b.c")).is_err());
}

#[test]
fn every_version_missing_from_the_ledger_is_applied() {
    let migrations =
        load(&[("m/1_a.sql", EMPTY), ("m/2_b.sql", &EMPTY.repeat(2)), ("m/3_c.sql", EMPTY)])
            .unwrap();
    let decide = |versions: &[&str]| {
        Dbmate.decide(&rows(versions.iter().map(|version| (*version, None))), &migrations)
    };
    assert_eq!(decide(&[]).apply, [0, 1, 2, 3]);
    let decision = decide(&["3", "01", "99"]);
    assert_eq!(decision, Decision { apply: vec![0, 1, 2], ..Decision::default() });
    assert_eq!(decide(&["2"]).apply, [0, 3]);
}

#[test]
fn the_driver_checks_the_transaction_status() {
    let text = "-- migrate:up\ncommit;\n-- migrate:down\n-- migrate:up transaction:false\nvacuum;\n\
                -- migrate:down\n-- migrate:up\nselect 1;\n-- migrate:down\n";
    let migrations = load(&[("m/1_a.sql", text)]).unwrap();
    let ledger = Ledger::new("t", "schema_migrations");
    let insert = "insert into \"t\".\"schema_migrations\" (version) values ('1')";
    let commits = Dbmate.apply(&migrations[0], &ledger);
    assert_eq!(texts(&commits), ["BEGIN READ WRITE", "-- migrate:up\ncommit;\n", insert, "COMMIT"]);
    assert_eq!(
        commits[3].precondition().unwrap().refusal,
        "pq: unexpected transaction status idle"
    );
    let outside = Dbmate.apply(&migrations[1], &ledger);
    assert_eq!(texts(&outside), ["-- migrate:up transaction:false\nvacuum;\n", insert]);
    assert!(outside.iter().all(|message| message.precondition().is_none()));
    let fused = Dbmate.apply(&migrations[2], &ledger);
    assert_eq!(fused.len(), 1);
    assert!(!fused[0].precondition().unwrap().in_transaction);
}

#[test]
fn the_row_of_public_is_written_to_the_current_schema() {
    let migrations = load(&[("m/1_a.sql", EMPTY)]).unwrap();
    let sql = texts(&Dbmate.apply(&migrations[0], &Ledger::new("public", "schema_migrations")));
    assert!(
        sql[0].contains("DO 'BEGIN EXECUTE pg_catalog.format(''insert into %I.%I"),
        "{}",
        sql[0]
    );
}

#[test]
fn a_marker_is_certain_evidence() {
    let detect = |name: &str, text: &str| {
        Dbmate.detect(&directory(&MemoryFiles::new([(name, text)]), "m")).unwrap()
    };
    assert_eq!(
        detect("m/1_a.sql", EMPTY),
        Detection::Certain("`1_a.sql` has a line `-- migrate:up`".into())
    );
    assert_eq!(detect("m/1_a.sql", "select 1"), Detection::No);
    assert_eq!(detect("m/a.sql", EMPTY), Detection::No);
}
