//! The files of a project that do not belong to Alembic: a revision may read SQL files next to it, which are no migrations.

use camino::{Utf8Path, Utf8PathBuf};

use crate::model::{Files, FilesError};

/// All files, except those in some folders.
#[derive(Debug)]
pub(super) struct OtherFiles<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) without: &'a [Utf8PathBuf],
}

impl OtherFiles<'_> {
    fn has(&self, path: &Utf8Path) -> bool {
        !self.without.iter().any(|folder| path.starts_with(folder))
    }
}

impl Files for OtherFiles<'_> {
    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, FilesError> {
        let listed = self.files.list(directory)?;
        Ok(listed.into_iter().filter(|path| self.has(path)).collect())
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, FilesError> {
        if self.has(path) { self.files.read(path) } else { Ok(None) }
    }

    fn folders_above(&self) -> usize {
        self.files.folders_above()
    }
}
