//! Where the project is: the folder of its `mig-ci.toml`, or of the migrations that can be understood without one.

use camino::{Utf8Path, Utf8PathBuf};

use super::discover::{FURTHER_PARENTS, NEAR_PARENTS, may_have_migrations};
use super::error::ConfigErrors;
use super::problem::ConfigProblem;

/// The name of the configuration file.
pub(crate) const FILE_NAME: &str = "mig-ci.toml";

/// A project's place on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProjectLocation {
    /// The absolute folder that all paths of the project are relative to.
    pub(crate) root: Utf8PathBuf,
    /// The configuration file, relative to `root`; `None` where the project has to be discovered.
    pub(crate) file: Option<Utf8PathBuf>,
}

/// Finds the project that `start` (an absolute folder) lies in.
///
/// `explicit` is what `--config` says, absolute or relative to `start`. Without it, `mig-ci.toml` is looked for in
/// `start` and then upwards, to the root of the git checkout (what holds `.git`) or of the file system. If there is
/// none, the nearest folder on the same way that holds a known migration folder is the root, or else `start`.
///
/// # Errors
/// If there is no file where `explicit` says; if a `mig-ci.toml` on the way is no file.
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
            parents.iter().any(|parent| may_have_migrations(&folder.join(parent))).then_some(folder)
        };
        near = near.or_else(|| may(&NEAR_PARENTS));
        further = further.or_else(|| may(&FURTHER_PARENTS));
        // A file in a linked worktree or a submodule, a folder elsewhere.
        if folder.join(".git").exists() {
            break;
        }
    }
    Ok(ProjectLocation { root: near.or(further).unwrap_or(&start).to_owned(), file: None })
}

/// Whether a folder has the configuration. One that is there and cannot be read is not passed over: another project would
/// be verified in its place.
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

/// Without `..` and links where the folder is there; as it was given where it is not.
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
    fn the_file_is_looked_for_upwards() {
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
    fn without_a_file_the_nearest_migrations_count() {
        let (_holder, root) = folder(&[".git/HEAD", "db/migrations/1.sql", "src/x"]);
        assert_eq!(locate(&root.join("src"), None).unwrap(), ProjectLocation { root, file: None });
    }

    #[test]
    fn a_configuration_that_is_no_file_is_not_passed_over() {
        let (_holder, root) = folder(&["mig-ci.toml", "a/mig-ci.toml/x", "b/migrations/1.sql"]);
        std::os::unix::fs::symlink("nowhere.toml", root.join("b/mig-ci.toml")).unwrap();
        for (name, reason) in [("a", "it is not a file"), ("b", "symlink")] {
            let text = locate(&root.join(name), None).unwrap_err().to_string();
            assert!(text.contains(reason) && text.contains("mig-ci.toml exists"), "{text}");
        }
    }

    #[test]
    fn further_folders_count_where_no_near_one_does() {
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
