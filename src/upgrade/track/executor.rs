//! One target, from where it stands to where it should: what the format's tool would do, and what the ledger shows of it
//! afterwards. The ledger alone says what has been applied, whatever has become of a connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::RwLock;

use super::apply::BatchNotApplied;
use super::direction::{CachedDecision, TrackDirection};
use super::postcondition::{BatchFailure, absent};
use super::progress::{TargetOutcome, TargetProgress};
use super::race;
use crate::formats::{Decision, LedgerRow};
use crate::model::Failure;
use crate::replay::plan::TrackPlan;
use crate::report::upgrade::Interner;
use crate::server::EventSink;
use crate::upgrade::direction::AppliedVersions;
use crate::upgrade::preflight::ledger_scan::LedgerState;
use crate::upgrade::preflight::target::Target;
use crate::upgrade::rollout::commits::Commits;
use crate::upgrade::rollout::environment::of_own_sql;
use crate::upgrade::rollout::interruption::Interruption;
use crate::upgrade::rollout::per_database::{INTERRUPTED, interrupted_with};
use crate::upgrade::rollout::retry::{Attempted, PendingRetry};
use crate::upgrade::session::preamble::Preamble;
use crate::upgrade::session::worker_session::WorkerSession;

/// What is to be done on each target of a track.
#[derive(Debug)]
pub(crate) struct TrackExecutor<'a> {
    pub(crate) track: &'a TrackPlan,
    pub(crate) direction: TrackDirection,
    /// What was applied is mostly the same.
    pub(crate) interner: Mutex<Interner>,
    /// What is meant by "the last one", by the targets' names.
    pub(crate) resolved_steps: Mutex<HashMap<Arc<str>, AppliedVersions>>,
    /// What has been thought of ledgers, by the addresses of their rows.
    pub(crate) decisions: Mutex<HashMap<usize, Arc<CachedDecision>>>,
    /// On some target code of the project's sees what is sent beside a script. Each target is asked until one is found.
    pub(crate) watched: AtomicBool,
    pub(crate) events: EventSink,
    pub(crate) interruption: &'a Interruption,
    /// All migrations of this run pass it, and one that must have no other beside it closes it.
    pub(crate) gate: RwLock<()>,
    pub(crate) commits: Commits,
}

impl<'a> TrackExecutor<'a> {
    pub(crate) fn new(
        track: &'a TrackPlan,
        goal: TrackDirection,
        events: EventSink,
        interruption: &'a Interruption,
    ) -> Self {
        let (once, meant, thoughts, watched, gate, commits) = Default::default();
        Self {
            track,
            direction: goal,
            interner: once,
            resolved_steps: meant,
            decisions: thoughts,
            watched,
            events,
            interruption,
            gate,
            commits,
        }
    }
}

impl TrackExecutor<'_> {
    /// What is done, if there is nothing to do: no session is needed for that.
    pub(crate) fn done_without_session(
        &self,
        target: &Target,
        stand: &LedgerState,
    ) -> Option<TargetOutcome> {
        match stand {
            LedgerState::Absent => Some(TargetOutcome::failed(absent(target))),
            LedgerState::Unreadable(failure) => Some(TargetOutcome::failed((**failure).clone())),
            LedgerState::New if self.direction.is_up() => None,
            LedgerState::New => self.done_by_ledger(target, &Arc::default()),
            LedgerState::Rows(rows) => self.done_by_ledger(target, rows),
        }
    }

    fn done_by_ledger(&self, target: &Target, rows: &Arc<[LedgerRow]>) -> Option<TargetOutcome> {
        let thought = self.cached_decision(target, rows);
        let decision = &thought.decision;
        let end = || self.end_of(target, self.begin(rows, decision), rows, decision.clone());
        decision.apply.is_empty().then(end)
    }

    /// How a target that was seen like this, before its claim was ours, is gone to and worked on in one message; `None`
    /// where it has to be looked at again first.
    pub(crate) fn opening(&self, target: &Target, seen: &LedgerState) -> Option<Preamble> {
        let (rows, is_there) = match seen {
            LedgerState::Rows(rows) => (rows, true),
            LedgerState::New => (&Arc::default(), false),
            LedgerState::Absent | LedgerState::Unreadable(_) => return None,
        };
        let thought = self.cached_decision(target, rows);
        let decision = &thought.decision;
        let goes_on = !decision.apply.is_empty()
            && decision.refusal.is_none()
            && !self.need_own_session(&decision.apply);
        let words = is_there.then_some(&*thought.words);
        let watched = self.watched.load(Ordering::Relaxed);
        goes_on.then(|| Preamble::new(target, self.track.chosen.format, words, watched)).flatten()
    }

    /// Brings a claimed target to where it should stand. With an opening, `stand` was seen before the claim.
    pub(crate) async fn upgrade(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
        stand: LedgerState,
        mut opening: Option<Preamble>,
        retry: Option<Box<PendingRetry>>,
    ) -> Attempted {
        let (mut known, mut is_new) = match stand {
            LedgerState::Rows(rows) => (rows, false),
            LedgerState::New => (Arc::default(), true),
            LedgerState::Absent => return Attempted::Done(self.failed(retry, absent(target))),
            LedgerState::Unreadable(failure) => {
                return Attempted::Done(self.failed(retry, *failure));
            }
        };
        let (mut begun, decision) = self.start(target, &known, retry);
        let mut decided = Some(decision);
        loop {
            let makes_ledger = is_new && opening.is_none() && self.direction.is_up();
            // Where it was made and the answer was lost, making it again does nothing.
            if makes_ledger && let Err(failure) = self.make_ledger(lane, target).await {
                lane.close().await;
                if lane.take_interruption() {
                    return Attempted::Done(self.stopped_early(begun, INTERRUPTED));
                }
                let retried = self.retry(begun, race::of(&failure));
                let broken = |begun| {
                    Attempted::Done(self.failed_at_first_missing(begun, of_own_sql(failure)))
                };
                return retried.unwrap_or_else(broken);
            }
            let decision = decided.take().unwrap_or_else(|| self.left(target, &begun, &known));
            if decision.apply.is_empty() {
                return Attempted::Done(self.end_of(target, begun, &known, decision));
            }
            begun.sent = Some(Instant::now());
            let sent = self.apply(lane, target, &decision.apply, opening.take(), &mut begun).await;
            let failed = match sent {
                Ok(()) => {
                    return Attempted::Done(match decision.refusal {
                        // The tool stops there, after what it has applied.
                        Some(_) => self.end_of(target, begun, &known, decision),
                        None => self.complete(begun),
                    });
                }
                Err(failed) => failed,
            };
            let is_interrupted = failed.is_interruption(lane.take_interruption());
            lane.close().await;
            if is_interrupted {
                // Nothing of the batch was done: there is nothing to look at, and a session may not be had.
                if !matches!(failed, BatchNotApplied::Stopped(_)) {
                    return Attempted::Done(self.stopped_early(begun, INTERRUPTED));
                }
                lane.close_out();
            }
            // What the ledger shows is what was applied, also where an answer was lost.
            (known, is_new) = match self.look(lane, target).await {
                Ok(Some(rows)) => (rows.into(), false),
                Ok(None) => (Arc::default(), true),
                Err(_) if is_interrupted || lane.take_interruption() => {
                    return Attempted::Done(self.stopped_early(begun, INTERRUPTED));
                }
                Err(failure) => return Attempted::Done(self.unseen(begun, failed, failure)),
            };
            let BatchNotApplied::Stopped(failed) = failed else {
                begun = self.begin(&known, &self.decide(target, &known));
                continue;
            };
            if !self.goes_on_separately(target, &mut begun, &known, &failed) || is_interrupted {
                return self.stop(lane, target, begun, &known, failed, is_interrupted).await;
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
        let Some(retry) = retry else {
            let decision = self.cached_decision(target, known).decision.clone();
            decision.log(known, &self.track.head);
            return (self.begin(known, &decision), decision);
        };
        let mut begun = retry.begun;
        let decision = self.left(target, &begun, known);
        decision.log(known, &self.track.head);
        if self.direction.is_up() {
            begun.wanted.clone_from(&decision.apply);
        }
        (begun, decision)
    }

    /// After a batch that was not applied: interrupted, to be tried again, or failed.
    async fn stop(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
        begun: TargetProgress,
        known: &[LedgerRow],
        mut failed: Box<BatchFailure>,
        is_interrupted: bool,
    ) -> Attempted {
        if failed.had_no_effect && (is_interrupted || failed.race.is_some()) {
            self.take_back_mark(lane, target, &begun, known).await;
        }
        if is_interrupted {
            return Attempted::Done(match failed.leftovers.left.as_slice() {
                _ if failed.had_no_effect => self.stopped_early(begun, INTERRUPTED),
                [] => self.failed_at_first_missing(begun, failed.failure),
                left => self.stopped_early(begun, interrupted_with(left)),
            });
        }
        let begun = match self.retry(begun, failed.race) {
            Ok(ended) => return ended,
            Err(begun) => begun,
        };
        self.find_origin(lane, target, &begun, &mut failed).await;
        let mut failure = self.with_leftovers(lane, target, *failed).await;
        if let Some(way_on) = self.recovery_hint(target, known) {
            failure.hint = Some(match failure.hint {
                Some(hint) => format!("{hint} Besides, {way_on}"),
                None => way_on,
            });
        }
        Attempted::Done(self.failed_at_first_missing(begun, failure))
    }

    async fn make_ledger(&self, lane: &mut WorkerSession, target: &Target) -> Result<(), Failure> {
        lane.prepare(target, &self.track.chosen.format.ensure_ledger(&target.ledger)).await
    }

    /// Whether code of the project's sees what is sent at the target beside a script.
    pub(crate) async fn is_watched(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
    ) -> Result<bool, BatchFailure> {
        if self.watched.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let watched = lane.is_watched(target).await.map_err(BatchFailure::before_any)?;
        self.watched.fetch_or(watched, Ordering::Relaxed);
        Ok(watched)
    }
}
