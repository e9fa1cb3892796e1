//! Limits of a rollout: canary, failures, waiting. Only this module decides when no more targets are started.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::model::FailureKind;
use crate::upgrade::stop_reason::{INTERRUPTED, after_canary, after_failures, server_lost};
use crate::upgrade::track::progress::TargetOutcome;

/// The limits of a rollout.
#[derive(Debug, Clone)]
pub(crate) struct RolloutLimits {
    /// The number of targets processed at one time.
    pub(crate) jobs: usize,
    /// The first N targets that have pending work run first; the others continue only if all of them succeed.
    pub(crate) canary: Option<usize>,
    /// No more targets are started once more than this number have failed.
    pub(crate) max_failures: Option<usize>,
    /// The maximum time to wait for a target that another run holds.
    pub(crate) wait: Duration,
}

impl RolloutLimits {
    /// Why the other targets are not started, after `failed` of the `first` targets have failed.
    pub(crate) fn after_canary(&self, failed: usize, first: usize) -> Option<String> {
        (self.canary.is_some() && failed > 0).then(|| after_canary(failed, first))
    }

    /// Why no more targets are started after this number of failures.
    pub(crate) fn after_failures(&self, failed: usize) -> Option<String> {
        too_many_failures(self.max_failures, failed)
    }
}

/// Why no more targets are started: an interruption, a lost server, or too many failures.
#[derive(Debug)]
pub(crate) struct StopRule<'a> {
    max_failures: Option<usize>,
    interrupted: &'a CancellationToken,
    failures: Cell<usize>,
    lost: RefCell<Option<String>>,
    /// The rule of the rollout that contains this one.
    outer: Option<&'a StopRule<'a>>,
}

impl<'a> StopRule<'a> {
    /// `failures` is the number of previous failures.
    pub(crate) fn new(
        limits: &RolloutLimits,
        interrupted: &'a CancellationToken,
        failures: usize,
    ) -> Self {
        let (max_failures, failures) = (limits.max_failures, Cell::new(failures));
        Self { max_failures, interrupted, failures, lost: RefCell::default(), outer: None }
    }

    /// A rule for a part of a rollout: it has a server of its own, and shares the other limits.
    pub(crate) fn part_of(outer: &'a StopRule<'a>) -> Self {
        let (failures, lost) = Default::default();
        let interrupted = outer.interrupted;
        Self { max_failures: None, interrupted, failures, lost, outer: Some(outer) }
    }

    /// Why no more targets are started, or `None`.
    pub(crate) fn reason(&self) -> Option<String> {
        if self.interrupted.is_cancelled() {
            return Some(INTERRUPTED.to_owned());
        }
        if let Some(lost) = &*self.lost.borrow() {
            return Some(lost.clone());
        }
        too_many_failures(self.max_failures, self.failures.get()).or_else(|| self.outer?.reason())
    }

    /// Counts a finished target.
    pub(crate) fn note(&self, outcome: &TargetOutcome) {
        self.failures.set(self.failures.get() + usize::from(outcome.is_failed()));
        let lost = outcome.failure().filter(|failure| failure.kind == FailureKind::ServerLost);
        if let Some(failure) = lost {
            // The first failure has the reason.
            self.lost.borrow_mut().get_or_insert_with(|| server_lost(&failure.message));
        }
    }

    /// Counts a finished target of a part: a lost server affects that part only.
    pub(crate) fn note_of_part(&self, outcome: &TargetOutcome) {
        self.failures.set(self.failures.get() + usize::from(outcome.is_failed()));
    }

    pub(crate) fn failures(&self) -> usize {
        self.failures.get()
    }
}

fn too_many_failures(max_failures: Option<usize>, failed: usize) -> Option<String> {
    max_failures.filter(|most| failed > *most).map(after_failures)
}

/// Limits how many targets with a database each are processed at one time, and tracks lost servers.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    /// Fair: a target that is retried after a pause queues behind all that have not been started.
    free: Semaphore,
    /// By host and port, with the reason why no more targets are started there.
    lost: RefCell<BTreeMap<String, String>>,
}

impl ConnectionSlots {
    pub(crate) fn new(limits: &RolloutLimits) -> Self {
        Self { free: Semaphore::new(limits.jobs.max(1)), lost: RefCell::default() }
    }

    pub(crate) async fn enter(&self) {
        // The semaphore is never closed.
        if let Ok(permit) = self.free.acquire().await {
            permit.forget();
        }
    }

    pub(crate) fn leave(&self) {
        self.free.add_permits(1);
    }

    /// Why no more targets are started on a server.
    pub(crate) fn lost(&self, server: &str) -> Option<String> {
        self.lost.borrow().get(server).cloned()
    }

    pub(crate) fn note_lost(&self, server: String, outcome: &TargetOutcome) {
        let lost = outcome.failure().filter(|failure| failure.kind == FailureKind::ServerLost);
        if let Some(failure) = lost {
            self.lost.borrow_mut().entry(server).or_insert_with(|| server_lost(&failure.message));
        }
    }
}
