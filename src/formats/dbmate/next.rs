//! What `dbmate new` writes. Rules from dbmate's source (`NewMigration` in `pkg/dbmate/db.go`): the time in UTC, and the
//! template. The message is the name as it stands there; here it has `_` for each space, as people write it.
//!
//! dbmate has no sequences of its own. Where the directory has one, it goes on: a time would come after it, and the next
//! number of somebody else's before that.

use std::time::SystemTime;

use super::file::version;
use crate::formats::next::{next_number, no_number};
use crate::formats::{Directory, FormatError, MigrationName, NewFile};

const TEMPLATE: &str = "-- migrate:up\n\n\n-- migrate:down\n\n";

pub(super) fn files(
    directory: &Directory<'_>,
    slug: &MigrationName,
    now: SystemTime,
) -> Result<Vec<NewFile>, FormatError> {
    // They are sorted as dbmate sorts them.
    let names = directory.sql_names()?;
    let found: Vec<&str> = names.iter().filter_map(|name| version(name)).collect();
    let number = next_number(&found, now);
    let number = number.ok_or_else(|| no_number(directory, found.last().unwrap_or(&"")))?;
    let path = directory.join(format!("{number}_{}.sql", slug.as_str()));
    Ok(vec![NewFile { path, text: TEMPLATE.to_owned() }])
}
