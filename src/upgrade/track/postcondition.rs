//! What a batch has come to, and what there is to say of it.

use super::concurrent_index::{Leftovers, is_lone_index_command};
use super::race::{self, Race};
use crate::formats::{self, is_one_transaction, rolls_back_whole};
use crate::model::{Failure, FailureKind, Place, TargetCause};
use crate::postgres::{Postcondition, StepFailure};
use crate::upgrade::preflight::target::Target;
use crate::upgrade::session::batch::Batch;

/// Why a batch did not come to its end.
pub(crate) struct BatchFailure {
    pub(crate) failure: Failure,
    /// It was in transactions, so that nothing half-done is left.
    pub(crate) is_whole: bool,
    /// Why another try can succeed. None where a part of it may stay, too.
    pub(crate) race: Option<Race>,
    /// A failed try had no effect at all, apart from the format's mark that it was begun.
    pub(crate) had_no_effect: bool,
    /// The command that failed builds or drops an index, and nothing before it stays.
    pub(crate) is_index_command: bool,
    /// Invalid indexes of it.
    pub(crate) leftovers: Leftovers,
    /// The first of several migrations that shared its message.
    pub(crate) first_of_several: Option<usize>,
}

impl BatchFailure {
    /// Nothing has been sent. Where the connection broke, it can be tried again.
    pub(crate) fn before_any(failure: Failure) -> Self {
        let race = race::of(&failure);
        Self {
            failure,
            is_whole: true,
            race,
            had_no_effect: true,
            is_index_command: false,
            leftovers: Leftovers::default(),
            first_of_several: None,
        }
    }

    /// There is no point in another try.
    pub(crate) fn for_good(failure: Failure, batch: &Batch) -> Self {
        Self {
            failure,
            is_whole: batch.is_whole,
            race: None,
            had_no_effect: false,
            is_index_command: false,
            leftovers: Leftovers::default(),
            first_of_several: None,
        }
    }
}

pub(crate) fn classify(batch: &Batch, failed: StepFailure) -> BatchFailure {
    let StepFailure { message, completed, mut failure } = failed;
    let is_lost = failure.kind == FailureKind::ConnectionLost;
    let rolls_back = rolls_back_whole(&batch.messages, message);
    // Where the server has not said how a message ended, it may have ended well: the ledger tells, if its row is in the same
    // transaction.
    let had_no_effect =
        batch.is_whole || (rolls_back && (!is_lost || is_one_transaction(&batch.messages)));
    if is_lost && !had_no_effect {
        failure.hint = Some(
            "the connection broke while a migration ran outside of a transaction: it may have been applied in part, or \
             whole without its row in the ledger; look at what it makes before it is run again"
                .to_owned(),
        );
    }
    if !is_lost && !had_no_effect && formats::leaves_something(&batch.messages, message, completed)
    {
        failure.hint.get_or_insert_with(|| {
            "what the migration did before it failed stays, and its ledger does not show it: undo that by hand, or finish it \
             and add the ledger's row, before it is run again from its beginning"
                .to_owned()
        });
    }
    let race = race::of(&failure).filter(|_| had_no_effect);
    let is_index_command = batch.messages.get(message).is_some_and(is_lone_index_command)
        && !formats::leaves_something(&batch.messages, message, completed);
    BatchFailure { race, had_no_effect, is_index_command, ..BatchFailure::for_good(failure, batch) }
}

/// For each message of a batch: if that is cancelled, a part of a migration stays.
pub(crate) fn leaves_something(batch: &Batch) -> Vec<bool> {
    let messages = &batch.messages;
    // What an index command leaves is cleaned up.
    let is_clean = |at: usize| {
        is_lone_index_command(&messages[at]) && !formats::leaves_something(messages, at, 0)
    };
    (0..messages.len()).map(|at| !rolls_back_whole(messages, at) && !is_clean(at)).collect()
}

/// An exit code is no evidence: the ledger and the session are.
pub(crate) fn check(
    target: &Target,
    place: Option<Place>,
    seen: &Postcondition,
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

pub(crate) fn absent(target: &Target) -> Failure {
    Failure {
        hint: Some(
            "make it first (CREATE SCHEMA), or correct the tenant's name or `target`".to_owned(),
        ),
        ..Failure::new(
            FailureKind::Target(TargetCause::MissingSchema),
            format!("there is no schema \"{}\"", target.search_path[0]),
        )
    }
}
