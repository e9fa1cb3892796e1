//! What a format knows about a directory of migrations: whether it is the tool's, how its files are read, and what the next one
//! is.

use std::fmt::Debug;
use std::time::SystemTime;

use super::format_error::FormatError;
use super::{Directory, MigrationName, NewFile};
use crate::model::Migration;

/// How a tool reads a directory of migrations and adds files to it.
pub(crate) trait DirectoryRules: Sync + Debug {
    /// The name in `format = "…"` and in reports.
    fn name(&self) -> &'static str;

    /// Whether the directory is of this format, judged by names, texts and the project's own files.
    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError>;

    /// A file's name without the ending that the format reads: `1_a` of `1_a.up.sql` if the tool has up files, else `1_a.up`.
    fn stem<'n>(&self, name: &'n str) -> Option<&'n str> {
        Some(name.rsplit_once('.').map_or(name, |(stem, _)| stem))
    }

    /// Whether the files themselves state the direction of each part, so that names and texts are not searched for signs of one.
    fn states_directions(&self) -> bool {
        false
    }

    /// Reads all migrations, in the order in which the tool applies them.
    ///
    /// # Errors
    /// [`FormatError::NoMigrations`] if there are none. The caller decides whether that is an error: a base may have no such
    /// directory yet.
    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError>;

    /// The files of the next migration as the tool itself would create them, with its numbering and initial text. `slug` is
    /// the description in their names. [`super::next_files`] checks the result.
    fn next_files(
        &self,
        directory: &Directory<'_>,
        migration_name: &MigrationName,
        now: SystemTime,
    ) -> Result<Vec<NewFile>, FormatError>;
}

/// Whether a directory is of a format. The reasons read after "because".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detection {
    No,
    /// Any tool could use it: counts only if no other format claims the directory.
    Fallback(String),
    /// The names fit, and they fit other formats too.
    Possible(String),
    /// The directory, or a file next to it, contains something that only this tool has.
    Certain(String),
}
