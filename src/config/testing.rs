//! A project in memory, for the tests of this module.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::{ConfigErrors, LoadOptions, Overrides, ProjectLocation, load};
use crate::model::{Files, FilesError, Project};

/// Files by path. The sorted map provides the order that [`Files::list`] requires.
#[derive(Debug, Default)]
pub(crate) struct ConfigFiles(BTreeMap<Utf8PathBuf, Vec<u8>>);

impl ConfigFiles {
    /// Files without content.
    pub(crate) fn of(paths: &[&str]) -> Self {
        paths.iter().fold(Self::default(), |files, path| files.with(path, ""))
    }

    /// A project of `tests/fixtures/alembic`.
    pub(crate) fn fixture(name: &str) -> Self {
        let root =
            Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/alembic").join(name);
        let mut files = Self::default();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir_utf8().unwrap() {
                let path = entry.unwrap().into_path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let relative = path.strip_prefix(&root).unwrap().to_owned();
                    files.0.insert(relative, std::fs::read(&path).unwrap());
                }
            }
        }
        assert!(!files.0.is_empty(), "{root}");
        files
    }

    pub(crate) fn with(mut self, path: &str, text: &str) -> Self {
        self.0.insert(path.into(), text.as_bytes().to_vec());
        self
    }

    pub(crate) fn with_bytes(mut self, path: &str, bytes: &[u8]) -> Self {
        self.0.insert(path.into(), bytes.to_vec());
        self
    }
}

impl Files for ConfigFiles {
    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, FilesError> {
        let below = |path: &&Utf8PathBuf| path.starts_with(directory) && *path != directory;
        Ok(self.0.keys().filter(below).cloned().collect())
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, FilesError> {
        Ok(self.0.get(path).cloned())
    }
}

/// The check codes that exist in tests.
pub(crate) const CODES: [&str; 3] = ["locks", "ledger-missing", "migration-failed"];

/// The variables that are set in tests.
pub(crate) fn environment(name: &str) -> Option<String> {
    match name {
        "REGION" => Some("eu".to_owned()),
        "SERVER" => Some("postgres://user:hunter2@db.example/x".to_owned()),
        _ => None,
    }
}

/// Loads a project without a `mig-ci.toml`.
pub(crate) fn discover(files: &ConfigFiles) -> Result<Project, ConfigErrors> {
    run(files, None, Overrides::default())
}

/// Loads `text` as the `mig-ci.toml` next to `files`.
pub(crate) fn load_with(
    text: &str,
    files: ConfigFiles,
    overrides: Overrides,
) -> Result<Project, ConfigErrors> {
    run(&files.with("mig-ci.toml", text), Some("mig-ci.toml"), overrides)
}

/// Loads the configuration at `path` of `files`, if it exists.
pub(crate) fn load_at(path: &str, files: &ConfigFiles) -> Result<Project, ConfigErrors> {
    run(files, Some(path), Overrides::default())
}

/// A project's usual folders.
pub(crate) fn usual_files() -> ConfigFiles {
    ConfigFiles::of(&[
        "migrations/shared/1_plans.sql",
        "migrations/tenant/1_users.sql",
        "migrations/users/1_users.sql",
        "samples/app/acme.sql",
        "samples/app/globex.sql.gz",
        "sql/roles.sql",
    ])
}

/// Loads `text` with the usual folders.
pub(crate) fn loaded(text: &str) -> Project {
    load_with(text, usual_files(), Overrides::default())
        .unwrap_or_else(|errors| panic!("{}", errors.render(false)))
}

/// The error message for `text` with the usual folders.
pub(crate) fn refused(text: &str) -> String {
    refused_beside(text, usual_files())
}

pub(crate) fn refused_beside(text: &str, files: ConfigFiles) -> String {
    let errors = load_with(text, files, Overrides::default()).expect_err("this is refused");
    assert!(!errors.errors().is_empty());
    errors.render(false)
}

fn run(
    files: &ConfigFiles,
    file: Option<&str>,
    overrides: Overrides,
) -> Result<Project, ConfigErrors> {
    let location = ProjectLocation { root: "/project".into(), file: file.map(Utf8PathBuf::from) };
    load(&LoadOptions {
        location: &location,
        files,
        environment: &environment,
        check_codes: &CODES,
        overrides,
    })
}
