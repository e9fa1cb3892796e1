//! The outcome of a target, determined from its ledger before and after.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::directed_track::{DirectedTrack, TrackDirection};
use crate::formats::{Decision, DirtyRow, LedgerRow};
use crate::model::{
    Failure, FailureKind, Migration, Phase, StepOutcome, StepRecord, UnitEnd, Verdict,
};
use crate::report::upgrade::Versions;
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::target::Target;

/// The outcome of a target.
#[derive(Debug, Clone)]
pub(crate) struct TargetOutcome {
    /// The newest version of its ledger before and after, if any.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    /// The number of ledger rows before; `None` if unknown.
    pub(crate) rows_before: Option<usize>,
    /// The versions that were applied or reverted.
    pub(crate) versions: Versions,
    /// Only steps with notices, the failed step, and those that were not run because of it: the whole history of thousands
    /// of tenants would need much memory.
    pub(crate) steps: Vec<StepRecord>,
    /// The total duration of all steps.
    pub(crate) took: Duration,
    pub(crate) end: UnitEnd,
    /// The number of retries.
    pub(crate) retries: u32,
}

impl TargetOutcome {
    pub(crate) fn failed(failure: Failure) -> Self {
        Self::with(UnitEnd::Failed { phase: Phase::Head, failure: Some(Box::new(failure)) })
    }

    pub(crate) fn not_run(reason: impl Into<String>) -> Self {
        Self::with(UnitEnd::NotRun { reason: reason.into() })
    }

    fn with(end: UnitEnd) -> Self {
        let (versions, steps, took) = (Versions::default(), Vec::new(), Duration::ZERO);
        Self {
            before: None,
            after: None,
            rows_before: None,
            versions,
            steps,
            took,
            end,
            retries: 0,
        }
    }

    pub(crate) fn is_failed(&self) -> bool {
        matches!(self.end, UnitEnd::Failed { .. })
    }

    /// The failure, if it failed.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        let of_end = match &self.end {
            UnitEnd::Failed { failure, .. } => failure.as_deref(),
            UnitEnd::Completed | UnitEnd::NotRun { .. } => return None,
        };
        of_end.or_else(|| {
            self.steps.iter().find_map(|step| match &step.outcome {
                StepOutcome::Failed(failure) => Some(&**failure),
                StepOutcome::Applied | StepOutcome::NotRun => None,
            })
        })
    }

    pub(crate) fn verdict(&self) -> Verdict {
        match self.end {
            UnitEnd::Completed => Verdict::Passed,
            // A failure of the environment is no verdict on a migration.
            UnitEnd::Failed { .. } if self.failure().is_some_and(Failure::is_environmental) => {
                Verdict::NotRun
            }
            UnitEnd::Failed { .. } => Verdict::Failed,
            UnitEnd::NotRun { .. } => Verdict::NotRun,
        }
    }
}

/// The state of a target when its processing started, and the planned steps.
#[derive(Debug)]
pub(crate) struct TargetProgress {
    /// The ledger's rows, oldest first.
    rows: Arc<[LedgerRow]>,
    pub(crate) wanted: Vec<usize>,
    /// Completed steps.
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) retries: u32,
    /// The next attempt runs without other migrations of this run.
    pub(crate) is_alone: bool,
    /// The time of the last message sent.
    pub(crate) sent: Option<Instant>,
    /// Each migration is sent in separate messages.
    pub(crate) is_separate: bool,
}

impl TargetProgress {
    /// The progress before anything is done.
    pub(crate) fn new(
        track: &DirectedTrack<'_>,
        rows: &Arc<[LedgerRow]>,
        decision: &Decision,
    ) -> Self {
        let rows = match track.history(rows) {
            Cow::Borrowed(_) => Arc::clone(rows),
            Cow::Owned(rows) => rows.into(),
        };
        Self {
            rows,
            wanted: decision.apply.clone(),
            steps: Vec::new(),
            retries: 0,
            is_alone: false,
            sent: None,
            is_separate: false,
        }
    }

    /// Records the changes that the ledger shows since the start, in the planned order.
    pub(crate) fn record_applied(
        &mut self,
        track: &DirectedTrack<'_>,
        target: &Target,
        rows: &[LedgerRow],
    ) {
        let missing = track.remaining(target, &self.wanted, rows).apply;
        let history = track.history(rows);
        // A tool that refuses a ledger has nothing to apply; this does not mean that the migrations were applied.
        let is_shown = |migration: &Migration| {
            let is_it = |row: &LedgerRow| row.complete && row.version == migration.version;
            !track.direction.is_up() || history.iter().any(is_it)
        };
        for index in &self.wanted {
            let migration = &track.plan.head[*index];
            let is_applied = !missing.contains(index) && is_shown(migration);
            if is_applied && !has_step(track, &self.steps, migration) {
                let outcome = StepOutcome::Applied;
                let record = StepRecord { outcome, ..track.unrun_step(migration) };
                self.steps.push(StepRecord { in_ledger: Some(true), ..record });
            }
        }
    }

    /// Clears the format's mark of a step that was started, had no effect, and can be started again.
    pub(crate) async fn clear_dirty_row(
        &self,
        track: &DirectedTrack<'_>,
        session: &mut WorkerSession,
        target: &Target,
        rows: &[LedgerRow],
    ) {
        let head = &track.plan.head;
        let mut wanted = self.wanted.iter();
        let started = wanted.find(|index| !has_step(track, &self.steps, &head[**index]));
        let Some(index) = started else { return };
        let version = head[*index].version.as_str();
        let (mark, before) = match track.direction {
            TrackDirection::Up { .. } => {
                let applied = self.steps.last().map(|step| step.version.clone());
                (Some(version), applied.or_else(|| newest(&self.rows)))
            }
            TrackDirection::Down(_) | TrackDirection::RollbackRun(_) => {
                let below = index.checked_sub(1).map(|below| head[below].version.as_str());
                (below, Some(version.to_owned()))
            }
        };
        let format = track.plan.detected.format;
        let mark = DirtyRow { rows, version: mark, before: before.as_deref() };
        if let Some(message) = format.clear_dirty_row(&mark, &target.ledger) {
            // If this fails, the next run refuses the ledger with a recovery hint.
            let _ = session.prepare(target, &[message]).await;
        }
    }

    /// The outcome after all planned steps.
    pub(crate) fn completed(self, track: &DirectedTrack<'_>) -> TargetOutcome {
        let Self { rows, mut steps, retries, .. } = self;
        let before = newest(&rows);
        let after = match track.direction {
            TrackDirection::Up { .. } => {
                // A late migration may have a lower version than those applied before.
                let position = |version: &String| {
                    track.plan.head.iter().position(|migration| migration.version == *version)
                };
                let applied = steps.iter().map(|step| step.version.clone());
                applied.chain(before.clone()).max_by_key(position)
            }
            TrackDirection::Down(_) | TrackDirection::RollbackRun(_) => {
                let is_left =
                    |row: &&LedgerRow| !steps.iter().any(|step| step.version == row.version);
                rows.iter().rfind(is_left).map(|row| row.version.clone())
            }
        };
        let took = steps.iter().map(|step| step.duration).sum();
        let versions = track.intern(steps.iter().map(|step| &*step.version));
        steps.retain(|step| !step.notices.is_empty());
        // Unused capacity for a whole history takes a hundred megabytes for ten thousand tenants.
        steps.shrink_to_fit();
        let (rows_before, end) = (Some(rows.len()), UnitEnd::Completed);
        TargetOutcome { before, after, rows_before, versions, steps, took, end, retries }
    }

    /// The outcome if the tool would apply nothing more: completed or refused.
    pub(crate) fn ended(
        self,
        track: &DirectedTrack<'_>,
        target: &Target,
        rows: &[LedgerRow],
        decision: Decision,
    ) -> TargetOutcome {
        let mut outcome = self.completed(track);
        if track.direction.is_up() {
            outcome.after = outcome.after.or_else(|| newest(&track.history(rows)));
        }
        if let Some(reason) = decision.refusal {
            let place = decision.refused.map(|index| track.file_of(&track.plan.head[index]));
            let hint = track.recovery_hint(target, rows);
            let failure = Failure { place, hint, ..Failure::new(FailureKind::Refused, reason) };
            outcome.end = UnitEnd::Failed { phase: Phase::Head, failure: Some(Box::new(failure)) };
        }
        outcome
    }

    /// The outcome of a failure: the first missing step failed, and the others were not run because of it.
    pub(crate) fn failed_at_first_missing(
        self,
        track: &DirectedTrack<'_>,
        mut failure: Failure,
    ) -> TargetOutcome {
        let wanted = self.wanted.iter().map(|index| &track.plan.head[*index]);
        let is_missing = |migration: &&Migration| !has_step(track, &self.steps, migration);
        let missing: Vec<&Migration> = wanted.filter(is_missing).collect();
        let mut missing = missing.into_iter();
        let mut outcome = self.completed(track);
        match missing.next() {
            Some(first) => {
                failure.place.get_or_insert_with(|| track.file_of(first));
                let failed = StepOutcome::Failed(Box::new(failure));
                outcome.steps.push(StepRecord { outcome: failed, ..track.unrun_step(first) });
                outcome.steps.extend(missing.map(|migration| track.unrun_step(migration)));
                outcome.end = UnitEnd::Failed { phase: Phase::Head, failure: None };
            }
            None => {
                let failure = Some(Box::new(failure));
                outcome.end = UnitEnd::Failed { phase: Phase::Head, failure };
            }
        }
        outcome
    }

    /// The outcome of a target that is not processed further. Applied steps stay in its record.
    pub(crate) fn stopped(
        self,
        track: &DirectedTrack<'_>,
        reason: impl Into<String>,
    ) -> TargetOutcome {
        let end = UnitEnd::NotRun { reason: reason.into() };
        TargetOutcome { end, ..self.completed(track) }
    }
}

/// Compares version and path, since two files can have the same version.
fn has_step(track: &DirectedTrack<'_>, steps: &[StepRecord], migration: &Migration) -> bool {
    let path = track.script(migration).path();
    steps.iter().any(|step| step.version == migration.version && step.path == path)
}

/// The newest complete version. A started version that did not complete does not count.
pub(crate) fn newest(rows: &[LedgerRow]) -> Option<String> {
    rows.iter().rfind(|row| row.complete).map(|row| row.version.clone())
}
