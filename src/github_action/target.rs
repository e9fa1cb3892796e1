//! The target of a job's result: the pull request and the commit.

use super::job::ActionJob;
use super::log_line::LogLine;
use crate::github::client::{GithubClient, PullResponse};
use crate::github::comment::CommentMode;
use crate::github::event::{EventKind, PullRequestLookup, Subject};
use crate::github::pull_request::{self, FoundPullRequest};

/// The pull request and the commit of the result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ResultTarget {
    pub(crate) pull_request: Option<u64>,
    pub(crate) head_sha: Option<String>,
    /// The commit of the workspace, if it is another one: then there is no result for the head.
    pub(crate) other: Option<String>,
}

/// A verdict is published only on the pull request whose head, or whose merge commit, was verified.
pub(crate) async fn find(
    client: &GithubClient,
    job: &ActionJob,
    commit: Option<&str>,
) -> (ResultTarget, Option<LogLine>) {
    let ActionJob { event, context, inputs, .. } = job;
    let head_sha = event.head_sha.clone();
    let without = |text: String| {
        (
            ResultTarget { head_sha: head_sha.clone(), ..ResultTarget::default() },
            Some(LogLine::Plain(text)),
        )
    };
    let of_event =
        matches!(event.kind, EventKind::PullRequest | EventKind::MergeGroup | EventKind::Push);
    let other = commit.filter(|commit| !event.applies_to(commit, context.sha.as_deref()));
    if let Some(other) = other.filter(|_| of_event) {
        let text = "no comment and no check run: the workspace is at another commit".to_owned();
        let pull_request = event.number().filter(|_| event.kind == EventKind::PullRequest);
        let other = Some(other.to_owned());
        return (ResultTarget { pull_request, head_sha, other }, Some(LogLine::Plain(text)));
    }
    match &event.subject {
        Subject::Known { number, head_sha: Some(head) } => {
            let number = *number;
            if of_event || commit == Some(head) {
                return (ResultTarget { pull_request: Some(number), head_sha, other: None }, None);
            }
            (ResultTarget::default(), Some(elsewhere(number, head, commit)))
        }
        // A merge group: its result concerns several pull requests.
        Subject::Known { head_sha: None, .. } => {
            (ResultTarget { head_sha, ..ResultTarget::default() }, None)
        }
        Subject::Lookup(PullRequestLookup::PullsOfCommit { .. })
            if inputs.comment == CommentMode::Off =>
        {
            (ResultTarget { head_sha, ..ResultTarget::default() }, None)
        }
        Subject::Lookup(PullRequestLookup::PullsOfCommit { sha }) => {
            let why = match pull_request::of_commit(client, sha).await {
                Ok(FoundPullRequest::One(pull)) => return on(&pull, commit),
                Ok(FoundPullRequest::None) => no_pull_request(sha),
                Ok(FoundPullRequest::Several(numbers)) => several_pull_requests(sha, &numbers),
                Err(error) => return (without(String::new()).0, Some(LogLine::of(&error))),
            };
            without(why)
        }
        Subject::Lookup(PullRequestLookup::Pull { number }) => {
            match pull_request::by_number(client, *number).await {
                // The payload could not be read, so the head is unknown. The comment says that there is no result.
                Ok(pull) if event.kind == EventKind::PullRequest => on(&pull, Some(&pull.head.sha)),
                Ok(pull) => on(&pull, commit),
                Err(error) => (ResultTarget::default(), Some(LogLine::of(&error))),
            }
        }
        Subject::None(why) => {
            let (target, line) = without(format!("no comment: {why}"));
            let commit = commit.map(str::to_owned);
            (ResultTarget { head_sha: target.head_sha.or(commit), ..target }, line)
        }
    }
}

fn no_pull_request(sha: &str) -> String {
    format!("no comment: no open pull request has {sha} as its head")
}

fn several_pull_requests(sha: &str, numbers: &[u64]) -> String {
    format!(
        "no comment: {sha} is the head of several pull requests {numbers:?}; set the input `pull-request`"
    )
}

fn on(pull: &PullResponse, commit: Option<&str>) -> (ResultTarget, Option<LogLine>) {
    let head = pull.head.sha.as_str();
    if commit.is_some() && [Some(head), pull.merge_commit_sha.as_deref()].contains(&commit) {
        let head_sha = Some(head.to_owned());
        return (ResultTarget { pull_request: Some(pull.number), head_sha, other: None }, None);
    }
    (ResultTarget::default(), Some(elsewhere(pull.number, head, commit)))
}

fn elsewhere(number: u64, head: &str, commit: Option<&str>) -> LogLine {
    let commit = commit.unwrap_or("an unknown commit");
    LogLine::Notice(format!(
        "no comment on pull request #{number}: its head is {head}, and the workspace is at {commit}; check out \
         refs/pull/{number}/merge to verify it"
    ))
}
