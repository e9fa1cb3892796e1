//! One try of a target: it has come to an end, or is to be tried again.

use std::time::Instant;

use super::directed_track::DirectedTrack;
use super::progress::{TargetOutcome, TargetProgress};
use crate::execution::race::Race;
use crate::execution::retry::{RetryDecision, RetryRule, decide};
use crate::model::{Failure, Phase, UnitEnd};

/// How a try ended.
#[derive(Debug)]
pub(crate) enum Attempted {
    Done(TargetOutcome),
    /// The target is to be tried again, not before a time.
    Retry(Box<PendingRetry>),
}

impl From<TargetOutcome> for Attempted {
    fn from(outcome: TargetOutcome) -> Self {
        Self::Done(outcome)
    }
}

/// A target between two tries.
#[derive(Debug)]
pub(crate) struct PendingRetry {
    pub(crate) progress: TargetProgress,
    pub(crate) due: Instant,
}

impl TargetProgress {
    /// Another try, if there is one left; else the progress comes back.
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
    /// A target that is not worked on any more. What an earlier try has applied stays in its record.
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

    /// The same for a target that has failed.
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
