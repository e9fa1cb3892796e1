//! One target, from where it stands to where it should: what the format's tool would do, and what the ledger shows of it
//! afterwards. The ledger alone says what has been applied, whatever has become of a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::aftermath::{Stopped, absent, check, stopped};
use super::batch::batches;
use super::done::{Begun, Done};
use super::goal::{Goal, Thought};
use super::lane::Lane;
use super::opening::Opening;
use super::path::on_the_path;
use super::proof::not_shown;
use super::survey::Stand;
use super::target::Target;
use super::way::AppliedVersions;
use crate::formats::LedgerRow;
use crate::model::{Event, Failure, FailureKind, Migration, StepOutcome, StepRecord};
use crate::postgres::{EventSink, StepFailure, collecting, lost_a_race};
use crate::replay::plan::TrackPlan;
use crate::report::upgrade::Once;

/// Tries after the first one, of what has lost a race for a lock.
const RETRIES: u32 = 5;
/// Before the first of them; each next one waits twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// What is to be done on each target of a track.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) track: &'a TrackPlan,
    pub(super) goal: Goal,
    /// What was applied is mostly the same.
    pub(super) once: Mutex<Once>,
    /// What is meant by "the last one", by the targets' names.
    pub(super) meant: Mutex<HashMap<Arc<str>, AppliedVersions>>,
    /// What has been thought of ledgers, by the addresses of their rows.
    pub(super) thoughts: Mutex<HashMap<usize, Arc<Thought>>>,
    pub(super) events: EventSink,
}

impl Work<'_> {
    /// What is done, if there is nothing to do: no session is needed for that.
    pub(super) fn settled(&self, target: &Target, stand: &Stand) -> Option<Done> {
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
    pub(super) fn opening(&self, target: &Target, seen: &Stand) -> Option<Opening> {
        let (rows, is_there) = match seen {
            Stand::Rows(rows) => (rows, true),
            Stand::New => (&Arc::default(), false),
            Stand::Absent | Stand::Unreadable(_) => return None,
        };
        let thought = self.thought(target, rows);
        let goes_on = !thought.decision.apply.is_empty() && thought.decision.refusal.is_none();
        let words = is_there.then_some(&*thought.words);
        goes_on.then(|| Opening::new(target, self.track.chosen.format, words)).flatten()
    }

    /// Brings a target from where it stands to where it should. Its claim is ours. With an opening, where it stands is what
    /// was seen before.
    pub(super) async fn upgrade(
        &self,
        lane: &mut Lane,
        target: &Target,
        stand: Stand,
        mut opening: Option<Opening>,
    ) -> Done {
        let (mut known, mut is_new) = match stand {
            Stand::Rows(rows) => (rows, false),
            Stand::New => (Arc::default(), true),
            Stand::Absent => return Done::failed(absent(target)),
            Stand::Unreadable(failure) => return Done::failed(*failure),
        };
        let decision = self.thought(target, &known).decision.clone();
        let mut begun = self.begin(&known, &decision);
        let mut decided = Some(decision);
        loop {
            let makes_ledger = is_new && opening.is_none() && self.goal.is_up();
            // Where it was made and the answer was lost, making it again does nothing.
            match if makes_ledger { self.make_ledger(lane, target).await } else { Ok(()) } {
                Ok(()) => {}
                Err(failure) => {
                    lane.close().await;
                    let is_lost = failure.kind == FailureKind::ConnectionLost;
                    if !(is_lost || lost_a_race(&failure)) || !self.pause(&mut begun).await {
                        return self.broken(begun, failure);
                    }
                    continue;
                }
            }
            let decision = decided.take().unwrap_or_else(|| self.left(target, &begun, &known));
            if decision.apply.is_empty() {
                return self.end_of(target, begun, &known, decision);
            }
            let opening = opening.take();
            let failed = match self.apply(lane, target, &decision.apply, opening, &mut begun).await
            {
                Ok(()) => match decision.refusal {
                    // The tool stops there, after what it has applied.
                    Some(_) => return self.end_of(target, begun, &known, decision),
                    None => return self.complete(begun),
                },
                Err(failed) => failed,
            };
            lane.close().await;
            // What the ledger shows is what was applied, also where an answer was lost.
            (known, is_new) = match self.look(lane, target).await {
                Ok(Some(rows)) => (rows.into(), false),
                Ok(None) => (Arc::default(), true),
                Err(failure) => return self.broken(begun, failure),
            };
            let Some(failed) = failed else {
                begun = self.begin(&known, &self.decide(target, &known));
                continue;
            };
            self.note_done(target, &mut begun, &known);
            if failed.may_be_tried_again && self.pause(&mut begun).await {
                continue;
            }
            let mut failure = self.with_leftovers(lane, target, failed).await;
            if let Some(way_on) = self.way_on(target, &known) {
                failure.hint = Some(match failure.hint {
                    Some(hint) => format!("{hint} Besides, {way_on}"),
                    None => way_on,
                });
            }
            return self.broken(begun, failure);
        }
    }

    /// Waits before the next try. `false` if there should be none.
    async fn pause(&self, begun: &mut Begun) -> bool {
        if begun.retries >= RETRIES {
            return false;
        }
        let pause = PAUSE * 2_u32.pow(begun.retries);
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        begun.retries += 1;
        true
    }

    /// Names what a step outside of a transaction has left half-done, and what to do about it.
    async fn with_leftovers(&self, lane: &mut Lane, target: &Target, failed: Stopped) -> Failure {
        let Stopped { mut failure, is_whole, may_be_tried_again } = failed;
        if may_be_tried_again && failure.hint.is_none() {
            failure.hint = Some(
                "somebody else held a lock each time that it was tried (pg_locks shows who): run again when that is over, or \
                 wait longer with --lock-timeout"
                    .to_owned(),
            );
        }
        if is_whole {
            return failure;
        }
        let invalid = lane.invalid_indexes(target).await.unwrap_or_default();
        if !invalid.is_empty() {
            let drops = invalid.iter().map(|name| format!("DROP INDEX CONCURRENTLY {name};"));
            failure.hint = Some(format!(
                "CREATE INDEX CONCURRENTLY that fails leaves an invalid index, and the next try finds its name taken; drop it, \
                 and run again: {}",
                drops.collect::<Vec<_>>().join(" ")
            ));
        }
        failure
    }

    async fn make_ledger(&self, lane: &mut Lane, target: &Target) -> Result<(), Failure> {
        lane.prepare(target, &self.track.chosen.format.ensure_ledger(&target.ledger)).await
    }

    /// Sends what is to be applied, a batch after the other. It fails without a reason where the target is not as it was
    /// seen, and nothing has been done.
    async fn apply(
        &self,
        lane: &mut Lane,
        target: &Target,
        indices: &[usize],
        mut opening: Option<Opening>,
        begun: &mut Begun,
    ) -> Result<(), Option<Stopped>> {
        let migrations = indices.iter().map(|index| &self.track.head[*index]);
        let steps: Vec<_> = indices.iter().map(|index| self.step(*index, target)).collect();
        let mut rest: Vec<&Migration> = migrations.collect();
        for batch in batches(&steps, &on_the_path(target)) {
            let of_batch: Vec<&Migration> = rest.drain(..batch.steps).collect();
            self.tell(target, of_batch[0]);
            let before = self.half_built(lane, target, &batch, &of_batch).await?;
            let started = Instant::now();
            let sent = async {
                match opening.take() {
                    Some(opening) if batch.is_whole => {
                        lane.send_at_once(target, &opening, &batch).await
                    }
                    Some(_) => None,
                    None => Some(lane.send(target, &batch).await),
                }
            };
            let (sent, notices) = collecting(sent).await;
            let aftermath = sent.ok_or(None)?.map_err(|failed| {
                let failure = not_shown(failed.failure);
                stopped(&batch, StepFailure { failure, ..failed })
            })?;
            let last = of_batch.last().map(|migration| self.file_of(migration));
            check(target, last, &aftermath)
                .map_err(|failure| Stopped::for_good(failure, &batch))?;
            self.built(lane, target, &batch, &of_batch, &before).await?;
            let each = started.elapsed() / u32::try_from(batch.steps.max(1)).unwrap_or(u32::MAX);
            let mut notices = Some(notices);
            for migration in of_batch {
                let notices = notices.take().unwrap_or_default();
                let outcome = StepOutcome::Applied;
                let step = StepRecord { outcome, duration: each, notices, ..self.unrun(migration) };
                begun.steps.push(StepRecord { recorded: Some(true), ..step });
            }
        }
        Ok(())
    }

    /// The ledger's rows, if there is one.
    async fn look(
        &self,
        lane: &mut Lane,
        target: &Target,
    ) -> Result<Option<Vec<LedgerRow>>, Failure> {
        let query = self.track.chosen.format.ledger_rows(&target.ledger);
        let mut tries = 0;
        loop {
            let looked = async {
                lane.arrive(target).await?;
                lane.ledger(target, &query).await
            };
            match looked.await {
                Ok(rows) => return Ok(rows),
                // A server that is being restarted is there again after a moment.
                Err(failure) if failure.kind == FailureKind::ConnectionLost && tries < RETRIES => {
                    lane.close().await;
                    tokio::time::sleep(PAUSE * 2_u32.pow(tries)).await;
                    tries += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    fn tell(&self, target: &Target, migration: &Migration) {
        let migration = self.script(migration).file_name().into();
        // Nobody listening is no reason to stop.
        let _ = self.events.send(Event::StepStarted { unit: target.unit(), migration });
    }
}
