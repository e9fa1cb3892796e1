//! Another try of a target whose migration lost a race: when, and with what of the tries before. Between two tries its
//! worker takes other targets, which come first.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::model::{Failure, Phase, UnitEnd};
use crate::upgrade::track::executor::TrackExecutor;
use crate::upgrade::track::progress::{TargetOutcome, TargetProgress};
use crate::upgrade::track::race::Race;

/// Tries after the first one.
const RETRIES: u32 = 5;
/// Before the first of them; each next one waits twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// What is known of a target between two tries.
#[derive(Debug)]
pub(crate) struct PendingRetry {
    pub(crate) begun: TargetProgress,
    pub(crate) due: Instant,
}

/// How the work on a target ended.
#[derive(Debug)]
pub(crate) enum Attempted {
    Done(TargetOutcome),
    /// It is to be tried again, not before a time.
    Retry(Box<PendingRetry>),
}

/// Targets that wait for their next try. They are worked on once no other target waits.
#[derive(Debug, Default)]
pub(crate) struct RetryQueue {
    waiting: BTreeSet<(Instant, usize)>,
    states: BTreeMap<usize, Box<PendingRetry>>,
}

impl RetryQueue {
    pub(crate) fn push(&mut self, index: usize, retry: Box<PendingRetry>) {
        self.waiting.insert((retry.due, index));
        self.states.insert(index, retry);
    }

    /// The targets whose time has come, the earliest first. What is known of them stays here until it is taken.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<usize> {
        let mut due = Vec::new();
        while let Some(first) = self.waiting.first()
            && first.0 <= now
        {
            due.extend(self.waiting.pop_first().map(|(_, index)| index));
        }
        due
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// What is known of a target that was tried before.
    pub(crate) fn take(&mut self, index: usize) -> Option<Box<PendingRetry>> {
        self.states.remove(&index)
    }

    /// All that are left. What is known of them stays here until it is taken.
    pub(crate) fn drain(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.waiting).into_iter().map(|(_, index)| index).collect()
    }
}

impl TrackExecutor<'_> {
    /// Another try, if there is one left; else what is known comes back.
    pub(crate) fn retry(
        &self,
        mut begun: TargetProgress,
        race: Option<Race>,
    ) -> Result<Attempted, TargetProgress> {
        let Some(race) = race.filter(|_| begun.retries < RETRIES) else { return Err(begun) };
        let pause = PAUSE * 2_u32.pow(begun.retries);
        begun.retries += 1;
        // The last one has no other migration of this run beside it, so that only its own outcome counts.
        begun.is_alone = match race {
            Race::SameMigration => true,
            Race::Catalog => begun.retries == RETRIES,
            Race::Lock | Race::Connection => false,
        };
        let pause = pause.mul_f64(0.5 + fastrand::f64());
        let (retry, is_alone) = (begun.retries, begun.is_alone);
        tracing::debug!(retry, reason = %race, ?pause, is_alone, "to be retried");
        let due = Instant::now() + pause;
        Ok(Attempted::Retry(Box::new(PendingRetry { begun, due })))
    }

    /// A target that is not worked on any more. What it has applied stays in its record.
    pub(crate) fn not_run(
        &self,
        retry: Option<Box<PendingRetry>>,
        reason: impl Into<String>,
    ) -> TargetOutcome {
        match retry {
            None => TargetOutcome::not_run(reason),
            Some(retry) => self.stopped_early(retry.begun, reason),
        }
    }

    pub(crate) fn failed(
        &self,
        retry: Option<Box<PendingRetry>>,
        failure: Failure,
    ) -> TargetOutcome {
        match retry {
            None => TargetOutcome::failed(failure),
            Some(retry) => {
                let failure = Some(Box::new(failure));
                let end = UnitEnd::Failed { phase: Phase::Head, failure };
                TargetOutcome { end, ..self.complete(retry.begun) }
            }
        }
    }

    pub(crate) fn stopped_early(
        &self,
        begun: TargetProgress,
        reason: impl Into<String>,
    ) -> TargetOutcome {
        let end = UnitEnd::NotRun { reason: reason.into() };
        TargetOutcome { end, ..self.complete(begun) }
    }
}
