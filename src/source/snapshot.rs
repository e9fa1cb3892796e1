//! Files in memory: the contents of a git revision.

use std::collections::BTreeMap;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::model::{Files, FilesError};

/// An immutable tree of files. Keys are paths as text, because paths do not sort by bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    files: BTreeMap<String, FileContent>,
    /// All files of the project at the revision with their hashes, including those that were not requested.
    names: Option<Result<BTreeMap<String, String>, String>>,
}

/// An existing file may still be unreadable: a dangling symlink.
#[derive(Debug, Clone)]
enum FileContent {
    Bytes(Vec<u8>),
    Unreadable(String),
}

impl Snapshot {
    pub(crate) fn insert(&mut self, path: impl AsRef<Utf8Path>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(normal(path.as_ref()), FileContent::Bytes(bytes.into()));
    }

    /// Lists the file, and returns an error when it is read.
    pub(crate) fn insert_unreadable(
        &mut self,
        path: impl AsRef<Utf8Path>,
        reason: impl Into<String>,
    ) {
        self.files.insert(normal(path.as_ref()), FileContent::Unreadable(reason.into()));
    }

    /// The names and hashes of all files of the project at this revision, or why they are unknown.
    pub(crate) fn names(&self) -> Result<&BTreeMap<String, String>, String> {
        match &self.names {
            Some(Ok(names)) => Ok(names),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("its files were not listed".to_owned()),
        }
    }

    pub(super) fn with_names(self, names: Result<BTreeMap<String, String>, String>) -> Self {
        Self { names: Some(names), ..self }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

impl<P: AsRef<Utf8Path>, B: Into<Vec<u8>>> FromIterator<(P, B)> for Snapshot {
    fn from_iter<I: IntoIterator<Item = (P, B)>>(files: I) -> Self {
        let mut snapshot = Self::default();
        for (path, bytes) in files {
            snapshot.insert(path, bytes);
        }
        snapshot
    }
}

impl Files for Snapshot {
    /// Only requested files were read, which may be above the project's root.
    fn folders_above(&self) -> usize {
        let above = |path: &String| path.split('/').take_while(|part| *part == "..").count();
        self.files.keys().map(above).max().unwrap_or(0)
    }

    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, FilesError> {
        let directory = normal(directory);
        let prefix = if directory.is_empty() { directory } else { format!("{directory}/") };
        Ok(self
            .files
            .range(prefix.clone()..)
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&prefix))
            .map(Utf8PathBuf::from)
            .collect())
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, FilesError> {
        match self.files.get(&normal(path)) {
            None => Ok(None),
            Some(FileContent::Bytes(bytes)) => Ok(Some(bytes.clone())),
            Some(FileContent::Unreadable(reason)) => {
                Err(FilesError { path: path.to_owned(), reason: reason.clone() })
            }
        }
    }
}

/// `./a//b/` as `a/b`; the project's root as the empty text.
pub(super) fn normal(path: &Utf8Path) -> String {
    let parts: Vec<&str> = path
        .components()
        .filter(|part| *part != Utf8Component::CurDir)
        .map(|part| part.as_str())
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        ["m/2.sql", "m/1.sql", "m/sub/3.sql", "m-old/1.sql", "top.sql"]
            .into_iter()
            .map(|path| (path, path))
            .collect()
    }

    #[test]
    fn lists_only_files_below_the_directory() {
        assert_eq!(snapshot().list("m".into()).unwrap(), ["m/1.sql", "m/2.sql", "m/sub/3.sql"]);
        assert_eq!(snapshot().list("./m/".into()).unwrap().len(), 3);
        assert_eq!(snapshot().list("nowhere".into()).unwrap(), Vec::<Utf8PathBuf>::new());
    }

    #[test]
    fn lists_everything_by_bytes_from_the_root() {
        // Sorted by components `m/…` would precede `m-old/…`.
        let all = ["m-old/1.sql", "m/1.sql", "m/2.sql", "m/sub/3.sql", "top.sql"];
        assert_eq!(snapshot().list("".into()).unwrap(), all);
        assert_eq!(snapshot().list(".".into()).unwrap(), all);
    }

    #[test]
    fn reads_only_files() {
        let mut files = snapshot();
        files.insert_unreadable("m/link.sql", "a symlink to nowhere");
        assert_eq!(files.read("m/1.sql".into()).unwrap().unwrap(), b"m/1.sql");
        assert_eq!(files.read("m".into()).unwrap(), None);
        let error = files.read("m/link.sql".into()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read m/link.sql: a symlink to nowhere");
    }
}
