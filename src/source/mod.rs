//! Where files come from: the worktree (head) and a git revision (base), both behind `model::Files`.
//!
//! ```text
//! base         which revision is the base, and why (the order of the documentation: --base, pull request, merge base)
//! revisions    base and head, and the request for them
//! change       the base of a pull request, or of a merge queue's group, by what the job's event says
//! contains     what HEAD contains: a commit, and how much of a branch
//! remote       queries of origin, and fetches of what this clone lacks
//! remote_repo  the same from the host of the repository, where there is no git
//! checkout     what .git says without git
//! tree         a revision's files → Snapshot, symlinks resolved        objects   what that is read through
//! git_queries  queries of git                                         git       starts all git processes
//! snapshot     files in memory            worktree  files on disk      sparse    what a checkout leaves out
//! ```
//!
//! Nothing here changes a branch, a tag, the index or the worktree; a fetch adds objects alone.

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

/// Why the base could not be had. All of it is the environment's affair but [`SourceError::UnknownRevision`],
/// [`SourceError::NoCheckout`] and [`SourceError::OutsideRepository`], which are the caller's request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// There is a `.git`, so somebody expects a base; going on without one would hide what is pending.
    #[error(
        "{toplevel} is a git checkout, but `{binary}` cannot be run: {source}; install git, or set MIG_CI_GIT to its path"
    )]
    GitMissing { binary: String, toplevel: Utf8PathBuf, source: std::io::Error },
    /// Git said no. `stderr` is in its own words, without credentials.
    #[error("`{command}` failed ({status}): {stderr}")]
    Git { command: String, status: String, stderr: String },
    #[error("`{command}` did not answer within {seconds} s and was terminated")]
    Timeout { command: String, seconds: u64 },
    #[error("`{command}` returned unexpected output: {problem}")]
    Answer { command: String, problem: String },
    /// `--base` with something that is no commit here. `tried` reads as a list of attempts.
    #[error("the base revision {revision:?} was not found; tried: {}", .tried.join("; "))]
    UnknownRevision { revision: String, tried: Vec<String> },
    /// Whoever keeps the repository was asked, and why this clone was not enough.
    #[error("cannot fetch the base revision from {host}: {reason}{}", .local.as_ref().map_or_else(String::new, |local| format!("; nor from this clone: {local}")))]
    Host { host: &'static str, reason: String, local: Option<Box<SourceError>> },
    #[error("cannot read the base revision {revision:?}: {root} is not in a git checkout")]
    NoCheckout { revision: String, root: Utf8PathBuf },
    /// A clone that lacks the base (it is shallow, or of one branch), and no way to fetch it.
    #[error(
        "this clone does not contain the base ({wanted}); tried: {}; check out with full history (actions/checkout: \
         `fetch-depth: 0`), set a revision with --base, or run without a base: --no-base",
        .tried.join("; ")
    )]
    Lacking { wanted: String, tried: Vec<String> },
    /// HEAD stands at a commit, and the commit is not there.
    #[error(
        "HEAD is at {commit}, but the repository {toplevel} does not contain that commit: it is damaged (see `git fsck`); \
         clone it again"
    )]
    Damaged { commit: String, toplevel: Utf8PathBuf },
    /// What is checked out has nothing to do with what the job is about.
    #[error(
        "the checkout is at commit {commit}, which is neither the head of {title} ({head}) nor its merge, and does not \
         contain that head: a result would not be about {title}; remove `ref` of actions/checkout, or set the revision to \
         compare with in the input `base`"
    )]
    AnotherCommit { commit: String, title: String, head: String },
    /// The head is not read as a whole either.
    #[error(
        "{path} is in the checked-out commit and not in the worktree: the checkout is a sparse one, and excludes it; add \
         its folder to `sparse-checkout` of actions/checkout (`git sparse-checkout add FOLDER`)"
    )]
    Sparse { path: Utf8PathBuf },
    /// No history in common, although all of it is here.
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
    /// Nothing is wrong, and something is not here.
    fn is_lack(&self) -> bool {
        matches!(
            self,
            Self::GitMissing { .. }
                | Self::Lacking { .. }
                | Self::NoCheckout { .. }
                | Self::UnknownRevision { .. }
        )
    }

    /// The host's failure, after that of the clone. That there is no git, or no clone, is no failure.
    fn after(self, first: Self) -> Self {
        match (self, first) {
            (
                Self::Host { host, reason, .. },
                first @ (Self::Lacking { .. } | Self::UnknownRevision { .. }),
            ) => Self::Host { host, reason, local: Some(Box::new(first)) },
            (own, _) => own,
        }
    }
}
