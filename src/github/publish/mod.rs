//! Showing a run on GitHub: the comment, then the check run. What GitHub refuses is said in one line, and something else
//! takes its place (the job's summary, workflow commands); whether the run is green is none of this file's business.

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

/// What is known before there is a result.
#[derive(Debug, Clone)]
pub(crate) struct Announcement {
    pub(crate) head_sha: String,
    /// The input `comment-key`; `default` if there is none.
    pub(crate) key: String,
    pub(crate) run: RunAttempt,
    pub(crate) check: CheckRunMode,
    /// A prediction from the event: not for forks and Dependabot.
    pub(crate) token_can_write: bool,
}

/// What has been begun.
#[derive(Debug, Clone, Default)]
pub(crate) struct BegunPublication {
    /// For [`Publication::check_run`], and for [`check_run::cancel`] if the run is interrupted.
    pub(crate) check_run: Option<u64>,
    pub(crate) degraded: Vec<Degraded>,
}

/// A result, as plain data.
#[derive(Debug, Clone)]
pub(crate) struct Publication {
    /// None for a push without one: then there is no comment.
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
    /// A comment that is there is rewritten, and none is made.
    pub(crate) only_existing: bool,
    /// The pull request brings migrations.
    pub(crate) has_changes: bool,
    pub(crate) check: CheckRunMode,
    /// What [`begin`] has made.
    pub(crate) check_run: Option<u64>,
    pub(crate) token_can_write: bool,
    pub(crate) annotations: Vec<CheckRunAnnotation>,
}

/// What can be seen on GitHub now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    pub(crate) comment: Option<Outcome>,
    pub(crate) comment_url: Option<String>,
    pub(crate) check_url: Option<String>,
    /// All annotations are with the check run; if not, workflow commands have to show them.
    pub(crate) annotated: bool,
    pub(crate) degraded: Vec<Degraded>,
    /// A check run that was begun is in progress still.
    pub(crate) unfinished: bool,
    /// This run, or a later one, has a comment already.
    pub(crate) has_said: bool,
    /// Showing was interrupted.
    pub(crate) cut_short: bool,
}

impl Published {
    /// What stands on GitHub can be another run's result, or none: the step after the job tries again.
    pub(crate) fn is_incomplete(&self) -> bool {
        let no_comment =
            |degraded: &Degraded| degraded.what == PublishStep::Comment && !degraded.expected;
        self.cut_short || self.unfinished || self.degraded.iter().any(no_comment)
    }
}

/// A step that did not go as it should: one line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Degraded {
    pub(crate) what: PublishStep,
    pub(crate) why: String,
    pub(crate) advice: String,
    /// Nobody asked for more: worth a line, but no warning.
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

/// Makes the check run, in progress. Never fails: what did not work is in the answer.
pub(crate) async fn begin(announcement: &Announcement, client: &GithubClient) -> BegunPublication {
    let Announcement { head_sha, key, run, check, token_can_write } = announcement;
    if !wants_check(*check, *token_can_write) {
        return BegunPublication::default();
    }
    match check_run::begin(client, &Identity { head_sha, key, run: *run }).await {
        Ok(made) => BegunPublication { check_run: Some(made.id), degraded: Vec::new() },
        Err(error) => BegunPublication {
            degraded: vec![of_check(*check, &error)],
            ..BegunPublication::default()
        },
    }
}

/// Ends the check run of a run that was interrupted.
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

/// After the job: that a run has no result. What this run has shown by then stays, and so does a later run's. Never fails:
/// what did not work is in the answer.
pub(crate) async fn show_none(
    publication: &Publication,
    conclusion: Conclusion,
    client: &GithubClient,
) -> Published {
    let mut published = Published::default();
    if let Some(pull_request) = publication.pull_request {
        let said = comment::has_said(client, pull_request, &publication.key, publication.run).await;
        match said {
            Ok(true) => published.has_said = true,
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

/// Shows the result. Never fails: what did not work is in the answer.
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
            // Whoever brings a fork's pull request cannot do anything about it.
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
    let begun = match publication.check_run {
        Some(id) => Ok(id),
        None if !wants_check(*check, *token_can_write) => return,
        None => {
            let identity = Identity { head_sha, key, run: *run };
            check_run::begin(client, &identity).await.map(|made| made.id)
        }
    };
    let made = begun.as_ref().ok().copied();
    let ending = Ending {
        conclusion: match publication.verdict {
            Verdict::Passed => Conclusion::Success,
            // "Not run" is never a kind of passing, and `neutral` lets a pull request through.
            Verdict::Failed | Verdict::NotRun => Conclusion::Failure,
        },
        title: &publication.title,
        summary: &publication.body,
        annotations: &publication.annotations,
    };
    let concluded = match begun {
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
