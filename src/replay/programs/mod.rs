//! The drivers of a replay: one for each Python interpreter that its tracks use, started when it is first needed, on this
//! machine or in a container beside the server.

mod in_image;
mod no_python;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use camino::Utf8Path;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::Mutex;

use super::plan::{DatabasePlan, TrackPlan};
use super::{ProgramTree, ReplayFiles};
use crate::config::process_environment;
use crate::driver::{
    DriverError, DriverProcess, Interpreter, InterpreterSearch, ProgramServer, PythonDriver,
    common_environment,
};
use crate::model::{AlembicTrack, Failure, FailureKind, Phase, ProgramCause};
use crate::server::{PROGRAM_BASE, PROGRAM_WORKSPACE, Server};
use no_python::no_python;

/// The programs of a replay.
#[derive(Debug)]
pub(crate) struct Programs<'a> {
    files: ReplayFiles<'a>,
    server: &'a Server,
    environment: Arc<BTreeMap<String, String>>,
    /// The lock is held while one starts, so that it is started once.
    runners: Mutex<BTreeMap<RunnerKey, Result<ProgramRunner, String>>>,
    last_id: AtomicU64,
    /// How the processes of databases were isolated, for the report.
    notes: std::sync::Mutex<BTreeMap<Arc<str>, String>>,
}

/// Tracks with equal keys share a driver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum RunnerKey {
    Here(PathBuf),
    Image { image: String, python: Option<String> },
}

/// A running driver, and what its processes see.
#[derive(Debug, Clone)]
pub(crate) struct ProgramRunner {
    pub(crate) driver: PythonDriver,
    /// Variables that all programs get.
    pub(crate) environment: Arc<BTreeMap<String, String>>,
    /// The server's host and port, if the processes see others than mig-ci does.
    server: Option<(String, u16)>,
    /// The interpreter and its image, if it runs in one.
    pub(crate) in_image: Option<Arc<str>>,
}

impl ProgramRunner {
    /// A database of the server, for programs: by these options, or by this port of 127.0.0.1, or as the container sees it.
    pub(crate) fn address(
        &self,
        options: PgConnectOptions,
        database: &str,
        port: Option<u16>,
    ) -> ProgramServer {
        match &self.server {
            Some((host, port)) => {
                ProgramServer::of(&options.host(host).port(*port), database, None)
            }
            None => ProgramServer::of(&options, database, port),
        }
    }
}

impl<'a> Programs<'a> {
    pub(crate) fn new(files: ReplayFiles<'a>, server: &'a Server) -> Self {
        Self {
            files,
            server,
            environment: Arc::new(common_environment(&process_environment)),
            runners: Mutex::default(),
            last_id: AtomicU64::default(),
            notes: std::sync::Mutex::default(),
        }
    }

    /// The files that a track's program is run from. The root is a folder of the container if it runs in one.
    pub(crate) fn tree(&self, track: &TrackPlan, phase: Phase) -> ProgramTree<'a> {
        let base = self.files.base.filter(|_| phase == Phase::Base && track.needs_base_tree());
        let is_in_image = track.alembic.as_ref().is_some_and(|alembic| alembic.image.is_some());
        let (tree, copy) = match base {
            Some(base) => (base, PROGRAM_BASE),
            None => (self.files.head, PROGRAM_WORKSPACE),
        };
        if is_in_image { ProgramTree { root: Utf8Path::new(copy), ..tree } } else { tree }
    }

    /// An id for the next request.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a remark about a database to the report. The last one counts.
    pub(crate) fn note(&self, database: &Arc<str>, text: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.insert(Arc::clone(database), text);
    }

    /// All remarks, by database.
    pub(crate) fn notes(&self) -> Vec<(Arc<str>, String)> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.iter().map(|(database, text)| (Arc::clone(database), text.clone())).collect()
    }

    /// The running driver for a track.
    pub(crate) async fn runner(
        &self,
        database: &DatabasePlan,
        track: &TrackPlan,
        alembic: &AlembicTrack,
    ) -> Result<ProgramRunner, Failure> {
        let (key, interpreter) = match &alembic.image {
            Some(image) => {
                let (image, python) = (image.clone(), alembic.python.clone());
                (RunnerKey::Image { image, python }, None)
            }
            None => {
                let found = self.search(alembic);
                let found = found.map_err(|error| match error {
                    DriverError::NoInterpreter { .. } => {
                        no_python(&error, &database.name, track.kind, alembic, &process_environment)
                    }
                    DriverError::NotStarted { .. } => not_started(error.to_string()),
                })?;
                (RunnerKey::Here(found.path.clone()), Some(found))
            }
        };
        let mut runners = self.runners.lock().await;
        let started = match runners.get(&key) {
            Some(started) => started.clone(),
            None => {
                let started = match &interpreter {
                    Some(interpreter) => {
                        let process = DriverProcess::spawn(interpreter, &self.environment);
                        self.over(process).await.map_err(|error| error.to_string())
                    }
                    None => self.in_image(&key).await,
                };
                runners.insert(key, started.clone());
                started
            }
        };
        started.map_err(not_started)
    }

    fn search(&self, alembic: &AlembicTrack) -> Result<Interpreter, DriverError> {
        // The base runs in the environment of the head: the head's is the one that is installed.
        let root = self.files.head.root;
        let folder = root.join(&alembic.folder);
        let search = InterpreterSearch {
            configured: alembic.python.as_deref(),
            root: root.as_std_path(),
            folder: folder.as_std_path(),
            variable: &process_environment,
        };
        search.find()
    }

    async fn over(
        &self,
        process: Result<DriverProcess, DriverError>,
    ) -> Result<ProgramRunner, DriverError> {
        let driver = PythonDriver::over(process?).await?;
        let environment = Arc::clone(&self.environment);
        Ok(ProgramRunner { driver, environment, server: None, in_image: None })
    }
}

fn not_started(message: String) -> Failure {
    Failure::new(FailureKind::Program(ProgramCause::NotStarted), message)
}
