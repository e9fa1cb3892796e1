//! A place in a file of the project, with the lines around it.

use camino::Utf8PathBuf;

/// A place in a file of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) path: Utf8PathBuf,
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1; `None` where only the statement is known, not the point in it.
    pub(crate) column: Option<usize>,
    pub(crate) excerpt: Option<Excerpt>,
}

/// Some lines around a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The number of the first of them, from 1.
    pub(crate) first_line: usize,
    pub(crate) lines: Vec<String>,
    /// By how many characters the place's own line is shorter at its beginning than in the file: column `n` of the file
    /// is column `n - shift` of it.
    pub(crate) shift: usize,
}
