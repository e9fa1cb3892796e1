//! A private folder of a run. It has the name and the owner of a cluster's folder, so that the next run removes it if this one
//! is killed.

use std::fs;
use std::path::Path;

use super::clean_report::CleanupScope;
use super::error::ProviderError;
use super::provider::{ClusterFolder, clean_up_folders};
use super::run_id::RunId;

/// A private folder in the temporary folder. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct RunFolder {
    folder: ClusterFolder,
}

impl RunFolder {
    /// Creates an empty folder, and removes those of ended runs.
    pub(crate) fn create() -> Result<Self, ProviderError> {
        clean_up_folders(&CleanupScope::Stale);
        let directory = std::env::temp_dir().join(RunId::new().directory());
        let folder = Self { folder: ClusterFolder { directory } };
        folder.folder.create(None)?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder.directory
    }

    /// Writes a file, with the folders above it. `path` is relative and does not leave the folder.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ProviderError> {
        let path = self.folder.directory.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| ProviderError::file("make", parent, &e))?;
        }
        fs::write(&path, bytes).map_err(|e| ProviderError::file("write", &path, &e))
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if let Err(error) = self.folder.remove() {
            tracing::warn!(folder = %self.folder.directory.display(), %error, "cannot remove a folder");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_a_run_disappears_with_it() {
        let folder = RunFolder::create().unwrap();
        folder.write(Path::new("a/b.py"), b"x").unwrap();
        let path = folder.path().to_owned();
        assert_eq!(fs::read(path.join("a/b.py")).unwrap(), b"x");
        drop(folder);
        assert!(!path.exists());
    }
}
