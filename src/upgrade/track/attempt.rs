//! One attempt on a target: why a batch was not applied, and whether the target is retried.

use std::time::Instant;

use super::directed_track::DirectedTrack;
use super::progress::{TargetOutcome, TargetProgress};
use crate::execution::batch_failure::BatchFailure;
use crate::execution::race::Race;
use crate::execution::retry::{RetryDecision, RetryRule, decide};
use crate::model::{Failure, Phase, UnitEnd};
use crate::upgrade::interruption::is_cancellation;

/// The result of an attempt.
#[derive(Debug)]
pub(crate) enum Attempted {
    Ended(TargetOutcome),
    /// The target is to be retried, not before a time.
    Retry(Box<PendingRetry>),
}

impl From<TargetOutcome> for Attempted {
    fn from(outcome: TargetOutcome) -> Self {
        Self::Ended(outcome)
    }
}

/// A target between two attempts.
#[derive(Debug)]
pub(crate) struct PendingRetry {
    pub(crate) progress: TargetProgress,
    pub(crate) due: Instant,
}

impl TargetProgress {
    /// The next attempt, if one is left; otherwise returns the progress.
    pub(crate) fn retry(
        mut self,
        race: Option<Race>,
        failure: &Failure,
    ) -> Result<Attempted, Self> {
        let rule = RetryRule::InPlace { retries: self.retries, race };
        let RetryDecision::Again { pause, alone } = decide(rule, failure) else {
            return Err(self);
        };
        self.retries += 1;
        self.is_alone = alone;
        let reason = race.map(tracing::field::display);
        tracing::debug!(retry = self.retries, reason, ?pause, is_alone = alone, "to be retried");
        let due = Instant::now() + pause;
        Ok(Attempted::Retry(Box::new(PendingRetry { progress: self, due })))
    }
}

impl PendingRetry {
    /// The outcome of a target that is not retried. Steps applied by earlier attempts stay in its record.
    pub(crate) fn not_run(
        retry: Option<Box<Self>>,
        track: &DirectedTrack<'_>,
        reason: impl Into<String>,
    ) -> TargetOutcome {
        match retry {
            None => TargetOutcome::not_run(reason),
            Some(retry) => retry.progress.stopped(track, reason),
        }
    }

    /// The same for a target that failed.
    pub(crate) fn failed(
        retry: Option<Box<Self>>,
        track: &DirectedTrack<'_>,
        failure: Failure,
    ) -> TargetOutcome {
        match retry {
            None => TargetOutcome::failed(failure),
            Some(retry) => {
                let failure = Some(Box::new(failure));
                let end = UnitEnd::Failed { phase: Phase::Head, failure };
                TargetOutcome { end, ..retry.progress.completed(track) }
            }
        }
    }
}

pub(crate) enum BatchNotApplied {
    /// The target has changed since it was read. Nothing was done.
    TargetChanged,
    /// It was not started.
    Interrupted,
    Failed(Box<BatchFailure>),
}

impl BatchNotApplied {
    /// Whether an interruption is the cause, given that it may have ended the exchange with the server.
    pub(crate) fn is_interruption(&self, was_interrupted: bool) -> bool {
        match self {
            Self::Interrupted => true,
            Self::TargetChanged => was_interrupted,
            Self::Failed(failed) => was_interrupted && is_cancellation(&failed.failure),
        }
    }
}

impl From<BatchFailure> for BatchNotApplied {
    fn from(failed: BatchFailure) -> Self {
        Self::Failed(Box::new(failed))
    }
}
