//! `mig-ci verify`.

use std::num::NonZero;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cli::args::{Global, ScopeArgs, ServerArgs, VerifyArgs};
use crate::cli::edge;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::stream::Streams;
use crate::config::{Overrides, process_environment};
use crate::project::Scope;
use crate::replay::plan::Selection;
use crate::report::RenderOptions;
use crate::report::verify::v1::Report;
use crate::source::BaseRequest;
use crate::ui::{self, Progress, Task};
use crate::upgrade::Interruption;
use crate::verify::{VerifyRequest, verify};

pub(crate) async fn run(
    global: &Global,
    args: &VerifyArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    output::probe(&args.outputs)?;
    let interrupted = watch_signals();
    let (events, received) = mpsc::unbounded_channel();
    let mode = streams.progress(global.quiet);
    let progress = Progress::new(mode, Task::Verify, Box::new(edge::harmless_stderr()));
    let progress = ui::spawn(progress, received);
    let outcome = verify(&request(global, args), events, &interrupted).await;
    // The last lines of progress precede the report. A panic of the task is no reason to lose the report.
    let _ = progress.await;
    let report = outcome?;
    let options = RenderOptions {
        color: streams.out_colour(),
        width: streams.out_width(),
        ..RenderOptions::default()
    };
    let printed = streams.print(&args.format.render(&report, &options));
    let written = interrupted.run_until_cancelled(write_all(args, &report)).await;
    let mut errors = written.ok_or(CommandError::Interrupted)?;
    errors.extend(printed.err());
    errors.iter().for_each(|error| streams.explain(error));
    // The result of the run takes precedence over a file that could not be written.
    Ok(match Exit::of_report(&report) {
        Exit::Passed if !errors.is_empty() => Exit::Environment,
        exit => exit,
    })
}

/// Writes all files, and returns the errors. Runs concurrently with the signals: a pipe without a reader blocks.
async fn write_all(args: &VerifyArgs, report: &Report) -> Vec<CommandError> {
    let plain = RenderOptions::default();
    let texts: Vec<(Utf8PathBuf, String)> = args
        .outputs
        .iter()
        .map(|each| (each.path.clone(), each.format.render(report, &plain)))
        .collect();
    let write =
        move || texts.iter().filter_map(|(path, text)| output::write(path, text).err()).collect();
    let failed = |error: tokio::task::JoinError| {
        vec![CommandError::Output { path: "the reports".into(), reason: error.to_string() }]
    };
    tokio::task::spawn_blocking(write).await.unwrap_or_else(failed)
}

/// The request of the command line.
pub(crate) fn request(global: &Global, args: &VerifyArgs) -> VerifyRequest {
    let mut overrides = overrides(&args.server);
    overrides.fail_on = args.fail_on;
    let cores = available_parallelism().map_or(1, NonZero::get);
    VerifyRequest {
        scope: scope(global, &args.scope, overrides),
        jobs: args.jobs.map_or(cores, usize::from),
        timings: args.timings,
        require_migrations: args.require_migrations,
        require_tenants: args.require_tenants,
    }
}

/// The scope from the flags that several commands share.
pub(crate) fn scope(global: &Global, args: &ScopeArgs, overrides: Overrides) -> Scope {
    let base = match &args.base {
        _ if args.no_base => BaseRequest::None,
        Some(revision) => BaseRequest::Revision(revision.clone()),
        None => BaseRequest::Default,
    };
    let selection = Selection {
        databases: global.databases.clone(),
        tenants: args.tenants.clone(),
        partition: args.partition,
    };
    Scope { config: global.config.clone(), overrides, base, remote_repo: None, selection }
}

/// The flag, or its variable: if the environment was passed in a file, clap has not read it. libpq's own variable for a
/// password is also used.
fn server_url(args: &ServerArgs) -> Option<String> {
    let given = |name: &str| process_environment(name).filter(|value| !value.is_empty());
    let mut url = args.postgres_url.clone().or_else(|| given("MIG_CI_POSTGRES_URL"))?;
    if std::env::var_os("PGPASSWORD").is_none()
        && let Some(password) = given("PGPASSWORD")
        && !has_password(&url)
    {
        let sign = if url.contains('?') { '&' } else { '?' };
        let password = utf8_percent_encode(&password, NON_ALPHANUMERIC);
        url = format!("{url}{sign}password={password}");
    }
    Some(url)
}

fn has_password(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || rest.contains("password=")
}

pub(crate) fn overrides(args: &ServerArgs) -> Overrides {
    Overrides {
        provider: args.provider,
        version: args.postgres_version,
        image: args.postgres_image.clone(),
        runner_images: args
            .runner_images
            .iter()
            .filter(|image| !image.is_empty())
            .cloned()
            .collect(),
        url: server_url(args).map(Into::into),
        ..Overrides::default()
    }
}

/// SIGINT and SIGTERM request an orderly end; as the first process of a container, the process has no default handlers for
/// them.
pub(crate) fn watch_signals() -> CancellationToken {
    watch_repeated_signals().requested
}

/// The same, but distinguishes a second signal. Signals within a moment count as the first one: a terminal signals all
/// processes of a job, and a wrapper may forward its own signal.
pub(crate) fn watch_repeated_signals() -> Interruption {
    const A_MOMENT: Duration = Duration::from_secs(1);
    let interruption = Interruption::default();
    let Interruption { requested, repeated } = interruption.clone();
    tokio::spawn(async move {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else {
            tracing::warn!("cannot handle signals: an interruption will not clean up");
            return;
        };
        let mut first = None;
        // Further signals are ignored, so that they do not interrupt the removal.
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            tracing::debug!("interruption requested");
            requested.cancel();
            if first.get_or_insert_with(Instant::now).elapsed() > A_MOMENT {
                tracing::debug!("interruption repeated");
                repeated.cancel();
            }
        }
    });
    interruption
}
