//! Check runs: docs.github.com, "REST API endpoints for check runs".

use serde::{Deserialize, Serialize};

use super::GithubClient;
use super::pulls::check_hash;
use crate::github::error::{GithubError, Operation};

/// GitHub's maximum page size.
const PAGE: usize = 100;
/// Pages of 100 check runs with one name; a suite has no more than 1,000.
const MOST_PAGES: usize = 10;

/// The fields of a check run that are needed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct CheckRun {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) html_url: Option<String>,
    #[serde(default)]
    pub(crate) external_id: Option<String>,
    #[serde(default)]
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) output: Counted,
}

/// The counters of a check run's output, which show whether annotations have arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Counted {
    #[serde(default)]
    pub(crate) annotations_count: usize,
}

#[derive(Deserialize)]
struct CheckRunPage {
    check_runs: Vec<CheckRun>,
}

/// A check run to create, in progress unless it has a conclusion.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NewCheckRun<'a> {
    pub(crate) name: &'a str,
    pub(crate) head_sha: &'a str,
    /// Distinguishes this run's check run from those of other runs. With the token of Actions, GitHub ignores `details_url`.
    pub(crate) external_id: &'a str,
    pub(crate) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conclusion: Option<Conclusion>,
    pub(crate) output: CheckRunOutput<'a>,
}

/// Omitted fields are not changed.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CheckUpdate<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conclusion: Option<Conclusion>,
    pub(crate) output: CheckRunOutput<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    InProgress,
    Completed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Conclusion {
    Success,
    Failure,
    Cancelled,
}

#[derive(Debug, Clone, Serialize)]
pub(crate) struct CheckRunOutput<'a> {
    pub(crate) title: &'a str,
    /// Markdown.
    pub(crate) summary: &'a str,
    /// Up to 50; those of an update are appended to the existing ones.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) annotations: &'a [WireAnnotation],
}

/// An annotation in the format of the checks API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct WireAnnotation {
    pub(crate) path: String,
    pub(crate) start_line: u64,
    pub(crate) end_line: u64,
    /// Only if both lines are equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_column: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end_column: Option<u64>,
    /// `notice`, `warning` or `failure`.
    pub(crate) annotation_level: &'static str,
    pub(crate) message: String,
    pub(crate) title: String,
}

/// Requests on check runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckRuns<'a>(pub(super) &'a GithubClient);

impl CheckRuns<'_> {
    /// Creates one, or finds the one with this `external_id` if it is unclear whether it was created.
    pub(crate) async fn create(self, new: &NewCheckRun<'_>) -> Result<CheckRun, GithubError> {
        check_hash(Operation::CreateCheckRun, new.head_sha)?;
        let route = self.0.route("check-runs");
        let body = self.0.outgoing(Operation::CreateCheckRun, new)?;
        let post = || self.0.crab.post(&route, Some(&body));
        let find = || self.find(new.head_sha, new.name, new.external_id);
        self.0.repeat_unless_found(Operation::CreateCheckRun, post, find).await
    }

    /// If an attempt may have succeeded, `find` checks that before the next one.
    pub(in crate::github) async fn update<F>(
        &self,
        id: u64,
        update: &CheckUpdate<'_>,
        find: impl Fn() -> F,
    ) -> Result<CheckRun, GithubError>
    where
        F: Future<Output = Result<Option<CheckRun>, GithubError>>,
    {
        let route = self.0.route(&format!("check-runs/{id}"));
        let body = self.0.outgoing(Operation::UpdateCheckRun, update)?;
        let patch = || self.0.crab.patch(&route, Some(&body));
        self.0.repeat_unless_found(Operation::UpdateCheckRun, patch, find).await
    }

    pub(crate) async fn get(&self, id: u64) -> Result<CheckRun, GithubError> {
        self.0.get(Operation::ReadCheckRuns, &self.0.route(&format!("check-runs/{id}"))).await
    }

    /// The check run of this commit with this name and `external_id`.
    pub(crate) async fn find(
        self,
        head_sha: &str,
        name: &str,
        external_id: &str,
    ) -> Result<Option<CheckRun>, GithubError> {
        check_hash(Operation::ReadCheckRuns, head_sha)?;
        let route = self.0.route(&format!("commits/{head_sha}/check-runs"));
        for page in 1..=MOST_PAGES {
            let query = [
                ("check_name", name),
                ("filter", "all"),
                ("per_page", &PAGE.to_string()),
                ("page", &page.to_string()),
            ];
            // octocrab's pages do not support lists named check_runs.
            let get = || self.0.crab.get(&route, Some(&query));
            let CheckRunPage { check_runs } = self.0.repeat(Operation::ReadCheckRuns, get).await?;
            let is_last = check_runs.len() < PAGE;
            let found =
                check_runs.into_iter().find(|run| run.external_id.as_deref() == Some(external_id));
            if found.is_some() || is_last {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
