//! The migrations of one target, a batch after the other, until one of them is not applied.

use std::time::Instant;

use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};
use tracing::Instrument as _;

use super::concurrent_index::{InvalidIndex, Leftovers, builds, clean_up};
use super::executor::TrackExecutor;
use super::postcondition::{BatchFailure, check, classify};
use super::progress::TargetProgress;
use super::race;
use crate::formats::LedgerRow;
use crate::model::{Failure, FailureKind, Migration, RunEvent, StepOutcome, StepRecord, step_span};
use crate::postgres::{StepFailure, collecting};
use crate::upgrade::preflight::target::Target;
use crate::upgrade::rollout::interruption::is_cancellation;
use crate::upgrade::session::batch::{Batch, batches};
use crate::upgrade::session::commit_guard::guard_failure;
use crate::upgrade::session::preamble::Preamble;
use crate::upgrade::session::session_setup::on_the_path;
use crate::upgrade::session::worker_session::WorkerSession;

/// Why a batch was not applied.
pub(crate) enum BatchNotApplied {
    /// The target is not as it was seen, and nothing has been done.
    AsSeen,
    /// It was not begun.
    Interrupted,
    Stopped(Box<BatchFailure>),
}

impl BatchNotApplied {
    /// Whether an interruption is why, where one may have ended the exchange with the server.
    pub(crate) fn is_interruption(&self, was_interrupted: bool) -> bool {
        match self {
            Self::Interrupted => true,
            Self::AsSeen => was_interrupted,
            Self::Stopped(stopped) => was_interrupted && is_cancellation(&stopped.failure),
        }
    }
}

impl From<BatchFailure> for BatchNotApplied {
    fn from(stopped: BatchFailure) -> Self {
        Self::Stopped(Box::new(stopped))
    }
}

impl From<Option<BatchFailure>> for BatchNotApplied {
    fn from(stopped: Option<BatchFailure>) -> Self {
        stopped.map_or(Self::AsSeen, Self::from)
    }
}

/// Held while a migration executes: beside others of this run, or alone.
enum GatePass<'a> {
    Beside(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'a, ()>),
}

impl TrackExecutor<'_> {
    /// Sends what is to be applied, a batch after the other. Between two of them an interruption ends it.
    pub(crate) async fn apply(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
        indices: &[usize],
        mut opening: Option<Preamble>,
        begun: &mut TargetProgress,
    ) -> Result<(), BatchNotApplied> {
        let steps: Vec<_> = indices.iter().map(|index| self.step(*index, target)).collect();
        let mut rest = indices;
        lane.keep_apart(self.need_own_session(indices)).await;
        let watched = match &opening {
            Some(opening) => opening.watched(),
            None => self.is_watched(lane, target).await?,
        };
        let watched = watched || begun.is_separate;
        let ledger = &target.ledger.table;
        for batch in batches(&steps, &on_the_path(target), watched, ledger) {
            let (of_batch, others) = rest.split_at(batch.steps);
            rest = others;
            let gate = self.pass(begun.is_alone).await.ok_or(BatchNotApplied::Interrupted)?;
            let span = step_span(self.script(&self.track.head[of_batch[0]]).file_name());
            let applied = self.apply_batch(lane, target, &batch, of_batch, opening.take(), begun);
            applied.instrument(span).await?;
            drop(gate);
            begun.is_alone = false;
        }
        Ok(())
    }

    async fn apply_batch(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
        batch: &Batch,
        indices: &[usize],
        opening: Option<Preamble>,
        begun: &mut TargetProgress,
    ) -> Result<(), BatchNotApplied> {
        let of_batch: Vec<&Migration> =
            indices.iter().map(|index| &self.track.head[*index]).collect();
        self.tell(target, of_batch[0]);
        let before = self.half_built(lane, target, batch, &of_batch).await?;
        let invalid = match builds(batch) {
            true => Some(
                lane.invalid(target)
                    .await
                    .map_err(|failure| BatchFailure::for_good(failure, batch))?,
            ),
            false => None,
        };
        let files = || of_batch.iter().map(|migration| self.script(migration).file_name());
        tracing::debug!(migrations = ?files().collect::<Vec<_>>(), messages = batch.messages.len(), "sending");
        let started = Instant::now();
        let in_flight = self.commits.begin(indices);
        let sent = async {
            match opening {
                Some(opening) if batch.is_whole => lane.send_at_once(target, &opening, batch).await,
                Some(_) => None,
                None => Some(lane.send(target, batch).await),
            }
        };
        let (sent, notices) = collecting(sent).await;
        let Some(sent) = sent else {
            tracing::debug!("nothing applied: the target is not as it was scanned");
            return Err(BatchNotApplied::AsSeen);
        };
        let aftermath = match sent {
            Ok(aftermath) => aftermath,
            Err(failed) => {
                tracing::debug!(reason = failed.failure.message, "step failed");
                let failure = guard_failure(failed.failure);
                let mut stopped = classify(batch, StepFailure { failure, ..failed });
                let scripts = of_batch.iter().map(|migration| self.script(migration));
                in_flight.judge(&mut stopped, scripts);
                stopped.first_of_several = indices.first().copied().filter(|_| batch.steps > 1);
                self.tidy(lane, target, batch, invalid, &mut stopped).await;
                return Err(stopped.into());
            }
        };
        in_flight.committed();
        let (recorded, schemas) = (aftermath.recorded, &aftermath.schemas);
        tracing::debug!(recorded, ?schemas, duration = ?started.elapsed(), "postcondition read");
        let last = of_batch.last().map(|migration| self.file_of(migration));
        check(target, last, &aftermath)
            .map_err(|failure| BatchFailure::for_good(failure, batch))?;
        self.built(lane, target, batch, &of_batch, &before).await?;
        let each = started.elapsed() / u32::try_from(batch.steps.max(1)).unwrap_or(u32::MAX);
        let mut notices = Some(notices);
        for migration in of_batch {
            let notices = notices.take().unwrap_or_default();
            let outcome = StepOutcome::Applied;
            let step =
                StepRecord { outcome, duration: each, notices, ..self.unrun_step(migration) };
            begun.steps.push(StepRecord { recorded: Some(true), ..step });
        }
        Ok(())
    }

    /// Notes what was applied, and says whether the rest is to be sent once more, each migration in messages of its own: the
    /// server parses a message as a whole, so that one that it cannot read keeps it from executing those before.
    pub(crate) fn goes_on_separately(
        &self,
        target: &Target,
        begun: &mut TargetProgress,
        known: &[LedgerRow],
        stopped: &BatchFailure,
    ) -> bool {
        self.record_applied(target, begun, known);
        let is_own = stopped.race.is_none() && stopped.failure.kind != FailureKind::ConnectionLost;
        let Some(first) = stopped.first_of_several.filter(|_| is_own) else { return false };
        begun.is_separate = self.left(target, begun, known).apply.contains(&first);
        begun.is_separate
    }

    /// After a failure: drops the invalid indexes that were not `before`. A command that has left nothing can be tried again.
    async fn tidy(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
        batch: &Batch,
        before: Option<Vec<InvalidIndex>>,
        stopped: &mut BatchFailure,
    ) {
        if let Some(before) = before {
            let is_interrupted = self.interruption.requested.is_cancelled();
            lane.close().await;
            if is_interrupted {
                lane.close_out();
            }
            // A drop waits for transactions that use the table.
            let limit = is_interrupted.then_some("2s");
            stopped.leftovers = clean_up(lane, target, batch, &before, limit).await;
        }
        let Leftovers { dropped, left, is_known } = &stopped.leftovers;
        if !dropped.is_empty() {
            let words =
                format!("the invalid index that it left was dropped: {}", dropped.join(", "));
            stopped.failure.hint.get_or_insert(words);
        }
        let is_lost = stopped.failure.kind == FailureKind::ConnectionLost;
        let is_clean = stopped.is_index_command && left.is_empty() && *is_known;
        if is_clean && !is_lost {
            stopped.had_no_effect = true;
            stopped.race = race::of(&stopped.failure);
        }
    }

    /// Names what a step outside of a transaction has left half-done, and what to do about it.
    pub(crate) async fn with_leftovers(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
        failed: BatchFailure,
    ) -> Failure {
        let BatchFailure { mut failure, is_whole, race, .. } = failed;
        if let Some(race) = race {
            failure.hint.get_or_insert_with(|| race.hint().to_owned());
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
        let pending = lane.pending_detaches(target).await.unwrap_or_default();
        if !pending.is_empty() {
            failure.hint = Some(format!(
                "DETACH PARTITION … CONCURRENTLY that is cut leaves the partition pending, and the next try is refused; bring it \
                 to its end, and run again without the statement, or add the ledger's row: {}",
                pending.join(" ")
            ));
        }
        failure
    }

    /// `None` if the run was interrupted.
    async fn pass(&self, alone: bool) -> Option<GatePass<'_>> {
        if self.interruption.requested.is_cancelled() {
            return None;
        }
        let pass = async {
            match alone {
                true => GatePass::Alone(self.gate.write().await),
                false => GatePass::Beside(self.gate.read().await),
            }
        };
        self.interruption.requested.run_until_cancelled(pass).await
    }

    fn tell(&self, target: &Target, migration: &Migration) {
        let migration = self.script(migration).file_name().into();
        // Nobody listening is no reason to stop.
        let _ = self.events.send(RunEvent::StepStarted { unit: target.unit(), migration });
    }
}
