//! One target, from where it stands to where it should: what the format's tool would do, and what the ledger shows of it
//! afterwards. The ledger alone says what has been applied, whatever has become of a connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::RwLock;

use super::aftermath::{Stopped, absent};
use super::apply::NotApplied;
use super::done::{Begun, Done};
use super::goal::{Goal, Thought};
use super::race;
use crate::formats::{Decision, LedgerRow};
use crate::model::Failure;
use crate::replay::plan::TrackPlan;
use crate::report::upgrade::Once;
use crate::server::EventSink;
use crate::upgrade::preflight::survey::Stand;
use crate::upgrade::preflight::target::Target;
use crate::upgrade::rollout::apart::{INTERRUPTED, interrupted_with};
use crate::upgrade::rollout::commits::Commits;
use crate::upgrade::rollout::environment::of_own_sql;
use crate::upgrade::rollout::interruption::Interruption;
use crate::upgrade::rollout::retry::{Ended, Retry};
use crate::upgrade::session::lane::Lane;
use crate::upgrade::session::opening::Opening;
use crate::upgrade::way::AppliedVersions;

/// What is to be done on each target of a track.
#[derive(Debug)]
pub(crate) struct Work<'a> {
    pub(crate) track: &'a TrackPlan,
    pub(crate) goal: Goal,
    /// What was applied is mostly the same.
    pub(crate) once: Mutex<Once>,
    /// What is meant by "the last one", by the targets' names.
    pub(crate) meant: Mutex<HashMap<Arc<str>, AppliedVersions>>,
    /// What has been thought of ledgers, by the addresses of their rows.
    pub(crate) thoughts: Mutex<HashMap<usize, Arc<Thought>>>,
    /// On some target code of the project's sees what is sent beside a script. Each target is asked until one is found.
    pub(crate) watched: AtomicBool,
    pub(crate) events: EventSink,
    pub(crate) interruption: &'a Interruption,
    /// All migrations of this run pass it, and one that must have no other beside it closes it.
    pub(crate) gate: RwLock<()>,
    pub(crate) commits: Commits,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        track: &'a TrackPlan,
        goal: Goal,
        events: EventSink,
        interruption: &'a Interruption,
    ) -> Self {
        let (once, meant, thoughts, watched, gate, commits) = Default::default();
        Self { track, goal, once, meant, thoughts, watched, events, interruption, gate, commits }
    }
}

impl Work<'_> {
    /// What is done, if there is nothing to do: no session is needed for that.
    pub(crate) fn settled(&self, target: &Target, stand: &Stand) -> Option<Done> {
        match stand {
            Stand::Absent => Some(Done::failed(absent(target))),
            Stand::Unreadable(failure) => Some(Done::failed((**failure).clone())),
            Stand::New if self.goal.is_up() => None,
            Stand::New => self.settled_by(target, &Arc::default()),
            Stand::Rows(rows) => self.settled_by(target, rows),
        }
    }

    fn settled_by(&self, target: &Target, rows: &Arc<[LedgerRow]>) -> Option<Done> {
        let thought = self.thought(target, rows);
        let decision = &thought.decision;
        let end = || self.end_of(target, self.begin(rows, decision), rows, decision.clone());
        decision.apply.is_empty().then(end)
    }

    /// How a target that was seen like this, before its claim was ours, is gone to and worked on in one message; `None`
    /// where it has to be looked at again first.
    pub(crate) fn opening(&self, target: &Target, seen: &Stand) -> Option<Opening> {
        let (rows, is_there) = match seen {
            Stand::Rows(rows) => (rows, true),
            Stand::New => (&Arc::default(), false),
            Stand::Absent | Stand::Unreadable(_) => return None,
        };
        let thought = self.thought(target, rows);
        let decision = &thought.decision;
        let goes_on = !decision.apply.is_empty()
            && decision.refusal.is_none()
            && !self.need_own_session(&decision.apply);
        let words = is_there.then_some(&*thought.words);
        let watched = self.watched.load(Ordering::Relaxed);
        goes_on.then(|| Opening::new(target, self.track.chosen.format, words, watched)).flatten()
    }

    /// Brings a claimed target to where it should stand. With an opening, `stand` was seen before the claim.
    pub(crate) async fn upgrade(
        &self,
        lane: &mut Lane,
        target: &Target,
        stand: Stand,
        mut opening: Option<Opening>,
        retry: Option<Box<Retry>>,
    ) -> Ended {
        let (mut known, mut is_new) = match stand {
            Stand::Rows(rows) => (rows, false),
            Stand::New => (Arc::default(), true),
            Stand::Absent => return Ended::Done(self.failed(retry, absent(target))),
            Stand::Unreadable(failure) => return Ended::Done(self.failed(retry, *failure)),
        };
        let (mut begun, decision) = self.start(target, &known, retry);
        let mut decided = Some(decision);
        loop {
            let makes_ledger = is_new && opening.is_none() && self.goal.is_up();
            // Where it was made and the answer was lost, making it again does nothing.
            if makes_ledger && let Err(failure) = self.make_ledger(lane, target).await {
                lane.close().await;
                if lane.take_interruption() {
                    return Ended::Done(self.stopped_early(begun, INTERRUPTED));
                }
                let retried = self.retry(begun, race::of(&failure));
                let broken = |begun| Ended::Done(self.broken(begun, of_own_sql(failure)));
                return retried.unwrap_or_else(broken);
            }
            let decision = decided.take().unwrap_or_else(|| self.left(target, &begun, &known));
            if decision.apply.is_empty() {
                return Ended::Done(self.end_of(target, begun, &known, decision));
            }
            begun.sent = Some(Instant::now());
            let sent = self.apply(lane, target, &decision.apply, opening.take(), &mut begun).await;
            let failed = match sent {
                Ok(()) => {
                    return Ended::Done(match decision.refusal {
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
                if !matches!(failed, NotApplied::Stopped(_)) {
                    return Ended::Done(self.stopped_early(begun, INTERRUPTED));
                }
                lane.close_out();
            }
            // What the ledger shows is what was applied, also where an answer was lost.
            (known, is_new) = match self.look(lane, target).await {
                Ok(Some(rows)) => (rows.into(), false),
                Ok(None) => (Arc::default(), true),
                Err(_) if is_interrupted || lane.take_interruption() => {
                    return Ended::Done(self.stopped_early(begun, INTERRUPTED));
                }
                Err(failure) => return Ended::Done(self.unseen(begun, failed, failure)),
            };
            let NotApplied::Stopped(failed) = failed else {
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
        retry: Option<Box<Retry>>,
    ) -> (Begun, Decision) {
        let Some(retry) = retry else {
            let decision = self.thought(target, known).decision.clone();
            return (self.begin(known, &decision), decision);
        };
        let mut begun = retry.begun;
        let decision = self.left(target, &begun, known);
        if self.goal.is_up() {
            begun.wanted.clone_from(&decision.apply);
        }
        (begun, decision)
    }

    /// After a batch that was not applied: interrupted, to be tried again, or failed.
    async fn stop(
        &self,
        lane: &mut Lane,
        target: &Target,
        begun: Begun,
        known: &[LedgerRow],
        mut failed: Box<Stopped>,
        is_interrupted: bool,
    ) -> Ended {
        if failed.had_no_effect && (is_interrupted || failed.race.is_some()) {
            self.take_back_mark(lane, target, &begun, known).await;
        }
        if is_interrupted {
            return Ended::Done(match failed.leftovers.left.as_slice() {
                _ if failed.had_no_effect => self.stopped_early(begun, INTERRUPTED),
                [] => self.broken(begun, failed.failure),
                left => self.stopped_early(begun, interrupted_with(left)),
            });
        }
        let begun = match self.retry(begun, failed.race) {
            Ok(ended) => return ended,
            Err(begun) => begun,
        };
        self.find_origin(lane, target, &begun, &mut failed).await;
        let mut failure = self.with_leftovers(lane, target, *failed).await;
        if let Some(way_on) = self.way_on(target, known) {
            failure.hint = Some(match failure.hint {
                Some(hint) => format!("{hint} Besides, {way_on}"),
                None => way_on,
            });
        }
        Ended::Done(self.broken(begun, failure))
    }

    async fn make_ledger(&self, lane: &mut Lane, target: &Target) -> Result<(), Failure> {
        lane.prepare(target, &self.track.chosen.format.ensure_ledger(&target.ledger)).await
    }

    /// Whether code of the project's sees what is sent at the target beside a script.
    pub(crate) async fn is_watched(
        &self,
        lane: &mut Lane,
        target: &Target,
    ) -> Result<bool, Stopped> {
        if self.watched.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let watched = lane.is_watched(target).await.map_err(Stopped::before_any)?;
        self.watched.fetch_or(watched, Ordering::Relaxed);
        Ok(watched)
    }
}
