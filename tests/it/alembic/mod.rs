//! Alembic projects: the example of this repository, whole and with one fault at a time, verified in the project's own Python.

mod broken;
mod cannot_start;
mod evidence;
mod isolation;
mod revisions;

use std::path::PathBuf;

use camino::Utf8Path;

use crate::common::{self, Project, project};

/// The example project, in a checkout whose branch `main` contains all of it, and its Python.
struct Example {
    project: Project,
    python: PathBuf,
}

const TENANT: &str = "migrations/tenant/env.py";
const NUMBER_INVOICES: &str = "migrations/tenant/versions/d80c1303fe37_number_invoices.py";

/// `examples/alembic`, not yet committed. `None` if the environment is missing: the test is recorded as skipped.
fn example() -> Option<Example> {
    let python = common::alembic("new")?;
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/alembic");
    let project = root
        .read_dir_utf8()
        .unwrap()
        .map(Result::unwrap)
        .filter(|entry| entry.file_name() != "README.md")
        .fold(project(), |project, entry| project.copy(entry.path(), entry.file_name()));
    Some(Example { project, python })
}

impl Example {
    fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        Self { project: self.project.file(path, text), ..self }
    }

    /// Replaces a text that a file has once.
    #[track_caller]
    fn edited(self, path: &str, old: &str, new: &str) -> Self {
        let text = self.project.read(path);
        assert_eq!(text.matches(old).count(), 1, "{old:?} in {path}");
        self.file(path, text.replace(old, new))
    }

    fn git_commit(self, message: &str) -> Self {
        Self { project: self.project.git_commit(message), ..self }
    }

    fn git_branch(self, name: &str) -> Self {
        Self { project: self.project.git_branch(name), ..self }
    }

    /// `mig-ci verify` with these arguments, on the server that all tests share.
    fn verify<const N: usize>(&self, arguments: [&str; N]) -> common::Command {
        self.project.verify().args(arguments).env("VIRTUAL_ENV", self.python.to_str().unwrap())
    }

    fn mig_ci<const N: usize>(&self, arguments: [&str; N]) -> common::Command {
        self.project.mig_ci(arguments).env("VIRTUAL_ENV", self.python.to_str().unwrap())
    }
}
