//! The sources of files: the worktree (head) and a git revision (base), both as `model::Files`.
//!
//! ```text
//! base         which revision is the base, and why (in this order: --base, pull request, merge base)
//! revisions    base and head, and the request for them
//! change       the base of a pull request, or of a merge queue's group, by the job's event
//! contains     whether HEAD contains a commit, and which commits of a branch
//! remote       queries of origin, and fetches of missing commits
//! remote_repo  the same from the repository's host, without git
//! checkout     reads .git without git
//! tree         a revision's files → Snapshot, symlinks resolved        objects   access to them
//! git_queries  queries of git                                         git       starts all git processes
//! snapshot     files in memory            worktree  files on disk      sparse    files that a checkout excludes
//! ```
//!
//! Nothing here changes a branch, a tag, the index or the worktree; a fetch only adds objects.

mod base;
mod branch_line;
mod change;
mod checkout;
mod contains;
mod credentials;
mod git;
mod git_queries;
mod objects;
mod project_place;
mod remote;
mod remote_repo;
mod revisions;
mod snapshot;
mod sparse;
#[cfg(test)]
mod testing;
mod tree;
mod worktree;

use camino::Utf8PathBuf;

pub(crate) use base::read_revisions;
pub(crate) use change::ChangeRequest;
pub(crate) use contains::head_contains;
pub(crate) use credentials::kept_credentials;
pub(crate) use remote_repo::{
    CommitComparison, HostAnswer, HostCommit, ListingEntry, RemoteRepo, RepositoryHost,
    TreeListing, is_stored_as,
};
pub(crate) use revisions::{BaseDivergence, BaseRequest, Revisions};
pub(crate) use snapshot::Snapshot;
pub(crate) use worktree::Worktree;

/// Why the base could not be read. All variants are failures of the environment, except [`SourceError::UnknownRevision`],
/// [`SourceError::NoCheckout`] and [`SourceError::OutsideRepository`], which result from the caller's request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// A `.git` exists, so a base is expected; continuing without one would hide pending migrations.
    #[error(
        "{toplevel} is a git checkout, but `{binary}` cannot be run: {source}; install git, or set MIG_CI_GIT to its path"
    )]
    GitMissing { binary: String, toplevel: Utf8PathBuf, source: std::io::Error },
    /// Git failed. `stderr` is its own message, without credentials.
    #[error("`{command}` failed ({status}): {stderr}")]
    Git { command: String, status: String, stderr: String },
    #[error("`{command}` did not answer within {seconds} s and was terminated")]
    Timeout { command: String, seconds: u64 },
    #[error("`{command}` returned unexpected output: {problem}")]
    Answer { command: String, problem: String },
    /// The argument of `--base` is not a commit in this clone. `tried` is a list of attempts.
    #[error("the base revision {revision:?} was not found; tried: {}", .tried.join("; "))]
    UnknownRevision { revision: String, tried: Vec<String> },
    /// The host of the repository failed, and so did this clone.
    #[error("cannot fetch the base revision from {host}: {reason}{}", .local.as_ref().map_or_else(String::new, |local| format!("; nor from this clone: {local}")))]
    Host { host: &'static str, reason: String, local: Option<Box<SourceError>> },
    #[error("cannot read the base revision {revision:?}: {root} is not in a git checkout")]
    NoCheckout { revision: String, root: Utf8PathBuf },
    /// The clone lacks the base (it is shallow, or of one branch), and it cannot be fetched.
    #[error(
        "this clone does not contain the base ({wanted}); tried: {}; check out with full history (actions/checkout: \
         `fetch-depth: 0`), set a revision with --base, or run without a base: --no-base",
        .tried.join("; ")
    )]
    BaseMissing { wanted: String, tried: Vec<String> },
    /// HEAD names a commit that does not exist.
    #[error(
        "HEAD is at {commit}, but the repository {toplevel} does not contain that commit: it is damaged (see `git fsck`); \
         clone it again"
    )]
    Damaged { commit: String, toplevel: Utf8PathBuf },
    /// The checkout does not belong to the job's change.
    #[error(
        "the checkout is at commit {commit}, which is neither the head of {title} ({head}) nor its merge, and does not \
         contain that head: a result would not be about {title}; remove `ref` of actions/checkout, or set the revision to \
         compare with in the input `base`"
    )]
    AnotherCommit { commit: String, title: String, head: String },
    /// The head is not read completely either.
    #[error(
        "{path} is in the checked-out commit and not in the worktree: the checkout is a sparse one, and excludes it; add \
         its folder to `sparse-checkout` of actions/checkout (`git sparse-checkout add FOLDER`)"
    )]
    Sparse { path: Utf8PathBuf },
    /// No common history, although the clone is complete.
    #[error(
        "HEAD and {branch} have no commit in common, so there is no merge base; set the base with --base"
    )]
    Unrelated { branch: String },
    #[error(
        "{path} is in a submodule ({submodule}), whose files at the base revision cannot be read from this repository; run \
         mig-ci inside the submodule"
    )]
    Submodule { path: Utf8PathBuf, submodule: String },
    #[error("{path} is outside of the git repository {toplevel}, so it has no base revision")]
    OutsideRepository { path: Utf8PathBuf, toplevel: Utf8PathBuf },
    #[error("cannot find the git repository of {path}: {reason}")]
    Discovery { path: Utf8PathBuf, reason: String },
}

impl SourceError {
    /// Whether an object is missing, without another error.
    fn is_lack(&self) -> bool {
        matches!(
            self,
            Self::GitMissing { .. }
                | Self::BaseMissing { .. }
                | Self::NoCheckout { .. }
                | Self::UnknownRevision { .. }
        )
    }

    /// The host's failure, after that of the clone. The absence of git or of a clone is not a failure.
    fn after(self, first: Self) -> Self {
        match (self, first) {
            (
                Self::Host { host, reason, .. },
                first @ (Self::BaseMissing { .. } | Self::UnknownRevision { .. }),
            ) => Self::Host { host, reason, local: Some(Box::new(first)) },
            (own, _) => own,
        }
    }
}
