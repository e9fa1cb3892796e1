//! What the next migration is called, which files it has, and why there is none.

use camino::Utf8PathBuf;

use crate::formats::format_error::FormatError;

/// A file to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewFile {
    /// Relative to the project's root.
    pub(crate) path: Utf8PathBuf,
    pub(crate) text: String,
}

/// Why there is no next migration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NextError {
    #[error("the message {message} cannot be part of a file name: {problem}")]
    Message { message: String, problem: String, help: &'static str },
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// A message as a part of a file's name: `_` for each space, as in sqlx, and no character that a shell, a file system or a tool
/// could interpret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MigrationName(String);

impl MigrationName {
    pub(crate) fn new(message: &str) -> Result<Self, NextError> {
        let text = message.trim_matches(' ');
        let is_fit = |c: char| c.is_alphanumeric() || " _-".contains(c);
        let (problem, help) = if text.is_empty() {
            ("it is empty".to_owned(), "describe the migration, as in -m \"add table\"")
        } else if let Some(invalid) = text.chars().find(|c| !is_fit(*c)) {
            (format!("it contains {invalid:?}"), "use letters, digits, spaces, `_` and `-`")
        } else {
            return Ok(Self(text.replace(' ', "_")));
        };
        Err(NextError::Message { message: shown(message), problem, help })
    }

    pub(in crate::formats) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Cuts a message to the length that an error message allows.
pub(super) fn shown(message: &str) -> String {
    const SHOWN: usize = 40;
    let begin: String = message.chars().take(SHOWN).collect();
    let more = if begin.len() < message.len() { "…" } else { "" };
    format!("{begin:?}{more}")
}
