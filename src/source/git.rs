//! The only file that runs git. `git_queries.rs` contains the queries.
//!
//! Git is run as a command, not linked: it supports every repository layout (worktrees, partial clones, alternates) and the
//! user's credentials. Each call goes through [`Git::ask`]: no prompts, English messages, a time limit, and the process ends
//! when the future is dropped.

use std::ffi::OsString;
use std::process::{Output, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::SourceError;
use super::project_place::ProjectPlace;

/// The variable with the command to run instead of `git`.
const BINARY_VARIABLE: &str = "MIG_CI_GIT";
/// The time limit for commands that only read the disk. Generous: the first `status` of a big repository on a cold disk takes a
/// while.
pub(super) const LOCAL_LIMIT: Duration = Duration::from_secs(120);
/// The time limit for commands that access the remote.
pub(super) const REMOTE_LIMIT: Duration = Duration::from_secs(300);
/// They name parts of another repository, or paths relative to another folder: `git rev-parse --local-env-vars` without the
/// configuration; git's hooks get some of them. The others change the meaning of paths and attributes.
const OF_ANOTHER_REPOSITORY: [&str; 17] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
];
/// Their output on stderr looks like an error, and is not one.
const TRACES: [&str; 2] = ["GIT_TRACE", "GIT_CURL_VERBOSE"];
/// Disables programs that a repository's own configuration can name, and that are not needed here.
const RUN_NOTHING: [&str; 4] = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
/// Set by most CI systems. GitHub's is listed in addition, because a job's container may have only that one.
const CI_VARIABLES: [&str; 2] = ["CI", "GITHUB_ACTIONS"];
/// Docker's and Podman's containers have these.
const CONTAINER_MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// A git checkout, and the project's folder in it.
#[derive(Debug, Clone)]
pub(super) struct Git {
    binary: OsString,
    toplevel: Utf8PathBuf,
    prefix: Utf8PathBuf,
    attributes_of: Option<String>,
    any_owner: bool,
}

impl Git {
    /// The checkout that contains `root`; `None` if there is none. Does not run git: the result must not depend on whether git
    /// is installed.
    pub(super) fn discover(root: &Utf8Path) -> Result<Option<Self>, SourceError> {
        let binary = std::env::var_os(BINARY_VARIABLE).filter(|name| !name.is_empty());
        Self::discover_with(root, binary.unwrap_or_else(|| "git".into()))
    }

    /// The same, with the command to run as git.
    pub(super) fn discover_with(
        root: &Utf8Path,
        binary: OsString,
    ) -> Result<Option<Self>, SourceError> {
        // Git compares real paths (`safe.directory`), so symlinks have to be resolved.
        let real = root.canonicalize_utf8().map_err(|error| SourceError::Discovery {
            path: root.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(toplevel_of(&real).map(|toplevel| Self {
            binary,
            toplevel: toplevel.to_owned(),
            prefix: real.strip_prefix(toplevel).unwrap_or("".into()).to_owned(),
            attributes_of: None,
            any_owner: in_ci() || in_container(),
        }))
    }

    /// The root folder of the repository.
    pub(super) fn toplevel(&self) -> &Utf8Path {
        &self.toplevel
    }

    /// The project's root, relative to [`Git::toplevel`]; empty if they are the same.
    pub(super) fn prefix(&self) -> &Utf8Path {
        &self.prefix
    }

    pub(super) fn place(&self) -> ProjectPlace<'_> {
        ProjectPlace { toplevel: &self.toplevel, prefix: &self.prefix }
    }

    /// The same, with `.gitattributes` read from a commit instead of the worktree. Git before 2.41 does not support that, and
    /// reads the worktree's.
    pub(super) fn with_attributes_of(&self, commit: &str) -> Self {
        Self { attributes_of: Some(commit.to_owned()), ..self.clone() }
    }

    /// Standard output as text, without the final newline; `None` if git exited with 1 and without a message, which means
    /// "there is none".
    pub(super) async fn line_or_one(&self, args: &[&str]) -> Result<Option<String>, SourceError> {
        let output = self.ask(args, Vec::new(), LOCAL_LIMIT).await?;
        if output.status.code() == Some(1) && output.stderr.is_empty() {
            return Ok(None);
        }
        let bytes = succeeded(args, output)?;
        Ok(Some(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned()))
    }

    /// Standard output as text, of a command that only reads the disk.
    pub(super) async fn text(&self, args: &[&str]) -> Result<String, SourceError> {
        let bytes = self.bytes(args, Vec::new(), LOCAL_LIMIT).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Standard output of a command that has to succeed.
    pub(super) async fn bytes(
        &self,
        args: &[&str],
        input: Vec<u8>,
        limit: Duration,
    ) -> Result<Vec<u8>, SourceError> {
        succeeded(args, self.ask(args, input, limit).await?)
    }

    /// Runs git, with any exit code.
    async fn ask(
        &self,
        args: &[&str],
        input: Vec<u8>,
        limit: Duration,
    ) -> Result<Output, SourceError> {
        let missing = |source| SourceError::GitMissing {
            binary: self.binary.to_string_lossy().into_owned(),
            toplevel: self.toplevel.clone(),
            source,
        };
        let mut child = self.command(args).spawn().map_err(missing)?;
        let stdin = child.stdin.take();
        let feed = async move {
            if let Some(mut stdin) = stdin {
                // Git's exit code shows a broken pipe.
                let _ = stdin.write_all(&input).await;
            }
        };
        let both = async { tokio::join!(feed, child.wait_with_output()).1 };
        match tokio::time::timeout(limit, both).await {
            Ok(output) => output.map_err(missing),
            Err(_) => {
                Err(SourceError::Timeout { command: display(args), seconds: limit.as_secs() })
            }
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .current_dir(&self.toplevel)
            .args(RUN_NOTHING)
            .args(args)
            .env("LC_ALL", "C")
            .env("GIT_TERMINAL_PROMPT", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let traces = std::env::vars_os().map(|(name, _)| name).filter(|name| {
            let name = name.to_string_lossy();
            TRACES.iter().any(|trace| name.starts_with(trace))
        });
        let removed = OF_ANOTHER_REPOSITORY.iter().map(OsString::from).chain(traces);
        for name in removed.chain(["GIT_ATTR_SOURCE".into()]) {
            command.env_remove(name);
        }
        if let Some(commit) = &self.attributes_of {
            command.env("GIT_ATTR_SOURCE", commit);
        }
        if self.any_owner {
            self.trust_the_checkout(&mut command);
        }
        command
    }

    /// In CI and in containers the checkout often belongs to another user, which git refuses by default. Elsewhere git is right
    /// to refuse: the repository's configuration can name programs that git runs as the caller.
    fn trust_the_checkout(&self, command: &mut Command) {
        // Added to the variables that the caller may have set for the same purpose.
        let count = std::env::var("GIT_CONFIG_COUNT").ok().and_then(|count| count.parse().ok());
        let count: usize = count.unwrap_or(0);
        command
            .env(format!("GIT_CONFIG_KEY_{count}"), "safe.directory")
            .env(format!("GIT_CONFIG_VALUE_{count}"), &self.toplevel)
            .env("GIT_CONFIG_COUNT", (count + 1).to_string());
    }
}

/// The root folder of the checkout that contains a folder, given its real path.
pub(super) fn toplevel_of(real: &Utf8Path) -> Option<&Utf8Path> {
    // `.git` is a file in a linked worktree and in a submodule.
    real.ancestors().find(|folder| folder.join(".git").exists())
}

fn in_ci() -> bool {
    let says_so = |value: OsString| !value.is_empty() && value != "false";
    CI_VARIABLES.iter().any(|name| std::env::var_os(name).is_some_and(says_so))
}

fn in_container() -> bool {
    CONTAINER_MARKS.iter().any(|mark| Utf8Path::new(mark).exists())
}

fn succeeded(args: &[&str], output: Output) -> Result<Vec<u8>, SourceError> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = without_credentials(String::from_utf8_lossy(&output.stderr).trim());
    Err(SourceError::Git { command: display(args), status: output.status.to_string(), stderr })
}

/// The command as typed in a shell.
pub(super) fn display(args: &[&str]) -> String {
    format!("git {}", args.join(" "))
}

/// `https://user:secret@host/` as `https://***@host/`. Git itself does this in most, but not all, of its messages.
fn without_credentials(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(|c: char| c == '/' || c == '\'' || c.is_whitespace());
        let host = &after[..end.unwrap_or(after.len())];
        rest = match host.rfind('@') {
            Some(sign) => {
                clean.push_str("***");
                &after[sign..]
            }
            None => after,
        };
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::source::testing::TestRepository;

    /// A replacement for git: a shell script.
    fn fake(repository: &TestRepository, script: &str) -> Git {
        let path = repository.path().join("fake-git");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Git::discover_with(repository.path(), path.into()).unwrap().unwrap()
    }

    #[test]
    fn finds_the_repository_and_the_projects_folder() {
        let repository = TestRepository::new();
        fs::create_dir_all(repository.path().join("a/b")).unwrap();
        let git =
            Git::discover_with(&repository.path().join("a/b"), "git".into()).unwrap().unwrap();
        assert_eq!(git.prefix(), "a/b");
        assert_eq!(repository.git_client().prefix(), "");
        let missing = Git::discover_with(&repository.path().join("nowhere"), "git".into());
        assert!(missing.unwrap_err().to_string().contains("cannot find the git repository"));
    }

    #[tokio::test]
    async fn a_checkout_without_git_is_an_error() {
        let repository = TestRepository::new();
        let git = Git::discover_with(repository.path(), "/nowhere/git".into()).unwrap().unwrap();
        let error = git.commit("HEAD").await.unwrap_err().to_string();
        assert!(error.contains("is a git checkout, but `/nowhere/git` cannot be run"), "{error}");
        assert!(error.contains("MIG_CI_GIT"), "{error}");
    }

    #[tokio::test]
    async fn a_refusal_has_gits_message() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".git"), "gitdir: /nowhere\n").unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let git = Git::discover_with(root, "git".into()).unwrap().unwrap();
        let error = git.commit("HEAD").await.unwrap_err().to_string();
        assert!(
            error.starts_with("`git rev-parse --verify --quiet HEAD^{commit}` failed"),
            "{error}"
        );
        assert!(error.contains("not a git repository: /nowhere"), "{error}");
    }

    #[tokio::test]
    async fn every_call_has_no_prompt_and_english_messages() {
        let repository = TestRepository::new();
        let git = fake(&repository, "echo \"$LC_ALL $GIT_TERMINAL_PROMPT $GIT_DIR\"");
        assert_eq!(git.text(&["anything"]).await.unwrap(), "C 0 \n");
    }

    #[tokio::test]
    async fn a_checkout_of_another_user_is_trusted_only_in_ci_and_in_containers() {
        let repository = TestRepository::new();
        repository.commit("1.sql", "one");
        // As in git's own tests.
        let script = "GIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec git \"$@\"";
        let git = Git { any_owner: true, ..fake(&repository, script) };
        assert!(git.commit("HEAD").await.unwrap().is_some());
        let git = Git { any_owner: false, ..git };
        let error = git.commit("HEAD").await.unwrap_err().to_string();
        assert!(error.contains("dubious ownership"), "{error}");
        assert!(error.contains("git config --global --add safe.directory"), "{error}");
    }

    #[tokio::test]
    async fn programs_that_the_repository_names_are_not_run() {
        let repository = TestRepository::new();
        repository.commit("1.sql", "one");
        let origin = repository.clone(&[]);
        repository.git(&["remote", "add", "origin", &origin.url()]);
        let hooks = repository.path().join("hooks");
        let ran = repository.path().join("ran");
        fs::create_dir(&hooks).unwrap();
        for name in ["fsmonitor", "reference-transaction", "post-index-change"] {
            let path = hooks.join(name);
            fs::write(&path, format!("#!/bin/sh\ntouch '{ran}'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        repository.git(&["config", "core.fsmonitor", hooks.join("fsmonitor").as_str()]);
        repository.git(&["config", "core.hooksPath", hooks.as_str()]);
        let git = repository.git_client();
        assert!(git.is_dirty().await.unwrap());
        let head = git.commit("HEAD").await.unwrap().unwrap();
        git.fetch(None, &[&head]).await.unwrap();
        assert!(!ran.exists());
        // Otherwise they would run.
        repository.git(&["status"]);
        assert!(ran.exists());
    }

    #[tokio::test]
    async fn a_git_that_hangs_is_killed() {
        let repository = TestRepository::new();
        let git = fake(&repository, "exec sleep 60");
        let error = git.bytes(&["gc"], Vec::new(), Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, SourceError::Timeout { .. }), "{error}");
    }

    #[test]
    fn messages_contain_no_credentials() {
        let text =
            "unable to access 'https://me:s3/cr@et@example.com/x.git/': 403, see https://a.b/c";
        // A slash in a password has to be written as %2F; git could not use this URL.
        assert!(without_credentials(text).contains("https://a.b/c"));
        let text = "unable to access 'https://x-access-token:s3cr@et@example.com/x.git/': 403";
        assert_eq!(
            without_credentials(text),
            "unable to access 'https://***@example.com/x.git/': 403"
        );
    }
}
