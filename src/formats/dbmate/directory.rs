//! How dbmate reads a directory.

use std::time::SystemTime;

use super::Dbmate;
use super::file::{description, version};
use super::next;
use super::sections::{UP, has_transaction, sections};
use crate::formats::{Detection, Directory, DirectoryRules, FormatError, MigrationName, NewFile};
use crate::model::{Migration, Script};

impl DirectoryRules for Dbmate {
    fn name(&self) -> &'static str {
        "dbmate"
    }

    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError> {
        Ok(marked(directory)?.map_or(Detection::No, |name| {
            Detection::Certain(format!("`{name}` has a line `-- migrate:up`"))
        }))
    }

    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError> {
        let mut migrations = Vec::new();
        for name in directory.sql_names()? {
            let Some(version) = version(&name) else { continue };
            let file = Script::whole(directory.join(&name), directory.text(&name)?);
            let sections = sections(&file)?;
            let several = sections.len() > 1;
            for (number, section) in sections.into_iter().enumerate() {
                let mut description = description(&name, version);
                if several {
                    description = format!("{description} (section {})", number + 1);
                }
                migrations.push(Migration {
                    version: version.to_owned(),
                    description,
                    in_transaction: has_transaction(section.up.text()),
                    down_in_transaction: has_transaction(section.down.text()),
                    node: None,
                    up: section.up,
                    down: Some(section.down),
                    checksum: None,
                });
            }
        }
        if migrations.is_empty() {
            return Err(directory
                .no_migrations("none has a name such as `20250101000000_create_users.sql`"));
        }
        Ok(migrations)
    }

    fn next_files(
        &self,
        directory: &Directory<'_>,
        migration_name: &MigrationName,
        now: SystemTime,
    ) -> Result<Vec<NewFile>, FormatError> {
        next::files(directory, migration_name, now)
    }
}

/// The first file with a marker of dbmate.
pub(in crate::formats) fn marked(directory: &Directory<'_>) -> Result<Option<String>, FormatError> {
    for name in directory.sql_names()? {
        if version(&name).is_some() && UP.is_match(&directory.text(&name)?) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
