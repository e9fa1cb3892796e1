//! The revisions that a run compares, base and head, and the request for them.

use super::Snapshot;
use super::change::ChangeRequest;

/// The requested base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BaseRequest {
    /// The pull request's base, or the merge base with the default branch.
    Default,
    /// Exactly this revision: `--base REV`.
    Revision(String),
    /// The base of the change that a CI job was started for.
    Change(Box<ChangeRequest>),
    /// No base: every migration is pending.
    None,
}

/// The revisions that a run compares.
#[derive(Debug, Clone)]
pub(crate) struct Revisions {
    pub(crate) base: Base,
    /// `None` outside of a git checkout, and before the first commit.
    pub(crate) head: Option<HeadRevision>,
}

/// The state that the head is compared with.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) revision: Option<Revision>,
    /// How it was found, or why there is none; a clause in lower case: `merge base of HEAD with origin/main`.
    pub(crate) reason: String,
    /// The number of its commits that HEAD does not have. Only a revision requested by name can have such commits.
    pub(crate) divergence: BaseDivergence,
    /// The requested files; present whenever `revision` is.
    pub(crate) files: Option<Snapshot>,
}

/// Commits of the base that HEAD does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BaseDivergence {
    Nothing,
    Commits(u64),
    /// The clone is shallow, so commits of HEAD may be missing.
    Unknown,
}

/// A commit, and the name by which it was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The full hash.
    pub(crate) commit: String,
    /// `origin/main`, `v1.2`, or the hash itself.
    pub(crate) name: String,
}

impl Revision {
    /// A commit without another name.
    pub(super) fn of(commit: &str) -> Self {
        Self { commit: commit.to_owned(), name: commit.to_owned() }
    }
}

/// The revision that the worktree is checked out from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeadRevision {
    /// The full hash.
    pub(crate) commit: String,
    /// The project's folder differs from the commit, not counting ignored files. Only git can determine it.
    pub(crate) dirty: Option<bool>,
}

/// A revision and how it was found.
pub(super) type FoundRevision = (Revision, String);

impl Revisions {
    pub(super) fn without(reason: &str, head: Option<HeadRevision>) -> Self {
        let divergence = BaseDivergence::Nothing;
        Self { base: Base { revision: None, reason: reason.into(), divergence, files: None }, head }
    }
}
