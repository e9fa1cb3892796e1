//! What checks conclude.

use super::{Failure, Phase, Place, Severity, TrackKind};

/// The outcome for a tenant, for a shared track, or for the whole run. "Not run" is never a kind of passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Verdict {
    Passed,
    NotRun,
    Failed,
}

/// One problem with one cause, for all the units that share it.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// The check's code: `migration-failed`. `docs/checks/<code>.md` explains it.
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    /// One sentence, in the server's words where it has any.
    pub(crate) message: String,
    /// Empty where it is about the project as a whole.
    pub(crate) database: String,
    pub(crate) track: TrackKind,
    /// Indices into the evidence's units, in plan order; empty where it is about the project.
    pub(crate) units: Vec<usize>,
    /// A finding about the project that fails the run. One about units fails these by its severity.
    pub(crate) fails_run: bool,
    /// The part of the units' lives in which it happened.
    pub(crate) phase: Phase,
    /// The failure of the first of the units, where the finding is about one.
    pub(crate) failure: Option<Failure>,
    /// Where to look. A finding that is about a ledger or a session has the place of its step.
    pub(crate) place: Option<Place>,
    /// Why there is no place; `Some` exactly where `place` is `None`. Reads after "no place:".
    pub(crate) unplaced: Option<&'static str>,
    /// What to do about it.
    pub(crate) help: Option<String>,
}
