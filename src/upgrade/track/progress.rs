//! What has become of a target, told by its ledger before and after.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::directed_track::{DirectedTrack, TrackDirection};
use crate::formats::{BegunMark, Decision, LedgerRow};
use crate::model::{
    Failure, FailureKind, Migration, Phase, StepOutcome, StepRecord, UnitEnd, Verdict,
};
use crate::report::upgrade::Versions;
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::target::Target;

/// What has become of a target.
#[derive(Debug, Clone)]
pub(crate) struct TargetOutcome {
    /// The newest version of its ledger before and after, if there was any.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    /// How many rows the ledger had before; none where that is not known.
    pub(crate) rows_before: Option<usize>,
    /// The versions that were applied, or undone.
    pub(crate) versions: Versions,
    /// What there is to say of steps: those of which the server said something, the one that failed, and those that were not
    /// run because of it. Thousands of tenants with a whole history each would be felt.
    pub(crate) steps: Vec<StepRecord>,
    /// All steps together.
    pub(crate) took: Duration,
    pub(crate) end: UnitEnd,
    /// How often something was tried again.
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

    /// Why it failed.
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
            // What the environment did is no verdict on a migration.
            UnitEnd::Failed { .. } if self.failure().is_some_and(Failure::is_environmental) => {
                Verdict::NotRun
            }
            UnitEnd::Failed { .. } => Verdict::Failed,
            UnitEnd::NotRun { .. } => Verdict::NotRun,
        }
    }
}

/// Where a target stood when the work on it began, and what was to be done.
#[derive(Debug)]
pub(crate) struct TargetProgress {
    /// The ledger's rows, the oldest first.
    rows: Arc<[LedgerRow]>,
    pub(crate) wanted: Vec<usize>,
    /// Steps that have come to an end.
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) retries: u32,
    /// No other migration of this run may execute beside the next try.
    pub(crate) is_alone: bool,
    /// When something of it was last sent.
    pub(crate) sent: Option<Instant>,
    /// No two migrations of it may share a message.
    pub(crate) is_separate: bool,
}

impl TargetProgress {
    /// Nothing has been done yet.
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

    /// Records what the ledger shows now and did not show before (or the other way round), in the order in which it was to
    /// be done.
    pub(crate) fn record_applied(
        &mut self,
        track: &DirectedTrack<'_>,
        target: &Target,
        rows: &[LedgerRow],
    ) {
        let missing = track.left(target, &self.wanted, rows).apply;
        let history = track.history(rows);
        // A tool that refuses a ledger has nothing to apply, and that is no sign of what was.
        let is_shown = |migration: &Migration| {
            let is_it = |row: &LedgerRow| row.complete && row.version == migration.version;
            !track.direction.is_up() || history.iter().any(is_it)
        };
        for index in &self.wanted {
            let migration = &track.plan.head[*index];
            let is_done = !missing.contains(index) && is_shown(migration);
            if is_done && !is_among(track, &self.steps, migration) {
                let outcome = StepOutcome::Applied;
                let done = StepRecord { outcome, ..track.unrun_step(migration) };
                self.steps.push(StepRecord { recorded: Some(true), ..done });
            }
        }
    }

    /// Clears the format's mark of a step that was begun, had no effect, and can be begun again.
    pub(crate) async fn clear_begun_mark(
        &self,
        track: &DirectedTrack<'_>,
        session: &mut WorkerSession,
        target: &Target,
        rows: &[LedgerRow],
    ) {
        let head = &track.plan.head;
        let mut wanted = self.wanted.iter();
        let begun = wanted.find(|index| !is_among(track, &self.steps, &head[**index]));
        let Some(index) = begun else { return };
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
        let format = track.plan.chosen.format;
        let mark = BegunMark { rows, version: mark, before: before.as_deref() };
        if let Some(message) = format.clear_begun_mark(&mark, &target.ledger) {
            // If it stays, the next look refuses it, with what there is to do.
            let _ = session.prepare(target, &[message]).await;
        }
    }

    /// All that was to be done is done.
    pub(crate) fn completed(self, track: &DirectedTrack<'_>) -> TargetOutcome {
        let Self { rows, mut steps, retries, .. } = self;
        let before = newest(&rows);
        let after = match track.direction {
            TrackDirection::Up { .. } => {
                // A late migration may be older than what was there.
                let place = |version: &String| {
                    track.plan.head.iter().position(|migration| migration.version == *version)
                };
                let applied = steps.iter().map(|step| step.version.clone());
                applied.chain(before.clone()).max_by_key(place)
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
        // The room of a whole history, ten thousand times, is a hundred megabytes.
        steps.shrink_to_fit();
        let (rows_before, end) = (Some(rows.len()), UnitEnd::Completed);
        TargetOutcome { before, after, rows_before, versions, steps, took, end, retries }
    }

    /// Nothing is left that the tool would apply: it is done, or the tool refuses to go on.
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

    /// What is missing has not been run: the first of it because of the failure, the others because of the first.
    pub(crate) fn failed_at_first_missing(
        self,
        track: &DirectedTrack<'_>,
        mut failure: Failure,
    ) -> TargetOutcome {
        let wanted = self.wanted.iter().map(|index| &track.plan.head[*index]);
        let is_missing = |migration: &&Migration| !is_among(track, &self.steps, migration);
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

    /// It is not worked on any more. What it has applied stays in its record.
    pub(crate) fn stopped(
        self,
        track: &DirectedTrack<'_>,
        reason: impl Into<String>,
    ) -> TargetOutcome {
        let end = UnitEnd::NotRun { reason: reason.into() };
        TargetOutcome { end, ..self.completed(track) }
    }
}

/// Two files can have one version.
fn is_among(track: &DirectedTrack<'_>, steps: &[StepRecord], migration: &Migration) -> bool {
    let path = track.script(migration).path();
    steps.iter().any(|step| step.version == migration.version && step.path == path)
}

/// A version that was begun and has not ended is not where a target stands.
pub(crate) fn newest(rows: &[LedgerRow]) -> Option<String> {
    rows.iter().rfind(|row| row.complete).map(|row| row.version.clone())
}
