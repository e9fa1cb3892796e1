//! A problem of the project as a whole, not of a unit.

use crate::model::{Place, Severity, TrackKind};

#[derive(Debug)]
pub(crate) struct ProjectProblem {
    /// Empty for the project as a whole.
    pub(super) database: String,
    pub(super) track: TrackKind,
    pub(super) message: String,
    pub(super) place: Option<Place>,
    /// Why there is no position, if there is none.
    pub(super) unplaced: Option<&'static str>,
    pub(super) help: Option<String>,
    /// The maximum severity, independent of the check's severity.
    pub(super) at_most: Option<Severity>,
    /// The minimum severity, unless the check is disabled.
    pub(super) at_least: Option<Severity>,
    /// The head contains an acknowledgement: the problem is shown and does not fail the run.
    pub(super) is_acknowledged: bool,
}
