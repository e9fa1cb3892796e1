//! Real git repositories in temporary folders, for the tests of this module.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use tempfile::TempDir;

use super::base::read_with;
use super::git::Git;
use super::revisions::{BaseRequest, Revisions};
use super::{
    CommitComparison, HostAnswer, HostCommit, ListingEntry, RepositoryHost, Snapshot, SourceError,
    TreeListing,
};
use crate::model::Files as _;

/// A repository that is deleted after the test.
pub(super) struct TestRepository {
    folder: TempDir,
}

impl TestRepository {
    /// Empty, with the branch `main`.
    pub(super) fn new() -> Self {
        let repository = Self { folder: tempfile::tempdir().unwrap() };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// A clone with the same protocol as over the network.
    pub(super) fn clone(&self, options: &[&str]) -> Self {
        let clone = Self { folder: tempfile::tempdir().unwrap() };
        let mut args = vec!["clone", "--quiet"];
        args.extend(options);
        let url = self.url();
        args.extend([url.as_str(), "."]);
        clone.git(&args);
        clone
    }

    /// A clone as by `actions/checkout` for a pull request: one ref, of this depth, on no branch.
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

    /// Commits a file, and returns the commit's hash.
    pub(super) fn commit(&self, path: &str, text: &str) -> String {
        self.write(path, text);
        self.commit_all(path)
    }

    /// The same with a commit date, in seconds: git sorts merge bases by it.
    pub(super) fn commit_at(&self, path: &str, text: &str, seconds: u32) -> String {
        self.write(path, text);
        self.git(&["add", "--all"]);
        let date = format!("@{seconds} +0000");
        let dated = [("GIT_COMMITTER_DATE", date.as_str())];
        git_with(self.folder.path(), &["commit", "--quiet", "-m", path], &dated);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(super) fn commit_all(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        git_in(self.folder.path(), args)
    }

    pub(super) fn git_client(&self) -> Git {
        Git::discover_with(self.path(), "git".into()).unwrap().unwrap()
    }

    /// Base and head of the project at the root, with the files below `m`.
    pub(super) async fn revisions(&self, request: &BaseRequest) -> Result<Revisions, SourceError> {
        read_with(&self.git_client(), request, &["m".into()]).await
    }
}

/// Independent of the configuration of the user and the machine.
pub(super) fn git_in(folder: &Path, args: &[&str]) -> String {
    git_with(folder, args, &[])
}

fn git_with(folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> String {
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
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// All files of a snapshot, as paths and texts.
pub(super) fn contents(snapshot: &Snapshot) -> Vec<(Utf8PathBuf, String)> {
    let paths = snapshot.list("".into()).unwrap();
    let text = |path: &Utf8PathBuf| match snapshot.read(path) {
        Ok(bytes) => String::from_utf8(bytes.unwrap()).unwrap(),
        Err(error) => format!("ERROR {}", error.reason),
    };
    paths.iter().map(|path| (path.clone(), text(path))).collect()
}

/// A host that answers from a real git repository that others have cloned.
#[derive(Debug)]
pub(super) struct GitHost {
    pub(super) folder: Utf8PathBuf,
    /// The listing of a whole commit is truncated.
    pub(super) is_big: bool,
    /// All contents have this suffix.
    pub(super) noise: &'static str,
    pub(super) asked: Mutex<Vec<String>>,
}

impl GitHost {
    pub(super) fn of(origin: &TestRepository) -> Self {
        let folder = origin.path().to_owned();
        Self { folder, is_big: false, noise: "", asked: Mutex::default() }
    }

    fn note(&self, what: impl Into<String>) {
        self.asked.lock().unwrap().push(what.into());
    }

    fn git(&self, args: &[&str]) -> String {
        git_in(self.folder.as_std_path(), args)
    }

    fn is_known(&self, revision: &str) -> bool {
        let all = self.git(&["rev-list", "--all"]);
        let refs = self.git(&["for-each-ref", "--format=%(refname:short)"]);
        all.lines().chain(refs.lines()).any(|known| known == revision)
    }
}

impl RepositoryHost for GitHost {
    fn name(&self) -> &'static str {
        "GitHub"
    }

    fn advice(&self) -> &'static str {
        "the job needs `contents: read`"
    }

    fn commit<'a>(&'a self, revision: &'a str) -> BoxFuture<'a, HostAnswer<Option<HostCommit>>> {
        self.note(format!("commit {revision}"));
        let found = self.is_known(revision).then(|| {
            let text = self.git(&["rev-parse", &format!("{revision}^{{commit}}")]);
            let parents = self.git(&["show", "--no-patch", "--format=%P", &text]);
            let parents = parents.split_whitespace().map(str::to_owned).collect();
            HostCommit { hash: text, parents }
        });
        async { Ok(found) }.boxed()
    }

    fn compare<'a>(
        &'a self,
        base: &'a str,
        head: &'a str,
    ) -> BoxFuture<'a, HostAnswer<Option<CommitComparison>>> {
        self.note(format!("compare {base}...{head}"));
        let known = self.is_known(base) && self.is_known(head);
        let found = known.then(|| CommitComparison {
            base: self.git(&["rev-parse", &format!("{base}^{{commit}}")]),
            merge_base: self.git(&["merge-base", base, head]),
            behind: self.git(&["rev-list", "--count", &format!("{head}..{base}")]).parse().unwrap(),
        });
        async { Ok(found) }.boxed()
    }

    fn default_branch(&self) -> BoxFuture<'_, HostAnswer<String>> {
        async { Ok("main".to_owned()) }.boxed()
    }

    fn tree<'a>(
        &'a self,
        hash: &'a str,
        recursive: bool,
    ) -> BoxFuture<'a, HostAnswer<TreeListing>> {
        self.note(format!("tree {}", if recursive { "-r" } else { "" }));
        let flags: &[&str] = if recursive { &["-r", "-t"] } else { &[] };
        let text = self.git(&[&["ls-tree", "-z", "--full-tree"], flags, &[hash]].concat());
        let entries = text.split('\0').filter(|line| !line.is_empty()).map(|line| {
            let (header, path) = line.split_once('\t').unwrap();
            let words: Vec<&str> = header.split(' ').collect();
            let [mode, _, hash] = words[..] else { panic!("{line}") };
            ListingEntry { path: path.into(), mode: mode.into(), hash: hash.into() }
        });
        let mut entries: Vec<_> = entries.collect();
        let kind = self.git(&["cat-file", "-t", hash]);
        let truncated = self.is_big && recursive && kind == "commit";
        if truncated {
            entries.truncate(1);
        }
        async move { Ok(TreeListing { entries, truncated }) }.boxed()
    }

    fn blob<'a>(&'a self, hash: &'a str) -> BoxFuture<'a, HostAnswer<Vec<u8>>> {
        self.note("blob");
        // Not as text: the end must not be trimmed.
        let output = std::process::Command::new("git")
            .current_dir(&self.folder)
            .args(["cat-file", "blob", hash])
            .output()
            .unwrap();
        let bytes = [output.stdout.as_slice(), self.noise.as_bytes()].concat();
        async { Ok(bytes) }.boxed()
    }
}
