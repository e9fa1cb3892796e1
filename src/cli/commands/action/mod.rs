//! `mig-ci action`: the command of the container action. The inputs decide what is verified; the results are shown in the log,
//! the annotations, the job's summary, the outputs and the report's file. The exit code is `verify`'s: a failure to show
//! results does not change it.

mod post;
mod publisher;
mod run_progress;
mod show;
mod shown_result;

use std::ffi::OsString;
use std::path::Path;

use secrecy::ExposeSecret as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::verify::{request, watch_signals};
use crate::cli::args::{ActionArgs, Global};
use crate::cli::edge::HarmlessWriter;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;
use crate::config::process_environment;
use crate::github::commands::{self, StoppedCommands};
use crate::github_action::{ActionJob, JobError, JobRequest};
use crate::model::{Database, Project, ProviderChoice};
use crate::project::load_project;
use crate::report::RenderOptions;
use crate::report::verify::terminal;
use crate::report::verify::v1::Report;
use crate::secrets;
use crate::server;
use crate::source;
use crate::ui::{self, Progress, ProgressMode, Task};
use crate::verify::{VerifyError, VerifyRequest, verify};

use publisher::Publisher;
use run_progress::{FINISHED, RunProgress, STARTED};
use show::Show;

/// The name by which the runner's `post-entrypoint` calls this program: it supports a path, and no arguments.
const POST: &str = "mig-ci-post";

/// The program's arguments. Under its second name it is `mig-ci action --post`, with any arguments: the runner appends the
/// action's own arguments there, too (`ContainerActionHandler.cs`).
pub(crate) fn arguments(given: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let given: Vec<_> = given.collect();
    let name = given.first().and_then(|name| Path::new(name).file_name());
    if name.is_some_and(|name| name == POST) {
        return ["mig-ci", "action", "--post"].map(OsString::from).into();
    }
    given
}

pub(crate) async fn run(global: &Global, args: &ActionArgs, streams: &Streams) -> Exit {
    let started = ActionJob::read(&process_environment);
    if args.post {
        post::clean_up(global, args, started, streams).await;
        return Exit::Passed;
    }
    // The result that later steps see if the run is killed.
    show::result_is_error(streams);
    match started {
        Ok(job) => run_job(&job, request(global, &args.verify), global.quiet, streams).await,
        Err(error) => {
            show::invalid_job(&error.to_string(), streams);
            exit_of(&error)
        }
    }
}

fn exit_of(error: &JobError) -> Exit {
    match error {
        JobError::Input(_) | JobError::Refused { .. } => Exit::Usage,
        JobError::Context(_)
        | JobError::Event(_)
        | JobError::Payload { .. }
        | JobError::Folder { .. }
        | JobError::KeptCredentials { .. }
        | JobError::KeptCredentialsOfPrograms { .. }
        | JobError::CredentialFile { .. }
        | JobError::ExposedSecret { .. }
        | JobError::Source(_) => Exit::Environment,
    }
}

async fn run_job(job: &ActionJob, request: VerifyRequest, quiet: bool, streams: &Streams) -> Exit {
    let interrupted = watch_signals();
    print_masks(job, streams);
    print_foreign(streams, &job.describe());
    let mut show = Show::new(job, streams);
    if let Some(why) = job.event.nothing_to_do {
        show.nothing_to_do(why);
        return Exit::Passed;
    }
    let refused = job.event.refusal.map(|why| JobError::Refused { why });
    let github = job.connection();
    let request = match refused {
        Some(refused) => Err(refused),
        None => match job.request(request).await {
            Ok(job_request) => match may_run_here(&job_request.request) {
                Ok(()) => job.check_pushed(job_request, &github).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        },
    };
    let JobRequest { mut request, commit, mismatch } = match request {
        Ok(job_request) => job_request,
        Err(error) => {
            let text = error.to_string();
            if let JobError::Refused { .. } = error {
                // If nothing may run, nothing is published on the pull request either.
                show.problem(&text, None).await;
                return exit_of(&error);
            }
            let commit = job.context.sha.as_deref();
            let publisher = Publisher::begin(job, &github, commit, &interrupted).await;
            let is_shown = show.problem(&text, Some(publisher)).await;
            show.save_state(FINISHED, RunProgress::of(is_shown));
            return exit_of(&error);
        }
    };
    request.scope.remote_repo = Some(job.remote_repo(&github));
    let warning = mismatch.map(|text| commands::warning("mig-ci", &text));
    tell(streams, &warning.unwrap_or_default());
    load_project_data(&request, &mut show, streams);
    show.save_state(STARTED, RunProgress::Shown);
    // Concurrently: a GitHub that does not answer delays nothing.
    let (publisher, outcome) = tokio::join!(
        Publisher::begin(job, &github, commit.as_deref(), &interrupted),
        verify_with_log(&request, quiet, streams, &interrupted)
    );
    let exit = match &outcome {
        Ok(report) => Exit::of_report(report),
        Err(error) => Exit::of_error(error),
    };
    if let Some(ended) = show_outcome(&outcome, exit, publisher, &show).await {
        show.save_state(FINISHED, ended);
    }
    exit
}

/// The progress of the run; `None` if the step after the job has to remove something.
async fn show_outcome(
    outcome: &Result<Report, CommandError>,
    exit: Exit,
    publisher: Publisher<'_>,
    show: &Show<'_>,
) -> Option<RunProgress> {
    match outcome {
        // A second or two are left. The step after the job shows that there is no result, unless a newer run was faster.
        Err(CommandError::Verify(VerifyError::Interrupted { left })) => {
            show.interrupted();
            let is_cancelled = publisher.cancel().await;
            (is_cancelled && left.is_empty()).then_some(RunProgress::Interrupted)
        }
        Err(error) => {
            let text = crate::cli::stream::plain_explanation(error);
            Some(RunProgress::of(show.problem(&text, Some(publisher)).await))
        }
        Ok(report) => Some(RunProgress::of(show.report(report, exit, publisher).await)),
    }
}

/// Whether a server may run on this machine: not if its user could read credentials that mig-ci cannot protect. Errors of the
/// project are reported later.
fn may_run_here(request: &VerifyRequest) -> Result<(), JobError> {
    let scope = &request.scope;
    let Ok((project, _)) = load_project(scope.config.as_deref(), scope.overrides.clone()) else {
        return Ok(());
    };
    if project.postgres.provider != ProviderChoice::Local {
        let kept = source::kept_credentials(&project.root).filter(|_| runs_programs_here(&project));
        return match kept {
            Some(path) => Err(JobError::KeptCredentialsOfPrograms { path }),
            None => Ok(()),
        };
    }
    if let Some(path) = source::kept_credentials(&project.root) {
        return Err(JobError::KeptCredentials { path });
    }
    if let Some(path) = server::file_with_secret(&process_environment) {
        return Err(JobError::CredentialFile { path: path.display().to_string() });
    }
    match server::process_with_secret() {
        Some(process) => Err(JobError::ExposedSecret { process }),
        None => Ok(()),
    }
}

/// Whether programs of the project run on this machine, and not in an image.
fn runs_programs_here(project: &Project) -> bool {
    let tracks = project.databases.iter().flat_map(Database::tracks);
    tracks.filter_map(|(_, track)| track.alembic.as_ref()).any(|alembic| alembic.image.is_none())
}

/// Loads what is needed for the first output. `verify` itself reports errors of the project.
fn load_project_data(request: &VerifyRequest, show: &mut Show<'_>, streams: &Streams) {
    let scope = &request.scope;
    if let Ok((project, _)) = load_project(scope.config.as_deref(), scope.overrides.clone()) {
        show.project_is_at(&project.root);
        if let Some(url) = &project.postgres.url {
            secrets::learn_address(url.expose_secret());
            let _ = streams.print_masks(&masks_of_url(url.expose_secret()));
        }
    }
}

/// Verifies, and writes `verify`'s output to the log, with its progress folded. It is text from files and databases, so the
/// runner's commands are disabled meanwhile; and it is written to one stream, because the order of two streams is undefined.
async fn verify_with_log(
    request: &VerifyRequest,
    quiet: bool,
    streams: &Streams,
    interrupted: &CancellationToken,
) -> Result<Report, CommandError> {
    let progress_text = StoppedCommands::new();
    tell(streams, &(commands::group("mig-ci verify") + &progress_text.begin()));
    let (events, received) = mpsc::unbounded_channel();
    let mode = if quiet { ProgressMode::Quiet } else { ProgressMode::Lines };
    let progress =
        Progress::new(mode, Task::Verify, Box::new(HarmlessWriter::new(std::io::stdout(), true)));
    let progress = ui::spawn(progress, received);
    let outcome = verify(request, events, interrupted).await.map_err(CommandError::from);
    let _ = progress.await;
    tell(streams, &(progress_text.end() + commands::END_GROUP));
    let options = RenderOptions {
        color: streams.out_colour(),
        width: streams.out_width(),
        ..RenderOptions::default()
    };
    let text = match &outcome {
        Ok(report) => terminal::render(report, &options),
        Err(error) => streams.explanation(error),
    };
    print_foreign(streams, &text);
    outcome
}

/// Writes text from outside to the log.
fn print_foreign(streams: &Streams, text: &str) {
    let stopped = StoppedCommands::new();
    tell(streams, &(stopped.begin() + &StoppedCommands::text(text) + &stopped.end()));
}

/// The runner masks them from now on in the whole log. It already knows its own secrets; repeating them is harmless.
fn print_masks(job: &ActionJob, streams: &Streams) {
    if let Some(token) = &job.inputs.token {
        secrets::learn(token.expose_secret());
    }
    let masks: String = secrets::known().iter().map(|secret| commands::add_mask(secret)).collect();
    let _ = streams.print_masks(&masks);
}

/// Writes to the log. A closed stream is no reason to stop.
fn tell(streams: &Streams, text: &str) {
    let _ = streams.print_commands(text);
}

/// A server's whole URL, and its password encoded and decoded: the runner only masks complete values.
fn masks_of_url(url: &str) -> String {
    let mut masks = commands::add_mask(url);
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let password = user.split_once(':').map(|(_, password)| password);
    if let Some(password) = password.filter(|password| !secrets::is_word(password)) {
        masks.push_str(&commands::add_mask(password));
        let decoded = percent_encoding::percent_decode_str(password).decode_utf8_lossy();
        if decoded != password {
            masks.push_str(&commands::add_mask(&decoded));
        }
    }
    masks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_name_cleans_up_with_any_arguments() {
        let arguments = |given: &[&str]| {
            let given = given.iter().map(OsString::from);
            arguments(given)
                .iter()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            arguments(&["/usr/local/bin/mig-ci-post", "action"]),
            ["mig-ci", "action", "--post"]
        );
        assert_eq!(
            arguments(&["/usr/local/bin/mig-ci", "list"]),
            ["/usr/local/bin/mig-ci", "list"]
        );
        assert!(arguments(&[]).is_empty());
    }

    #[test]
    fn a_password_is_masked_encoded_and_decoded() {
        assert_eq!(
            masks_of_url("postgres://u:p%40ss@h:5432/d?x=y"),
            "::add-mask::postgres://u:p%2540ss@h:5432/d?x=y\n::add-mask::p%2540ss\n::add-mask::p@ss\n"
        );
        assert_eq!(
            masks_of_url("postgres:///d?host=/run"),
            "::add-mask::postgres:///d?host=/run\n"
        );
    }
}
