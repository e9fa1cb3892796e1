//! Publishes a job's result on GitHub: on the pull request and the commit, as a comment and a check run. A refusal by GitHub is
//! a line of the log, and a cancelled job waits for nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::run_progress::RunProgress;
use super::shown_result::ShownResult;
use super::{print_foreign, tell};
use crate::cli::stream::Streams;
use crate::github::check_run::CheckRunMode;
use crate::github::client::{Conclusion, GithubClient};
use crate::github::commands;
use crate::github::comment::CommentMode;
use crate::github::publish::{self, Announcement, Publication, Published, StartedPublication};
use crate::github_action::{ActionJob, Connection, LogLine, ResultTarget, find};

/// docs.github.com, "Workflow cancellation": a step gets 7.5 s, and its servers need most of that to stop.
const CANCEL_WITHIN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Publisher<'a> {
    job: &'a ActionJob,
    interrupted: &'a CancellationToken,
    /// `None` if nothing is to be sent.
    client: Option<Arc<GithubClient>>,
    target: ResultTarget,
    started: StartedPublication,
    lines: Vec<LogLine>,
}

impl<'a> Publisher<'a> {
    /// Finds the target of the result, and creates the check run. `commit` is the verified commit. Prints nothing, because the
    /// log is in use at that time.
    pub(crate) async fn begin(
        job: &'a ActionJob,
        github: &Connection,
        commit: Option<&str>,
        interrupted: &'a CancellationToken,
    ) -> Self {
        let (client, lines) = match client_for(job, github) {
            Ok(client) => (client, Vec::new()),
            Err(line) => (None, vec![line]),
        };
        let (target, started) = (ResultTarget::default(), StartedPublication::default());
        let mut publisher = Self { job, interrupted, client, target, started, lines };
        // Continues with what is known by then; a cancelled job publishes no result.
        let _ = interrupted.run_until_cancelled(publisher.prepare(commit)).await;
        publisher
    }

    async fn prepare(&mut self, commit: Option<&str>) {
        let Some(client) = &self.client else { return };
        let (target, line) = find(client, self.job, commit).await;
        self.lines.extend(line);
        self.target = target;
        if let Some(announcement) = self.announcement() {
            self.started = publish::begin(&announcement, client).await;
        }
    }

    fn announcement(&self) -> Option<Announcement> {
        let ActionJob { inputs, event, context, .. } = self.job;
        Some(Announcement {
            head_sha: self.target.head_sha.clone().filter(|_| self.target.other.is_none())?,
            key: inputs.comment_key.clone(),
            run: context.run,
            check: inputs.check_run,
            token_can_write: event.token_can_write,
        })
    }

    /// The commit that the result belongs to, for links.
    pub(crate) fn head_sha(&self) -> Option<String> {
        let event = self.job.event.head_sha.as_ref();
        self.target.head_sha.as_ref().or(event).or(self.job.context.sha.as_ref()).cloned()
    }

    /// Publishes a result, and logs what could not be published.
    pub(crate) async fn publish(self, shown: ShownResult, streams: &Streams) -> Published {
        self.lines.iter().for_each(|line| print(line, streams));
        let (Some(client), Some(head_sha)) = (&self.client, self.target.head_sha.clone()) else {
            return Published::default();
        };
        let publication = match &self.target.other {
            Some(other) => Publication {
                check: CheckRunMode::Never,
                only_existing: true,
                ..self.publication(self.about_another(other, &head_sha), head_sha)
            },
            None => self.publication(shown, head_sha),
        };
        let publishing = publish::publish(&publication, client);
        let Some(published) = self.interrupted.run_until_cancelled(publishing).await else {
            self.cancel().await;
            return Published { is_interrupted: true, ..Published::default() };
        };
        for degraded in self.started.degraded.iter().chain(&published.degraded) {
            let text = degraded.to_string();
            let line = if degraded.expected { LogLine::Plain(text) } else { LogLine::Notice(text) };
            print(&line, streams);
        }
        published
    }

    fn publication(&self, shown: ShownResult, head_sha: String) -> Publication {
        let ActionJob { inputs, event, context, .. } = self.job;
        let ShownResult { verdict, title, body, has_changes, annotations } = shown;
        Publication {
            pull_request: self.target.pull_request,
            head_sha,
            verdict,
            title,
            body,
            key: inputs.comment_key.clone(),
            run: context.run,
            comment: inputs.comment,
            comment_when: inputs.comment_when,
            only_existing: false,
            has_changes,
            // After a refusal there is no second attempt.
            check: if self.started.degraded.is_empty() {
                inputs.check_run
            } else {
                CheckRunMode::Never
            },
            check_run: self.started.check_run,
            token_can_write: event.token_can_write,
            annotations,
        }
    }

    /// Replaces an older comment, which was about another commit than the pull request's head.
    fn about_another(&self, other: &str, head: &str) -> ShownResult {
        let text = format!(
            "This run verified commit {other}, which is not the pull request's head {head}: the head was not verified. \
             Remove `ref` of actions/checkout."
        );
        ShownResult::without_result(self.job, &text, Some(head.to_owned()))
    }

    /// Completes the check run of a cancelled job: `false` if there was not enough time.
    pub(crate) async fn cancel(&self) -> bool {
        let (Some(client), Some(announcement)) = (&self.client, self.announcement()) else {
            return true;
        };
        let ended = publish::cancel(&announcement, client);
        let ended = tokio::time::timeout(CANCEL_WITHIN, ended).await;
        // A refusal is final: a token that may not complete it has not created it.
        ended.is_ok_and(|ended| ended.err().is_none_or(|error| error.problem.is_refusal()))
    }

    /// After the job: shows that the run has no result if it could not show one itself. Returns whether the run's own comment
    /// exists; `None` if GitHub is not available.
    pub(crate) async fn publish_no_result(
        job: &'a ActionJob,
        ended: Option<RunProgress>,
        streams: &Streams,
    ) -> Option<bool> {
        let (github, interrupted) = (job.connection(), CancellationToken::new());
        let client = client_for(job, &github).ok().flatten()?;
        let commit = job.checked_out().await.or_else(|| job.context.sha.clone());
        let (target, _) = find(&client, job, commit.as_deref()).await;
        let head_sha = target.head_sha.clone()?;
        let why = match ended {
            Some(RunProgress::NotShown) => "could not show all of its result here",
            Some(RunProgress::Interrupted) => "was cancelled before it had a result",
            _ => "ended before it had a result: it was cancelled, timed out, or failed",
        };
        let text = format!("The newest run, for commit {head_sha}, {why}.");
        let publisher = Publisher {
            job,
            interrupted: &interrupted,
            client: None,
            target,
            started: StartedPublication::default(),
            lines: Vec::new(),
        };
        let shown = ShownResult::without_result(job, &text, Some(head_sha.clone()));
        let mut publication = publisher.publication(shown, head_sha);
        // A cancelled run creates no new comment: in most cases a newer push has cancelled it.
        let is_other = publisher.target.other.is_some();
        publication.only_existing = ended == Some(RunProgress::Interrupted) || is_other;
        if is_other {
            publication.check = CheckRunMode::Never;
        }
        let conclusion = match ended {
            Some(RunProgress::NotShown) => Conclusion::Failure,
            _ => Conclusion::Cancelled,
        };
        let published = publish::publish_no_result(&publication, conclusion, &client).await;
        for degraded in published.degraded {
            print(&LogLine::Plain(format!("{degraded}\n")), streams);
        }
        Some(published.has_comment)
    }
}

fn print(line: &LogLine, streams: &Streams) {
    match line {
        LogLine::Plain(text) => print_foreign(streams, text),
        LogLine::Notice(text) => tell(streams, &commands::notice("mig-ci", text)),
    }
}

/// The client, if anything is to be sent.
fn client_for(job: &ActionJob, github: &Connection) -> Result<Option<Arc<GithubClient>>, LogLine> {
    let inputs = &job.inputs;
    if inputs.comment == CommentMode::Off && inputs.check_run == CheckRunMode::Never {
        return Ok(None);
    }
    match github {
        Connection::Open(client) => Ok(Some(Arc::clone(client))),
        Connection::NoToken => Err(LogLine::Plain(
            "the input `github-token` is empty: no comment and no check run, the result is in the job summary".to_owned(),
        )),
        Connection::Failed(error) => Err(LogLine::of(error)),
    }
}
