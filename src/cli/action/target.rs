//! Where a job's result belongs: on which pull request, and on which commit.

use super::job::Job;
use super::publisher::Line;
use crate::github::client::{Client, PullRequest};
use crate::github::comment::CommentMode;
use crate::github::event::{Kind, Question, Subject};
use crate::github::pull_request::{self, Found};

/// What the result is shown on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) pull_request: Option<u64>,
    pub(crate) head_sha: Option<String>,
    /// The commit of the workspace, where that is another: nothing is known about the head.
    pub(crate) other: Option<String>,
}

/// A verdict is shown on the pull request whose head, or GitHub's merge of that, it is about. Nothing is shown on any other.
pub(crate) async fn find(
    client: &Client,
    job: &Job,
    commit: Option<&str>,
) -> (Target, Option<Line>) {
    let Job { event, context, inputs, .. } = job;
    let head_sha = event.head_sha.clone();
    let without = |text: String| {
        (Target { head_sha: head_sha.clone(), ..Target::default() }, Some(Line::Plain(text)))
    };
    let of_event = matches!(event.kind, Kind::PullRequest | Kind::MergeGroup | Kind::Push);
    let other = commit.filter(|commit| !event.is_about(commit, context.sha.as_deref()));
    if let Some(other) = other.filter(|_| of_event) {
        let text = "no comment and no check run: the workspace holds another commit";
        let pull_request = event.number().filter(|_| event.kind == Kind::PullRequest);
        let other = Some(other.to_owned());
        return (Target { pull_request, head_sha, other }, Some(Line::Plain(text.to_owned())));
    }
    match &event.subject {
        Subject::Known { number, head_sha: Some(head) } => {
            let number = *number;
            if of_event || commit == Some(head) {
                return (Target { pull_request: Some(number), head_sha, other: None }, None);
            }
            (Target::default(), Some(elsewhere(number, head, commit)))
        }
        // A group of the merge queue: what it says is about several pull requests.
        Subject::Known { head_sha: None, .. } => (Target { head_sha, ..Target::default() }, None),
        Subject::Ask(Question::PullsOfCommit { .. }) if inputs.comment == CommentMode::Off => {
            (Target { head_sha, ..Target::default() }, None)
        }
        Subject::Ask(Question::PullsOfCommit { sha }) => {
            match pull_request::of_commit(client, sha).await {
                Ok(Found::One(pull)) => on(&pull, commit),
                Ok(Found::None) => {
                    without(format!("no comment: no open pull request has {sha} as its head"))
                }
                Ok(Found::Several(numbers)) => without(format!(
                    "no comment: {sha} is the head of several pull requests {numbers:?}; the input `pull-request` says \
                     which"
                )),
                Err(error) => (without(String::new()).0, Some(Line::of(&error))),
            }
        }
        Subject::Ask(Question::Pull { number }) => {
            match pull_request::by_number(client, *number).await {
                // The payload could not be read, so the head is unknown. The comment says that there is no result.
                Ok(pull) if event.kind == Kind::PullRequest => on(&pull, Some(&pull.head.sha)),
                Ok(pull) => on(&pull, commit),
                Err(error) => (Target::default(), Some(Line::of(&error))),
            }
        }
        Subject::None(why) => {
            let (target, line) = without(format!("no comment: {why}"));
            let commit = commit.map(str::to_owned);
            (Target { head_sha: target.head_sha.or(commit), ..target }, line)
        }
    }
}

fn on(pull: &PullRequest, commit: Option<&str>) -> (Target, Option<Line>) {
    let head = pull.head.sha.as_str();
    if commit.is_some() && [Some(head), pull.merge_commit_sha.as_deref()].contains(&commit) {
        let head_sha = Some(head.to_owned());
        return (Target { pull_request: Some(pull.number), head_sha, other: None }, None);
    }
    (Target::default(), Some(elsewhere(pull.number, head, commit)))
}

fn elsewhere(number: u64, head: &str, commit: Option<&str>) -> Line {
    let commit = commit.unwrap_or("an unknown commit");
    Line::Notice(format!(
        "no comment on pull request #{number}: it stands at {head}, and the workspace holds {commit}; check out \
         refs/pull/{number}/merge to verify it"
    ))
}
