//! A place in a file of the project, with the lines around it.

use camino::Utf8PathBuf;

/// A position in a file of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: Utf8PathBuf,
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1; `None` if only the statement is known, not the position in it.
    pub(crate) column: Option<usize>,
    pub(crate) excerpt: Option<Excerpt>,
}

/// Some lines around a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The number of the first line, from 1.
    pub(crate) first_line: usize,
    pub(crate) lines: Vec<String>,
    /// The number of characters cut from the start of the position's own line: column `n` of the file is column `n - shift` of
    /// it.
    pub(crate) shift: usize,
}
