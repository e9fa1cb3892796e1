//! Where files come from, as the formats see it: the same reading for the worktree (head) and for a git revision (base).

use camino::{Utf8Path, Utf8PathBuf};

/// A read-only tree of files, addressed by paths relative to the project's root, with `/` between the parts.
pub(crate) trait Files: Send + Sync {
    /// The paths of all regular files below `directory`, at any depth, sorted by their bytes.
    ///
    /// A symlink to a file counts as that file. A directory that does not exist has no files; that is not an error.
    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, FilesError>;

    /// The bytes of one file, or `None` where there is no such file.
    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, FilesError>;
}

/// A file or directory that is there but cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {path}: {reason}")]
pub(crate) struct FilesError {
    pub(crate) path: Utf8PathBuf,
    pub(crate) reason: String,
}
