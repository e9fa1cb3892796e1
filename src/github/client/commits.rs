//! Commits, and the relation between two of them: docs.github.com, "REST API endpoints for commits" and "… for Git commits".

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{GithubClient, is_hash};
use crate::github::error::{GithubError, GithubProblem, Operation};

/// The characters of a branch's name that need no escaping in a path segment: RFC 3986, 2.3.
const PATH_SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The fields of a commit that are needed.
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

/// The relation between two commits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct CompareResponse {
    /// Of a branch, its tip.
    pub(crate) base_commit: Parent,
    pub(crate) merge_base_commit: Parent,
    /// The number of commits that the base has and the head does not have.
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
            // This answer is small, while the other one lists the changes of the commit.
            true => format!("git/commits/{revision}"),
            false => format!("commits/{}?per_page=1", segment(revision)),
        };
        found(self.0.get(Operation::ReadCommit, &self.0.route(&route)).await)
    }

    /// `None` if one of them is unknown, or if they have no common ancestor.
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

/// GitHub returns 404, or 422 "No commit found for SHA", for an absent revision. A token without read permission gets 404, too:
/// the caller's message mentions both.
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
    utf8_percent_encode(text, PATH_SEGMENT).to_string()
}
