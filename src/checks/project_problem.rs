//! What a check says about the project, and not about a unit.

use crate::model::{Place, Severity, TrackKind};

/// One thing that is wrong with the project.
#[derive(Debug)]
pub(crate) struct ProjectProblem {
    /// Empty for the project as a whole.
    pub(super) database: String,
    pub(super) track: TrackKind,
    pub(super) message: String,
    pub(super) place: Option<Place>,
    /// Why there is no place, where there is none.
    pub(super) unplaced: Option<&'static str>,
    pub(super) help: Option<String>,
    /// It weighs no more than this, whatever the check weighs.
    pub(super) at_most: Option<Severity>,
    /// It weighs no less than this, unless the check is switched off.
    pub(super) at_least: Option<Severity>,
    /// The head says why it is so: it is shown, and fails nothing.
    pub(super) is_acknowledged: bool,
}
