//! Finds the project: the folder of its `mig-ci.toml`, or of migrations that are recognised without one.

use camino::{Utf8Path, Utf8PathBuf};

use super::discover::{FURTHER_PARENTS, NEAR_PARENTS, may_have_alembic, may_have_migrations};
use super::error::ConfigErrors;
use super::problem::ConfigProblem;

/// The name of the configuration file.
pub(crate) const FILE_NAME: &str = "mig-ci.toml";

/// A project's location on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectLocation {
    /// The absolute folder that all paths of the project are relative to.
    pub(crate) root: Utf8PathBuf,
    /// The configuration file, relative to `root`; `None` if the project has to be discovered.
    pub(crate) file: Option<Utf8PathBuf>,
}

/// Finds the project that contains `start` (an absolute folder).
///
/// `explicit` is the value of `--config`, absolute or relative to `start`. Without it, `mig-ci.toml` is searched in `start` and
/// its ancestors, up to the root of the git checkout (the folder that contains `.git`) or of the file system. If there is none,
/// the root is the nearest of these folders with a known migration folder, or else `start`.
///
/// # Errors
/// If the file of `explicit` does not exist; if a `mig-ci.toml` in these folders is not a file.
pub(crate) fn locate(
    start: &Utf8Path,
    explicit: Option<&Utf8Path>,
) -> Result<ProjectLocation, ConfigErrors> {
    if let Some(explicit) = explicit {
        let path = start.join(explicit);
        return match (path.is_file(), path.parent(), path.file_name()) {
            (true, Some(folder), Some(name)) => {
                Ok(ProjectLocation { root: absolute(folder), file: Some(name.into()) })
            }
            _ => Err(ConfigProblem::NoSuchConfiguration { path: explicit.to_owned() }.into()),
        };
    }
    let start = absolute(start);
    let (mut near, mut further) = (None, None);
    for folder in start.ancestors() {
        if has_file(folder)? {
            return Ok(ProjectLocation { root: folder.to_owned(), file: Some(FILE_NAME.into()) });
        }
        let may = |parents: &[&str]| {
            let mut parents = parents.iter().map(|parent| folder.join(parent));
            parents
                .any(|parent| may_have_migrations(&parent) || may_have_alembic(&parent))
                .then_some(folder)
        };
        near = near.or_else(|| may(&NEAR_PARENTS));
        further = further.or_else(|| may(&FURTHER_PARENTS));
        // In a linked worktree or a submodule it is a file, otherwise a folder.
        if folder.join(".git").exists() {
            break;
        }
    }
    Ok(ProjectLocation { root: near.or(further).unwrap_or(&start).to_owned(), file: None })
}

/// Whether a folder has the configuration. An unreadable one is not skipped, because another project would be verified instead.
fn has_file(folder: &Utf8Path) -> Result<bool, ConfigErrors> {
    let path = folder.join(FILE_NAME);
    if path.symlink_metadata().is_err() {
        return Ok(false);
    }
    let reason = match path.metadata() {
        Ok(there) if there.is_file() => return Ok(true),
        Ok(_) => "it is not a file".to_owned(),
        Err(error) => format!("it is a symlink that cannot be followed: {error}"),
    };
    Err(ConfigProblem::NoConfigurationFile { path, reason }.into())
}

/// Without `..` and links if the folder exists; otherwise unchanged.
fn absolute(folder: &Utf8Path) -> Utf8PathBuf {
    folder.canonicalize_utf8().unwrap_or_else(|_| folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A temporary folder with these (empty) files.
    fn folder(files: &[&str]) -> (tempfile::TempDir, Utf8PathBuf) {
        let holder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(holder.path()).unwrap().canonicalize_utf8().unwrap();
        for file in files {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        (holder, root)
    }

    #[test]
    fn the_file_is_searched_in_ancestors() {
        let (_holder, root) = folder(&["mig-ci.toml", "a/b/x"]);
        let expected = ProjectLocation { root: root.clone(), file: Some("mig-ci.toml".into()) };
        assert_eq!(locate(&root.join("a/b"), None).unwrap(), expected);
        assert_eq!(locate(&root, None).unwrap(), expected);
    }

    #[test]
    fn the_search_ends_with_the_checkout() {
        let (_holder, root) = folder(&["mig-ci.toml", "repo/.git", "repo/src/x"]);
        let location = locate(&root.join("repo/src"), None).unwrap();
        assert_eq!(location, ProjectLocation { root: root.join("repo/src"), file: None });
    }

    #[test]
    fn without_a_file_the_nearest_migrations_are_used() {
        let (_holder, root) = folder(&[".git/HEAD", "db/migrations/1.sql", "src/x"]);
        assert_eq!(locate(&root.join("src"), None).unwrap(), ProjectLocation { root, file: None });
    }

    #[test]
    fn a_configuration_that_is_not_a_file_is_an_error() {
        let (_holder, root) = folder(&["mig-ci.toml", "a/mig-ci.toml/x", "b/migrations/1.sql"]);
        std::os::unix::fs::symlink("nowhere.toml", root.join("b/mig-ci.toml")).unwrap();
        for (name, reason) in [("a", "it is not a file"), ("b", "symlink")] {
            let text = locate(&root.join(name), None).unwrap_err().to_string();
            assert!(text.contains(reason) && text.contains("mig-ci.toml exists"), "{text}");
        }
    }

    #[test]
    fn further_folders_are_used_if_no_near_one_has_migrations() {
        let (_holder, root) = folder(&["backend/migrations/1.sql", "backend/src/x", ".git/HEAD"]);
        assert_eq!(locate(&root, None).unwrap().root, root);
        assert_eq!(locate(&root.join("backend/src"), None).unwrap().root, root.join("backend"));
        let (_holder, root) = folder(&["a/server/migrations/1.py", "migrations/1.sql", ".git/x"]);
        assert_eq!(locate(&root.join("a"), None).unwrap().root, root);
    }

    #[test]
    fn an_explicit_file_makes_its_folder_the_root() {
        let (_holder, root) = folder(&["mig-ci.toml", "ci/other.toml", "src/x"]);
        let expected = ProjectLocation { root: root.join("ci"), file: Some("other.toml".into()) };
        assert_eq!(locate(&root, Some("ci/other.toml".into())).unwrap(), expected);
        let from_src = locate(&root.join("src"), Some("../ci/other.toml".into()));
        assert_eq!(from_src.unwrap(), expected);

        for missing in ["ci/none.toml", "ci", ""] {
            let errors = locate(&root, Some(missing.into())).unwrap_err();
            assert_eq!(errors.to_string(), format!("there is no configuration file {missing}"));
        }
    }
}
