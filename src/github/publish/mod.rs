//! Publishes a run on GitHub: the comment, then the check run. A refusal by GitHub is reported in one line, and an alternative
//! is used (the job's summary, workflow commands). The verdict of the run never depends on it.

#[cfg(test)]
mod tests;

use std::fmt;

use super::check_run::annotation::CheckRunAnnotation;
use super::check_run::{self, CheckRunMode, Ending, Identity};
use super::client::{Conclusion, GithubClient};
use super::comment::{self, CommentMode, CommentWhen, Outcome, Posted, WantedComment};
use super::error::{GithubError, GithubProblem};
use super::marker::RunAttempt;
use crate::report::verify::v1::Verdict;

/// The data that is known before there is a result.
#[derive(Debug, Clone)]
pub(crate) struct Announcement {
    pub(crate) head_sha: String,
    /// The input `comment-key`; `default` if there is none.
    pub(crate) key: String,
    pub(crate) run: RunAttempt,
    pub(crate) check: CheckRunMode,
    /// A prediction from the event: false for forks and Dependabot.
    pub(crate) token_can_write: bool,
}

/// The started publication.
#[derive(Debug, Clone, Default)]
pub(crate) struct StartedPublication {
    /// For [`Publication::check_run`], and for [`check_run::cancel`] if the run is interrupted.
    pub(crate) check_run: Option<u64>,
    pub(crate) degraded: Vec<Degraded>,
}

/// A result, as plain data.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    /// None for a push without a pull request: then there is no comment.
    pub(crate) pull_request: Option<u64>,
    pub(crate) head_sha: String,
    pub(crate) verdict: Verdict,
    /// The verdict in one sentence.
    pub(crate) title: String,
    /// The comment's Markdown, with or without its marker lines, within 60,000 bytes.
    pub(crate) body: String,
    pub(crate) key: String,
    pub(crate) run: RunAttempt,
    pub(crate) comment: CommentMode,
    pub(crate) comment_when: CommentWhen,
    /// Only an existing comment is rewritten, and none is created.
    pub(crate) only_existing: bool,
    /// The pull request contains migrations.
    pub(crate) has_changes: bool,
    pub(crate) check: CheckRunMode,
    /// The check run that [`begin`] created.
    pub(crate) check_run: Option<u64>,
    pub(crate) token_can_write: bool,
    pub(crate) annotations: Vec<CheckRunAnnotation>,
}

/// What is visible on GitHub now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    pub(crate) comment: Option<Outcome>,
    pub(crate) comment_url: Option<String>,
    pub(crate) check_url: Option<String>,
    /// All annotations are in the check run; if not, workflow commands have to show them.
    pub(crate) annotated: bool,
    pub(crate) degraded: Vec<Degraded>,
    /// A started check run is still in progress.
    pub(crate) unfinished: bool,
    /// This run, or a later one, already has a comment.
    pub(crate) has_comment: bool,
    /// Publishing was interrupted.
    pub(crate) is_interrupted: bool,
}

impl Published {
    /// GitHub may show another run's result, or none: the step after the job tries again.
    pub(crate) fn is_incomplete(&self) -> bool {
        let no_comment =
            |degraded: &Degraded| degraded.what == PublishStep::Comment && !degraded.expected;
        self.is_interrupted || self.unfinished || self.degraded.iter().any(no_comment)
    }
}

/// A failed step: one line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Degraded {
    pub(crate) what: PublishStep,
    pub(crate) why: String,
    pub(crate) advice: String,
    /// The failure was expected: a line, but no warning.
    pub(crate) expected: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishStep {
    Comment,
    Duplicates,
    CheckRun,
    Annotations,
}

impl Degraded {
    fn new(what: PublishStep, error: &GithubError, expected: bool) -> Self {
        Self { what, why: error.to_string(), advice: error.advice(), expected }
    }
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instead = match self.what {
            PublishStep::Comment => {
                "no comment on the pull request, the result is in the job summary"
            }
            PublishStep::Duplicates => "the comment may exist twice",
            PublishStep::CheckRun => {
                "no check run, only the job itself has the result, and annotations go to the log"
            }
            PublishStep::Annotations => "annotations go to the log",
        };
        write!(f, "{instead}: {}; {}", self.why, self.advice)
    }
}

/// Creates the check run, in progress. Never fails: failures are in the return value.
pub(crate) async fn begin(
    announcement: &Announcement,
    client: &GithubClient,
) -> StartedPublication {
    let Announcement { head_sha, key, run, check, token_can_write } = announcement;
    if !wants_check(*check, *token_can_write) {
        return StartedPublication::default();
    }
    match check_run::begin(client, &Identity { head_sha, key, run: *run }).await {
        Ok(made) => StartedPublication { check_run: Some(made.id), degraded: Vec::new() },
        Err(error) => StartedPublication {
            degraded: vec![of_check(*check, &error)],
            ..StartedPublication::default()
        },
    }
}

/// Completes the check run of an interrupted run.
pub(crate) async fn cancel(
    announcement: &Announcement,
    client: &GithubClient,
) -> Result<(), GithubError> {
    let Announcement { head_sha, key, run, check, token_can_write } = announcement;
    if !wants_check(*check, *token_can_write) {
        return Ok(());
    }
    check_run::cancel(client, &Identity { head_sha, key, run: *run }).await
}

/// After the job: shows that a run has no result. Results that this run or a later one has published are kept. Never fails:
/// failures are in the return value.
pub(crate) async fn publish_no_result(
    publication: &Publication,
    conclusion: Conclusion,
    client: &GithubClient,
) -> Published {
    let mut published = Published::default();
    if let Some(pull_request) = publication.pull_request {
        let has_own =
            comment::has_comment(client, pull_request, &publication.key, publication.run).await;
        match has_own {
            Ok(true) => published.has_comment = true,
            Ok(false) => show_comment(publication, client, &mut published).await,
            Err(error) => {
                published.degraded.push(Degraded::new(PublishStep::Comment, &error, false));
            }
        }
    }
    let Publication { head_sha, key, run, check, token_can_write, .. } = publication;
    if wants_check(*check, *token_can_write) {
        let identity = Identity { head_sha, key, run: *run };
        let ending = Ending {
            conclusion,
            title: &publication.title,
            summary: &publication.body,
            annotations: &[],
        };
        let ended = check_run::end_without_result(client, &identity, &ending).await;
        if let Err(error) = ended {
            published.degraded.push(of_check(*check, &error));
        }
    }
    published
}

/// Publishes the result. Never fails: failures are in the return value.
pub(crate) async fn publish(publication: &Publication, client: &GithubClient) -> Published {
    let mut published = Published::default();
    show_comment(publication, client, &mut published).await;
    show_check(publication, client, &mut published).await;
    published
}

async fn show_comment(publication: &Publication, client: &GithubClient, published: &mut Published) {
    let Some(pull_request) = publication.pull_request else { return };
    let wanted = WantedComment {
        pull_request,
        key: &publication.key,
        run: publication.run,
        head_sha: &publication.head_sha,
        body: &publication.body,
        mode: publication.comment,
        may_create: may_create(publication),
    };
    match comment::post(client, &wanted).await {
        Ok(Posted { outcome, url, problem }) => {
            published.comment = Some(outcome);
            published.comment_url = url;
            let problem =
                problem.map(|error| Degraded::new(PublishStep::Duplicates, &error, false));
            published.degraded.extend(problem);
        }
        Err(error) => {
            // The author of a fork's pull request cannot fix it.
            let expected = !publication.token_can_write && error.problem.is_refusal();
            published.degraded.push(Degraded::new(PublishStep::Comment, &error, expected));
        }
    }
}

fn may_create(publication: &Publication) -> bool {
    if publication.only_existing {
        return false;
    }
    let failed = publication.verdict != Verdict::Passed;
    match publication.comment_when {
        CommentWhen::Always => true,
        CommentWhen::Failure => failed,
        CommentWhen::Changes => failed || publication.has_changes,
    }
}

async fn show_check(publication: &Publication, client: &GithubClient, published: &mut Published) {
    let Publication { check, token_can_write, head_sha, key, run, .. } = publication;
    let started_run = match publication.check_run {
        Some(id) => Ok(id),
        None if !wants_check(*check, *token_can_write) => return,
        None => {
            let identity = Identity { head_sha, key, run: *run };
            check_run::begin(client, &identity).await.map(|made| made.id)
        }
    };
    let made = started_run.as_ref().ok().copied();
    let ending = Ending {
        conclusion: match publication.verdict {
            Verdict::Passed => Conclusion::Success,
            // "Not run" never counts as passed, and `neutral` would let a pull request be merged.
            Verdict::Failed | Verdict::NotRun => Conclusion::Failure,
        },
        title: &publication.title,
        summary: &publication.body,
        annotations: &publication.annotations,
    };
    let concluded = match started_run {
        Ok(id) => check_run::conclude(client, id, &ending).await,
        Err(error) => Err(error),
    };
    match concluded {
        Ok(concluded) => {
            published.check_url = concluded.url;
            published.annotated = concluded.problem.is_none();
            let problem = concluded.problem;
            let problem =
                problem.map(|error| Degraded::new(PublishStep::Annotations, &error, false));
            published.degraded.extend(problem);
        }
        Err(error) => {
            published.unfinished = made.is_some();
            published.degraded.push(of_check(*check, &error));
        }
    }
}

fn wants_check(mode: CheckRunMode, token_can_write: bool) -> bool {
    match mode {
        CheckRunMode::Auto => token_can_write,
        CheckRunMode::Always => true,
        CheckRunMode::Never => false,
    }
}

fn of_check(mode: CheckRunMode, error: &GithubError) -> Degraded {
    let expected = matches!(
        error.problem,
        GithubProblem::NotPermitted { .. } | GithubProblem::NeedsApp | GithubProblem::NotFound
    );
    Degraded::new(PublishStep::CheckRun, error, mode == CheckRunMode::Auto && expected)
}
