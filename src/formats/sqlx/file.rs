//! The parts of a file's name in sqlx.

use crate::formats::{Directory, FormatError};
use crate::model::Script;

/// Sorted as by sqlx within a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SqlxFileKind {
    Simple,
    Up,
    Down,
}

/// The parts of a file's name.
#[derive(Debug)]
pub(super) struct SqlxFile<'n> {
    pub(super) name: &'n str,
    pub(super) version: i64,
    pub(super) kind: SqlxFileKind,
    pub(super) description: String,
}

impl<'n> SqlxFile<'n> {
    /// `None` for a file that sqlx ignores.
    pub(super) fn parse(name: &'n str) -> Option<Result<Self, String>> {
        let (version, rest) = name.split_once('_')?;
        if !rest.ends_with(".sql") {
            return None;
        }
        let Ok(version) = version.parse() else {
            return Some(Err(format!(
                "error parsing migration filename {name:?}; expected integer version prefix \
                 (e.g. `01_foo.sql`)"
            )));
        };
        let (kind, suffix) = if rest.ends_with(".up.sql") {
            (SqlxFileKind::Up, ".up.sql")
        } else if rest.ends_with(".down.sql") {
            (SqlxFileKind::Down, ".down.sql")
        } else {
            (SqlxFileKind::Simple, ".sql")
        };
        let description = rest.trim_end_matches(suffix).replace('_', " ");
        Some(Ok(Self { name, version, kind, description }))
    }

    pub(super) fn script(&self, directory: &Directory<'_>) -> Result<Script, FormatError> {
        Ok(Script::whole(directory.join(self.name), directory.text(self.name)?))
    }
}
