//! Access to files, independent of their source: the worktree (head) or a git revision (base).

use camino::{Utf8Path, Utf8PathBuf};

/// A read-only tree of files, addressed by paths relative to the project's root, with `/` between the parts.
pub(crate) trait Files: std::fmt::Debug + Send + Sync {
    /// The paths of all regular files below `directory`, at any depth, sorted by their bytes.
    ///
    /// A symlink to a file counts as that file. A directory that does not exist has no files; that is not an error.
    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, FilesError>;

    /// The bytes of one file, or `None` if it does not exist.
    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, FilesError>;

    /// The number of folders above the project's root that can be read, as `..`: up to the root of its git checkout.
    fn folders_above(&self) -> usize {
        0
    }
}

/// An existing file or directory that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}: {reason}")]
pub(crate) struct FilesError {
    pub(crate) path: Utf8PathBuf,
    pub(crate) reason: String,
}

/// A tree of files in memory, for tests of everything that reads through [`Files`].
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryFiles(std::collections::BTreeMap<Utf8PathBuf, Vec<u8>>);

#[cfg(test)]
impl MemoryFiles {
    pub(crate) fn new<P, T>(files: impl IntoIterator<Item = (P, T)>) -> Self
    where
        P: Into<Utf8PathBuf>,
        T: Into<Vec<u8>>,
    {
        Self(files.into_iter().map(|(path, text)| (path.into(), text.into())).collect())
    }
}

#[cfg(test)]
impl Files for MemoryFiles {
    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, FilesError> {
        let root = if directory == "." { Utf8Path::new("") } else { directory };
        let below = |path: &&Utf8PathBuf| path.starts_with(root) && path.as_path() != root;
        let mut paths: Vec<_> = self.0.keys().filter(below).cloned().collect();
        paths.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(paths)
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, FilesError> {
        Ok(self.0.get(path).cloned())
    }
}
