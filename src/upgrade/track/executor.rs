//! Brings one target to its target version: decides as the format's tool would, and reads back what the ledger shows. Only
//! the ledger tells what was applied, even after a lost connection.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::RwLock;

use super::attempt::BatchNotApplied;
use super::attempt::{Attempted, PendingRetry};
use super::commits::Commits;
use super::directed_track::DirectedTrack;
use super::environment::{find_origin, read_ledger, unknown_outcome};
use super::leftovers::with_leftovers;
use super::progress::{TargetOutcome, TargetProgress};
use crate::execution::batch_failure::BatchFailure;
use crate::execution::race;
use crate::formats::{Decision, LedgerRow};
use crate::model::{Failure, FailureKind, RunEvent};
use crate::server::EventSink;
use crate::upgrade::interruption::Interruption;
use crate::upgrade::log;
use crate::upgrade::own_sql::of_own_sql;
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::session::session_setup::Preamble;
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::stop_reason::{INTERRUPTED, interrupted_with};
use crate::upgrade::target::Target;

/// Brings targets of a track to their target version. Its runs on several targets share one task.
#[derive(Debug)]
pub(crate) struct TrackExecutor<'a> {
    pub(crate) track: DirectedTrack<'a>,
    /// Code of the project observes statements other than scripts on some target. Each target is checked until one is found.
    watched: Cell<bool>,
    pub(crate) events: EventSink,
    pub(crate) interruption: &'a Interruption,
    /// Every migration of this run holds it for reading; one that must run alone holds it for writing.
    pub(crate) gate: RwLock<()>,
    pub(crate) commits: Commits,
}

impl<'a> TrackExecutor<'a> {
    pub(crate) fn new(
        track: DirectedTrack<'a>,
        events: EventSink,
        interruption: &'a Interruption,
    ) -> Self {
        let (watched, gate, commits) = Default::default();
        Self { track, watched, events, interruption, gate, commits }
    }

    /// Reports the outcome of a target.
    pub(crate) fn announce(&self, target: &Target, outcome: &TargetOutcome, took: Duration) {
        log::finished(target, outcome, took);
        let (unit, verdict) = (target.unit(), outcome.verdict());
        // A run does not stop if no one receives its events.
        let _ = self.events.send(RunEvent::UnitFinished { unit, verdict, took });
    }

    /// The outcome of a target without pending work, which needs no session.
    pub(crate) fn outcome_without_session(
        &self,
        target: &Target,
        state: &LedgerState,
    ) -> Option<TargetOutcome> {
        match state {
            LedgerState::Absent => Some(TargetOutcome::failed(target.absent())),
            LedgerState::Unreadable(failure) => Some(TargetOutcome::failed((**failure).clone())),
            LedgerState::New if self.track.direction.is_up() => None,
            LedgerState::New => self.outcome_by_ledger(target, &Arc::default()),
            LedgerState::Rows(rows) => self.outcome_by_ledger(target, rows),
        }
    }

    fn outcome_by_ledger(&self, target: &Target, rows: &Arc<[LedgerRow]>) -> Option<TargetOutcome> {
        let cached = self.track.cached_decision(target, rows);
        let decision = &cached.decision;
        let progress = || TargetProgress::new(&self.track, rows, decision);
        let end = || progress().ended(&self.track, target, rows, decision.clone());
        decision.apply.is_empty().then(end)
    }

    /// The preamble of the first batch, for a target whose state was scanned before its lease. `None` if the ledger must be
    /// read again first.
    pub(crate) fn preamble(&self, target: &Target, seen: &LedgerState) -> Option<Preamble> {
        let (rows, exists) = match seen {
            LedgerState::Rows(rows) => (rows, true),
            LedgerState::New => (&Arc::default(), false),
            LedgerState::Absent | LedgerState::Unreadable(_) => return None,
        };
        let cached = self.track.cached_decision(target, rows);
        let decision = &cached.decision;
        let can_start = !decision.apply.is_empty()
            && decision.refusal.is_none()
            && !self.track.need_own_session(&decision.apply);
        let rows = exists.then_some(&*cached.words);
        let format = self.track.plan.detected.format;
        can_start.then(|| Preamble::new(target, format, rows, self.watched.get())).flatten()
    }

    /// Brings a leased target to its target version. With a preamble, `state` was read before the lease.
    pub(crate) async fn upgrade(
        &self,
        session: &mut WorkerSession,
        target: &Target,
        state: LedgerState,
        mut preamble: Option<Preamble>,
        retry: Option<Box<PendingRetry>>,
    ) -> Attempted {
        let track = &self.track;
        let (mut rows, mut is_new) = match rows_of(target, state) {
            Ok(rows) => rows,
            Err(failure) => return PendingRetry::failed(retry, track, *failure).into(),
        };
        let (mut progress, decision) = self.start(target, &rows, retry);
        let mut decided = Some(decision);
        loop {
            let makes_ledger = is_new && preamble.is_none() && track.direction.is_up();
            // Idempotent: safe to repeat if the response to a previous attempt was lost.
            if makes_ledger && let Err(failure) = self.make_ledger(session, target).await {
                session.close().await;
                if session.take_interruption() {
                    return progress.stopped(track, INTERRUPTED).into();
                }
                let race = race::of(&failure);
                return progress.retry(race, &failure).unwrap_or_else(|progress| {
                    progress.failed_at_first_missing(track, of_own_sql(failure)).into()
                });
            }
            let remaining = || track.remaining(target, &progress.wanted, &rows);
            let decision = decided.take().unwrap_or_else(remaining);
            if decision.apply.is_empty() {
                return progress.ended(track, target, &rows, decision).into();
            }
            progress.sent = Some(Instant::now());
            let (indices, preamble) = (&decision.apply, preamble.take());
            let sent = self.apply(session, target, indices, preamble, &mut progress).await;
            let failed = match (sent, &decision.refusal) {
                (Err(failed), _) => failed,
                (Ok(()), None) => return progress.completed(track).into(),
                // The tool stops there, after what it has applied.
                (Ok(()), Some(_)) => return progress.ended(track, target, &rows, decision).into(),
            };
            let is_interrupted = failed.is_interruption(session.take_interruption());
            session.close().await;
            if is_interrupted && !matches!(failed, BatchNotApplied::Failed(_)) {
                // Nothing of the batch was done: nothing to read back, and a session may not be available.
                return progress.stopped(track, INTERRUPTED).into();
            }
            if is_interrupted {
                session.allow_new_sessions();
            }
            // The ledger tells what was applied, even if a response was lost.
            (rows, is_new) = match self.read_ledger(session, target).await {
                Ok(Some(rows)) => (rows.into(), false),
                Ok(None) => (Arc::default(), true),
                Err(_) if is_interrupted || session.take_interruption() => {
                    return progress.stopped(track, INTERRUPTED).into();
                }
                Err(failure) => return unknown_outcome(track, progress, failed, failure).into(),
            };
            let BatchNotApplied::Failed(failed) = failed else {
                progress = TargetProgress::new(track, &rows, &track.decide(target, &rows));
                continue;
            };
            let goes_on = self.goes_on_separately(target, &mut progress, &rows, &failed);
            if !goes_on || is_interrupted {
                return self.stop(session, target, progress, &rows, failed, is_interrupted).await;
            }
        }
    }

    /// The progress so far, and the decision for the remaining work.
    fn start(
        &self,
        target: &Target,
        rows: &Arc<[LedgerRow]>,
        retry: Option<Box<PendingRetry>>,
    ) -> (TargetProgress, Decision) {
        let track = &self.track;
        let Some(retry) = retry else {
            let decision = track.cached_decision(target, rows).decision.clone();
            decision.log(rows, &track.plan.head);
            return (TargetProgress::new(track, rows, &decision), decision);
        };
        let mut progress = retry.progress;
        let decision = track.remaining(target, &progress.wanted, rows);
        decision.log(rows, &track.plan.head);
        if track.direction.is_up() {
            progress.wanted.clone_from(&decision.apply);
        }
        (progress, decision)
    }

    /// Records what was applied. Returns whether the rest is sent again with separate messages for each migration: the
    /// server parses a message as a whole, so a syntax error in one migration keeps those before it from executing.
    fn goes_on_separately(
        &self,
        target: &Target,
        progress: &mut TargetProgress,
        rows: &[LedgerRow],
        failed: &BatchFailure,
    ) -> bool {
        progress.record_applied(&self.track, target, rows);
        let is_own = failed.race.is_none() && failed.failure.kind != FailureKind::ConnectionLost;
        let Some(first) = failed.first_of_several.filter(|_| is_own) else { return false };
        let remaining = self.track.remaining(target, &progress.wanted, rows);
        progress.is_separate = remaining.apply.contains(&first);
        progress.is_separate
    }

    /// After a batch that was not applied: interrupted, to be retried, or failed.
    async fn stop(
        &self,
        session: &mut WorkerSession,
        target: &Target,
        progress: TargetProgress,
        rows: &[LedgerRow],
        mut failed: Box<BatchFailure>,
        is_interrupted: bool,
    ) -> Attempted {
        let track = &self.track;
        if failed.had_no_effect && (is_interrupted || failed.race.is_some()) {
            progress.clear_dirty_row(track, session, target, rows).await;
        }
        if is_interrupted {
            return Attempted::from(match failed.leftovers.left.as_slice() {
                _ if failed.had_no_effect => progress.stopped(track, INTERRUPTED),
                [] => progress.failed_at_first_missing(track, failed.failure),
                remaining => progress.stopped(track, interrupted_with(remaining)),
            });
        }
        let progress = match progress.retry(failed.race, &failed.failure) {
            Ok(retry) => return retry,
            Err(progress) => progress,
        };
        find_origin(session, target, &progress, &mut failed).await;
        let mut failure = with_leftovers(session, target, *failed).await;
        if let Some(recovery) = track.recovery_hint(target, rows) {
            failure.hint = Some(match failure.hint {
                Some(hint) => format!("{hint} Also, {recovery}"),
                None => recovery,
            });
        }
        progress.failed_at_first_missing(track, failure).into()
    }

    /// The ledger's rows, if there is a ledger.
    pub(crate) async fn read_ledger(
        &self,
        session: &mut WorkerSession,
        target: &Target,
    ) -> Result<Option<Vec<LedgerRow>>, Failure> {
        let format = self.track.plan.detected.format;
        read_ledger(format, session, target, &self.interruption.requested).await
    }

    async fn make_ledger(
        &self,
        session: &mut WorkerSession,
        target: &Target,
    ) -> Result<(), Failure> {
        let format = self.track.plan.detected.format;
        session.prepare(target, &format.ensure_ledger(&target.ledger)).await
    }

    /// Whether code of the project observes statements other than the script.
    pub(super) async fn is_watched(
        &self,
        session: &mut WorkerSession,
        target: &Target,
    ) -> Result<bool, BatchFailure> {
        if !self.watched.get() {
            let watched = session.is_watched(target).await.map_err(BatchFailure::before_start)?;
            self.watched.set(self.watched.get() || watched);
            return Ok(watched);
        }
        Ok(true)
    }
}

/// The rows of a ledger, and whether it does not exist yet.
fn rows_of(target: &Target, state: LedgerState) -> Result<(Arc<[LedgerRow]>, bool), Box<Failure>> {
    match state {
        LedgerState::Rows(rows) => Ok((rows, false)),
        LedgerState::New => Ok((Arc::default(), true)),
        LedgerState::Absent => Err(Box::new(target.absent())),
        LedgerState::Unreadable(failure) => Err(failure),
    }
}
