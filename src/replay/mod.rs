//! Replaying migrations on a server, and writing down what happened. It tells [`Event`]s, and never prints or judges.

mod database;
pub(crate) mod plan;
mod shape;
mod unit;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use camino::Utf8PathBuf;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use crate::model::{Event, Failure, FailureKind, Files, UnitRecord};
use crate::postgres::{EventSink, Server, Session};
use crate::tenants::{run_file, run_file_in_transaction};
use plan::Plan;

const SERVER_LOST: &str = "the server was lost";
/// After one of its processes has crashed, a server still takes new sessions for a moment, and then ends all of them.
const CRASH_SHOWS_WITHIN: Duration = Duration::from_millis(200);

/// What a replay works with.
#[derive(Debug)]
pub(crate) struct Replay<'a> {
    server: &'a Server,
    /// The head: samples and `prepare` files are read from it.
    files: &'a dyn Files,
    /// Units at work at one time, over all databases.
    jobs: usize,
    permits: Semaphore,
    /// `prepare` files of several databases and tenants go one after the other: what they make may be the server's, such as
    /// a membership in a role, and the server does not let two sessions make the same at once.
    preparing: Mutex<()>,
    events: EventSink,
    lost: AtomicBool,
}

/// What a replay found out.
#[derive(Debug)]
pub(crate) struct Evidence {
    /// In plan order.
    pub(crate) units: Vec<UnitRecord>,
    /// The server went away, and did not come back.
    pub(crate) server_lost: bool,
}

/// Runs the SQL files that stand before everything else: what the server as a whole provides, such as roles.
pub(crate) async fn prepare_server(
    server: &Server,
    files: &dyn Files,
    paths: &[Utf8PathBuf],
) -> Result<(), Failure> {
    if paths.is_empty() {
        return Ok(());
    }
    let mut session = Session::open_plain(server.admin()).await?;
    if server.notes_roles() {
        let before = server.begin_prepare(&mut session).await?;
        for path in paths {
            run_file_in_transaction(&mut session, files, path).await?;
        }
        server.end_prepare(&mut session, &before).await?;
    } else {
        for path in paths {
            run_file(&mut session, files, path).await?;
        }
    }
    session.close().await;
    Ok(())
}

/// Replays the whole plan, `jobs` units at a time (at least one).
pub(crate) async fn replay(
    plan: &Plan,
    server: &Server,
    files: &dyn Files,
    jobs: usize,
    events: EventSink,
) -> Evidence {
    let jobs = jobs.max(1);
    let permits = Semaphore::new(jobs);
    let lost = AtomicBool::new(false);
    let preparing = Mutex::new(());
    let replay = Replay { server, files, jobs, permits, preparing, events, lost };
    let databases = plan.databases.iter().map(|plan| database::replay_database(&replay, plan));
    let units = futures::future::join_all(databases).await.into_iter().flatten().collect();
    Evidence { units, server_lost: replay.is_lost() }
}

impl Replay<'_> {
    fn tell(&self, event: Event) {
        // Nobody listening is no reason to stop.
        let _ = self.events.send(event);
    }

    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed; without it a unit would only run earlier than it should.
        self.permits.acquire().await.ok()
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Tells a broken connection from a lost server.
    async fn settle(&self, mut failure: Failure) -> Failure {
        let lost = matches!(failure.kind, FailureKind::ConnectionLost | FailureKind::Environment);
        if lost && !self.is_lost() {
            tokio::time::sleep(CRASH_SHOWS_WITHIN).await;
        }
        if lost && (self.is_lost() || !self.server.is_alive().await) {
            self.lost.store(true, Ordering::Relaxed);
            failure.kind = FailureKind::ServerLost;
            failure.message = format!("server lost: {}", failure.message);
        }
        failure
    }
}
