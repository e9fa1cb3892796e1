//! The conclusions of checks.

use super::{Failure, Phase, Place, Severity, TrackKind};

/// The verdict for a tenant, for a shared track, or for the whole run. "Not run" never counts as passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Verdict {
    Passed,
    NotRun,
    Failed,
}

/// One problem with one cause, for all units that have it.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// The check's code: `migration-failed`. `docs/checks/<code>.md` explains it.
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    /// One sentence, in the server's words if there are any.
    pub(crate) message: String,
    /// Empty if it concerns the project as a whole.
    pub(crate) database: String,
    pub(crate) track: TrackKind,
    /// Indices into the evidence's units, in plan order; empty if it concerns the project.
    pub(crate) units: Vec<usize>,
    /// Whether a finding about the project fails the run. Findings about units fail these by severity.
    pub(crate) fails_run: bool,
    /// The phase in which it occurred.
    pub(crate) phase: Phase,
    /// The failure of the first of the units, if there was one.
    pub(crate) failure: Option<Failure>,
    /// The position to look at. A finding about a ledger or a session has the position of its step.
    pub(crate) place: Option<Place>,
    /// Why there is no position; `Some` exactly if `place` is `None`. Displayed after "no place:".
    pub(crate) unplaced: Option<&'static str>,
    /// How to fix it.
    pub(crate) help: Option<String>,
}
