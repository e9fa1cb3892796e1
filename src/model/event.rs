//! What replay tells while it works. The only thing that replay and progress share: replay never prints.

use std::sync::Arc;
use std::time::Duration;

use super::{Phase, TrackKind, Verdict};

/// Something that has just happened.
#[derive(Debug, Clone)]
pub(crate) enum RunEvent {
    /// A server is being made; `description` says by what.
    ProviderStarting { description: String },
    /// It answers.
    ServerReady { description: String, version: String, took: Duration },
    /// The work on a database begins: `units` verdicts are to come.
    DatabaseStarted { database: Arc<str>, units: usize },
    /// A unit enters a phase.
    UnitStarted { unit: UnitName, phase: Phase },
    /// A migration of it is sent.
    StepStarted { unit: UnitName, migration: Arc<str> },
    /// Its verdict is known.
    UnitFinished { unit: UnitName, verdict: Verdict, took: Duration },
    /// All verdicts of a database are.
    DatabaseFinished { database: Arc<str>, took: Duration },
    /// What was seen of a database does not count: it is replayed from nothing, one unit at a time, on a fresh server.
    ReplayedAgain { database: Arc<str>, reason: String },
    /// Everything that was started is being removed.
    CleaningUp,
}

/// Whom an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct UnitName {
    pub(crate) database: Arc<str>,
    pub(crate) track: TrackKind,
    /// The tenant, or the starting state of a shared track.
    pub(crate) name: Arc<str>,
}
