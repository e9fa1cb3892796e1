//! Projects in temporary folders.

use std::fs;
use std::path::Path;
use std::process::Command as Process;

use camino::Utf8Path;
use tempfile::TempDir;

use super::run::Command;
use super::{postgres, redact, scrub};

/// A folder with a project, removed after the test.
#[derive(Debug)]
pub(crate) struct Project {
    folder: TempDir,
}

/// An empty project.
pub(crate) fn project() -> Project {
    let folder = tempfile::Builder::new().prefix("mig-ci-test-").tempdir().unwrap();
    Project { folder }
}

/// A copy of the demo project of this repository.
pub(crate) fn demo() -> Project {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    ["migrations", "samples", "prepare"]
        .into_iter()
        .fold(project(), |project, folder| project.copy(&root.join(folder), folder))
        .copy(&root.join("mig-ci.toml"), "mig-ci.toml")
}

impl Project {
    /// Writes a file, and creates its parent folders.
    pub(crate) fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Removes a file.
    pub(crate) fn without(self, path: &str) -> Self {
        fs::remove_file(self.path().join(path)).unwrap();
        self
    }

    /// Copies a file, or a folder with its content.
    pub(crate) fn copy(self, from: &Utf8Path, to: &str) -> Self {
        copy_all(from.as_std_path(), self.path().join(to).as_std_path());
        self
    }

    /// Commits everything. The first commit creates the repository, with the branch `main`.
    pub(crate) fn git_commit(self, message: &str) -> Self {
        if !self.path().join(".git").exists() {
            self.git(&["init", "--quiet", "--initial-branch=main"]);
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self
    }

    /// Creates a branch; later commits are those of a pull request.
    pub(crate) fn git_branch(self, name: &str) -> Self {
        self.git(&["checkout", "--quiet", "-b", name]);
        self
    }

    /// Runs git in the project's folder, without the user's configuration.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let mut git = Process::new("git");
        git.current_dir(self.path()).args(args).envs([
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.com"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.com"),
        ]);
        scrub(&mut git);
        let output = git.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        self.folder.path().try_into().unwrap()
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    /// The binary, in the project's folder.
    pub(crate) fn mig_ci<const N: usize>(&self, args: [&str; N]) -> Command {
        Command::new(self.path(), args)
    }

    /// `mig-ci verify` on the server that all tests share, through its socket: no password needs to be hashed, which takes
    /// most of the time of a short unoptimized run.
    pub(crate) fn verify(&self) -> Command {
        let url = postgres().url("postgres");
        self.mig_ci(["verify", "--provider=url"]).env("MIG_CI_POSTGRES_URL", url)
    }

    /// Replaces values in snapshots that differ between runs and machines.
    pub(crate) fn redactions(&self) -> insta::Settings {
        redact::settings(self.path())
    }
}

fn copy_all(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy_all(&entry.path(), &to.join(entry.file_name()));
    }
}
