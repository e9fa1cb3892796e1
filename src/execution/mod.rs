//! One execution core for `verify` and `upgrade`: it runs a batch of steps on a target, reads back the server's state,
//! classifies a failure, decides on a retry, and creates step records.
//!
//! ```text
//! steps ─▶ Batch ─▶ BatchRunner ─▶ Postcondition ─▶ step records
//!                       └─ failure ─▶ BatchFailure ─▶ retry::decide
//! ```
//!
//! **How a batch is run** is up to the [`BatchRunner`]: natively, as messages of a SQL format in a session. A runner for
//! steps that are not SQL text (a driver, a command) implements the same trait and returns the same [`Postcondition`].
//!
//! **The differences** between `verify` and `upgrade` are explicit at the edge of this module. `verify` sends each step
//! separately and records the postcondition for checks. `upgrade` holds a lease on the target, may send several steps at
//! once, and treats an unmet postcondition as a failure. [`Deploy`] selects the messages of a step.

pub(crate) mod batch;
pub(crate) mod batch_failure;
pub(crate) mod commit_guard;
pub(crate) mod concurrency;
pub(crate) mod concurrent_index;
pub(crate) mod postcondition;
pub(crate) mod program;
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

/// Runs a batch on the target that it was planned for.
pub(crate) trait BatchRunner {
    /// Runs all steps of a batch, and reads back the state of the target's session.
    ///
    /// # Errors
    /// Why the batch was not completed: see [`RunError`].
    async fn run(&mut self, batch: &Batch) -> Result<Postcondition, RunError>;
}

/// Why a batch was not completed.
#[derive(Debug)]
pub(crate) enum RunError {
    /// The target has changed since the batch was planned. Nothing was executed.
    TargetChanged,
    Failed(Box<StepFailure>),
}

/// The native runner: sends the messages of a SQL format in a session whose search path is set to the target.
impl BatchRunner for Session {
    async fn run(&mut self, batch: &Batch) -> Result<Postcondition, RunError> {
        let sent = self.step(&batch.messages, &batch.is_applied_expr).await;
        sent.map_err(|failed| RunError::Failed(Box::new(failed)))
    }
}

/// The result of running a batch.
#[derive(Debug)]
pub(crate) struct Execution {
    /// From the first message sent to the last response.
    pub(crate) duration: Duration,
    /// Notices of the server during the run.
    pub(crate) notices: Vec<Notice>,
    pub(crate) result: Result<Postcondition, NotExecuted>,
}

#[derive(Debug)]
pub(crate) enum NotExecuted {
    /// See [`RunError::TargetChanged`].
    TargetChanged,
    Failed(Box<BatchFailure>),
}

/// Runs a batch. All steps of `verify` and `upgrade` are executed here.
pub(crate) async fn execute(runner: &mut impl BatchRunner, batch: &Batch) -> Execution {
    let started = Instant::now();
    tracing::debug!(migrations = ?batch.files(), messages = batch.messages.len(), "sending");
    let (ran, notices) = collecting(runner.run(batch)).await;
    let duration = started.elapsed();
    let result = match ran {
        Ok(seen) => {
            let (recorded, schemas) = (seen.is_applied, &seen.schemas);
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
