//! One execution core for `verify` and `upgrade`: it runs a batch of steps on a target, reads back what the server shows
//! afterwards, classifies a failure, decides on a retry, and makes the records of steps.
//!
//! ```text
//! steps ─▶ Batch ─▶ BatchRunner ─▶ Postcondition ─▶ step records
//!                       └─ failure ─▶ BatchFailure ─▶ retry::decide
//! ```
//!
//! **How a batch is run** is the [`BatchRunner`]'s: natively, as messages of a SQL format in a session. A runner for steps
//! that are not SQL text (a driver, a command) implements the same trait, and brings back the same [`Postcondition`].
//!
//! **What differs** between `verify` and `upgrade` stands at the edge of this room: `verify` sends each step by itself and
//! records what it sees, for checks to judge; `upgrade` has a lease on the target, may send several steps at once, and treats
//! a postcondition that does not hold as a failure. Which messages a step sends is [`Deploy`]'s.

pub(crate) mod batch;
pub(crate) mod batch_failure;
pub(crate) mod commit_guard;
pub(crate) mod concurrency;
pub(crate) mod concurrent_index;
pub(crate) mod postcondition;
pub(crate) mod race;
pub(crate) mod record;
pub(crate) mod retry;
pub(crate) mod step;

pub(crate) use concurrency::can_come_of_concurrency;

use std::time::{Duration, Instant};

use batch::Batch;
use batch_failure::BatchFailure;
use commit_guard::guard_failure;

use crate::model::Notice;
use crate::postgres::{Postcondition, Session, StepFailure, collecting};

/// Runs a batch on the target that it was made for.
pub(crate) trait BatchRunner {
    /// Runs all steps of a batch, and reads back what the target's session shows afterwards.
    ///
    /// # Errors
    /// What kept it from its end: see [`RunError`].
    async fn run(&mut self, batch: &Batch) -> Result<Postcondition, RunError>;
}

/// Why a batch did not come to its end.
#[derive(Debug)]
pub(crate) enum RunError {
    /// The target is not as it was when the batch was planned. Nothing has been done.
    TargetChanged,
    Failed(Box<StepFailure>),
}

/// The native runner: the messages of a SQL format, in a session that is at the target.
impl BatchRunner for Session {
    async fn run(&mut self, batch: &Batch) -> Result<Postcondition, RunError> {
        let sent = self.step(&batch.messages, &batch.recorded).await;
        sent.map_err(|failed| RunError::Failed(Box::new(failed)))
    }
}

/// What has become of a batch.
#[derive(Debug)]
pub(crate) struct Execution {
    /// From the first message to the last answer.
    pub(crate) duration: Duration,
    /// What the server said meanwhile.
    pub(crate) notices: Vec<Notice>,
    pub(crate) result: Result<Postcondition, NotExecuted>,
}

/// Why a batch was not executed.
#[derive(Debug)]
pub(crate) enum NotExecuted {
    /// See [`RunError::TargetChanged`].
    TargetChanged,
    Failed(Box<BatchFailure>),
}

/// Runs a batch. The one place where steps are executed, for `verify` and `upgrade`.
pub(crate) async fn execute(runner: &mut impl BatchRunner, batch: &Batch) -> Execution {
    let started = Instant::now();
    tracing::debug!(migrations = ?batch.files(), messages = batch.messages.len(), "sending");
    let (ran, notices) = collecting(runner.run(batch)).await;
    let duration = started.elapsed();
    let result = match ran {
        Ok(seen) => {
            let (recorded, schemas) = (seen.recorded, &seen.schemas);
            tracing::debug!(recorded, ?schemas, ?duration, "postcondition read");
            Ok(seen)
        }
        Err(RunError::TargetChanged) => {
            tracing::debug!("nothing applied: the target is not as it was scanned");
            Err(NotExecuted::TargetChanged)
        }
        Err(RunError::Failed(failed)) => {
            let failure = guard_failure(failed.failure);
            tracing::debug!(reason = failure.message, "step failed");
            let failed = BatchFailure::classify(batch, StepFailure { failure, ..*failed });
            Err(NotExecuted::Failed(Box::new(failed)))
        }
    };
    Execution { duration, notices, result }
}
