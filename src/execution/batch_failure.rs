//! What a failed batch has left on the server, and whether it can be run again.

use super::batch::Batch;
use super::concurrent_index::{Leftovers, is_lone_index_command};
use super::race::{self, Race};
use crate::formats::{self, is_one_transaction, rolls_back_whole};
use crate::model::{Failure, FailureKind};
use crate::postgres::StepFailure;

/// A failed batch.
#[derive(Debug)]
pub(crate) struct BatchFailure {
    pub(crate) failure: Failure,
    /// The message that failed, and how many of its statements were completed before. None where nothing was sent.
    pub(crate) at: Option<(usize, usize)>,
    /// All of it was in transactions: nothing of it is applied in part.
    pub(crate) is_whole: bool,
    /// Something that its scripts did before the failure stays applied.
    pub(crate) is_partly_applied: bool,
    /// Another session caused the failure. None where a part of the batch may stay, too: it is not run again then.
    pub(crate) race: Option<Race>,
    /// The failed try had no effect at all, apart from the format's mark that it was begun.
    pub(crate) had_no_effect: bool,
    /// The command that failed builds or drops an index, and nothing before it stays.
    pub(crate) is_index_command: bool,
    /// Invalid indexes that it left.
    pub(crate) leftovers: Leftovers,
    /// The first of several migrations that shared its message.
    pub(crate) first_of_several: Option<usize>,
}

impl BatchFailure {
    /// Nothing has been sent. Where the connection broke, it can be tried again.
    pub(crate) fn before_any(failure: Failure) -> Self {
        let race = race::of(&failure);
        Self { race, is_whole: true, had_no_effect: true, ..Self::permanent(failure, true) }
    }

    /// Another try would not help.
    pub(crate) fn for_good(failure: Failure, batch: &Batch) -> Self {
        Self::permanent(failure, batch.is_whole)
    }

    fn permanent(failure: Failure, is_whole: bool) -> Self {
        Self {
            failure,
            at: None,
            is_whole,
            is_partly_applied: false,
            race: None,
            had_no_effect: false,
            is_index_command: false,
            leftovers: Leftovers::default(),
            first_of_several: None,
        }
    }

    /// By the message that failed, and by how far the server came in it.
    pub(crate) fn classify(batch: &Batch, failed: StepFailure) -> Self {
        let StepFailure { message, completed, failure } = failed;
        let is_lost = failure.kind == FailureKind::ConnectionLost;
        let rolls_back = rolls_back_whole(&batch.messages, message);
        // Where the server has not said how a message ended, it may have ended well: the ledger tells, if its row is in the
        // same transaction.
        let had_no_effect =
            batch.is_whole || (rolls_back && (!is_lost || is_one_transaction(&batch.messages)));
        let is_partly_applied = formats::leaves_something(&batch.messages, message, completed);
        let race = race::of(&failure).filter(|_| had_no_effect);
        let is_index_command =
            batch.messages.get(message).is_some_and(is_lone_index_command) && !is_partly_applied;
        let at = Some((message, completed));
        Self {
            at,
            is_partly_applied,
            race,
            had_no_effect,
            is_index_command,
            ..Self::for_good(failure, batch)
        }
    }

    /// Adds what to do on a real database about what the failure may have left.
    pub(crate) fn explain_effect(&mut self) {
        let is_lost = self.failure.kind == FailureKind::ConnectionLost;
        if is_lost && !self.had_no_effect {
            self.failure.hint = Some(
                "the connection broke while a migration ran outside of a transaction: it may have been applied partly, or \
                 completely without its ledger row; check its objects before you run it again"
                    .to_owned(),
            );
        }
        if !is_lost && !self.had_no_effect && self.is_partly_applied {
            self.failure.hint.get_or_insert_with(|| {
                "the statements before the failure stay applied, and the ledger does not show the migration: revert them \
                 manually, or complete the migration and add its ledger row, before you run it again"
                    .to_owned()
            });
        }
    }
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
