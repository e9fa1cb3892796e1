//! How sqlx reads a directory.

use std::collections::BTreeSet;
use std::time::SystemTime;

use sha2::{Digest as _, Sha384};

use super::file::{SqlxFile, SqlxFileKind};
use super::{Sqlx, next};
use crate::formats::sqlx_toml::settings;
use crate::formats::{
    Detection, Directory, DirectoryRules, FormatError, MigrationName, NewFile, dbmate, unsupported,
};
use crate::model::{Migration, Script};

impl DirectoryRules for Sqlx {
    fn name(&self) -> &'static str {
        "sqlx"
    }

    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError> {
        let names = directory.sql_names()?;
        let files: Vec<_> = names.iter().filter_map(|name| SqlxFile::parse(name)?.ok()).collect();
        if files.is_empty() {
            return Ok(Detection::No);
        }
        // Marks in the files are stronger evidence than a dependency: the crate is not only for migrations.
        if dbmate::marked(directory)?.is_none()
            && unsupported::marked(directory)?.is_none()
            && let Some(reason) = hint(directory)?
        {
            return Ok(Detection::Certain(reason));
        }
        // Many tools use a number, `_` and a name.
        Ok(files.iter().find(|file| file.kind != SqlxFileKind::Simple).map_or(
            Detection::No,
            |file| {
                Detection::Possible(format!(
                    "`{}` has the name of a reversible sqlx migration",
                    file.name
                ))
            },
        ))
    }

    fn stem<'n>(&self, name: &'n str) -> Option<&'n str> {
        let stem = name.strip_suffix(".sql")?;
        Some(stem.strip_suffix(".up").unwrap_or(stem))
    }

    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError> {
        let settings = settings(directory)?;
        let names = directory.sql_names()?;
        let mut files = Vec::new();
        for name in &names {
            match SqlxFile::parse(name) {
                None => {}
                Some(Ok(file)) => files.push(file),
                Some(Err(problem)) => {
                    return Err(FormatError::File {
                        path: directory.join(name),
                        line: None,
                        problem,
                        help: Some(
                            "sqlx refuses the whole directory: rename or move the file".into(),
                        ),
                    });
                }
            }
        }
        files.sort_by_key(|file| (file.version, file.kind));
        let mut migrations = Vec::new();
        for file in files.iter().filter(|file| file.kind != SqlxFileKind::Down) {
            let up = file.script(directory)?;
            let is_its_down = |other: &&SqlxFile| {
                other.kind == SqlxFileKind::Down && other.version == file.version
            };
            let down =
                files.iter().find(is_its_down).map(|down| down.script(directory)).transpose()?;
            migrations.push(Migration {
                version: file.version.to_string(),
                description: file.description.clone(),
                in_transaction: !opts_out(&up),
                down_in_transaction: !down.as_ref().is_some_and(opts_out),
                node: None,
                checksum: Some(checksum(up.text(), &settings.ignored_chars)),
                up,
                down,
            });
        }
        if migrations.is_empty() {
            return Err(directory.no_migrations("none has a name such as `1_create_users.sql`"));
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

/// Evidence for sqlx next to the directory. Displayed after "because".
fn hint(directory: &Directory<'_>) -> Result<Option<String>, FormatError> {
    if let Some((path, _)) = directory.beside("sqlx.toml")? {
        return Ok(Some(format!("there is `{path}`")));
    }
    if let Some(path) = directory.folder_beside(".sqlx")? {
        return Ok(Some(format!("there is `{path}`")));
    }
    let is_dependency = |line: &str| {
        let line = line.trim();
        line.starts_with("sqlx") || line.contains("dependencies.sqlx") || line == "name = \"sqlx\""
    };
    for name in ["Cargo.toml", "Cargo.lock"] {
        if let Some((path, text)) = directory.beside(name)?
            && text.lines().any(is_dependency)
        {
            return Ok(Some(format!("`{path}` names the crate sqlx")));
        }
    }
    Ok(None)
}

fn opts_out(script: &Script) -> bool {
    script.text().starts_with("-- no-transaction")
}

pub(super) fn checksum(text: &str, ignored: &BTreeSet<char>) -> Vec<u8> {
    let mut digest = Sha384::new();
    for part in text.split(|character| ignored.contains(&character)) {
        digest.update(part);
    }
    digest.finalize().to_vec()
}
