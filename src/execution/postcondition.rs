//! What has to be true after a batch. An exit code is no evidence: the ledger and the session are.
//!
//! `verify` records what it sees, and checks judge that; `upgrade` ends the target with [`require`].

use crate::model::{Failure, FailureKind, Place};
use crate::postgres::Postcondition;

impl Postcondition {
    /// The schemas that the session sees now, where these are not the ones of `search_path`.
    pub(crate) fn moved_search_path(self, search_path: &[String]) -> Option<Vec<String>> {
        (self.schemas != search_path).then_some(self.schemas)
    }
}

/// The ledger shows the batch, and the session sees the schemas of `search_path`.
///
/// # Errors
/// What does not hold, at `place`.
pub(crate) fn require(
    seen: Postcondition,
    search_path: &[String],
    place: Option<Place>,
) -> Result<(), Failure> {
    if !seen.recorded {
        let words = "the migration ran, but the ledger does not show it: the migration changed the ledger, the search path \
                     or the role, or left a transaction open";
        return Err(Failure { place, ..Failure::new(FailureKind::Ledger, words) });
    }
    let Some(moved) = seen.moved_search_path(search_path) else { return Ok(()) };
    let words = format!(
        "the migration has moved the session's search path from {search_path:?} to {moved:?}; what follows it would go elsewhere"
    );
    Err(Failure { place, ..Failure::new(FailureKind::SearchPath, words) })
}
