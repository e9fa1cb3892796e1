//! Replays migrations on a server and records what happened. Emits [`RunEvent`]s; does not print or judge.

mod database;
mod inconclusive;
mod isolation_proof;
pub(crate) mod plan;
mod programs;
mod row_digest;
mod session;
mod shape;
mod unit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use futures::stream::{self, StreamExt as _};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tracing::Instrument as _;

use crate::model::{
    EnvironmentCause, Failure, FailureKind, Files, Migration, RunEvent, UnitRecord, database_span,
};
use crate::postgres::Session;
use crate::samples::{run_file, run_file_in_transaction};
use crate::server::{EventSink, Server, begin_prepare, end_prepare};
use crate::sql::{Certainty, effects};
use inconclusive::InconclusiveResults;
use plan::DatabasePlan;
use programs::Programs;

pub(crate) use inconclusive::{Attempt, InconclusiveReason};

const SERVER_LOST: &str = "the server was lost";
/// After a backend has crashed, the server still accepts new sessions for a moment, and then terminates all of them.
const CRASH_SHOWS_WITHIN: Duration = Duration::from_millis(200);

/// The context of a replay.
#[derive(Debug)]
pub(crate) struct Replay<'a> {
    server: &'a Server,
    /// The head revision, from which samples and `prepare` files are read.
    files: &'a dyn Files,
    /// The programs that run migrations which are not SQL.
    programs: Programs<'a>,
    /// The maximum number of units that run at one time, over all databases.
    jobs: usize,
    permits: Semaphore,
    /// Held while something server-wide, such as a role, is changed: the server rejects concurrent changes of the same
    /// object.
    cluster: Arc<Mutex<()>>,
    events: EventSink,
    lost: AtomicBool,
    inconclusive: InconclusiveResults,
}

/// How a replay runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    /// The maximum number of units that run at one time, over all databases (at least one). With one, databases and units
    /// run sequentially, in plan order.
    pub(crate) jobs: usize,
    pub(crate) attempt: Attempt,
}

/// The results of a replay.
#[derive(Debug)]
pub(crate) struct Evidence {
    /// The units of each replayed database, both in plan order.
    pub(crate) databases: Vec<Vec<UnitRecord>>,
    /// For each database: why its results are discarded.
    pub(crate) inconclusive: Vec<Option<InconclusiveReason>>,
    /// The server was lost for the rest of the run.
    pub(crate) server_lost: bool,
    /// Remarks about the processes of migration programs.
    pub(crate) program_notes: Vec<(Arc<str>, String)>,
}

/// Runs the SQL files that prepare the server as a whole, for example its roles.
pub(crate) async fn prepare_server(
    server: &Server,
    files: &dyn Files,
    paths: &[Utf8PathBuf],
) -> Result<(), Failure> {
    if paths.is_empty() {
        return Ok(());
    }
    let mut session = Session::open_plain(server.admin()).await?;
    if server.labels_new_roles() {
        let before = begin_prepare(&mut session).await?;
        for path in paths {
            run_file_in_transaction(&mut session, files, path).await?;
        }
        end_prepare(&mut session, &server.run, &before).await?;
    } else {
        for path in paths {
            run_file(&mut session, files, path).await?;
        }
    }
    session.close().await;
    Ok(())
}

/// The files of a revision, as a folder in which programs run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProgramTree<'a> {
    pub(crate) files: &'a dyn Files,
    /// Absolute.
    pub(crate) root: &'a Utf8Path,
}

/// The files that are replayed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReplayFiles<'a> {
    pub(crate) head: ProgramTree<'a>,
    /// The base's, if a program needs them: see [`plan::TrackPlan::needs_base_tree`].
    pub(crate) base: Option<ProgramTree<'a>>,
}

/// Replays these databases of a plan.
pub(crate) async fn replay(
    plans: &[&DatabasePlan],
    server: &Server,
    files: ReplayFiles<'_>,
    mode: Mode,
    events: EventSink,
) -> Evidence {
    let jobs = mode.jobs.max(1);
    let units: usize = plans.iter().map(|plan| plan.units.len()).sum();
    let concurrent = jobs > 1 && units > 1;
    let replay = Replay {
        server,
        files: files.head.files,
        programs: Programs::new(files, server),
        jobs,
        permits: Semaphore::new(jobs),
        cluster: Arc::default(),
        events,
        lost: AtomicBool::new(false),
        inconclusive: InconclusiveResults::new(mode.attempt, concurrent, are_linked(plans)),
    };
    let each = stream::iter(plans).map(|plan| {
        let span = database_span(&plan.name);
        database::replay_database(&replay, plan).instrument(span)
    });
    let databases = if jobs == 1 {
        each.buffered(1).collect().await
    } else {
        futures::future::join_all(each.collect::<Vec<_>>().await).await
    };
    let inconclusive =
        plans.iter().map(|plan| replay.inconclusive.reason_for(&plan.name)).collect();
    let program_notes = replay.programs.notes();
    Evidence { databases, inconclusive, server_lost: replay.is_lost(), program_notes }
}

/// Whether databases can affect each other's results through objects that a server shares, roles above all. Assumed unless
/// it is proven that no script changes such objects. Samples and `prepare` files count as scripts that may.
fn are_linked(plans: &[&DatabasePlan]) -> bool {
    let may_change =
        |migration: &Migration| effects(&migration.up).changes_cluster() != Certainty::No;
    let may_reach = |plan: &&DatabasePlan| {
        let tracks = plan.shared.iter().chain(&plan.tenants);
        let mut migrations = tracks.flat_map(|track| track.base.iter().chain(&track.head));
        let has_files = !plan.prepare.is_empty() || !plan.tenant_prepare.is_empty();
        let mut units = plan.units.iter();
        has_files
            || units.any(|unit| unit.start.sample_path().is_some())
            || migrations.any(may_change)
    };
    plans.len() > 1 && plans.iter().any(may_reach)
}

impl Replay<'_> {
    fn emit(&self, event: RunEvent) {
        // A run does not stop if no one receives its events.
        let _ = self.events.send(event);
    }

    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed; without a permit a unit would only start too early.
        self.permits.acquire().await.ok()
    }

    /// See [`InconclusiveResults::may_fork`].
    fn may_fork(&self) -> bool {
        self.inconclusive.may_fork()
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Distinguishes a broken connection from a lost server.
    async fn settle(&self, mut failure: Failure) -> Failure {
        let lost =
            matches!(failure.kind, FailureKind::ConnectionLost | FailureKind::Environment(_));
        if lost && !self.is_lost() {
            tokio::time::sleep(CRASH_SHOWS_WITHIN).await;
        }
        if lost && (self.is_lost() || !self.server.is_alive().await) {
            self.lost.store(true, Ordering::Relaxed);
            failure.kind = FailureKind::ServerLost;
            failure.message = format!("server lost: {}", failure.message);
        } else if failure.kind == FailureKind::ConnectionLost
            && !self.inconclusive.may_follow()
            && self.server.has_come_back().await
        {
            failure.kind = FailureKind::Environment(EnvironmentCause::ServerRestarted);
            failure.message = format!(
                "the server was restarted, or one of its processes crashed, during this run: {}",
                failure.message
            );
        }
        failure
    }
}
