//! How golang-migrate reads a directory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::SystemTime;

use super::file::{FileDirection, GolangFile};
use super::{GolangMigrate, next};
use crate::formats::{Detection, Directory, DirectoryRules, FormatError, MigrationName, NewFile};
use crate::model::{Migration, Script};

impl DirectoryRules for GolangMigrate {
    fn name(&self) -> &'static str {
        "golang-migrate"
    }

    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError> {
        let names = directory.names()?;
        let Some(name) = names.iter().find(|name| GolangFile::parse(name).is_some()) else {
            return Ok(Detection::No);
        };
        if let Some((path, text)) = directory.beside("go.mod")?
            && text.contains("golang-migrate/migrate")
        {
            return Ok(Detection::Certain(format!("`{path}` names golang-migrate")));
        }
        Ok(Detection::Possible(format!("`{name}` has a name of golang-migrate's form")))
    }

    fn stem<'n>(&self, name: &'n str) -> Option<&'n str> {
        name.rsplit_once(".up.").map(|(stem, _)| stem)
    }

    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError> {
        let names = directory.names()?;
        let mut files: BTreeMap<(u64, FileDirection), GolangFile<'_>> = BTreeMap::new();
        for file in names.iter().filter_map(|name| GolangFile::parse(name)) {
            match files.entry((file.version, file.direction)) {
                Entry::Vacant(free) => {
                    free.insert(file);
                }
                Entry::Occupied(other) => {
                    return Err(FormatError::File {
                        path: directory.join(file.name),
                        line: None,
                        problem: format!("duplicate migration file: {}", file.name),
                        help: Some(format!("`{}` has the same version", other.get().name)),
                    });
                }
            }
        }
        let mut versions: Vec<u64> = files.keys().map(|(version, _)| *version).collect();
        versions.dedup();
        let migration = |version| {
            let up = files.get(&(version, FileDirection::Up));
            let down = files.get(&(version, FileDirection::Down));
            migration(directory, up, down)
        };
        let migrations: Vec<_> = versions
            .into_iter()
            .filter_map(|version| migration(version).transpose())
            .collect::<Result<_, _>>()?;
        if migrations.is_empty() {
            return Err(directory.no_migrations("none has a name such as `1_create_users.up.sql`"));
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

/// The migration of a version, from its two files; `None` if it has none.
fn migration(
    directory: &Directory<'_>,
    up: Option<&GolangFile<'_>>,
    down: Option<&GolangFile<'_>>,
) -> Result<Option<Migration>, FormatError> {
    let script = |file: &GolangFile<'_>| -> Result<Script, FormatError> {
        Ok(Script::whole(directory.join(file.name), directory.text(file.name)?))
    };
    let Some(file) = up.or(down) else { return Ok(None) };
    let down = down.map(script).transpose()?;
    let up = match (up, &down) {
        (Some(up), _) => script(up)?,
        (None, Some(down)) => down.section(0..0),
        (None, None) => return Ok(None),
    };
    Ok(Some(Migration {
        version: file.version.to_string(),
        description: file.description.replace('_', " "),
        up,
        down,
        in_transaction: false,
        down_in_transaction: false,
        node: None,
        checksum: None,
    }))
}
