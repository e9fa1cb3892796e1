//! The base of a change that a CI job's event describes: a pull request, or a group of a merge queue.
//!
//! ```text
//! HEAD is the host's merge of the change   its first parent
//! HEAD is the change's head, or contains it   the merge base with the base branch as it is now; with its tip at the
//!                                            time of the event where the branch is not known, or contains HEAD already;
//!                                            of several, the newest state of the branch's own line that HEAD contains
//! HEAD is anything else                      an error: a verdict would not apply to the change
//! ```
//!
//! The event's base commit alone is never the base: it is the tip of the base branch at the time of the event, and can have
//! commits that the change does not have.

mod by_git;
#[cfg(test)]
mod tests;

use super::SourceError;

pub(super) use by_git::{HostQueries, base_by_git};

/// The change that an event describes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChangeRequest {
    /// For messages: `pull request #7`.
    pub(crate) title: String,
    /// The last commit of the change.
    pub(crate) head: Option<String>,
    /// The commit of the event: the host's merge of the change into the base branch.
    pub(crate) merge: Option<String>,
    /// The ref of that merge below `refs/remotes/`, as fetched by CI: `pull/7/merge`.
    pub(crate) merge_ref: Option<String>,
    /// The target branch of the change. `None` if `tip` is exact and no branch matters.
    pub(crate) branch: Option<String>,
    /// The tip of that branch at the time of the event.
    pub(crate) tip: Option<String>,
    /// `owner/name`: branches of another repository are not used.
    pub(crate) repository: String,
}

/// The relation of HEAD to the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Position {
    /// The host's merge of it.
    Merge { base: String, name: String },
    /// Its last commit, or the commit of the event.
    Head,
    /// Another commit that contains it: a newer push, or a commit created by the job.
    Beyond,
}

/// Changes of the base branch since the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Moved {
    No,
    /// The number of its commits that HEAD lacks; `None` if they cannot be counted.
    By(Option<u64>),
    /// It contains HEAD.
    HasHead,
    Gone,
    Unknown(String),
}

impl ChangeRequest {
    /// The position according to the hashes. `parents` are those of HEAD; `merge_ref` is the name of the pull request's merge
    /// ref that points to HEAD.
    pub(super) fn position(
        &self,
        head: &str,
        parents: &[String],
        merge_ref: Option<&str>,
    ) -> Option<Position> {
        if self.head.as_deref() == Some(head) {
            return Some(Position::Head);
        }
        let is_events = self.merge.as_deref() == Some(head);
        let is_ref = merge_ref.is_some() && merge_ref == self.merge_ref.as_deref();
        match parents {
            [base, second]
                if (is_events || is_ref)
                    && self.head.as_ref().is_none_or(|head| head == second) =>
            {
                let name = if is_ref { merge_ref } else { None };
                let name = name.map_or_else(|| format!("{}'s", self.title), str::to_owned);
                Some(Position::Merge { base: base.clone(), name })
            }
            // The commit of an event for a change that the host has squashed and merged.
            _ if is_events => Some(Position::Head),
            _ => None,
        }
    }

    /// The error for a HEAD that does not belong to the change.
    pub(super) fn not_it(&self, head: &str) -> SourceError {
        SourceError::AnotherCommit {
            commit: head.to_owned(),
            title: self.title.clone(),
            head: self.head.clone().unwrap_or_else(|| "unknown".to_owned()),
        }
    }

    /// The error for an event that names no base.
    pub(super) fn no_base(&self, mut tried: Vec<String>) -> SourceError {
        if self.tip.is_none() {
            tried.push("the event names no base commit".to_owned());
        }
        SourceError::BaseMissing { wanted: format!("the base of {}", self.title), tried }
    }

    fn branch_name(&self) -> &str {
        self.branch.as_deref().unwrap_or("the base branch")
    }

    /// How the first parent of a merge was found.
    pub(super) fn reason_of_merge(&self, name: &str, moved: &Moved) -> String {
        format!("first parent of the merge commit HEAD ({name}){}", self.since(moved))
    }

    /// How a merge base was found: with which commit of the base branch, and the meaning of that commit.
    pub(super) fn reason_of_merge_base(
        &self,
        position: &Position,
        with: &str,
        is_events: bool,
        moved: &Moved,
    ) -> String {
        let head = match (position, &self.head) {
            (Position::Beyond, Some(head)) => {
                format!(
                    "HEAD, which contains the head {} of {} but is not the same commit,",
                    short(head),
                    self.title
                )
            }
            _ => format!("HEAD, the head of {},", self.title),
        };
        let of = match (&self.branch, is_events) {
            (Some(branch), true) => format!("{branch} at {}, as the event has it", short(with)),
            (Some(branch), false) => format!("{branch} at {}", short(with)),
            (None, _) => format!("{}, as the event has it", short(with)),
        };
        format!("merge base of {head} with {of}{}", self.since(moved))
    }

    fn since(&self, moved: &Moved) -> String {
        let branch = self.branch_name();
        match moved {
            Moved::No => String::new(),
            Moved::By(None) => format!(
                "; {branch} has newer commits that HEAD does not contain, so the merge can still fail"
            ),
            Moved::By(Some(commits)) => {
                let commits = if *commits == 1 {
                    "1 commit".to_owned()
                } else {
                    format!("{commits} commits")
                };
                format!(
                    "; {branch} has {commits} that HEAD does not contain, so the merge can still fail"
                )
            }
            Moved::HasHead => format!("; {branch} now contains HEAD"),
            Moved::Gone => format!("; {branch} no longer exists"),
            Moved::Unknown(why) => {
                format!("; it is unknown whether {branch} has newer commits: {why}")
            }
        }
    }
}

/// A hash as abbreviated by git.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..7).unwrap_or(hash)
}
