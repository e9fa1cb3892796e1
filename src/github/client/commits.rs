//! Commits, and how they lie to each other: docs.github.com, "REST API endpoints for commits" and "… for Git commits".

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{GithubClient, is_hash};
use crate::github::error::{GithubError, GithubProblem, Operation};

/// What of a branch's name stands for itself in one segment of a path: RFC 3986, 2.3.
const IN_A_SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What of a commit is needed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct CommitResponse {
    pub(crate) sha: String,
    #[serde(default)]
    pub(crate) parents: Vec<Parent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Parent {
    pub(crate) sha: String,
}

/// How two commits lie to each other.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct CompareResponse {
    /// Of a branch, its tip.
    pub(crate) base_commit: Parent,
    pub(crate) merge_base_commit: Parent,
    /// How many commits the base has and the head has not.
    pub(crate) behind_by: u64,
}

#[derive(Deserialize)]
struct CommitRepository {
    default_branch: String,
}

/// Requests on commits and branches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RepositoryCommits<'a>(pub(super) &'a GithubClient);

impl RepositoryCommits<'_> {
    /// The commit of a full hash, a branch or a tag; `None` if there is none.
    pub(crate) async fn find(self, revision: &str) -> Result<Option<CommitResponse>, GithubError> {
        let route = match is_hash(revision) {
            // Its answer is small, where the other one lists what the commit has changed.
            true => format!("git/commits/{revision}"),
            false => format!("commits/{}?per_page=1", segment(revision)),
        };
        found(self.0.get(Operation::ReadCommit, &self.0.route(&route)).await)
    }

    /// `None` if one of them is not known, or if they have no commit in common.
    pub(crate) async fn compare(
        self,
        base: &str,
        head: &str,
    ) -> Result<Option<CompareResponse>, GithubError> {
        let (base, head) = (segment(base), segment(head));
        let route = self.0.route(&format!("compare/{base}...{head}?per_page=1"));
        found(self.0.get(Operation::ReadCommit, &route).await)
    }

    pub(crate) async fn default_branch(self) -> Result<String, GithubError> {
        let route = format!("/repos/{}", self.0.repository);
        let repository: CommitRepository = self.0.get(Operation::ReadRepository, &route).await?;
        Ok(repository.default_branch)
    }
}

/// GitHub says 404, and 422 "No commit found for SHA", of what is not there. A token that may not read gets 404, too: the
/// caller's words say both.
fn found<T>(answer: Result<T, GithubError>) -> Result<Option<T>, GithubError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(GithubError {
            problem: GithubProblem::NotFound | GithubProblem::Invalid { .. },
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn segment(text: &str) -> String {
    utf8_percent_encode(text, IN_A_SEGMENT).to_string()
}
