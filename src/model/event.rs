//! Progress events of a run, sent by replay and rendered by `ui`; replay itself prints nothing.

use std::sync::Arc;
use std::time::Duration;

use super::{Phase, TrackKind, Verdict};

#[derive(Debug, Clone)]
pub(crate) enum RunEvent {
    /// A server is being started; `description` names the provider.
    ProviderStarting { description: String },
    /// The server accepts connections.
    ServerReady { description: String, version: String, took: Duration },
    /// Replay of a database starts; `units` verdicts will follow.
    DatabaseStarted { database: Arc<str>, units: usize },
    /// A unit starts a phase.
    UnitStarted { unit: UnitName, phase: Phase },
    /// A migration of the unit is sent.
    StepStarted { unit: UnitName, migration: Arc<str> },
    /// The unit has its verdict.
    UnitFinished { unit: UnitName, verdict: Verdict, took: Duration },
    /// All units of the database have verdicts.
    DatabaseFinished { database: Arc<str>, took: Duration },
    /// The results of the database are inconclusive: it is replayed from an empty state, one unit at a time, on a new server.
    ReplayedAgain { database: Arc<str>, reason: String },
    /// Servers and databases that the run created are being removed.
    CleaningUp,
}

/// Identifies the unit of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct UnitName {
    pub(crate) database: Arc<str>,
    pub(crate) track: TrackKind,
    /// The tenant, or the starting state of a shared track.
    pub(crate) name: Arc<str>,
}
