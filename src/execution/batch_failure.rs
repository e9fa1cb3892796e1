//! What a failed batch left on the server, and whether it can be retried.

use super::batch::Batch;
use super::concurrent_index::{Leftovers, is_lone_index_command};
use super::race::{self, Race};
use crate::formats::{self, is_one_transaction, rolls_back_completely};
use crate::model::{Failure, FailureKind};
use crate::postgres::StepFailure;

#[derive(Debug)]
pub(crate) struct BatchFailure {
    pub(crate) failure: Failure,
    /// The index of the message that failed, and the number of its statements that completed before. `None` if nothing was
    /// sent.
    pub(crate) at: Option<(usize, usize)>,
    /// The whole batch was in transactions: no part of it is applied.
    pub(crate) is_whole: bool,
    /// Some of its statements before the failure remain applied.
    pub(crate) is_partly_applied: bool,
    /// Another session caused the failure. `None` also if a part of the batch may remain applied, because it is not retried
    /// then.
    pub(crate) race: Option<Race>,
    /// The failed attempt had no effect, apart from the format's mark that the migration has started.
    pub(crate) had_no_effect: bool,
    /// The failed command builds or drops an index, and nothing before it remains applied.
    pub(crate) is_index_command: bool,
    /// Invalid indexes that the batch left.
    pub(crate) leftovers: Leftovers,
    /// The index of the first migration in the failed message, if several migrations shared it.
    pub(crate) first_of_several: Option<usize>,
}

impl BatchFailure {
    /// Nothing was sent. A broken connection can be retried.
    pub(crate) fn before_start(failure: Failure) -> Self {
        let race = race::of(&failure);
        Self { race, is_whole: true, had_no_effect: true, ..Self::with_scope(failure, true) }
    }

    /// A failure that a retry would not fix.
    pub(crate) fn permanent(failure: Failure, batch: &Batch) -> Self {
        Self::with_scope(failure, batch.is_whole)
    }

    fn with_scope(failure: Failure, is_whole: bool) -> Self {
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

    /// Classifies a failure by the message that failed and the number of its completed statements.
    pub(crate) fn classify(batch: &Batch, failed: StepFailure) -> Self {
        let StepFailure { message, completed, failure } = failed;
        let is_lost = failure.kind == FailureKind::ConnectionLost;
        let rolls_back = rolls_back_completely(&batch.messages, message);
        // If the connection broke before the server reported the result, the message may have succeeded. The ledger tells,
        // if its row is in the same transaction.
        let had_no_effect =
            batch.is_whole || (rolls_back && (!is_lost || is_one_transaction(&batch.messages)));
        let is_partly_applied = formats::leaves_changes(&batch.messages, message, completed);
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
            ..Self::permanent(failure, batch)
        }
    }

    /// Adds a hint for real databases: how to handle effects that the failure may have left.
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

/// For each message of a batch: whether its cancellation would leave a part of a migration.
pub(crate) fn leaves_changes(batch: &Batch) -> Vec<bool> {
    let messages = &batch.messages;
    // What an index command leaves is cleaned up.
    let is_clean = |at: usize| {
        is_lone_index_command(&messages[at]) && !formats::leaves_changes(messages, at, 0)
    };
    (0..messages.len()).map(|at| !rolls_back_completely(messages, at) && !is_clean(at)).collect()
}
