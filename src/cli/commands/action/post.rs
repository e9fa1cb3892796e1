//! After the job: shows that a run has no result, if it could not show that itself, and removes its leftovers. Idempotent, and
//! never fails a job.
//!
//! An older result belongs to an older commit. A run that was killed, timed out, cancelled, that panicked, or whose last
//! request GitHub refused must not leave it as if it were the newest result, and must not leave a check run in progress.

use secrecy::ExposeSecret as _;

use super::publisher::Publisher;
use super::run_progress::{FINISHED, RunProgress, STARTED};
use super::show::Show;
use super::{masks_of_url, print_foreign, tell};
use crate::cli::args::{ActionArgs, Global};
use crate::cli::commands::clean::describe;
use crate::cli::commands::verify::request;
use crate::cli::stream::{Streams, plain_explanation};
use crate::config::process_environment;
use crate::github::commands;
use crate::github_action::{ActionJob, JobError, JobRequest};
use crate::project::load_project;
use crate::secrets;
use crate::server;

pub(crate) async fn clean_up(
    global: &Global,
    args: &ActionArgs,
    job: Result<ActionJob, JobError>,
    streams: &Streams,
) {
    let state = |name: &str| process_environment(&format!("STATE_{name}"));
    let ended = state(FINISHED).map(|word| word.parse().unwrap_or(RunProgress::Shown));
    if let Ok(job) = &job
        && ended != Some(RunProgress::Shown)
        && job.event.refusal.or(job.event.nothing_to_do).is_none()
    {
        let is_shown = Publisher::publish_no_result(job, ended, streams).await;
        // Some runners, such as act, pass neither state nor inputs. Then the run's own comment shows whether it completed; if
        // GitHub is not available, nothing is published.
        let has_no_result = is_shown.map_or(state(STARTED).is_some(), |is_shown| !is_shown);
        if ended.is_none() && has_no_result {
            Show::new(job, streams).interrupted();
        }
    }
    if state(STARTED).is_none() || ended.is_some() {
        tell(streams, "nothing to remove\n");
        return;
    }
    match cleaned(global, args, job, streams).await {
        Ok(text) => print_foreign(streams, &text),
        Err(why) => tell(streams, &commands::warning("mig-ci could not clean up", &why)),
    }
}

async fn cleaned(
    global: &Global,
    args: &ActionArgs,
    job: Result<ActionJob, JobError>,
    streams: &Streams,
) -> Result<String, String> {
    let job = job.map_err(|error| error.to_string())?;
    let job_request = job.request(request(global, &args.verify)).await;
    let JobRequest { request, .. } = job_request.map_err(|error| error.to_string())?;
    let scope = request.scope;
    let (project, _) = load_project(scope.config.as_deref(), scope.overrides)
        .map_err(|error| plain_explanation(&error.into()))?;
    if let Some(url) = &project.postgres.url {
        secrets::learn_address(url.expose_secret());
        let _ = streams.print_masks(&masks_of_url(url.expose_secret()));
    }
    let settings = &project.postgres;
    Ok(describe(&server::clean(settings, settings.provider, false).await))
}
