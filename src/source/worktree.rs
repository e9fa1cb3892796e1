//! The current files on disk: the head of a run, including uncommitted changes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};

use super::SourceError;
use super::git::toplevel_of;
use super::sparse;
use crate::model::{Files, FilesError};

/// The files below a project's root. Symlinks may only point to other files of the checkout: the author of a pull request
/// controls their targets, and the report prints the contents.
#[derive(Debug, Clone)]
pub(crate) struct Worktree {
    root: Utf8PathBuf,
    /// The real path of the git checkout, or of the project if there is none.
    bounds: Utf8PathBuf,
    /// The paths that were listed and read: a sparse checkout must not have excluded any of them.
    looked_at: Arc<Mutex<BTreeSet<Utf8PathBuf>>>,
}

impl Worktree {
    /// `root` is the project's root, absolute.
    pub(crate) fn new(root: impl Into<Utf8PathBuf>) -> Self {
        let root = root.into();
        // A root that does not exist has no files either.
        let real = root.canonicalize_utf8().unwrap_or_else(|_| root.clone());
        let bounds = toplevel_of(&real).unwrap_or(&real).to_owned();
        Self { root, bounds, looked_at: Arc::default() }
    }

    /// # Errors
    /// If a sparse checkout excludes a file that was read, or a part of a folder that was listed. The root of the project does
    /// not count: it is not listed for all files below.
    pub(crate) fn check_sparse(&self) -> Result<(), SourceError> {
        let looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let paths: Vec<_> = looked_at.iter().filter(|path| *path != "").cloned().collect();
        sparse::check(&self.root, &paths)
    }

    fn note(&self, path: &Utf8Path) {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if !looked_at.contains(path) {
            looked_at.insert(path.to_owned());
        }
    }

    /// The real path of a file or folder, within bounds; `None` if there is none.
    fn real(&self, path: &Utf8Path) -> Result<Option<PathBuf>, FilesError> {
        let full = self.root.join(path);
        let real = match full.as_std_path().canonicalize() {
            Ok(real) => real,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failure(path, &error)),
        };
        // The git folder is not a part of the checkout, and may contain credentials.
        let is_inside = real
            .strip_prefix(&self.bounds)
            .is_ok_and(|inside| inside.components().all(|part| part.as_os_str() != ".git"));
        if is_inside {
            return Ok(Some(real));
        }
        let reason = format!(
            "it is a symlink to {}, but only files of {} are read; copy the file",
            real.display(),
            self.bounds
        );
        Err(FilesError { path: path.to_owned(), reason })
    }

    /// Adds the files of a directory and its subdirectories, except symlinks, which could be circular.
    fn walk(&self, directory: &Utf8Path, found: &mut Vec<Utf8PathBuf>) -> Result<(), FilesError> {
        let fail = |error: &io::Error| failure(directory, error);
        let entries = match fs::read_dir(self.root.join(directory)) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(fail(&error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| fail(&error))?;
            let name = entry.file_name().into_string().map_err(|name| FilesError {
                path: directory.to_owned(),
                reason: format!("the file name {name:?} in it is not UTF-8"),
            })?;
            // In a submodule or a linked worktree `.git` is a file; it never belongs to the project.
            if name == ".git" {
                continue;
            }
            let path = directory.join(name);
            let kind = entry.file_type().map_err(|error| failure(&path, &error))?;
            if kind.is_dir() {
                self.walk(&path, found)?;
            } else if kind.is_file() || (kind.is_symlink() && self.is_no_directory(&path)) {
                found.push(path);
            }
        }
        Ok(())
    }

    /// Also true for a dangling symlink: it is listed, so that reading it reports the problem.
    fn is_no_directory(&self, path: &Utf8Path) -> bool {
        fs::metadata(self.root.join(path)).map_or(true, |target| target.is_file())
    }
}

impl Files for Worktree {
    fn folders_above(&self) -> usize {
        let real = self.root.canonicalize_utf8().unwrap_or_else(|_| self.root.clone());
        real.strip_prefix(&self.bounds).map_or(0, |inside| inside.components().count())
    }

    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, FilesError> {
        // The paths begin with `directory` as given, without `.` and doubled slashes.
        let directory = Utf8PathBuf::from(super::snapshot::normal(directory));
        self.note(&directory);
        let mut found = Vec::new();
        if self.real(&directory)?.is_none() {
            return Ok(found);
        }
        self.walk(&directory, &mut found)?;
        found.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(found)
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, FilesError> {
        self.note(path);
        let Some(real) = self.real(path)? else {
            return match fs::read_link(self.root.join(path)) {
                Ok(target) => Err(FilesError {
                    path: path.to_owned(),
                    reason: format!(
                        "it is a symlink to {}, which does not exist",
                        target.display()
                    ),
                }),
                Err(_) => Ok(None),
            };
        };
        match fs::read(real) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::IsADirectory || is_absent(&error) => Ok(None),
            Err(error) => Err(failure(path, &error)),
        }
    }
}

/// `NotADirectory` is `a/b` where `a` is a file.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn failure(path: &Utf8Path, error: &io::Error) -> FilesError {
    FilesError { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            for (path, text) in files {
                let path = folder.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            folder
        }

        fn path(&self) -> &Utf8Path {
            self.0.path().try_into().unwrap()
        }

        fn worktree(&self) -> Worktree {
            Worktree::new(self.path())
        }
    }

    #[test]
    fn lists_files_at_any_depth_by_bytes_without_git() {
        let folder = Folder::new(&[
            ("m/10_ü.sql", ""),
            ("m/1 a'b\".sql", ""),
            ("m/sub/x.sql", ""),
            ("m/sub-x.sql", ""),
            ("m/.git/config", ""),
            ("other/y.sql", ""),
        ]);
        let listed = folder.worktree().list("./m/".into()).unwrap();
        assert_eq!(listed, ["m/1 a'b\".sql", "m/10_ü.sql", "m/sub-x.sql", "m/sub/x.sql"]);
    }

    #[test]
    fn a_missing_file_is_not_an_error() {
        let folder = Folder::new(&[("file", "text")]);
        let files = folder.worktree();
        assert_eq!(files.list("nowhere".into()).unwrap(), Vec::<Utf8PathBuf>::new());
        assert_eq!(files.list("file/below".into()).unwrap(), Vec::<Utf8PathBuf>::new());
        assert_eq!(files.read("nowhere".into()).unwrap(), None);
        assert_eq!(files.read("".into()).unwrap(), None);
        assert_eq!(files.read("file".into()).unwrap().unwrap(), b"text");
    }

    #[test]
    fn symlinks_read_as_their_targets() {
        let folder = Folder::new(&[("real/1.sql", "one"), ("m/0.sql", "")]);
        let root = folder.path();
        symlink("../real/1.sql", root.join("m/1.sql")).unwrap();
        symlink("../real", root.join("m/folder")).unwrap();
        symlink("nowhere.sql", root.join("m/2.sql")).unwrap();
        symlink("m", root.join("linked")).unwrap();

        let files = folder.worktree();
        assert_eq!(files.list("m".into()).unwrap(), ["m/0.sql", "m/1.sql", "m/2.sql"]);
        assert_eq!(files.list("linked".into()).unwrap()[1], "linked/1.sql");
        assert_eq!(files.read("linked/1.sql".into()).unwrap().unwrap(), b"one");
        let error = files.read("m/2.sql".into()).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot read m/2.sql: it is a symlink to nowhere.sql, which does not exist"
        );
    }

    #[test]
    fn symlinks_cannot_leave_the_checkout_or_enter_the_git_folder() {
        let outside = Folder::new(&[("secret.sql", "secret"), ("m/1.sql", "secret")]);
        let folder =
            Folder::new(&[(".git/config", "token"), ("lib/1.sql", "one"), ("project/m/0.sql", "")]);
        let root = folder.path().join("project");
        let link = |target: &str, path: &str| symlink(target, root.join(path)).unwrap();
        link("../../lib/1.sql", "m/1.sql");
        link(outside.path().join("secret.sql").as_str(), "m/2.sql");
        link("../../.git/config", "m/3.sql");
        link(outside.path().join("m").as_str(), "linked");

        let files = Worktree::new(root.clone());
        assert_eq!(files.read("m/1.sql".into()).unwrap().unwrap(), b"one");
        for path in ["m/2.sql", "m/3.sql", "linked/1.sql"] {
            let error = files.read(path.into()).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("cannot read {path}: it is a symlink to")),
                "{error}"
            );
        }
        assert!(files.list("linked".into()).is_err());
        assert_eq!(files.list("m".into()).unwrap().len(), 4, "reading reports the problem");

        // Without git the project is the boundary.
        fs::remove_dir_all(folder.path().join(".git")).unwrap();
        let error = Worktree::new(root).read("m/1.sql".into()).unwrap_err().to_string();
        assert!(error.contains("only files of"), "{error}");
    }
}
