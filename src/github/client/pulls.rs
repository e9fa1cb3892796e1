//! Pull requests: docs.github.com, "REST API endpoints for pull requests" and "… for commits".

use serde::Deserialize;

use super::{GithubClient, is_hash};
use crate::github::error::{GithubError, GithubProblem, Operation};

/// The fields of a pull request that are needed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct PullResponse {
    pub(crate) number: u64,
    /// `open` or `closed`.
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) html_url: String,
    /// GitHub's test merge, which `pull_request` events check out; `null` while it is being created.
    #[serde(default)]
    pub(crate) merge_commit_sha: Option<String>,
    pub(crate) head: PullBranch,
    pub(crate) base: PullBranch,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct PullBranch {
    pub(crate) sha: String,
    #[serde(default, rename = "ref")]
    pub(crate) name: String,
    /// `null` once it has been deleted.
    #[serde(default)]
    pub(crate) repo: Option<PullRepository>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct PullRepository {
    #[serde(default)]
    pub(crate) full_name: String,
}

impl PullResponse {
    pub(crate) fn is_open(&self) -> bool {
        self.state == "open"
    }

    /// Whether it targets this repository, `owner/name`.
    pub(crate) fn goes_into(&self, repository: &str) -> bool {
        let base = self.base.repo.as_ref();
        base.is_some_and(|base| base.full_name.eq_ignore_ascii_case(repository))
    }
}

/// Requests on pull requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulls<'a>(pub(super) &'a GithubClient);

impl Pulls<'_> {
    pub(crate) async fn get(self, number: u64) -> Result<PullResponse, GithubError> {
        self.0.get(Operation::ReadPullRequest, &self.0.route(&format!("pulls/{number}"))).await
    }

    /// All pull requests with this commit, in any state.
    pub(crate) async fn of_commit(self, sha: &str) -> Result<Vec<PullResponse>, GithubError> {
        let operation = Operation::FindPullRequests;
        check_hash(operation, sha)?;
        self.0.list(operation, &self.0.route(&format!("commits/{sha}/pulls?per_page=100"))).await
    }

    pub(crate) async fn open(self) -> Result<Vec<PullResponse>, GithubError> {
        let route = self.0.route("pulls?state=open&sort=updated&direction=desc&per_page=100");
        self.0.list(Operation::FindPullRequests, &route).await
    }
}

/// The hash comes from a payload, and is used in an address.
pub(super) fn check_hash(operation: Operation, text: &str) -> Result<(), GithubError> {
    if is_hash(text) {
        return Ok(());
    }
    let reason = "this is not a commit hash".to_owned();
    Err(GithubError::new(operation, GithubProblem::Setup { reason }))
}
