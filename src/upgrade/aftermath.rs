//! What a batch has come to, and what there is to say of it.

use super::batch::Batch;
use super::target::Target;
use crate::formats::rolls_back_whole;
use crate::model::{Failure, FailureKind, Place};
use crate::postgres::{Aftermath, StepFailure, lost_a_race};

/// Why a batch did not come to its end.
pub(super) struct Stopped {
    pub(super) failure: Failure,
    /// It was in transactions, so that nothing half-done is left.
    pub(super) is_whole: bool,
    pub(super) may_be_tried_again: bool,
}

pub(super) fn stopped(batch: &Batch, failed: StepFailure) -> Stopped {
    let StepFailure { message, mut failure, .. } = failed;
    let had_no_effect = batch.is_whole || rolls_back_whole(&batch.messages, message);
    let is_lost = failure.kind == FailureKind::ConnectionLost;
    if is_lost && !had_no_effect {
        failure.hint = Some(
            "the connection broke while a migration ran outside of a transaction: it may have been applied in part, or \
             whole without its row in the ledger; look at what it makes before it is run again"
                .to_owned(),
        );
    }
    let may_be_tried_again = had_no_effect && (is_lost || lost_a_race(&failure));
    Stopped { may_be_tried_again, is_whole: batch.is_whole, failure }
}

/// An exit code is no evidence: the ledger and the session are.
pub(super) fn check(
    target: &Target,
    place: Option<Place>,
    seen: &Aftermath,
) -> Result<(), Failure> {
    if !seen.recorded {
        return Err(Failure {
            place,
            ..Failure::new(
                FailureKind::Ledger,
                "the migration ran, and the ledger does not show that: it has changed the ledger, the search path or the role, \
                 or has left a transaction open",
            )
        });
    }
    if seen.schemas != target.search_path {
        return Err(Failure {
            place,
            ..Failure::new(
                FailureKind::SearchPath,
                format!(
                    "the migration has moved the session's search path from {:?} to {:?}; what follows it would go elsewhere",
                    target.search_path, seen.schemas
                ),
            )
        });
    }
    Ok(())
}

pub(super) fn absent(target: &Target) -> Failure {
    Failure {
        hint: Some(
            "make it first (CREATE SCHEMA), or correct the tenant's name or `target`".to_owned(),
        ),
        ..Failure::new(
            FailureKind::Environment,
            format!("there is no schema \"{}\"", target.search_path[0]),
        )
    }
}
