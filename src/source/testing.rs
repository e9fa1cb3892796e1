//! Real git repositories in temporary folders, for the tests of this room.

use std::fs;
use std::path::Path;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use super::base::{BaseRequest, Revisions, read_with};
use super::git::Git;
use super::{Snapshot, SourceError};
use crate::model::Files as _;

/// A repository that is gone after the test.
pub(super) struct Repository {
    folder: TempDir,
}

impl Repository {
    /// Empty, with the branch `main`.
    pub(super) fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// A clone through the same protocol as over the network.
    pub(super) fn clone(&self, options: &[&str]) -> Self {
        let clone = Self { folder: tempfile::tempdir().unwrap() };
        let mut args = vec!["clone", "--quiet"];
        args.extend(options);
        let url = self.url();
        args.extend([url.as_str(), "."]);
        clone.git(&args);
        clone
    }

    /// What `actions/checkout` does for a pull request: one ref, so deep, on no branch.
    pub(super) fn checkout_action(&self, reference: &str, depth: u32) -> Self {
        let clone = Self::new();
        clone.git(&["remote", "add", "origin", &self.url()]);
        let name = reference.replacen("refs/", "refs/remotes/", 1);
        let depth = format!("--depth={depth}");
        clone.git(&[
            "fetch",
            "--quiet",
            "--no-tags",
            &depth,
            "origin",
            &format!("+{reference}:{name}"),
        ]);
        clone.git(&["checkout", "--quiet", "--force", &name]);
        clone
    }

    pub(super) fn url(&self) -> String {
        format!("file://{}", self.path())
    }

    pub(super) fn path(&self) -> &Utf8Path {
        self.folder.path().try_into().unwrap()
    }

    pub(super) fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Commits a file, and gives the commit's hash.
    pub(super) fn commit(&self, path: &str, text: &str) -> String {
        self.write(path, text);
        self.commit_all(path)
    }

    pub(super) fn commit_all(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        git_in(self.folder.path(), args)
    }

    pub(super) fn asker(&self) -> Git {
        Git::discover_with(self.path(), "git".into()).unwrap().unwrap()
    }

    /// Base and head of the project at the top, with the files below `m`.
    pub(super) async fn revisions(&self, request: &BaseRequest) -> Result<Revisions, SourceError> {
        read_with(&self.asker(), request, &["m".into()]).await
    }
}

/// Free of the user's and the machine's configuration.
pub(super) fn git_in(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(args)
        .envs([
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.com"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.com"),
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// All of a snapshot, as paths and texts.
pub(super) fn contents(snapshot: &Snapshot) -> Vec<(Utf8PathBuf, String)> {
    let paths = snapshot.list("".into()).unwrap();
    let text = |path: &Utf8PathBuf| match snapshot.read(path) {
        Ok(bytes) => String::from_utf8(bytes.unwrap()).unwrap(),
        Err(error) => format!("ERROR {}", error.reason),
    };
    paths.iter().map(|path| (path.clone(), text(path))).collect()
}
