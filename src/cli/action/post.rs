//! After the job: takes away what a run has left that did not come to its end. Doing it twice does no harm, and it never
//! fails a job.

use secrecy::ExposeSecret as _;

use super::job::{Asked, Job, JobError};
use super::publisher::Publisher;
use super::{masks_of_url, tell, tell_foreign};
use crate::cli::args::{ActionArgs, Global};
use crate::cli::clean::describe;
use crate::cli::stream::{Streams, plain_explanation};
use crate::cli::verify::request;
use crate::config::process_environment;
use crate::github::commands;
use crate::postgres;
use crate::verify::load_project;

/// What a run leaves in GITHUB_STATE: that it has begun to make things, and that it has taken all of them away.
pub(super) const STARTED: &str = "started";
pub(super) const FINISHED: &str = "finished";

pub(super) async fn clean_up(
    global: &Global,
    args: &ActionArgs,
    job: Result<Job, JobError>,
    streams: &Streams,
) {
    let state = |name: &str| process_environment(&format!("STATE_{name}")).is_some();
    if !state(STARTED) || state(FINISHED) {
        tell(streams, "nothing was left behind\n");
        return;
    }
    match cleaned(global, args, job, streams).await {
        Ok(text) => tell_foreign(streams, &text),
        Err(why) => tell(streams, &commands::warning("mig-ci could not clean up", &why)),
    }
}

async fn cleaned(
    global: &Global,
    args: &ActionArgs,
    job: Result<Job, JobError>,
    streams: &Streams,
) -> Result<String, String> {
    let job = job.map_err(|error| error.to_string())?;
    let asked = job.request(request(global, &args.verify)).await;
    let Asked { request, commit, .. } = asked.map_err(|error| error.to_string())?;
    Publisher::clean_up(&job, commit.as_deref()).await;
    let scope = request.scope;
    let (project, _) = load_project(scope.config.as_deref(), scope.overrides)
        .map_err(|error| plain_explanation(&error))?;
    if let Some(url) = &project.postgres.url {
        let _ = streams.print_masks(&masks_of_url(url.expose_secret()));
    }
    let settings = &project.postgres;
    Ok(describe(&postgres::clean(settings, settings.provider, false).await))
}
