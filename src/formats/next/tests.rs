//! Numbers, times and messages; and the directory with the new files.

use pretty_assertions::assert_eq;

use super::*;
use crate::formats::testing::directory;
use crate::model::MemoryFiles;

/// 2026-03-01 12:00:00 UTC.
fn now() -> SystemTime {
    read_time("20260301120000").unwrap()
}

fn number(found: &[&str]) -> Option<String> {
    next_number(found, now())
}

#[test]
fn a_sequence_continues_in_its_width() {
    for (found, expected) in [
        (&["1"][..], "2"),
        (&["0"], "1"),
        (&["0001"], "0002"),
        (&["0008", "0009"], "0010"),
        (&["1", "10", "11"], "12"),
        (&["98", "99"], "100"),
        (&["0001", "0002", "0002"], "0003"),
    ] {
        assert_eq!(number(found).unwrap(), expected, "{found:?}");
    }
}

#[test]
fn numbers_that_are_not_a_sequence_are_followed_by_a_time() {
    for found in [&[][..], &["2"], &["10", "20"], &["20250101000000"], &["1", "3"], &["20260228"]] {
        assert_eq!(number(found).unwrap(), "20260301120000", "{found:?}");
    }
}

#[test]
fn times_are_never_a_sequence_and_never_before_the_newest() {
    assert_eq!(number(&["20250101000000", "20250101000001"]).unwrap(), "20260301120000");
    assert_eq!(number(&["20260301120000"]).unwrap(), "20260301120001");
    assert_eq!(number(&["20260301115959", "20260301120000"]).unwrap(), "20260301120001");
    assert_eq!(number(&["20261231235959"]).unwrap(), "20270101000000");
    assert_eq!(number(&["20269999000000"]).unwrap(), "20269999000001", "not a time, and greater");
    assert_eq!(number(&["99991231235959"]), None);
    assert_eq!(number(&[&u128::MAX.to_string()]), None);
}

#[test]
fn a_message_becomes_a_file_name() {
    let migration_name = |message: &str| {
        MigrationName::new(message).map(|migration_name| migration_name.as_str().to_owned())
    };
    assert_eq!(migration_name("add table").unwrap(), "add_table");
    assert_eq!(migration_name(" Prüfung  der-2 ").unwrap(), "Prüfung__der-2");
    for (message, expected) in [
        ("", "the message \"\" cannot be part of a file name: it is empty"),
        ("  ", "the message \"  \" cannot be part of a file name: it is empty"),
        ("../../x", "the message \"../../x\" cannot be part of a file name: it contains '.'"),
        ("a\\b", "the message \"a\\\\b\" cannot be part of a file name: it contains '\\\\'"),
        ("a\nb", "the message \"a\\nb\" cannot be part of a file name: it contains '\\n'"),
        ("a\0", "the message \"a\\0\" cannot be part of a file name: it contains '\\0'"),
        ("🚀 fast", "the message \"🚀 fast\" cannot be part of a file name: it contains '🚀'"),
    ] {
        let error = migration_name(message).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(matches!(error, NextError::Message { help, .. } if !help.is_empty()));
    }
}

fn next(files: &[(&str, &str)], format: Option<&str>, message: &str) -> Result<String, String> {
    let files = MemoryFiles::new(files.iter().copied());
    let made = next_files(&directory(&files, "m"), format, message, now());
    let names = |made: Vec<NewFile>| {
        made.iter().map(|file| file.path.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    made.map(names).map_err(|error| match &error {
        NextError::Message { help, .. } => format!("{error} [{help}]"),
        NextError::Format(source) => format!("{error} [{}]", source.help().unwrap_or_default()),
    })
}

#[test]
fn a_name_may_have_255_bytes() {
    let fits = "x".repeat(255 - "m/20260301120000_.sql".len() + "m/".len());
    assert!(next(&[], Some("plain"), &fits).is_ok());
    let error = next(&[], Some("plain"), &format!("{fits}x")).unwrap_err();
    assert!(error.ends_with("into a comment in the file]"), "{error}");
    assert!(error.contains("x\"… cannot be part"), "{error}");
    assert!(error.contains("the name would have 256 bytes, and the maximum is 255"), "{error}");
}

#[test]
fn an_empty_directory_requires_a_format() {
    for files in [&[][..], &[("m/README.md", "")]] {
        let error = next(files, None, "x").unwrap_err();
        assert!(error.contains("so the format cannot be detected"), "{error}");
        assert!(error.contains("[set `format` of this directory to \"sqlx\", "), "{error}");
    }
    for format in ["sqlx", "dbmate", "plain"] {
        assert_eq!(next(&[], Some(format), "a b").unwrap(), "m/20260301120000_a_b.sql");
    }
    assert!(next(&[], Some("flyway"), "x").unwrap_err().contains("not supported yet"));
}

#[test]
fn a_migration_that_would_not_be_last_is_refused() {
    let dbmate = "-- migrate:up\n-- migrate:down\n";
    let error = next(&[("m/9_a.sql", dbmate)], None, "b").unwrap_err();
    assert!(
        error.starts_with(
            "m: its next migration would be `20260301120000_b.sql`, which is not the last one: in the order of dbmate, \
             `9_a.sql` comes after it [name the new file manually"
        ),
        "{error}"
    );
    let error = next(&[("m/8_a.sql", ""), ("m/9_b.sql", "")], None, "c").unwrap_err();
    assert!(error.contains("the order of its files is ambiguous"), "{error}");
    assert!(next(&[("m/init.sql", "")], None, "c").unwrap_err().contains("`init.sql` comes after"));
}

#[test]
fn the_root_can_be_the_directory() {
    let files = MemoryFiles::new([("0001_a.sql", "")]);
    let made = next_files(&directory(&files, "."), Some("plain"), "b", now()).unwrap();
    assert_eq!(made[0].path, "0002_b.sql");
}
