//! One server from its start to its end, and the databases that are replayed on it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::VerifyError;
use super::base_tree::BaseTree;
use super::server_facts::of_server;
use super::timing::Stopwatch;
use crate::model::{RunEvent, attempt_span};
use crate::project::Loaded;
use crate::replay::plan::DatabasePlan;
use crate::replay::{self, Evidence, Mode, ProgramTree, ReplayFiles};
use crate::report::verify::v1;
use crate::server;
use crate::server::{EventSink, RunId, Server, ServerRequest, StoppedServer};

/// The sender of a signal waits a few seconds, and then kills the process.
const STOP_WITHIN: Duration = Duration::from_secs(4);

/// The names of a run's phases in the timings: the server's start, the replay, the server's end.
pub(super) type Laps = [&'static str; 3];
pub(super) const FIRST_LAPS: Laps = ["start the server", "replay", "stop the server"];

/// The common data of all runs of a command.
pub(super) struct RunContext<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) base_tree: Option<&'a BaseTree>,
    pub(super) events: &'a EventSink,
    pub(super) interrupted: &'a CancellationToken,
}

/// A completed run.
pub(super) struct Ran {
    pub(super) evidence: Evidence,
    pub(super) server: (v1::Server, Vec<v1::Note>),
    pub(super) stopped: StoppedServer,
}

impl RunContext<'_> {
    /// Starts a server, prepares it, replays these databases on it, and removes it in any case.
    pub(super) async fn run(
        &self,
        plans: &[&DatabasePlan],
        mode: Mode,
        laps: &Laps,
        watch: &mut Stopwatch,
    ) -> Result<Ran, VerifyError> {
        let Self { loaded, events, interrupted, .. } = *self;
        let run = RunId::new();
        let settings = loaded.project.postgres.clone();
        let wanted = ServerRequest {
            settings: settings.clone(),
            run: run.clone(),
            jobs: mode.jobs,
            programs: loaded.plan.tracks().any(|track| track.alembic.is_some()),
            program_image: loaded
                .plan
                .tracks()
                .find_map(|track| track.alembic.as_ref()?.image.clone()),
        };
        let started = interrupted.run_until_cancelled(Server::start(&wanted, events)).await;
        let Some(started) = started else {
            let swept = server::cleanup_run(&settings, &run).await;
            return Err(VerifyError::Interrupted { left: swept.problems });
        };
        let server = started?;
        watch.lap(laps[0]);

        let replayed = self.prepare_and_replay(&server, plans, mode);
        let replayed = replayed.instrument(attempt_span(mode.attempt.number()));
        let evidence = interrupted.run_until_cancelled(replayed).await;
        watch.lap(laps[1]);

        let _ = events.send(RunEvent::CleaningUp);
        let facts = of_server(&server, &loaded.project);
        let Some(evidence) = evidence else { return Err(stop_now(server).await) };
        let stopped = server.stop().await;
        watch.lap(laps[2]);
        Ok(Ran { evidence: evidence?, server: facts, stopped })
    }

    async fn prepare_and_replay(
        &self,
        server: &Server,
        plans: &[&DatabasePlan],
        mode: Mode,
    ) -> Result<Evidence, VerifyError> {
        let Loaded { project, head, .. } = self.loaded;
        replay::prepare_server(server, head, &project.prepare)
            .await
            .map_err(|failure| VerifyError::Prepare(Box::new(failure)))?;
        let files = ReplayFiles {
            head: ProgramTree { files: head, root: &project.root },
            base: self.base_tree.map(BaseTree::tree),
        };
        Ok(replay::replay(plans, server, files, mode, self.events.clone()).await)
    }
}

/// Also removes what an interrupted run has created, as far as the time allows.
async fn stop_now(server: Server) -> VerifyError {
    let left = match tokio::time::timeout(STOP_WITHIN, server.stop()).await {
        Ok(stopped) => stopped.problems,
        Err(_) => vec![format!("the cleanup took more than {} s", STOP_WITHIN.as_secs())],
    };
    VerifyError::Interrupted { left }
}
