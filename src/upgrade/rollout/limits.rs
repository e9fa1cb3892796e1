//! How much is risked at once: canary, failures, waiting. The one place that says when no more targets are begun.

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
    /// Targets at work at one time.
    pub(crate) jobs: usize,
    /// The first targets that have work go first, and the others only if none of these fails.
    pub(crate) canary: Option<usize>,
    /// No more targets are begun once more than this have failed.
    pub(crate) max_failures: Option<usize>,
    /// How long a target that another run works on is waited for.
    pub(crate) wait: Duration,
}

impl RolloutLimits {
    /// Why the others are not begun, after `failed` of the `first` targets have failed.
    pub(crate) fn after_canary(&self, failed: usize, first: usize) -> Option<String> {
        (self.canary.is_some() && failed > 0).then(|| after_canary(failed, first))
    }
}

/// Why no more targets are begun: an interruption, a lost server, or too many failures.
#[derive(Debug)]
pub(crate) struct StopRule<'a> {
    max_failures: Option<usize>,
    interrupted: &'a CancellationToken,
    failures: Cell<usize>,
    lost: RefCell<Option<String>>,
    /// The rule of the rollout that this one is a part of.
    outer: Option<&'a StopRule<'a>>,
}

impl<'a> StopRule<'a> {
    /// `failures` have failed before.
    pub(crate) fn new(
        limits: &RolloutLimits,
        interrupted: &'a CancellationToken,
        failures: usize,
    ) -> Self {
        let (max_failures, failures) = (limits.max_failures, Cell::new(failures));
        Self { max_failures, interrupted, failures, lost: RefCell::default(), outer: None }
    }

    /// For a part of a rollout: its own server, and all other limits of the whole.
    pub(crate) fn part_of(outer: &'a StopRule<'a>) -> Self {
        let (failures, lost) = Default::default();
        let interrupted = outer.interrupted;
        Self { max_failures: None, interrupted, failures, lost, outer: Some(outer) }
    }

    /// Why no more targets are begun, if that is so.
    pub(crate) fn reason(&self) -> Option<String> {
        if self.interrupted.is_cancelled() {
            return Some(INTERRUPTED.to_owned());
        }
        if let Some(lost) = &*self.lost.borrow() {
            return Some(lost.clone());
        }
        let too_many = self.max_failures.filter(|most| self.failures.get() > *most);
        too_many.map(after_failures).or_else(|| self.outer?.reason())
    }

    /// Counts a target that has come to its end.
    pub(crate) fn note(&self, outcome: &TargetOutcome) {
        self.failures.set(self.failures.get() + usize::from(outcome.is_failed()));
        let lost = outcome.failure().filter(|failure| failure.kind == FailureKind::ServerLost);
        if let Some(failure) = lost {
            // The first failure has the reason.
            self.lost.borrow_mut().get_or_insert_with(|| server_lost(&failure.message));
        }
    }

    /// Counts a target of a part: that a server is lost is a matter of that part.
    pub(crate) fn note_of_part(&self, outcome: &TargetOutcome) {
        self.failures.set(self.failures.get() + usize::from(outcome.is_failed()));
    }

    pub(crate) fn failures(&self) -> usize {
        self.failures.get()
    }
}

/// How many targets that have a database each are at work at one time, and which servers are lost.
#[derive(Debug)]
pub(crate) struct ConnectionSlots {
    /// Fair: a target that comes back after a pause stands behind all that have not been begun.
    free: Semaphore,
    /// By host and port, with the reason why no more targets are begun there.
    lost: RefCell<BTreeMap<String, String>>,
}

impl ConnectionSlots {
    pub(crate) fn new(limits: &RolloutLimits) -> Self {
        Self { free: Semaphore::new(limits.jobs.max(1)), lost: RefCell::default() }
    }

    pub(crate) async fn enter(&self) {
        // It is never closed.
        if let Ok(place) = self.free.acquire().await {
            place.forget();
        }
    }

    pub(crate) fn leave(&self) {
        self.free.add_permits(1);
    }

    /// Why no more targets are begun on a server.
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
