//! What must hold after a batch. A completed command is not sufficient evidence: the ledger and the session are checked.
//!
//! `verify` records the postcondition for checks; `upgrade` fails the target with [`require`].

use crate::model::{Failure, FailureKind, Place};
use crate::postgres::Postcondition;

impl Postcondition {
    /// The schemas of the session's search path, if they differ from `search_path`.
    pub(crate) fn moved_search_path(self, search_path: &[String]) -> Option<Vec<String>> {
        (self.schemas != search_path).then_some(self.schemas)
    }
}

/// Requires that the ledger shows the batch, and that the session's schemas are those of `search_path`.
///
/// # Errors
/// The condition that does not hold, at `place`.
pub(crate) fn require(
    seen: Postcondition,
    search_path: &[String],
    place: Option<Place>,
) -> Result<(), Failure> {
    if !seen.is_applied {
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
