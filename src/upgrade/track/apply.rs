//! Applies the migrations of one target, batch by batch, until one is not applied.

use tokio::sync::{RwLockReadGuard, RwLockWriteGuard};
use tracing::Instrument as _;

use super::attempt::BatchNotApplied;
use super::executor::TrackExecutor;
use super::invalid_index::BatchMigrations;
use super::leftovers::clean_up_after;
use super::progress::TargetProgress;
use crate::execution::batch::{Batch, batches};
use crate::execution::batch_failure::BatchFailure;
use crate::execution::concurrent_index::may_leave_invalid_index;
use crate::execution::{NotExecuted, execute, postcondition};
use crate::model::{Migration, RunEvent, StepRecord, step_span};
use crate::upgrade::session::session_setup::Preamble;
use crate::upgrade::session::session_setup::check_search_path;
use crate::upgrade::session::worker_session::{TargetRunner, WorkerSession};
use crate::upgrade::target::Target;

/// Held while a migration executes: concurrently with others of this run, or alone.
enum GatePass<'a> {
    Beside(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'a, ()>),
}

impl TrackExecutor<'_> {
    /// Sends the pending migrations, batch by batch. An interruption stops between two batches.
    pub(super) async fn apply(
        &self,
        session: &mut WorkerSession,
        target: &Target,
        indices: &[usize],
        mut preamble: Option<Preamble>,
        progress: &mut TargetProgress,
    ) -> Result<(), BatchNotApplied> {
        let steps: Vec<_> = indices.iter().map(|index| self.track.step(*index, target)).collect();
        let mut rest = indices;
        session.set_needs_own_session(self.track.need_own_session(indices)).await;
        let watched = match &preamble {
            Some(preamble) => preamble.watched(),
            None => self.is_watched(session, target).await?,
        };
        let watched = watched || progress.is_separate;
        for batch in batches(&steps, &check_search_path(target), watched, &target.ledger.table) {
            let (of_batch, others) = rest.split_at(batch.steps);
            rest = others;
            let gate = self.pass(progress.is_alone).await.ok_or(BatchNotApplied::Interrupted)?;
            let first = self.track.script(&self.track.plan.head[of_batch[0]]);
            let span = step_span(first.file_name());
            let preamble = preamble.take();
            let applied = self.apply_batch(session, target, &batch, of_batch, preamble);
            progress.steps.extend(applied.instrument(span).await?);
            drop(gate);
            progress.is_alone = false;
        }
        Ok(())
    }

    /// Runs a batch and returns the records of its steps.
    async fn apply_batch(
        &self,
        session: &mut WorkerSession,
        target: &Target,
        batch: &Batch,
        indices: &[usize],
        preamble: Option<Preamble>,
    ) -> Result<Vec<StepRecord>, BatchNotApplied> {
        let track = &self.track;
        let migrations: Vec<&Migration> =
            indices.iter().map(|index| &track.plan.head[*index]).collect();
        self.tell(target, migrations[0]);
        let of_batch = BatchMigrations { track, target, batch, migrations: &migrations };
        let before = of_batch.invalid_before(session).await?;
        let invalid = match may_leave_invalid_index(batch) {
            true => Some(of_batch.invalid(session).await?),
            false => None,
        };
        let in_flight = self.commits.begin(indices);
        let mut runner = TargetRunner { session, target, preamble };
        let mut execution = execute(&mut runner, batch).await;
        let records = migrations.iter().map(|migration| track.unrun_step(migration));
        let records = execution.applied(records);
        let seen = match execution.result {
            Ok(seen) => seen,
            Err(NotExecuted::TargetChanged) => return Err(BatchNotApplied::TargetChanged),
            Err(NotExecuted::Failed(mut failed)) => {
                failed.explain_effect();
                in_flight.judge(&mut failed, migrations.iter().map(|one| track.script(one)));
                failed.first_of_several = indices.first().copied().filter(|_| batch.steps > 1);
                let interrupted = self.interruption.requested.is_cancelled();
                clean_up_after(session, target, batch, invalid, interrupted, &mut failed).await;
                return Err(BatchNotApplied::Failed(failed));
            }
        };
        in_flight.committed();
        let last = migrations.last().map(|migration| track.file_of(migration));
        postcondition::require(seen, &target.search_path, last)
            .map_err(|failure| BatchFailure::permanent(failure, batch))?;
        of_batch.check_after(session, &before).await?;
        let recorded = |step| StepRecord { in_ledger: Some(true), ..step };
        Ok(records.into_iter().map(recorded).collect())
    }

    /// Waits for the gate. `None` if the run was interrupted.
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
        let migration = self.track.script(migration).file_name().into();
        // A run does not stop if no one receives its events.
        let _ = self.events.send(RunEvent::StepStarted { unit: target.unit(), migration });
    }
}
