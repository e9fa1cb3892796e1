//! Why a directory cannot be used.

use camino::Utf8PathBuf;

use crate::model::FilesError;

/// A directory that the tool itself could not use, or that mig-ci does not support.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormatError {
    #[error(transparent)]
    Files(#[from] FilesError),
    /// One file is wrong.
    #[error("{path}{}: {problem}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
    File { path: Utf8PathBuf, line: Option<usize>, problem: String, help: Option<String> },
    /// The directory as a whole is wrong.
    #[error("{path}: {problem}")]
    Directory { path: Utf8PathBuf, problem: String, help: Option<String> },
    /// A part of it seems to run in the wrong direction.
    #[error("{path}{}: {problem}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
    Direction { path: Utf8PathBuf, line: Option<usize>, problem: String, help: String },
    /// A module variable of a program is computed, so that only running the program shows its value.
    #[error(
        "{path}:{line}: the value of `{variable}` is computed, and revisions are read without running them"
    )]
    Computed { path: Utf8PathBuf, line: usize, variable: &'static str },
    /// It contains no migrations.
    #[error("no migrations found in {path}: {found}")]
    NoMigrations { path: Utf8PathBuf, found: String },
}

impl FormatError {
    /// How to fix it, if the message does not say so.
    pub(crate) fn help(&self) -> Option<&str> {
        match self {
            Self::Files(_) | Self::NoMigrations { .. } => None,
            Self::Computed { .. } => Some("write it as a text, a tuple of texts, or None"),
            Self::Direction { help, .. } => Some(help),
            Self::File { help, .. } | Self::Directory { help, .. } => help.as_deref(),
        }
    }
}
