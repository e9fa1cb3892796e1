//! The file that `dbmate new` creates. Rules from dbmate's source (`NewMigration` in `pkg/dbmate/db.go`): the time in UTC, and
//! the template. dbmate uses the message as the name; here spaces become `_`, as is common.
//!
//! dbmate has no sequences. If the directory has one, it is continued: a timestamp would sort after it, and another author's
//! next number before the timestamp.

use std::time::SystemTime;

use super::file::version;
use crate::formats::next::{next_number, no_number};
use crate::formats::{Directory, FormatError, MigrationName, NewFile};

const TEMPLATE: &str = "-- migrate:up\n\n\n-- migrate:down\n\n";

pub(super) fn files(
    directory: &Directory<'_>,
    migration_name: &MigrationName,
    now: SystemTime,
) -> Result<Vec<NewFile>, FormatError> {
    // Sorted as by dbmate.
    let names = directory.sql_names()?;
    let found: Vec<&str> = names.iter().filter_map(|name| version(name)).collect();
    let number = next_number(&found, now);
    let number = number.ok_or_else(|| no_number(directory, found.last().unwrap_or(&"")))?;
    let path = directory.join(format!("{number}_{}.sql", migration_name.as_str()));
    Ok(vec![NewFile { path, text: TEMPLATE.to_owned() }])
}
