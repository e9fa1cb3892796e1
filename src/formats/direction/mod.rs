//! Ensures that no part of a migration runs in the wrong direction: scripts that a format's tool would run upwards are searched
//! for signs of a down migration (and the other way round), independent of the tool that they were written for.
//!
//! There are more tools than a list can contain, and `format` may be the wrong one. Therefore directions are recognised
//! generally: in comments (`marker.rs`), and in the names of files and folders (`name.rs`). `forward-only` allows false
//! positives by name.

mod marker;
mod name;
#[cfg(test)]
mod tests;
mod words;

use camino::Utf8PathBuf;

use marker::{Marker, MarkerKind, opposite_marker};
use name::FileName;
use words::Heading;

use super::{Directory, DirectoryRules, FormatError};
use crate::model::{Migration, Script};
use crate::sql::LineIndex;

/// A sign of a direction that `forward-only` allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedDirection {
    /// `migrations/1_a.sql:12`, or only a name.
    pub(crate) place: String,
    /// Displayed after "looks like a down migration, because".
    pub(crate) reason: String,
}

/// A directory's migrations, each in one direction only.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadedDirectory {
    pub(crate) migrations: Vec<Migration>,
    pub(crate) allowed: Vec<AllowedDirection>,
}

/// Reads the migrations of a directory.
///
/// # Errors
/// As [`DirectoryRules::load`], and [`FormatError::Direction`] if something would run in the wrong direction.
pub(crate) fn load(
    format: &dyn DirectoryRules,
    directory: &Directory<'_>,
) -> Result<LoadedDirectory, FormatError> {
    if format.states_directions() {
        let migrations = format.load(directory)?;
        return Ok(LoadedDirectory { migrations, allowed: Vec::new() });
    }
    let folder = folder(directory);
    // The folder's name is checked first: the format may not be able to read its files.
    if let Some(error) = &folder
        && !is_allowed(directory, ".")
    {
        return Err(error.to_error(format));
    }
    let migrations = format.load(directory)?;
    let is_sent = |migration: &&Migration| !migration.up.text().is_empty();
    let name = |migration: &'_ Migration| migration.up.path().to_owned();
    let paths: Vec<Utf8PathBuf> = migrations.iter().filter(is_sent).map(name).collect();
    let beside: Vec<FileName<'_>> =
        paths.iter().filter_map(|path| file_name(format, path.file_name()?)).collect();
    let mut found: Vec<Suspicion> = folder.into_iter().collect();
    for migration in &migrations {
        found.extend(by_name(format, &migration.up, &beside));
        found.extend(by_text(&migration.up, Heading::Up));
        found.extend(migration.down.iter().filter_map(|down| by_text(down, Heading::Down)));
    }
    let mut allowed = Vec::new();
    for suspicion in found {
        if !is_allowed(directory, &suspicion.name) {
            return Err(suspicion.to_error(format));
        }
        allowed.push(suspicion.into_allowed());
    }
    Ok(LoadedDirectory { migrations, allowed })
}

/// Names in `forward-only` that no file of the directory has.
pub(crate) fn unknown_names(directory: &Directory<'_>) -> Result<Vec<String>, FormatError> {
    let names = directory.names()?;
    let is_unknown = |name: &&String| *name != "." && !names.contains(name);
    Ok(directory.forward_only.iter().filter(is_unknown).cloned().collect())
}

fn is_allowed(directory: &Directory<'_>, name: &str) -> bool {
    directory.forward_only.iter().any(|allowed| allowed == name)
}

/// A sign of a direction.
#[derive(Debug)]
struct Suspicion {
    path: Utf8PathBuf,
    line: Option<usize>,
    /// As named by `forward-only`.
    name: String,
    reason: String,
    kind: MarkerKind,
}

impl Suspicion {
    fn to_error(&self, format: &dyn DirectoryRules) -> FormatError {
        let tool = format.name();
        let problem = match self.kind {
            MarkerKind::OppositeDirection => format!(
                "this may be a down migration, or contain one: {}; {tool} would run it as an up migration, from its first \
                 line to its last",
                self.reason
            ),
            MarkerKind::Changeset => format!(
                "this may be a Liquibase file: {}; {tool} would run all of it, and ignore its contexts, preconditions and \
                 rollbacks",
                self.reason
            ),
        };
        FormatError::Direction {
            path: self.path.clone(),
            line: self.line,
            problem,
            help: format!(
                "set `format` to the tool of the files, and move down migrations to a folder that no tool reads; if all of \
                 it is an up migration, add next to `migrations`: forward-only = [{}]",
                toml::Value::String(self.name.clone())
            ),
        }
    }

    fn into_allowed(self) -> AllowedDirection {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        AllowedDirection { place: format!("{}{line}", self.path), reason: self.reason }
    }
}

fn file_name<'n>(format: &dyn DirectoryRules, whole: &'n str) -> Option<FileName<'n>> {
    Some(FileName { whole, stem: format.stem(whole)? })
}

fn folder(directory: &Directory<'_>) -> Option<Suspicion> {
    let word = name::down_word_of_folder(directory.path)?;
    Some(Suspicion {
        path: directory.path.to_owned(),
        line: None,
        name: ".".to_owned(),
        reason: format!("the folder's name contains `{word}`"),
        kind: MarkerKind::OppositeDirection,
    })
}

fn by_name(
    format: &dyn DirectoryRules,
    script: &Script,
    beside: &[FileName<'_>],
) -> Option<Suspicion> {
    let name = script.file_name();
    // A version with only a down file has no effect upwards.
    if script.text().is_empty() {
        return None;
    }
    let reason = name::down_reason(file_name(format, name)?, beside)?;
    Some(Suspicion {
        path: script.path().to_owned(),
        line: None,
        name: name.to_owned(),
        reason: format!("it looks like a down migration, because {reason}"),
        kind: MarkerKind::OppositeDirection,
    })
}

fn by_text(script: &Script, heading: Heading) -> Option<Suspicion> {
    let Marker { at, line, kind } = opposite_marker(script.text(), heading)?;
    let at = LineIndex::new(script.file_text()).line_column(script.range().start + at).0;
    let what = match (kind, heading) {
        (MarkerKind::Changeset, _) => "belongs to Liquibase",
        (MarkerKind::OppositeDirection, Heading::Up) => "looks like the start of a down migration",
        (MarkerKind::OppositeDirection, Heading::Down) => {
            "looks like the start of an up migration, inside a down migration"
        }
    };
    Some(Suspicion {
        path: script.path().to_owned(),
        line: Some(at),
        name: script.file_name().to_owned(),
        reason: format!("the line `{}` {what}", shorten(&line)),
        kind,
    })
}

/// Cuts a line to the length that a message allows.
fn shorten(line: &str) -> String {
    const SHOWN: usize = 60;
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
