//! Tests of the rules of sqlx.

use std::collections::BTreeSet;

use pretty_assertions::assert_eq;

use super::Sqlx;
use super::directory::checksum;
use crate::formats::testing::{directory, rows, texts};
use crate::formats::{
    Decision, Detection, Directory, DirectoryRules as _, ExecutionRules as _, FormatError,
    LedgerRow, LedgerRules as _,
};
use crate::model::{MemoryFiles, Migration};

fn load(files: &MemoryFiles) -> Vec<Migration> {
    Sqlx.load(&directory(files, "m")).unwrap()
}

fn versions(migrations: &[Migration]) -> Vec<&str> {
    migrations.iter().map(|migration| migration.version.as_str()).collect()
}

#[test]
fn names_become_versions_and_descriptions() {
    let files = MemoryFiles::new([
        ("m/10_add_users.sql", ""),
        ("m/0009_b.up.sql", "up"),
        ("m/9_b.down.sql", "down"),
        ("m/-1_x.sql.sql", ""),
        ("m/README.md", ""),
        ("m/nothing.sql", ""),
        ("m/1_x.txt", ""),
        ("m/sub/1_y.sql", ""),
    ]);
    let migrations = load(&files);
    assert_eq!(versions(&migrations), ["-1", "9", "10"]);
    let descriptions: Vec<_> = migrations.iter().map(|m| m.description.as_str()).collect();
    assert_eq!(descriptions, ["x", "b", "add users"]);
    assert_eq!(migrations[1].down.as_ref().unwrap().path(), "m/9_b.down.sql");
    assert_eq!(migrations[1].file_name(), "0009_b.up.sql");
    assert_eq!(migrations[2].down, None);
}

#[test]
fn a_duplicate_version_is_kept_twice() {
    let files = MemoryFiles::new([("m/1_b.sql", ""), ("m/1_a.up.sql", ""), ("m/1_a.sql", "")]);
    let names: Vec<_> = load(&files).iter().map(|m| m.file_name().to_owned()).collect();
    assert_eq!(names, ["1_a.sql", "1_b.sql", "1_a.up.sql"]);
}

#[test]
fn a_name_without_a_number_is_an_error() {
    let files = MemoryFiles::new([("m/1_a.sql", ""), ("m/helper_fns.sql", "")]);
    let error = Sqlx.load(&directory(&files, "m")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "m/helper_fns.sql: error parsing migration filename \"helper_fns.sql\"; expected integer \
         version prefix (e.g. `01_foo.sql`)"
    );
}

#[test]
fn without_migrations_there_is_an_error() {
    for files in
        [MemoryFiles::default(), MemoryFiles::new([("m/a.sql", ""), ("m/1_a.down.sql", "")])]
    {
        let error = Sqlx.load(&directory(&files, "m")).unwrap_err();
        assert!(matches!(error, FormatError::NoMigrations { .. }), "{error}");
    }
}

#[test]
fn only_the_first_bytes_disable_the_transaction() {
    for (text, in_transaction) in [
        ("-- no-transaction\nvacuum;", false),
        ("-- no-transactions at all", false),
        ("\n-- no-transaction", true),
        ("--no-transaction", true),
        ("-- No-transaction", true),
        ("\u{feff}-- no-transaction", true),
    ] {
        let files = MemoryFiles::new([("m/1_a.up.sql", text), ("m/1_a.down.sql", "")]);
        let migration = &load(&files)[0];
        assert_eq!(migration.in_transaction, in_transaction, "{text}");
        assert!(migration.down_in_transaction);
    }
}

/// The directory as read by the sqlx crate itself.
#[test]
fn the_sqlx_crate_reads_the_same() {
    let files = [
        ("3_c.sql", "\u{feff}select 'é';\r\n"),
        ("1_a_b.up.sql", "-- no-transaction\nselect 1"),
        ("1_a_b.down.sql", ""),
        ("20250101000000_x.sql.sql", " "),
        ("notes.sql", "?"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for ignored in ["", "\r é"] {
        let mut config = ::sqlx::migrate::ResolveConfig::new();
        config.ignore_chars(ignored.chars());
        let theirs = ::sqlx::migrate::resolve_blocking_with_config(folder.path(), &config).unwrap();
        let theirs = theirs.into_iter().map(|(migration, _)| migration);
        let theirs: Vec<_> = theirs
            .filter(|migration| migration.migration_type.is_up_migration())
            .map(|m| {
                (
                    m.version.to_string(),
                    m.description.into_owned(),
                    m.checksum.into_owned(),
                    !m.no_tx,
                )
            })
            .collect();
        let toml = format!("[migrate]\nignored-chars = {:?}", ignored.chars().collect::<Vec<_>>())
            .replace('\'', "\"");
        let memory = files.iter().map(|(name, text)| (format!("m/{name}"), *text));
        let files = MemoryFiles::new(memory.chain([("sqlx.toml".to_owned(), toml.as_str())]));
        let ours: Vec<_> = load(&files)
            .into_iter()
            .map(|m| (m.version, m.description, m.checksum.unwrap(), m.in_transaction))
            .collect();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn the_ledger_is_in_the_first_schema_of_the_search_path() {
    let files = MemoryFiles::new([("m/1_a.sql", "")]);
    let ledger = Sqlx.ledger(&directory(&files, "m"), "Tenant").unwrap();
    assert_eq!(ledger.qualified(), "\"Tenant\".\"_sqlx_migrations\"");
    assert_eq!(ledger.named, "_sqlx_migrations");
    let sql = texts(&Sqlx.ensure_ledger(&ledger));
    assert_eq!(sql.len(), 1);
    assert!(sql[0].starts_with("CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT"));
}

#[test]
fn sqlx_toml_sets_the_ledger() {
    let toml =
        "[migrate]\ntable-name = 'Meta.\"Done\"'\ncreate-schemas = ['meta']\n[macros]\nx = 1";
    let files = MemoryFiles::new([("a/m/1_a.sql", ""), ("a/sqlx.toml", toml)]);
    let ledger = Sqlx.ledger(&directory(&files, "a/m"), "t").unwrap();
    assert_eq!(ledger.qualified(), "\"meta\".\"Done\"");
    assert_eq!(ledger.named, "Meta.\"Done\"");
    assert_eq!(texts(&Sqlx.ensure_ledger(&ledger))[0], "CREATE SCHEMA IF NOT EXISTS meta;");
    let configured = Directory { ledger: Some("other"), ..directory(&files, "a/m") };
    assert_eq!(Sqlx.ledger(&configured, "t").unwrap().qualified(), "\"t\".\"other\"");
    let hostile = Directory { ledger: Some("a; drop table b"), ..directory(&files, "a/m") };
    assert!(Sqlx.ledger(&hostile, "t").is_err());
}

#[test]
fn errors_in_sqlx_toml_have_a_line() {
    let files = MemoryFiles::new([("m/1_a.sql", ""), ("sqlx.toml", "[migrate]\n\ntable = 'x'")]);
    let error = Sqlx.load(&directory(&files, "m")).unwrap_err().to_string();
    assert!(error.starts_with("sqlx.toml:3: unknown field `table`"), "{error}");
}

fn decided(rows: &[LedgerRow], changed: bool) -> Decision {
    let text = if changed { "changed" } else { "b" };
    let files = MemoryFiles::new([("m/1_a.sql", "a"), ("m/2_b.sql", text), ("m/3_c.sql", "c")]);
    Sqlx.decide(rows, &load(&files))
}

#[test]
fn decisions_follow_sqlx() {
    let sum = checksum("b", &BTreeSet::new());
    let applied = rows([("2", Some(sum.as_slice()))]);
    assert_eq!(decided(&[], false).apply, [0, 1, 2]);
    assert_eq!(decided(&applied, false), Decision { apply: vec![0, 2], ..Decision::default() });
    let modified = decided(&applied, true);
    assert_eq!(modified.apply, [0], "what was pending before it is applied first");
    assert_eq!(modified.refused, Some(1));
    assert_eq!(
        modified.refusal.unwrap(),
        "migration 2 was previously applied but has been modified"
    );
    let mut missing = rows([("2", Some(sum.as_slice())), ("9", None)]);
    assert_eq!(
        decided(&missing, true),
        Decision {
            refusal: Some(
                "migration 9 was previously applied but is missing in the resolved migrations"
                    .into()
            ),
            ..Decision::default()
        }
    );
    missing[0].complete = false;
    assert_eq!(
        decided(&missing, true).refusal.unwrap(),
        "migration 2 is partially applied; fix and remove row from `_sqlx_migrations` table"
    );
}

#[test]
fn the_row_is_written_by_its_unqualified_name() {
    let files =
        MemoryFiles::new([("m/1_it's.sql", "select 1;"), ("m/2_b.sql", "-- no-transaction")]);
    let migrations = load(&files);
    let ledger = Sqlx.ledger(&directory(&files, "m"), "t").unwrap();
    let fused = texts(&Sqlx.apply(&migrations[0], &ledger));
    assert_eq!(fused.len(), 1);
    let row = "INSERT INTO _sqlx_migrations ( version, description, success, checksum, \
               execution_time ) VALUES ( 1, 'it''s', TRUE, decode('";
    assert!(fused[0].starts_with(&format!("BEGIN\n;\nselect 1;\n;\n{row}")), "{}", fused[0]);
    let separate = texts(&Sqlx.apply(&migrations[1], &ledger));
    assert_eq!(separate[0], "-- no-transaction");
    assert_eq!(separate.len(), 2);
    let all = Sqlx.stamp(&migrations.iter().collect::<Vec<_>>(), &ledger);
    assert_eq!(all.matches("INSERT INTO \"t\".\"_sqlx_migrations\"").count(), 2);
    assert!(
        Sqlx.is_applied_expr(&migrations[1], &ledger)
            .contains("\"t\".\"_sqlx_migrations\" WHERE version = 2")
    );
}

#[test]
fn evidence_for_sqlx() {
    let detect = |files: &[(&str, &str)]| {
        Sqlx.detect(&directory(&MemoryFiles::new(files.iter().copied()), "a/m")).unwrap()
    };
    assert_eq!(detect(&[("a/m/1_a.sql", "")]), Detection::No);
    assert!(matches!(detect(&[("a/m/1_a.up.sql", "")]), Detection::Possible(_)));
    assert_eq!(
        detect(&[("a/m/1_a.sql", ""), ("a/.sqlx/query-1.json", "")]),
        Detection::Certain("there is `a/.sqlx`".into())
    );
    assert_eq!(
        detect(&[("a/m/1_a.sql", ""), ("Cargo.toml", "[dependencies]\nsqlx = \"0.9\"")]),
        Detection::Certain("`Cargo.toml` names the crate sqlx".into())
    );
    assert_eq!(detect(&[("a/m/1_a.sql", ""), ("Cargo.toml", "# no sqlx")]), Detection::No);
    assert_eq!(detect(&[("a/m/V1__a.sql", ""), ("sqlx.toml", "")]), Detection::No);
    assert_eq!(
        detect(&[("a/m/1_a.sql", "-- migrate:up\n-- migrate:down"), ("sqlx.toml", "")]),
        Detection::No,
        "the files say that they are dbmate's"
    );
}
