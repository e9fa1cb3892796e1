//! The files that `sqlx migrate add` creates. Rules from sqlx-cli 0.9.0, `src/opt.rs` (`AddMigrationOpts`), `src/migrate.rs`
//! (`add`), and sqlx-core 0.9.0, `src/migrate/migration_type.rs` (the texts), `src/config/migrate.rs` (`sqlx.toml`).
//!
//! - Two files if the newest migration has two (or one that is named like one of two), else one; `defaults.migration-type`
//!   takes precedence.
//! - A sequence, in at least four digits, if the two newest versions differ by one, or if the only version is 0 or 1; else the
//!   time in UTC. `defaults.migration-versioning` takes precedence.
//!
//! Different here: a pair is one version, as in sqlx-cli's help and in its version 0.8. (0.9.0 counts its two files, finds no
//! difference, and replaces every sequence of pairs by timestamps.) A version that can be read as a time is not a number of a
//! sequence, even if it is a second after the previous one. A time is never before the newest.

use std::time::SystemTime;

use super::file::{SqlxFile, SqlxFileKind};
use crate::formats::next::{is_time, no_number, time_after, timestamp};
use crate::formats::sqlx_toml::{MigrationType, Versioning, settings};
use crate::formats::{Directory, FormatError, MigrationName, NewFile};

pub(super) fn files(
    directory: &Directory<'_>,
    migration_name: &MigrationName,
    now: SystemTime,
) -> Result<Vec<NewFile>, FormatError> {
    let defaults = settings(directory)?.defaults;
    let names = directory.sql_names()?;
    let mut found: Vec<SqlxFile<'_>> =
        names.iter().filter_map(|name| SqlxFile::parse(name)?.ok()).collect();
    found.sort_by_key(|file| (file.version, file.kind));
    let mut versions: Vec<i64> = found.iter().map(|file| file.version).collect();
    versions.dedup();
    let version = version(&versions, defaults.migration_versioning, now).ok_or_else(|| {
        let newest = versions.last().map(i64::to_string).unwrap_or_default();
        no_number(directory, &newest)
    })?;
    let is_reversible = match defaults.migration_type {
        MigrationType::Inferred => {
            found.last().is_some_and(|file| file.kind != SqlxFileKind::Simple)
        }
        MigrationType::Simple => false,
        MigrationType::Reversible => true,
    };
    let file = |suffix: &str, text: &str| NewFile {
        path: directory.join(format!("{version}_{}{suffix}", migration_name.as_str())),
        text: text.to_owned(),
    };
    Ok(if is_reversible {
        vec![
            file(".up.sql", "-- Add up migration script here\n"),
            file(".down.sql", "-- Add down migration script here\n"),
        ]
    } else {
        vec![file(".sql", "-- Add migration script here\n")]
    })
}

/// `None` if no `i64` follows the newest.
fn version(found: &[i64], versioning: Versioning, now: SystemTime) -> Option<String> {
    let is_sequence = match (versioning, found) {
        (Versioning::Sequential, _) => true,
        (Versioning::Timestamp, _) | (_, []) => false,
        (Versioning::Inferred, [.., newest]) if is_time(&newest.to_string()) => false,
        (Versioning::Inferred, [newest]) => matches!(newest, 0 | 1),
        (Versioning::Inferred, [.., previous, newest]) => previous.checked_add(1) == Some(*newest),
    };
    match found.last() {
        None if is_sequence => Some("0001".to_owned()),
        None => timestamp(now),
        Some(newest) if is_sequence => Some(format!("{:04}", newest.checked_add(1)?)),
        Some(newest) => time_after(&newest.to_string(), now),
    }
    .filter(|version| version.parse::<i64>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pretty_assertions::assert_eq;

    use super::*;
    use crate::formats::testing::directory;
    use crate::model::MemoryFiles;

    /// 2026-03-01 12:00:00 UTC.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400)
    }

    fn next(names: &[&str], defaults: &str) -> Result<Vec<String>, FormatError> {
        let toml = format!("[migrate.defaults]\n{defaults}");
        let files = names.iter().map(|name| (format!("m/{name}"), "--"));
        let files = MemoryFiles::new(files.chain([("sqlx.toml".to_owned(), &*toml)]));
        let made =
            super::files(&directory(&files, "m"), &MigrationName::new("new one").unwrap(), now())?;
        Ok(made.iter().map(|file| file.path.file_name().unwrap().to_owned()).collect())
    }

    fn names(names: &[&str], defaults: &str) -> Vec<String> {
        next(names, defaults).unwrap()
    }

    const TIME: &str = "20260301120000_new_one.sql";

    #[test]
    fn a_sequence_is_inferred_as_sqlx_does() {
        assert_eq!(names(&[], ""), [TIME]);
        assert_eq!(names(&["1_a.sql"], ""), ["0002_new_one.sql"]);
        assert_eq!(names(&["0_a.sql"], ""), ["0001_new_one.sql"]);
        assert_eq!(names(&["2_a.sql"], ""), [TIME]);
        assert_eq!(names(&["1_a.sql", "3_b.sql"], ""), [TIME]);
        assert_eq!(names(&["1_a.sql", "8_b.sql", "9_c.sql"], ""), ["0010_new_one.sql"]);
        assert_eq!(names(&["9998_a.sql", "9999_b.sql"], ""), ["10000_new_one.sql"]);
        assert_eq!(names(&["-2_a.sql", "-1_b.sql"], ""), ["0000_new_one.sql"]);
        assert_eq!(names(&["-1_b.sql"], ""), [TIME]);
    }

    #[test]
    fn a_pair_is_followed_by_a_pair() {
        let pair = ["0001_a.up.sql", "0001_a.down.sql", "0002_b.up.sql", "0002_b.down.sql"];
        assert_eq!(names(&pair, ""), ["0003_new_one.up.sql", "0003_new_one.down.sql"]);
        assert_eq!(names(&["1_a.up.sql", "2_b.sql"], ""), ["0003_new_one.sql"]);
        assert_eq!(names(&["1_a.sql", "2_b.up.sql"], "").len(), 2);
    }

    #[test]
    fn sqlx_toml_takes_precedence() {
        let reversible = "migration-type = 'reversible'";
        assert_eq!(names(&["1_a.sql"], reversible).len(), 2);
        assert_eq!(names(&["1_a.up.sql"], "migration-type = 'simple'"), ["0002_new_one.sql"]);
        let sequential = "migration-versioning = 'sequential'";
        assert_eq!(names(&[], sequential), ["0001_new_one.sql"]);
        assert_eq!(names(&["20250101000000_a.sql"], sequential), ["20250101000001_new_one.sql"]);
        assert_eq!(names(&["1_a.sql"], "migration-versioning = 'timestamp'"), [TIME]);
        let error = next(&[], "migration-type = 'both'").unwrap_err().to_string();
        assert!(error.starts_with("sqlx.toml:2: unknown variant `both`"), "{error}");
    }

    #[test]
    fn a_time_is_followed_by_a_time() {
        assert_eq!(names(&["20250101000000_a.sql", "20250101000001_b.sql"], ""), [TIME]);
        assert_eq!(names(&["20260301120000_a.sql"], ""), ["20260301120001_new_one.sql"]);
        let error = next(&["9223372036854775807_a.sql"], "").unwrap_err();
        assert!(error.to_string().contains("there is no number after `9223372036854775807`"));
    }
}
