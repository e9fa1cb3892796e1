//! The drivers of a replay: one for each Python interpreter that its tracks use, started when it is first needed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::Mutex;

use super::plan::TrackPlan;
use super::{ProgramTree, ReplayFiles};
use crate::driver::{DriverError, InterpreterSearch, PythonDriver, common_environment};
use crate::model::{AlembicTrack, Failure, FailureKind, Phase, ProgramCause};

/// The programs of a replay.
#[derive(Debug)]
pub(crate) struct Programs<'a> {
    files: ReplayFiles<'a>,
    environment: BTreeMap<String, String>,
    /// By interpreter. The lock is held while one starts, so that it is started once.
    drivers: Mutex<BTreeMap<PathBuf, Result<PythonDriver, DriverError>>>,
    last_id: AtomicU64,
    /// How the processes of databases were isolated, for the report.
    notes: std::sync::Mutex<BTreeMap<Arc<str>, String>>,
}

impl<'a> Programs<'a> {
    pub(crate) fn new(files: ReplayFiles<'a>) -> Self {
        Self {
            files,
            environment: common_environment(&variable),
            drivers: Mutex::default(),
            last_id: AtomicU64::default(),
            notes: std::sync::Mutex::default(),
        }
    }

    /// The files that a track's program is run from.
    pub(crate) fn tree(&self, track: &TrackPlan, phase: Phase) -> ProgramTree<'a> {
        let base = self.files.base.filter(|_| phase == Phase::Base && track.needs_base_tree());
        base.unwrap_or(self.files.head)
    }

    pub(crate) fn head(&self) -> ProgramTree<'a> {
        self.files.head
    }

    /// Variables that all programs get.
    pub(crate) fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
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
    pub(crate) fn notes(&self) -> Vec<String> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.values().cloned().collect()
    }

    /// The running driver for a track.
    pub(crate) async fn driver(&self, track: &AlembicTrack) -> Result<PythonDriver, Failure> {
        // The base runs in the environment of the head: the head's is the one that is installed.
        let root = self.files.head.root;
        let found = InterpreterSearch {
            configured: track.python.as_deref(),
            root: root.as_std_path(),
            folder: root.join(&track.folder).as_std_path(),
            variable: &variable,
        }
        .find();
        let started = match found {
            Ok(interpreter) => {
                let mut drivers = self.drivers.lock().await;
                match drivers.get(&interpreter.path) {
                    Some(started) => started.clone(),
                    None => {
                        let started = PythonDriver::start(&interpreter, &self.environment).await;
                        drivers.insert(interpreter.path, started.clone());
                        started
                    }
                }
            }
            Err(error) => Err(error),
        };
        started.map_err(|error| {
            Failure::new(FailureKind::Program(ProgramCause::NotStarted), error.to_string())
        })
    }
}

/// A variable of mig-ci's own environment.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
