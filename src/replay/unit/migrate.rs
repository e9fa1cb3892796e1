//! What the tool does in one run: a session, its ledger, its decision, step by step; and what each step left behind.

use std::time::Instant;

use tracing::Instrument as _;

use super::database_gate::{GatePermit, Reach};
use super::{UnitRun, at};
use crate::formats::{
    QueryBatch, leaves_something, search_path_command, separated, transaction_command,
    transaction_warnings,
};
use crate::model::{
    Failure, FailureKind, Migration, Phase, Place, RunEvent, StepOutcome, StepRecord, UnitEnd,
    step_span,
};
use crate::postgres::{Session, collecting as collecting_notices};
use crate::sql::{Effects, effects};

impl UnitRun<'_> {
    /// What the tool does in one run: a new session, its ledger, its decision, step by step.
    pub(crate) async fn migrate(
        &mut self,
        phase: Phase,
        migrations: &[Migration],
    ) -> Result<(), UnitEnd> {
        self.enter(phase);
        match self.owner_session().await {
            Ok(session) => self.migrate_in(session, phase, migrations).await,
            Err(failure) => {
                // A schema that is not there before anything was applied is a matter of the preparations.
                let early = failure.kind == FailureKind::SearchPath && self.record.steps.is_empty();
                Err(at(if early { Phase::Prepare } else { phase })(failure))
            }
        }
    }

    pub(crate) async fn migrate_in(
        &mut self,
        mut session: Session,
        phase: Phase,
        migrations: &[Migration],
    ) -> Result<(), UnitEnd> {
        let format = self.track.chosen.format;
        let ledger = &self.unit.ledger;
        let looked = async {
            self.ensure_ledger(&mut session).await?;
            session.ledger(ledger, &format.ledger_rows(ledger)).await
        };
        let rows = looked.await.map_err(at(phase))?.unwrap_or_default();
        let asks = format!("SELECT {}", ledger.is_watched());
        let mut watched = session.fetch_one::<bool>(&asks).await.map_err(at(phase))?;
        let decision = format.decide(&rows, migrations);
        decision.log(&rows, migrations);
        // What a session keeps beyond its transactions is kept from the others for as long as it lives. Later it waits for
        // nothing, so all that it needs is taken now.
        let alone = self.track.takes_session_locks && !decision.apply.is_empty();
        let mut kept = None;
        if alone {
            let scripts = decision.apply.iter().map(|index| effects(&migrations[*index].up));
            kept = Some(self.home.acquire(Reach::of(scripts, self.own()).alone()).await);
        }
        for (done, index) in decision.apply.iter().enumerate() {
            let rest = decision.apply[done..].iter().map(|index| &migrations[*index]);
            let rest = rest.map(|migration| StepRecord::not_run(migration, phase));
            if let Err(stop) = self.check_server() {
                self.record.steps.extend(rest);
                return Err(stop);
            }
            let migration = &migrations[*index];
            watched |= effects(&migration.up).may_watch(&ledger.table);
            let messages = format.apply(migration, ledger);
            let messages = if watched { separated(messages) } else { messages };
            let (step, turn) = self
                .step(&mut session, migration, messages, phase, kept)
                .instrument(step_span(migration.file_name()))
                .await;
            let failed = matches!(step.outcome, StepOutcome::Failed(_));
            self.record.steps.push(step);
            if failed {
                self.record.steps.extend(rest.skip(1));
                return Err(UnitEnd::Failed { phase, failure: None });
            }
            kept = (alone || session.is_left_in_transaction()).then_some(turn);
        }
        session.close().await;
        drop(kept);
        if phase == Phase::Head {
            self.note_what_stays_unapplied(&rows, &decision);
        }
        match decision.refusal {
            None => Ok(()),
            Some(reason) => Err(at(phase)(Failure {
                place: decision.refused.map(|index| file_of(&migrations[index])),
                hint: decision.refused.and_then(|index| twin(migrations, index)),
                ..Failure::new(FailureKind::Refused, reason)
            })),
        }
    }

    /// Makes the ledger where the tool does, with the schemas that it makes for it.
    pub(crate) async fn ensure_ledger(&self, session: &mut Session) -> Result<(), Failure> {
        let messages = self.track.chosen.format.ensure_ledger(&self.unit.ledger);
        let own = messages.iter().map(|message| Effects::of(&message.text()));
        let _turn = self.home.acquire_if_needed(Reach::of(own, self.own())).await;
        for message in &messages {
            session.send(message).await?;
        }
        Ok(())
    }

    /// One migration, in the turn that the session has kept or in one of its own, which comes back.
    async fn step(
        &self,
        session: &mut Session,
        migration: &Migration,
        messages: Vec<QueryBatch>,
        phase: Phase,
        kept: Option<GatePermit>,
    ) -> (StepRecord, GatePermit) {
        let format = self.track.chosen.format;
        let recorded = format.is_applied_expr(migration, &self.unit.ledger);
        let (unit, migration_name) = (self.name(), migration.file_name().into());
        self.replay.tell(RunEvent::StepStarted { unit, migration: migration_name });
        let started = Instant::now();
        let turn = match kept {
            Some(turn) => turn,
            None => self.home.acquire(Reach::of_step(&messages, self.own())).await,
        };
        let was_open = session.is_left_in_transaction();
        let watch = self.watch_guards(session, migration, &messages).await;
        tracing::debug!(migrations = 1, messages = messages.len(), "sending");
        let (outcome, notices) = collecting_notices(session.step(&messages, &recorded)).await;
        let mut step = StepRecord {
            outcome: StepOutcome::Applied,
            duration: started.elapsed(),
            notices,
            ..StepRecord::not_run(migration, phase)
        };
        let failed = outcome.as_ref().err().map(|failed| (failed.message, failed.completed));
        step.transaction_warnings = transaction_warnings(&messages, was_open, failed);
        if !step.transaction_warnings.is_empty() && self.track.is_pending(migration) {
            step.transaction_command = transaction_command(&messages);
        }
        match outcome {
            Ok(aftermath) => {
                let recorded = aftermath.recorded;
                tracing::debug!(recorded, schemas = ?aftermath.schemas, "postcondition read");
                if let Some(watch) = watch {
                    watch.finish(session, &aftermath, &self.unit.search_path, &mut step).await;
                }
                step.recorded = Some(aftermath.recorded);
                if aftermath.schemas != self.unit.search_path {
                    step.moved_search_path = Some(aftermath.schemas);
                    step.moved_at = search_path_command(&messages);
                }
            }
            Err(failed) => {
                step.partly_applied = leaves_something(&messages, failed.message, failed.completed);
                let mut failure = self.replay.settle(failed.failure).await;
                // What fails in the tool's own SQL, such as a deferred constraint at its COMMIT, is the migration's doing.
                failure.place.get_or_insert_with(|| file_of(migration));
                tracing::debug!(reason = failure.message, "step failed");
                self.doubt(phase, &failure);
                step.outcome = StepOutcome::Failed(Box::new(failure));
            }
        }
        (step, turn)
    }
}

/// Says that another file has the version of this one, if one has.
fn twin(migrations: &[Migration], index: usize) -> Option<String> {
    let one = &migrations[index];
    let mut others = migrations.iter().enumerate().filter(|(other, _)| *other != index);
    let (_, other) = others.find(|(_, other)| other.version == one.version)?;
    let (one, other) = (one.up.path(), other.up.path());
    Some(format!("two files have this version: {one} and {other}"))
}

/// A migration as a whole: its file's first line stands for it.
fn file_of(migration: &Migration) -> Place {
    Place { path: migration.up.path().to_owned(), line: 1, column: None, excerpt: None }
}
