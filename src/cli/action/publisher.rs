//! What a job shows on GitHub itself: on which pull request and which commit, by comment and by check run. Whatever GitHub
//! refuses is a line of the log, and a cancelled job waits for nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::job::Job;
use super::{tell, tell_foreign};
use crate::cli::stream::Streams;
use crate::github::check_run::CheckRunMode;
use crate::github::check_run::annotation::Annotation;
use crate::github::client::{Client, PullRequest};
use crate::github::commands;
use crate::github::comment::CommentMode;
use crate::github::error::Error;
use crate::github::event::{Kind, Question, Subject};
use crate::github::publish::{self, Announcement, Begun, Publication, Published};
use crate::github::pull_request::{self, Found};
use crate::report::v1::Verdict;

/// docs.github.com, "Workflow cancellation": a step gets 7.5 s, and what it has started needs most of that.
const CANCEL_WITHIN: Duration = Duration::from_secs(2);

/// See the file's head.
#[derive(Debug)]
pub(super) struct Publisher<'a> {
    job: &'a Job,
    interrupted: &'a CancellationToken,
    /// `None` if nothing is to be sent.
    client: Option<Arc<Client>>,
    target: Target,
    begun: Begun,
    lines: Vec<Line>,
}

/// What the result is shown on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Target {
    pull_request: Option<u64>,
    head_sha: Option<String>,
}

/// What there is to be shown.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) verdict: Verdict,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) has_changes: bool,
    pub(super) annotations: Vec<Annotation>,
}

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// As it was to be expected.
    Plain(String),
    Notice(String),
}

impl<'a> Publisher<'a> {
    /// Finds out where the result belongs, and makes the check run. `commit` is what is verified. Says nothing: the log is
    /// somebody else's at the time.
    pub(super) async fn begin(
        job: &'a Job,
        github: &Connection,
        commit: Option<&str>,
        interrupted: &'a CancellationToken,
    ) -> Self {
        let (client, lines) = match client_for(job, github) {
            Ok(client) => (client, Vec::new()),
            Err(line) => (None, vec![line]),
        };
        let (target, begun) = (Target::default(), Begun::default());
        let mut publisher = Self { job, interrupted, client, target, begun, lines };
        // What is known by then counts; a cancelled job shows no result.
        let _ = interrupted.run_until_cancelled(publisher.prepare(commit)).await;
        publisher
    }

    async fn prepare(&mut self, commit: Option<&str>) {
        let Some(client) = &self.client else { return };
        let (target, line) = find(client, self.job, commit).await;
        self.lines.extend(line);
        self.target = target;
        if let Some(announcement) = self.announcement() {
            self.begun = publish::begin(&announcement, client).await;
        }
    }

    fn announcement(&self) -> Option<Announcement> {
        let Job { inputs, event, context } = self.job;
        Some(Announcement {
            head_sha: self.target.head_sha.clone()?,
            key: inputs.comment_key.clone(),
            run: context.run,
            check: inputs.check_run,
            token_can_write: event.token_can_write,
        })
    }

    /// The commit that the result belongs to, for links.
    pub(super) fn head_sha(&self) -> Option<String> {
        let event = self.job.event.head_sha.as_ref();
        self.target.head_sha.as_ref().or(event).or(self.job.context.sha.as_ref()).cloned()
    }

    /// Shows a result, and says in the log what could not be shown.
    pub(super) async fn publish(self, shown: Shown, streams: &Streams) -> Published {
        self.lines.iter().for_each(|line| line.tell(streams));
        let Job { inputs, event, context } = self.job;
        let (Some(client), Some(head_sha)) = (&self.client, self.target.head_sha.clone()) else {
            return Published::default();
        };
        let Shown { verdict, title, body, has_changes, annotations } = shown;
        let publication = Publication {
            pull_request: self.target.pull_request,
            head_sha,
            verdict,
            title,
            body,
            key: inputs.comment_key.clone(),
            run: context.run,
            comment: inputs.comment,
            comment_when: inputs.comment_when,
            has_changes,
            // Who was refused is not asked again.
            check: if self.begun.degraded.is_empty() {
                inputs.check_run
            } else {
                CheckRunMode::Never
            },
            check_run: self.begun.check_run,
            token_can_write: event.token_can_write,
            annotations,
        };
        let publishing = publish::publish(&publication, client);
        let Some(published) = self.interrupted.run_until_cancelled(publishing).await else {
            self.cancel().await;
            return Published::default();
        };
        for degraded in self.begun.degraded.iter().chain(&published.degraded) {
            let text = degraded.to_string();
            let line = if degraded.expected { Line::Plain(text) } else { Line::Notice(text) };
            line.tell(streams);
        }
        published
    }

    /// Ends the check run of a cancelled job, if there is time for it: `false` if there was not.
    pub(super) async fn cancel(&self) -> bool {
        let (Some(client), Some(announcement)) = (&self.client, self.announcement()) else {
            return true;
        };
        let ended = publish::cancel(&announcement, client);
        let ended = tokio::time::timeout(CANCEL_WITHIN, ended).await;
        // A refusal is final: whoever may not end it has not made it.
        ended.is_ok_and(|ended| ended.err().is_none_or(|error| error.problem.is_refusal()))
    }

    /// After the job: ends the check run that a run has left in progress because it was killed.
    pub(super) async fn clean_up(job: &'a Job, commit: Option<&str>) {
        let (github, interrupted) = (Connection::of(job), CancellationToken::new());
        let Ok(Some(client)) = client_for(job, &github) else { return };
        let (target, _) = find(&client, job, commit).await;
        let begun = Begun::default();
        let publisher = Publisher {
            job,
            interrupted: &interrupted,
            client: Some(client),
            target,
            begun,
            lines: Vec::new(),
        };
        publisher.cancel().await;
    }
}

impl Line {
    fn tell(&self, streams: &Streams) {
        match self {
            Self::Plain(text) => tell_foreign(streams, text),
            Self::Notice(text) => tell(streams, &commands::notice("mig-ci", text)),
        }
    }

    fn of(error: &Error) -> Self {
        let advice = error.advice();
        Self::Notice(format!(
            "no comment on the pull request, the result is in the job's summary: {error}; {advice}"
        ))
    }
}

/// The client, if anything is to be sent.
fn client_for(job: &Job, github: &Connection) -> Result<Option<Arc<Client>>, Line> {
    let inputs = &job.inputs;
    if inputs.comment == CommentMode::Off && inputs.check_run == CheckRunMode::Never {
        return Ok(None);
    }
    match github {
        Connection::Open(client) => Ok(Some(Arc::clone(client))),
        Connection::NoToken => Err(Line::Plain(
            "the input `github-token` is empty: no comment and no check run, the result is in the job's summary".to_owned(),
        )),
        Connection::Failed(error) => Err(Line::of(error)),
    }
}

/// A verdict is shown on the pull request whose head, or GitHub's merge of that, it is about. Nothing is shown on any other.
async fn find(client: &Client, job: &Job, commit: Option<&str>) -> (Target, Option<Line>) {
    let Job { event, context, inputs } = job;
    let head_sha = event.head_sha.clone();
    let without = |text: String| {
        (Target { pull_request: None, head_sha: head_sha.clone() }, Some(Line::Plain(text)))
    };
    let of_event = matches!(event.kind, Kind::PullRequest | Kind::MergeGroup | Kind::Push);
    if of_event && commit.is_some_and(|commit| !event.is_about(commit, context.sha.as_deref())) {
        let text = "no comment and no check run: the workspace holds another commit";
        return (Target::default(), Some(Line::Plain(text.to_owned())));
    }
    match &event.subject {
        Subject::Known { number, head_sha: Some(head) } => {
            let number = *number;
            if of_event || commit == Some(head) {
                return (Target { pull_request: Some(number), head_sha }, None);
            }
            (Target::default(), Some(elsewhere(number, head, commit)))
        }
        // A group of the merge queue: what it says is about several pull requests.
        Subject::Known { head_sha: None, .. } => (Target { pull_request: None, head_sha }, None),
        Subject::Ask(Question::PullsOfCommit { .. }) if inputs.comment == CommentMode::Off => {
            (Target { pull_request: None, head_sha }, None)
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
        return (Target { pull_request: Some(pull.number), head_sha }, None);
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
