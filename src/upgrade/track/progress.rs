//! What has become of a target, told by its ledger before and after.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::direction::TrackDirection;
use super::executor::TrackExecutor;
use crate::formats::{BegunMark, Decision, LedgerRow};
use crate::model::{
    Failure, FailureKind, Migration, Phase, Place, StepOutcome, StepRecord, UnitEnd, Verdict,
};
use crate::report::upgrade::{Interner, Versions};
use crate::upgrade::preflight::target::Target;
use crate::upgrade::session::worker_session::WorkerSession;

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

impl TrackExecutor<'_> {
    pub(crate) fn begin(&self, rows: &Arc<[LedgerRow]>, decision: &Decision) -> TargetProgress {
        let rows = match self.history(rows) {
            Cow::Borrowed(_) => Arc::clone(rows),
            Cow::Owned(rows) => rows.into(),
        };
        TargetProgress {
            rows,
            wanted: decision.apply.clone(),
            steps: Vec::new(),
            retries: 0,
            is_alone: false,
            sent: None,
            is_separate: false,
        }
    }

    /// Writes down what the ledger shows now and did not show before (or the other way round), in the order in which it was
    /// to be done.
    pub(crate) fn record_applied(
        &self,
        target: &Target,
        begun: &mut TargetProgress,
        rows: &[LedgerRow],
    ) {
        let missing = self.left(target, begun, rows).apply;
        let history = self.history(rows);
        // A tool that refuses a ledger has nothing to apply, and that is no sign of what was.
        let is_shown = |migration: &Migration| {
            let is_it = |row: &LedgerRow| row.complete && row.version == migration.version;
            !self.direction.is_up() || history.iter().any(is_it)
        };
        for index in &begun.wanted {
            let migration = &self.track.head[*index];
            let is_done = !missing.contains(index) && is_shown(migration);
            if is_done && !self.is_among(&begun.steps, migration) {
                let done =
                    StepRecord { outcome: StepOutcome::Applied, ..self.unrun_step(migration) };
                begun.steps.push(StepRecord { recorded: Some(true), ..done });
            }
        }
    }

    /// Takes back what the format's ledger says of a step that was begun, where it had no effect and can be begun again.
    pub(crate) async fn take_back_mark(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
        begun: &TargetProgress,
        rows: &[LedgerRow],
    ) {
        let mut wanted = begun.wanted.iter();
        let head = &self.track.head;
        let Some(index) = wanted.find(|index| !self.is_among(&begun.steps, &head[**index])) else {
            return;
        };
        let version = head[*index].version.as_str();
        let (mark, before) = match self.direction {
            TrackDirection::Up { .. } => {
                let applied = begun.steps.last().map(|step| step.version.clone());
                (Some(version), applied.or_else(|| newest(&begun.rows)))
            }
            TrackDirection::Down(_) | TrackDirection::RollbackRun(_) => {
                let below = index.checked_sub(1).map(|below| head[below].version.as_str());
                (below, Some(version.to_owned()))
            }
        };
        let format = self.track.chosen.format;
        let mark = BegunMark { rows, version: mark, before: before.as_deref() };
        if let Some(message) = format.clear_begun_mark(&mark, &target.ledger) {
            // If it stays, the next look refuses it, with what there is to do.
            let _ = lane.prepare(target, &[message]).await;
        }
    }

    pub(crate) fn complete(&self, begun: TargetProgress) -> TargetOutcome {
        let TargetProgress { rows, steps, retries, .. } = begun;
        let before = newest(&rows);
        let rows_before = Some(rows.len());
        let after = match self.direction {
            TrackDirection::Up { .. } => {
                // A late migration may be older than what was there.
                let place = |version: &String| {
                    self.track.head.iter().position(|migration| migration.version == *version)
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
        let versions = steps.iter().map(|step| &*step.version);
        let versions = match self.interner.lock() {
            Ok(mut once) => once.list(versions),
            Err(_) => Interner::default().list(versions),
        };
        let mut steps = steps;
        steps.retain(|step| !step.notices.is_empty());
        // The room of a whole history, ten thousand times, is a hundred megabytes.
        steps.shrink_to_fit();
        TargetOutcome {
            before,
            after,
            rows_before,
            versions,
            steps,
            took,
            end: UnitEnd::Completed,
            retries,
        }
    }

    /// There is nothing left that the tool would apply: it is done, or it refuses.
    pub(crate) fn end_of(
        &self,
        target: &Target,
        begun: TargetProgress,
        rows: &[LedgerRow],
        decision: Decision,
    ) -> TargetOutcome {
        let mut done = self.complete(begun);
        if self.direction.is_up() {
            done.after = done.after.or_else(|| newest(&self.history(rows)));
        }
        if let Some(reason) = decision.refusal {
            let place = decision.refused.map(|index| self.file_of(&self.track.head[index]));
            let hint = self.recovery_hint(target, rows);
            let failure = Failure { place, hint, ..Failure::new(FailureKind::Refused, reason) };
            done.end = UnitEnd::Failed { phase: Phase::Head, failure: Some(Box::new(failure)) };
        }
        done
    }

    /// What to do about a ledger that says of a step that it was begun.
    pub(crate) fn recovery_hint(&self, target: &Target, rows: &[LedgerRow]) -> Option<String> {
        self.track.chosen.format.recovery_hint(rows, &self.track.head, &target.ledger)
    }

    /// What is missing has not been run: the first of it because of the failure, the others because of the first.
    pub(crate) fn failed_at_first_missing(
        &self,
        begun: TargetProgress,
        mut failure: Failure,
    ) -> TargetOutcome {
        let wanted = begun.wanted.iter().map(|index| &self.track.head[*index]);
        let is_missing = |migration: &&Migration| !self.is_among(&begun.steps, migration);
        let missing: Vec<&Migration> = wanted.filter(is_missing).collect();
        let mut missing = missing.into_iter();
        let mut done = self.complete(begun);
        match missing.next() {
            Some(first) => {
                failure.place.get_or_insert_with(|| self.file_of(first));
                let outcome = StepOutcome::Failed(Box::new(failure));
                done.steps.push(StepRecord { outcome, ..self.unrun_step(first) });
                done.steps.extend(missing.map(|migration| self.unrun_step(migration)));
                done.end = UnitEnd::Failed { phase: Phase::Head, failure: None };
            }
            None => {
                done.end = UnitEnd::Failed { phase: Phase::Head, failure: Some(Box::new(failure)) };
            }
        }
        done
    }

    /// Two files can have one version.
    fn is_among(&self, steps: &[StepRecord], migration: &Migration) -> bool {
        let path = self.script(migration).path();
        steps.iter().any(|step| step.version == migration.version && step.path == path)
    }

    pub(crate) fn file_of(&self, migration: &Migration) -> Place {
        let path = self.script(migration).path().to_owned();
        Place { path, line: 1, column: None, excerpt: None }
    }

    pub(crate) fn unrun_step(&self, migration: &Migration) -> StepRecord {
        let path = self.script(migration).path().to_owned();
        StepRecord { path, ..StepRecord::not_run(migration, Phase::Head) }
    }
}

/// A version that was begun and has not ended is not where a target stands.
pub(crate) fn newest(rows: &[LedgerRow]) -> Option<String> {
    rows.iter().rfind(|row| row.complete).map(|row| row.version.clone())
}
