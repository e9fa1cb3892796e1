//! Finds the pull request of a commit if the event's payload does not contain it.

#[cfg(test)]
mod tests;

use super::client::{GithubClient, PullResponse};
use super::error::GithubError;

/// The result of the search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FoundPullRequest {
    One(Box<PullResponse>),
    /// None that is open, targets this repository, and has the commit as its head.
    None,
    /// Several branches point to the commit; the numbers of their pull requests.
    Several(Vec<u64>),
}

/// Why a report does not belong to a pull request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Mismatch {
    #[error(transparent)]
    Unknown(#[from] GithubError),
    #[error(
        "pull request #{number} is at {head}, and the report is about {expected}: there is a newer commit, which has its \
         own run"
    )]
    OtherHead { number: u64, head: String, expected: String },
    #[error("the base repository of pull request #{number} is not {repository}")]
    OtherRepository { number: u64, repository: String },
}

/// After a `push`. A commit of the base branch also belongs to merged pull requests, which are ignored.
pub(crate) async fn of_commit(
    client: &GithubClient,
    head_sha: &str,
) -> Result<FoundPullRequest, GithubError> {
    let pulls = client.pulls().of_commit(head_sha).await?;
    Ok(choose(client, head_sha, pulls))
}

/// Of a `workflow_run`, whose payload contains no pull request if its head is in a fork
/// (github.com/actions/runner/issues/3444); GitHub does not always associate commits of forks with pull requests either.
pub(crate) async fn of_workflow_run(
    client: &GithubClient,
    head_sha: &str,
) -> Result<FoundPullRequest, GithubError> {
    match of_commit(client, head_sha).await? {
        FoundPullRequest::None => {
            let pulls = client.pulls().open().await?;
            Ok(choose(client, head_sha, pulls))
        }
        found => Ok(found),
    }
}

/// Named by a user (`issue_comment`, `workflow_dispatch`) or by the payload.
pub(crate) async fn by_number(
    client: &GithubClient,
    number: u64,
) -> Result<PullResponse, GithubError> {
    client.pulls().get(number).await
}

/// A report from another job may be shown on a pull request only if the report's commit is still its head. The commit must be
/// the event's, not the one in the report.
pub(crate) async fn at_head(
    client: &GithubClient,
    number: u64,
    head_sha: &str,
) -> Result<PullResponse, Mismatch> {
    let pull = client.pulls().get(number).await?;
    if !pull.goes_into(client.repository()) {
        let repository = client.repository().to_owned();
        return Err(Mismatch::OtherRepository { number, repository });
    }
    if !pull.head.sha.eq_ignore_ascii_case(head_sha) {
        let (head, expected) = (pull.head.sha, head_sha.to_owned());
        return Err(Mismatch::OtherHead { number, head, expected });
    }
    Ok(pull)
}

fn choose(client: &GithubClient, head_sha: &str, pulls: Vec<PullResponse>) -> FoundPullRequest {
    let is_it = |pull: &PullResponse| {
        pull.is_open()
            && pull.goes_into(client.repository())
            && pull.head.sha.eq_ignore_ascii_case(head_sha)
    };
    let mut found: Vec<PullResponse> = pulls.into_iter().filter(is_it).collect();
    match found.len() {
        0 => FoundPullRequest::None,
        1 => FoundPullRequest::One(Box::new(found.remove(0))),
        _ => FoundPullRequest::Several(found.iter().map(|pull| pull.number).collect()),
    }
}
