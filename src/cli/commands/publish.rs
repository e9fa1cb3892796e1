//! `mig-ci publish`: publishes the saved report of another run as a comment on that run's pull request. A workflow of `on:
//! workflow_run` has write permission where the workflow of a fork's pull request has not.
//!
//! The author of the pull request controls the report. Therefore only GitHub's event determines the pull request and the
//! commit, and the commit still has to be the pull request's head.

use std::fs::{self, File};
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use secrecy::SecretString;

use super::verify::watch_signals;
use crate::cli::args::PublishArgs;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;
use crate::config::process_environment;
use crate::github::RunAttempt;
use crate::github::check_run::CheckRunMode;
use crate::github::check_run::annotation::CheckRunAnnotation;
use crate::github::client::GithubClient;
use crate::github::commands;
use crate::github::comment::{CommentMode, CommentWhen, Outcome};
use crate::github::comment_key::key_of;
use crate::github::context::{ContextError, JobContext};
use crate::github::error::GithubError;
use crate::github::event::{EventError, EventKind, JobEvent, Subject};
use crate::github::file_commands;
use crate::github::publish::{Publication, publish};
use crate::github::pull_request::{self, FoundPullRequest, Mismatch};
use crate::github_action::connect;
use crate::model::Partition;
use crate::report::verify::v1::{Report, Verdict};
use crate::report::{self, Contradiction, Links, MOST_BYTES, ReadError};

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error("cannot read {path}: {reason}")]
    File { path: Utf8PathBuf, reason: String },
    #[error("cannot use the report {path}: {source}")]
    Report { path: Utf8PathBuf, source: ReadError },
    #[error("cannot use the report {path}: {source}")]
    Contradiction { path: Utf8PathBuf, source: Contradiction },
    #[error(
        "this is a `{0}` event: a saved report is published by a workflow of `on: workflow_run`; if the token can write, \
         the action publishes the report itself"
    )]
    OtherEvent(String),
    #[error("GITHUB_TOKEN is not set: give the step `env: GITHUB_TOKEN: ${{{{ github.token }}}}`")]
    NoToken,
    #[error("{0}; {advice}", advice = .0.advice())]
    GitHub(#[from] GithubError),
    /// Something has changed in the meantime.
    #[error("nothing is published: {0}")]
    Outdated(String),
    #[error("{0}")]
    Degraded(String),
}

impl PublishError {
    fn exit(&self) -> Exit {
        match self {
            Self::OtherEvent(_) => Exit::Usage,
            Self::Report { .. } | Self::Contradiction { .. } => Exit::Project,
            Self::Outdated(_) => Exit::Passed,
            Self::Context(_)
            | Self::Event(_)
            | Self::File { .. }
            | Self::NoToken
            | Self::GitHub(_)
            | Self::Degraded(_) => Exit::Environment,
        }
    }
}

pub(crate) async fn run(args: &PublishArgs, streams: &Streams) -> Exit {
    let interrupted = watch_signals();
    let token = process_environment("GITHUB_TOKEN").filter(|token| !token.is_empty());
    let mask = token.as_deref().map(commands::add_mask);
    let _ = streams.print_masks(&mask.unwrap_or_default());
    let token = token.map(SecretString::from);
    let done = interrupted.run_until_cancelled(published(args, token, streams)).await;
    let (text, exit) = match done {
        None => (String::new(), Exit::Interrupted),
        Some(Ok(text)) => (format!("{text}\n"), Exit::Passed),
        Some(Err(error @ PublishError::Outdated(_))) => {
            (commands::notice("mig-ci", &error.to_string()), error.exit())
        }
        Some(Err(error)) => (commands::error("mig-ci", &error.to_string()), error.exit()),
    };
    let _ = streams.print_commands(&text);
    exit
}

async fn published(
    args: &PublishArgs,
    token: Option<SecretString>,
    streams: &Streams,
) -> Result<String, PublishError> {
    let context = JobContext::read(&process_environment)?;
    let payload = read(&args.event)?;
    let event = JobEvent::read(&context.event_name, &payload, context.actor.as_deref())?;
    let (EventKind::WorkflowRun, Some(head_sha)) = (event.kind, event.head_sha.clone()) else {
        return Err(PublishError::OtherEvent(event.name));
    };
    let text = read(&args.report);
    let claimed = text.as_ref().ok().and_then(|text| report::claimed_partition(text));
    let partition = claimed.or_else(|| named_partition(&args.report));
    let report = text.and_then(|text| usable(&args.report, &text));
    let token = token.ok_or(PublishError::NoToken)?;
    let client = connect(&context, token)?;
    let number = find(&client, &event, &head_sha).await?;
    // The later of two runs is the one that verified later, independent of when their reports are published.
    let run = event.follows.unwrap_or(context.run);
    let context = JobContext { run, ..context };
    let links = links(args, &context, &event, &head_sha);
    let shown = match &report {
        Ok(report) => PublishedReport::of(report, &links),
        Err(error) => PublishedReport::without(&error.to_string(), &links, partition),
    };
    if let Some(path) = &context.files.summary
        && let Err(error) = file_commands::write_summary(path, std::slice::from_ref(&shown.body))
    {
        let _ = streams.print(&commands::warning("mig-ci", &error.to_string()));
    }
    let publication = publication(args, run, shown, number, head_sha);
    let published = publish(&publication, &client).await;
    for degraded in published.degraded.iter().filter(|_| published.comment.is_some()) {
        let _ = streams.print_commands(&commands::notice("mig-ci", &degraded.to_string()));
    }
    let url = published.comment_url.unwrap_or_default();
    // The problem is already shown on the pull request.
    report?;
    match published.comment {
        Some(Outcome::LaterRun) => Ok(format!("a later run has already commented: {url}")),
        Some(_) => Ok(format!("the comment on pull request #{number}: {url}")),
        None => {
            let lines = published.degraded.iter().map(ToString::to_string);
            Err(PublishError::Degraded(lines.collect::<Vec<_>>().join("\n")))
        }
    }
}

/// The pull request of the run, if its head is still the run's commit.
async fn find(
    client: &GithubClient,
    event: &JobEvent,
    head_sha: &str,
) -> Result<u64, PublishError> {
    let number = match &event.subject {
        Subject::Known { number, .. } => *number,
        Subject::Lookup(_) => match pull_request::of_workflow_run(client, head_sha).await? {
            FoundPullRequest::One(pull) => pull.number,
            FoundPullRequest::None => {
                return Err(PublishError::Outdated(format!(
                    "no open pull request has {head_sha} as its head: it was closed, or has a newer commit"
                )));
            }
            FoundPullRequest::Several(numbers) => {
                return Err(PublishError::Outdated(format!(
                    "{head_sha} is the head of several pull requests, {numbers:?}, and the run does not show which one it \
                     verified"
                )));
            }
        },
        Subject::None(why) => return Err(PublishError::Outdated((*why).to_owned())),
    };
    match pull_request::at_head(client, number, head_sha).await {
        Ok(_) => Ok(number),
        Err(Mismatch::Unknown(error)) => Err(error.into()),
        Err(mismatch) => Err(PublishError::Outdated(mismatch.to_string())),
    }
}

/// The report, with this program's sentences instead of its own.
fn usable(path: &Utf8Path, text: &str) -> Result<Report, PublishError> {
    let path = || path.to_owned();
    let report =
        report::read(text).map_err(|source| PublishError::Report { path: path(), source })?;
    report::recompute(report).map_err(|source| PublishError::Contradiction { path: path(), source })
}

/// The partition in the file name that the action chooses: `mig-ci-report-shop-partition-2-of-8.json`.
fn named_partition(path: &Utf8Path) -> Option<Partition> {
    let (_, part) = path.file_stem()?.rsplit_once("partition-")?;
    part.replacen("-of-", "/", 1).parse().ok()
}

/// The published part of the report.
struct PublishedReport {
    verdict: Verdict,
    title: String,
    body: String,
    partition: Option<Partition>,
    has_changes: bool,
    annotations: Vec<CheckRunAnnotation>,
}

impl PublishedReport {
    fn of(report: &Report, links: &Links) -> Self {
        let annotations = report::annotations(report, &links.folder);
        Self {
            verdict: if report.server.lost { Verdict::NotRun } else { report.verdict },
            title: format!("From a saved report: {}", report::headline(report)),
            body: report::comment(report, links),
            // An invalid partition was refused before.
            partition: report.partition.as_ref().and_then(|text| text.parse().ok()),
            has_changes: report.counts.pending_migrations > 0,
            annotations: annotations.iter().filter_map(CheckRunAnnotation::of).collect(),
        }
    }

    /// An older comment is about another commit, and has to be replaced.
    fn without(why: &str, links: &Links, partition: Option<Partition>) -> Self {
        let title = "The run's report cannot be shown".to_owned();
        Self {
            verdict: Verdict::NotRun,
            body: report::problem(&title, why, links),
            title,
            partition,
            has_changes: false,
            annotations: Vec::new(),
        }
    }
}

fn links(args: &PublishArgs, context: &JobContext, event: &JobEvent, head_sha: &str) -> Links {
    let folder = args.folder.as_ref().map(|folder| folder.as_str().trim_matches('/'));
    let folder = folder.filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/"));
    let of = match &event.head_repository {
        Some(name) => format!("`{name}`"),
        None => "a deleted repository".to_owned(),
    };
    let conclusion = event.conclusion.as_ref();
    let conclusion =
        conclusion.map(|word| format!(", which GitHub has as `{word}`,")).unwrap_or_default();
    let origin = format!(
        "> **From a saved report.** [Run {run}]({url}) of {of} at `{head}`{conclusion} wrote it, with the code of this pull \
         request: the numbers, names and messages are claims of that run. Rely on the check of the job itself.",
        run = context.run.id,
        url = context.run_url(),
        head = head_sha.get(..7).unwrap_or(head_sha),
    );
    Links {
        repository_url: Some(context.repository_url()),
        folder: folder.unwrap_or_default(),
        commit: Some(head_sha.to_owned()),
        run_url: Some(context.run_url()),
        origin: Some(origin),
    }
}

fn publication(
    args: &PublishArgs,
    run: RunAttempt,
    shown: PublishedReport,
    number: u64,
    head_sha: String,
) -> Publication {
    Publication {
        pull_request: Some(number),
        head_sha,
        verdict: shown.verdict,
        title: shown.title,
        body: shown.body,
        key: key_of(args.comment_key.clone(), shown.partition),
        run,
        comment: CommentMode::Update,
        comment_when: CommentWhen::Always,
        only_existing: false,
        has_changes: shown.has_changes,
        check: if args.check_run { CheckRunMode::Always } else { CheckRunMode::Never },
        check_run: None,
        token_can_write: true,
        annotations: shown.annotations,
    }
}

/// Reads a file up to the maximum size of a report: an archive may contain any file.
fn read(path: &Utf8Path) -> Result<String, PublishError> {
    let failed = |reason: String| PublishError::File { path: path.to_owned(), reason };
    // Checked before opening: opening a pipe without a writer would block.
    let there = fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !there.is_file() {
        return Err(failed("it is not a file".to_owned()));
    }
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    file.take(most + 1).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    Ok(text)
}
