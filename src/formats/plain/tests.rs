//! Tests of the rules of plain SQL files.

use pretty_assertions::assert_eq;

use super::Plain;
use super::ledger::TABLE;
use crate::formats::testing::{directory, rows, texts};
use crate::formats::{
    Decision, Directory, DirectoryRules as _, ExecutionRules as _, FormatError, Ledger,
    LedgerRules as _,
};
use crate::model::{FileOrder, MemoryFiles, Migration};

fn load(files: &[(&str, &str)]) -> Result<Vec<Migration>, FormatError> {
    Plain.load(&directory(&MemoryFiles::new(files.iter().copied()), "m"))
}

fn one(text: &str) -> Result<Migration, FormatError> {
    load(&[("m/001_a.sql", text)]).map(|mut all| all.remove(0))
}

#[test]
fn the_version_is_the_name() {
    let migrations =
        load(&[("m/002-b_c.sql", ""), ("m/001_a.sql", ""), ("m/x/3.sql", ""), ("m/4.txt", "")])
            .unwrap();
    let found: Vec<_> =
        migrations.iter().map(|m| (m.version.as_str(), m.description.as_str())).collect();
    assert_eq!(found, [("001_a", "a"), ("002-b_c", "b c")]);
}

#[test]
fn an_ambiguous_order_has_to_be_declared() {
    let files = MemoryFiles::new([("m/9_a.sql", ""), ("m/10_b.sql", ""), ("m/1_c.sql", "")]);
    let load = |order| {
        let all = Plain.load(&Directory { order, ..directory(&files, "m") })?;
        Ok::<_, FormatError>(all.into_iter().map(|m| m.version).collect::<Vec<_>>())
    };
    assert_eq!(
        load(None).unwrap_err().to_string(),
        "m: the order of its files is ambiguous: `10_b.sql` comes before `1_c.sql` by bytes, and after it by number"
    );
    assert_eq!(load(Some(FileOrder::Lexical)).unwrap(), ["10_b", "1_c", "9_a"]);
    assert_eq!(load(Some(FileOrder::Natural)).unwrap(), ["1_c", "9_a", "10_b"]);
}

#[test]
fn psql_syntax_is_refused_with_its_position() {
    for (text, expected) in [
        ("select 1;\n\\i other.sql\n", "m/001_a.sql:2: `\\i` is a psql command, not SQL"),
        (
            "\n\ncopy t from stdin;\n1\n\\.\n",
            "m/001_a.sql:3: `COPY … FROM stdin` takes its data from psql, not from SQL",
        ),
        (
            "select 1;\nselect :'DBNAME';",
            "m/001_a.sql:2: a psql variable: its value is not in the file",
        ),
    ] {
        let error = one(text).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.help().is_some());
    }
    assert!(one("select '\\i', a[1:n], b::text, $$ :USER $$, json_object('a':'b');").is_ok());
}

#[test]
fn the_first_line_disables_the_transaction() {
    let ledger = Ledger::new("t", TABLE);
    let apply = |text: &str| texts(&Plain.apply(&one(text).unwrap(), &ledger));
    let together = apply("select 1;\nselect 2;");
    assert_eq!(together.len(), 1);
    assert!(
        together[0].starts_with("BEGIN\n;\nselect 1;\nselect 2;\n;\nINSERT INTO \"t\".\"mig_ci")
    );
    let separate = apply("\u{feff}-- mig-ci: no-transaction \r\nselect 1; -- x\nselect 2");
    assert_eq!(separate[..2], ["select 1;", "select 2"]);
    assert!(
        separate[2]
            .starts_with("INSERT INTO \"t\".\"mig_ci_migrations\" (version, checksum, applied_at)")
    );
    assert_eq!(apply("\n-- mig-ci: no-transaction\nselect 1;").len(), 1);
    assert_eq!(apply("-- mig-ci: no-transactions\nselect 1;").len(), 1);
}

#[test]
fn a_byte_order_mark_is_skipped_and_counts_in_the_checksum() {
    let (with, without) = (one("\u{feff}select 1;").unwrap(), one("select 1;").unwrap());
    assert_eq!(with.up.text(), "select 1;");
    assert_ne!(with.checksum, without.checksum);
    assert_eq!(without.checksum.unwrap()[..4], [0x35, 0x4b, 0x71, 0x96]);
}

#[test]
fn the_ledger_is_refused_before_anything_runs() {
    let migrations = load(&[("m/1.sql", "a"), ("m/2.sql", "b"), ("m/3.sql", "c")]).unwrap();
    let sum = |index: usize| migrations[index].checksum.as_deref();
    let decide =
        |known: &[(&str, Option<&[u8]>)]| Plain.decide(&rows(known.iter().copied()), &migrations);
    assert_eq!(decide(&[]).apply, [0, 1, 2]);
    assert_eq!(decide(&[("2", sum(1))]), Decision { apply: vec![0, 2], ..Decision::default() });
    let refused = |refused, problem: &str| Decision {
        refusal: Some(problem.to_owned()),
        refused,
        ..Decision::default()
    };
    assert_eq!(
        decide(&[("3", sum(0))]),
        refused(Some(2), "`3.sql` was applied before, and it has been edited since")
    );
    assert_eq!(
        decide(&[("0", sum(0))]),
        refused(None, "`0.sql` was applied before, and it no longer exists")
    );
}

#[test]
fn names_reach_sql_as_literals() {
    let migrations = load(&[("m/it's.sql", "")]).unwrap();
    let ledger = Ledger::new("t\"", TABLE);
    assert_eq!(
        Plain.is_applied_expr(&migrations[0], &ledger),
        "EXISTS (SELECT FROM \"t\"\"\".\"mig_ci_migrations\" WHERE version = 'it''s')"
    );
    let all = Plain.stamp(&[&migrations[0], &migrations[0]], &ledger);
    assert!(all.contains("now() + 0 * interval") && all.contains("now() + 1 * interval"), "{all}");
}
