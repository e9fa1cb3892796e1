//! The fields of webhook payloads that are read here. All are optional: GitHub omits more than it documents, or sends `null`
//! (the repository of a deleted fork, the pull requests of a fork's run), and servers of other versions have other fields.

use serde::Deserialize;

/// The contents of `GITHUB_EVENT_PATH`, for all supported events. Each has only some of these fields.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Payload {
    pub(super) pull_request: Option<PullRequest>,
    pub(super) repository: Option<Repository>,
    pub(super) sender: Option<User>,
    pub(super) merge_group: Option<MergeGroup>,
    pub(super) workflow_run: Option<WorkflowRun>,
    pub(super) issue: Option<Issue>,
    /// Of a push, like the next four: `refs/heads/main`.
    #[serde(rename = "ref")]
    pub(super) git_ref: Option<String>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) created: Option<bool>,
    pub(super) deleted: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct PullRequest {
    pub(super) number: Option<u64>,
    pub(super) head: Option<Branch>,
    pub(super) base: Option<Branch>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Branch {
    #[serde(rename = "ref")]
    pub(super) name: Option<String>,
    pub(super) sha: Option<String>,
    /// `null` once the fork has been deleted.
    pub(super) repo: Option<Repository>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Repository {
    pub(super) id: Option<u64>,
    pub(super) full_name: Option<String>,
    pub(super) default_branch: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct User {
    pub(super) login: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct MergeGroup {
    pub(super) head_sha: Option<String>,
    /// `refs/heads/gh-readonly-queue/main/pr-104-929f8209d40f77f4abc622a499c93a83babdbe64`.
    pub(super) head_ref: Option<String>,
    pub(super) base_sha: Option<String>,
    pub(super) base_ref: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct WorkflowRun {
    pub(super) id: Option<u64>,
    pub(super) run_attempt: Option<u64>,
    pub(super) head_sha: Option<String>,
    /// The conclusion of that run: `success`, `failure`, `cancelled`.
    pub(super) conclusion: Option<String>,
    /// The event that started that run: `pull_request`, `push`.
    pub(super) event: Option<String>,
    pub(super) head_repository: Option<Repository>,
    /// Empty for forks (actions/runner#3444).
    pub(super) pull_requests: Option<Vec<PullRequest>>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Issue {
    pub(super) number: Option<u64>,
    /// Present if the issue is a pull request.
    pub(super) pull_request: Option<serde::de::IgnoredAny>,
}
