//! A migration directory as input for formats.

use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::FormatError;
use crate::model::{AlembicTrack, FileOrder, Files, FilesError};

/// A migration directory, and its configuration.
#[derive(Clone, Copy)]
pub(crate) struct Directory<'a> {
    pub(crate) files: &'a dyn Files,
    /// Relative to the project's root.
    pub(crate) path: &'a Utf8Path,
    /// The ledger's table, if it is not the format's default.
    pub(crate) ledger: Option<&'a str>,
    /// The order, for formats without an order of their own.
    pub(crate) order: Option<FileOrder>,
    /// Names of files that are up migrations from their first to their last line, even if they look like down migrations.
    pub(crate) forward_only: &'a [String],
    /// The Alembic environment, if the track is one.
    pub(crate) alembic: Option<&'a AlembicTrack>,
}

impl<'a> Directory<'a> {
    /// All files in it, at any depth, relative to it, sorted by bytes.
    pub(crate) fn paths(&self) -> Result<Vec<Utf8PathBuf>, FormatError> {
        let root = self.root();
        let paths = self.files.list(self.path)?;
        Ok(paths.iter().map(|path| path.strip_prefix(root).unwrap_or(path).to_owned()).collect())
    }

    /// The names of the files directly in it, sorted by bytes.
    pub(crate) fn names(&self) -> Result<Vec<String>, FormatError> {
        let paths = self.paths()?.into_iter();
        Ok(paths
            .filter(|path| path.components().count() == 1)
            .map(Utf8PathBuf::into_string)
            .collect())
    }

    /// Those of [`Directory::names`] that end in `.sql`.
    pub(crate) fn sql_names(&self) -> Result<Vec<String>, FormatError> {
        Ok(self.names()?.into_iter().filter(|name| name.ends_with(".sql")).collect())
    }

    /// The path of one of its files, relative to the project's root.
    pub(crate) fn join(&self, name: impl AsRef<Utf8Path>) -> Utf8PathBuf {
        self.root().join(name.as_ref())
    }

    /// The text of one of its files.
    pub(crate) fn text(&self, name: impl AsRef<Utf8Path>) -> Result<Arc<str>, FormatError> {
        let path = self.join(name);
        let bytes = self.files.read(&path)?.ok_or_else(|| FilesError {
            path: path.clone(),
            reason: "it no longer exists".to_owned(),
        })?;
        utf8(&path, bytes).map(Into::into)
    }

    /// The directory and its ancestors, the nearest first: up to the project's root, and to the root of the checkout if the
    /// project is a part of it.
    fn folders(&self) -> impl Iterator<Item = Utf8PathBuf> {
        let above = (1..=self.files.folders_above()).map(|count| vec![".."; count].join("/"));
        let inside = self.root().ancestors().map(Utf8Path::to_owned);
        inside.chain(above.map(Utf8PathBuf::from))
    }

    /// The path and text of a file with this name in the directory or in the nearest ancestor. A file that is not UTF-8 counts
    /// as absent.
    pub(crate) fn beside(&self, name: &str) -> Result<Option<(Utf8PathBuf, String)>, FormatError> {
        for folder in self.folders() {
            let path = folder.join(name);
            if let Some(text) =
                self.files.read(&path)?.and_then(|text| String::from_utf8(text).ok())
            {
                return Ok(Some((path, text)));
            }
        }
        Ok(None)
    }

    /// The path of a non-empty folder with this name in the directory or in an ancestor.
    pub(crate) fn folder_beside(&self, name: &str) -> Result<Option<Utf8PathBuf>, FormatError> {
        for folder in self.folders() {
            let path = folder.join(name);
            if !self.files.list(&path)?.is_empty() {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// The error for a directory without migrations of this format; lists the files that exist.
    pub(crate) fn no_migrations(&self, expected: &str) -> FormatError {
        let found = match self.names() {
            Ok(names) if names.is_empty() => match self.paths() {
                Ok(paths) if paths.is_empty() => "it has no files".to_owned(),
                Ok(_) => "it contains only folders, and files in them are not read".to_owned(),
                Err(error) => return error,
            },
            Ok(names) => format!("it has {}, and {expected}", listed(&names)),
            Err(error) => return error,
        };
        FormatError::NoMigrations { path: self.path.to_owned(), found }
    }

    /// The error for a configured ledger that is not a valid table name.
    pub(crate) fn no_ledger(&self, name: &str, expected: &str) -> FormatError {
        FormatError::Directory {
            path: self.path.to_owned(),
            problem: format!("`{name}` is not a valid name of the ledger"),
            help: Some(format!("write it as {expected}")),
        }
    }

    /// `.` is the project's root.
    fn root(&self) -> &'a Utf8Path {
        if self.path == "." { Utf8Path::new("") } else { self.path }
    }
}

/// `a.sql, b.sql and 3 others`.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        1 => format!("{} and one other file", shown.join(", ")),
        more => format!("{} and {more} other files", shown.join(", ")),
    }
}

/// PostgreSQL would refuse such a file only when it is executed, and without a line number.
pub(super) fn utf8(path: &Utf8Path, bytes: Vec<u8>) -> Result<String, FormatError> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        FormatError::File {
            path: path.to_owned(),
            line: Some(bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1),
            problem: format!("byte {at} of the file (0x{:02x}) is not UTF-8", bytes[at]),
            help: Some("save the file as UTF-8".to_owned()),
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::formats::testing::directory;
    use crate::model::MemoryFiles;

    #[test]
    fn paths_are_relative_to_the_directory() {
        let files =
            MemoryFiles::new([("m/b.sql", ""), ("m/a/c.sql", ""), ("m/d.txt", ""), ("x", "")]);
        let directory = directory(&files, "m");
        assert_eq!(directory.paths().unwrap(), ["a/c.sql", "b.sql", "d.txt"]);
        assert_eq!(directory.names().unwrap(), ["b.sql", "d.txt"]);
        assert_eq!(directory.sql_names().unwrap(), ["b.sql"]);
        assert_eq!(directory.join("b.sql"), "m/b.sql");
    }

    #[test]
    fn the_root_can_be_the_directory() {
        let files = MemoryFiles::new([("b.sql", "x"), ("a/c.sql", "")]);
        for root in [".", ""] {
            let directory = directory(&files, root);
            assert_eq!(directory.names().unwrap(), ["b.sql"]);
            assert_eq!(&*directory.text("b.sql").unwrap(), "x");
        }
    }

    #[test]
    fn files_are_searched_in_ancestors() {
        let files =
            MemoryFiles::new([("go.mod", "root"), ("a/go.mod", "near"), ("a/b/m/1.sql", "")]);
        let directory = directory(&files, "a/b/m");
        assert_eq!(directory.beside("go.mod").unwrap(), Some(("a/go.mod".into(), "near".into())));
        assert_eq!(directory.beside("Cargo.toml").unwrap(), None);
        assert_eq!(directory.folder_beside("b").unwrap(), Some("a/b".into()));
    }

    #[test]
    fn invalid_utf8_is_reported_with_its_line() {
        let files = MemoryFiles::new([("m/1.sql", b"a\nb\xff".as_slice())]);
        let error = directory(&files, "m").text("1.sql").unwrap_err();
        assert_eq!(error.to_string(), "m/1.sql:2: byte 3 of the file (0xff) is not UTF-8");
    }

    #[test]
    fn a_directory_without_migrations_lists_its_files() {
        let names = ["m/a", "m/b", "m/c", "m/d", "nested/x/1.sql"];
        let files = MemoryFiles::new(names.map(|name| (name, "")));
        assert_eq!(
            directory(&files, "nested").no_migrations("none is x").to_string(),
            "no migrations found in nested: it contains only folders, and files in them are not read"
        );
        assert_eq!(
            directory(&files, "m").no_migrations("none is x").to_string(),
            "no migrations found in m: it has `a`, `b`, `c` and one other file, and none is x"
        );
        assert_eq!(
            directory(&files, "n").no_migrations("none is x").to_string(),
            "no migrations found in n: it has no files"
        );
    }
}
