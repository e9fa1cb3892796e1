//! One target, from where it stands to where it should: what the format's tool would do, and what the ledger shows of it
//! afterwards. The ledger alone says what has been applied, whatever has become of a connection.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::RwLock;

use super::attempt::{Attempted, PendingRetry};
use super::commits::Commits;
use super::directed_track::DirectedTrack;
use super::environment::{find_origin, read_ledger, unknown_outcome};
use super::leftovers::with_leftovers;
use super::not_applied::BatchNotApplied;
use super::progress::{TargetOutcome, TargetProgress};
use crate::execution::batch_failure::BatchFailure;
use crate::execution::race;
use crate::formats::{Decision, LedgerRow};
use crate::model::{Failure, FailureKind, RunEvent};
use crate::server::EventSink;
use crate::upgrade::interruption::Interruption;
use crate::upgrade::log;
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::reconnect::of_own_sql;
use crate::upgrade::session::preamble::Preamble;
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::stop_reason::{INTERRUPTED, interrupted_with};
use crate::upgrade::target::Target;

/// Brings targets of a track to where they should stand. Its runs on several targets share one task.
#[derive(Debug)]
pub(crate) struct TrackExecutor<'a> {
    pub(crate) track: DirectedTrack<'a>,
    /// On some target, code of the project sees what is sent beside a script. Each target is asked until one is found.
    watched: Cell<bool>,
    pub(crate) events: EventSink,
    pub(crate) interruption: &'a Interruption,
    /// All migrations of this run pass it, and one that must have no other beside it closes it.
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

    /// Tells how a target ended.
    pub(crate) fn announce(&self, target: &Target, outcome: &TargetOutcome, took: Duration) {
        log::finished(target, outcome, took);
        let (unit, verdict) = (target.unit(), outcome.verdict());
        // Without a listener the run goes on.
        let _ = self.events.send(RunEvent::UnitFinished { unit, verdict, took });
    }

    /// What is done, if there is nothing to do: no session is needed for that.
    pub(crate) fn done_without_session(
        &self,
        target: &Target,
        stand: &LedgerState,
    ) -> Option<TargetOutcome> {
        match stand {
            LedgerState::Absent => Some(TargetOutcome::failed(target.absent())),
            LedgerState::Unreadable(failure) => Some(TargetOutcome::failed((**failure).clone())),
            LedgerState::New if self.track.direction.is_up() => None,
            LedgerState::New => self.done_by_ledger(target, &Arc::default()),
            LedgerState::Rows(rows) => self.done_by_ledger(target, rows),
        }
    }

    fn done_by_ledger(&self, target: &Target, rows: &Arc<[LedgerRow]>) -> Option<TargetOutcome> {
        let cached = self.track.cached_decision(target, rows);
        let decision = &cached.decision;
        let progress = || TargetProgress::new(&self.track, rows, decision);
        let end = || progress().ended(&self.track, target, rows, decision.clone());
        decision.apply.is_empty().then(end)
    }

    /// What is sent before the first batch of a target that was seen like this before its lease was held, in the same
    /// message. `None` where the target has to be looked at again first.
    pub(crate) fn preamble(&self, target: &Target, seen: &LedgerState) -> Option<Preamble> {
        let (rows, is_there) = match seen {
            LedgerState::Rows(rows) => (rows, true),
            LedgerState::New => (&Arc::default(), false),
            LedgerState::Absent | LedgerState::Unreadable(_) => return None,
        };
        let cached = self.track.cached_decision(target, rows);
        let decision = &cached.decision;
        let goes_on = !decision.apply.is_empty()
            && decision.refusal.is_none()
            && !self.track.need_own_session(&decision.apply);
        let rows = is_there.then_some(&*cached.words);
        let format = self.track.plan.chosen.format;
        goes_on.then(|| Preamble::new(target, format, rows, self.watched.get())).flatten()
    }

    /// Brings a leased target to where it should stand. With a preamble, `state` was seen before the lease.
    pub(crate) async fn upgrade(
        &self,
        session: &mut WorkerSession,
        target: &Target,
        state: LedgerState,
        mut preamble: Option<Preamble>,
        retry: Option<Box<PendingRetry>>,
    ) -> Attempted {
        let track = &self.track;
        let (mut known, mut is_new) = match rows_of(target, state) {
            Ok(known) => known,
            Err(failure) => return PendingRetry::failed(retry, track, *failure).into(),
        };
        let (mut progress, decision) = self.start(target, &known, retry);
        let mut decided = Some(decision);
        loop {
            let makes_ledger = is_new && preamble.is_none() && track.direction.is_up();
            // Where it was made and the answer was lost, making it again does nothing.
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
            let left = || track.left(target, &progress.wanted, &known);
            let decision = decided.take().unwrap_or_else(left);
            if decision.apply.is_empty() {
                return progress.ended(track, target, &known, decision).into();
            }
            progress.sent = Some(Instant::now());
            let (indices, preamble) = (&decision.apply, preamble.take());
            let sent = self.apply(session, target, indices, preamble, &mut progress).await;
            let failed = match (sent, &decision.refusal) {
                (Err(failed), _) => failed,
                (Ok(()), None) => return progress.completed(track).into(),
                // The tool stops there, after what it has applied.
                (Ok(()), Some(_)) => return progress.ended(track, target, &known, decision).into(),
            };
            let is_interrupted = failed.is_interruption(session.take_interruption());
            session.close().await;
            if is_interrupted && !matches!(failed, BatchNotApplied::Failed(_)) {
                // Nothing of the batch was done: there is nothing to look at, and a session may not be had.
                return progress.stopped(track, INTERRUPTED).into();
            }
            if is_interrupted {
                session.close_out();
            }
            // What the ledger shows is what was applied, also where an answer was lost.
            (known, is_new) = match self.read_ledger(session, target).await {
                Ok(Some(rows)) => (rows.into(), false),
                Ok(None) => (Arc::default(), true),
                Err(_) if is_interrupted || session.take_interruption() => {
                    return progress.stopped(track, INTERRUPTED).into();
                }
                Err(failure) => return unknown_outcome(track, progress, failed, failure).into(),
            };
            let BatchNotApplied::Failed(failed) = failed else {
                progress = TargetProgress::new(track, &known, &track.decide(target, &known));
                continue;
            };
            let goes_on = self.goes_on_separately(target, &mut progress, &known, &failed);
            if !goes_on || is_interrupted {
                return self.stop(session, target, progress, &known, failed, is_interrupted).await;
            }
        }
    }

    /// What is to be done, and what was done before.
    fn start(
        &self,
        target: &Target,
        known: &Arc<[LedgerRow]>,
        retry: Option<Box<PendingRetry>>,
    ) -> (TargetProgress, Decision) {
        let track = &self.track;
        let Some(retry) = retry else {
            let decision = track.cached_decision(target, known).decision.clone();
            decision.log(known, &track.plan.head);
            return (TargetProgress::new(track, known, &decision), decision);
        };
        let mut progress = retry.progress;
        let decision = track.left(target, &progress.wanted, known);
        decision.log(known, &track.plan.head);
        if track.direction.is_up() {
            progress.wanted.clone_from(&decision.apply);
        }
        (progress, decision)
    }

    /// Notes what was applied, and says whether the rest is to be sent once more, each migration in messages of its own: the
    /// server parses a message as a whole, so that one that it cannot read keeps it from executing those before.
    fn goes_on_separately(
        &self,
        target: &Target,
        progress: &mut TargetProgress,
        known: &[LedgerRow],
        failed: &BatchFailure,
    ) -> bool {
        progress.record_applied(&self.track, target, known);
        let is_own = failed.race.is_none() && failed.failure.kind != FailureKind::ConnectionLost;
        let Some(first) = failed.first_of_several.filter(|_| is_own) else { return false };
        let left = self.track.left(target, &progress.wanted, known);
        progress.is_separate = left.apply.contains(&first);
        progress.is_separate
    }

    /// After a batch that was not applied: interrupted, to be tried again, or failed.
    async fn stop(
        &self,
        session: &mut WorkerSession,
        target: &Target,
        progress: TargetProgress,
        known: &[LedgerRow],
        mut failed: Box<BatchFailure>,
        is_interrupted: bool,
    ) -> Attempted {
        let track = &self.track;
        if failed.had_no_effect && (is_interrupted || failed.race.is_some()) {
            progress.clear_begun_mark(track, session, target, known).await;
        }
        if is_interrupted {
            return Attempted::from(match failed.leftovers.left.as_slice() {
                _ if failed.had_no_effect => progress.stopped(track, INTERRUPTED),
                [] => progress.failed_at_first_missing(track, failed.failure),
                left => progress.stopped(track, interrupted_with(left)),
            });
        }
        let progress = match progress.retry(failed.race, &failed.failure) {
            Ok(retry) => return retry,
            Err(progress) => progress,
        };
        find_origin(session, target, &progress, &mut failed).await;
        let mut failure = with_leftovers(session, target, *failed).await;
        if let Some(recovery) = track.recovery_hint(target, known) {
            failure.hint = Some(match failure.hint {
                Some(hint) => format!("{hint} Also, {recovery}"),
                None => recovery,
            });
        }
        progress.failed_at_first_missing(track, failure).into()
    }

    /// The ledger's rows, if there is one.
    pub(crate) async fn read_ledger(
        &self,
        session: &mut WorkerSession,
        target: &Target,
    ) -> Result<Option<Vec<LedgerRow>>, Failure> {
        let format = self.track.plan.chosen.format;
        read_ledger(format, session, target, &self.interruption.requested).await
    }

    async fn make_ledger(
        &self,
        session: &mut WorkerSession,
        target: &Target,
    ) -> Result<(), Failure> {
        let format = self.track.plan.chosen.format;
        session.prepare(target, &format.ensure_ledger(&target.ledger)).await
    }

    /// Whether code of the project sees what is sent at the target beside a script.
    pub(super) async fn is_watched(
        &self,
        session: &mut WorkerSession,
        target: &Target,
    ) -> Result<bool, BatchFailure> {
        if !self.watched.get() {
            let watched = session.is_watched(target).await.map_err(BatchFailure::before_any)?;
            self.watched.set(self.watched.get() || watched);
            return Ok(watched);
        }
        Ok(true)
    }
}

/// The rows of a ledger, and whether it is not there yet.
fn rows_of(target: &Target, state: LedgerState) -> Result<(Arc<[LedgerRow]>, bool), Box<Failure>> {
    match state {
        LedgerState::Rows(rows) => Ok((rows, false)),
        LedgerState::New => Ok((Arc::default(), true)),
        LedgerState::Absent => Err(Box::new(target.absent())),
        LedgerState::Unreadable(failure) => Err(failure),
    }
}
