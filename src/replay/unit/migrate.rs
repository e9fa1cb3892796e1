//! One run of the tool: opens a session, reads the ledger, decides, runs each step, and checks its effects.

use tracing::Instrument as _;

use super::at;
use super::context::UnitContext;
use super::database_gate::{GatePermit, Reach};
use super::guards::GuardWatch;
use super::program::run_program;
use super::unapplied::note_unapplied;
use crate::execution::batch::Batch;
use crate::execution::{self, Execution, NotExecuted, execute};
use crate::formats::{search_path_command, transaction_command, transaction_warnings};
use crate::model::{
    Failure, FailureKind, Migration, Phase, Place, RunEvent, StepOutcome, StepRecord, UnitEnd,
    UnitRecord, step_span,
};
use crate::postgres::Session;
use crate::replay::plan::TrackPlan;
use crate::sql::{Effects, effects};

/// One run of the tool: opens a new session, reads the ledger, decides, and runs each step.
pub(super) async fn migrate(
    context: &UnitContext<'_>,
    record: &mut UnitRecord,
    phase: Phase,
    migrations: &[Migration],
) -> Result<(), UnitEnd> {
    if let Some(alembic) = context.track.environment(phase) {
        return run_program(context, record, alembic, phase, migrations).await;
    }
    context.enter(phase);
    match context.owner_session().await {
        Ok(session) => migrate_in(context, record, session, phase, migrations).await,
        Err(failure) => {
            // A schema that is missing before anything was applied is a failure of the preparation.
            let early = failure.kind == FailureKind::SearchPath && record.steps.is_empty();
            Err(at(if early { Phase::Prepare } else { phase })(failure))
        }
    }
}

pub(super) async fn migrate_in(
    context: &UnitContext<'_>,
    record: &mut UnitRecord,
    mut session: Session,
    phase: Phase,
    migrations: &[Migration],
) -> Result<(), UnitEnd> {
    let format = context.track.detected.format;
    let ledger = &context.unit.ledger;
    let looked = async {
        ensure_ledger(context, &mut session).await?;
        session.ledger(ledger, &format.ledger_rows(ledger)).await
    };
    let rows = looked.await.map_err(at(phase))?.unwrap_or_default();
    let asks = format!("SELECT {}", ledger.is_watched());
    let mut watched = session.fetch_one::<bool>(&asks).await.map_err(at(phase))?;
    let decision = format.decide(&rows, migrations);
    decision.log(&rows, migrations);
    // Locks that a session keeps beyond its transactions block other sessions until it closes. So it acquires all gates now,
    // and waits for none later.
    let alone = context.track.takes_session_locks && !decision.apply.is_empty();
    let mut kept = None;
    if alone {
        let scripts = decision.apply.iter().map(|index| effects(&migrations[*index].up));
        kept = Some(context.scratch.acquire(Reach::of(scripts, context.own()).alone()).await);
    }
    for (done, index) in decision.apply.iter().enumerate() {
        let rest = decision.apply[done..].iter().map(|index| &migrations[*index]);
        let rest = rest.map(|migration| StepRecord::not_run(migration, phase));
        if let Err(stop) = context.check_server() {
            record.steps.extend(rest);
            return Err(stop);
        }
        let migration = &migrations[*index];
        watched |= effects(&migration.up).may_watch(&ledger.table);
        let step = execution::step::apply(format, migration, ledger, context.track.deploy);
        let batch = Batch::of(&step, watched);
        let (step, permit) = run_step(context, &mut session, migration, &batch, phase, kept)
            .instrument(step_span(migration.file_name()))
            .await;
        let failed = matches!(step.outcome, StepOutcome::Failed(_));
        record.steps.push(step);
        if failed {
            record.steps.extend(rest.skip(1));
            return Err(UnitEnd::Failed { phase, failure: None });
        }
        kept = (alone || session.is_left_in_transaction()).then_some(permit);
    }
    session.close().await;
    drop(kept);
    if phase == Phase::Head {
        note_unapplied(context, record, &rows, &decision);
    }
    match decision.refusal {
        None => Ok(()),
        Some(reason) => Err(at(phase)(Failure {
            place: decision.refused.map(|index| file_of(&migrations[index])),
            hint: decision.refused.and_then(|index| counterpart(migrations, index)),
            ..Failure::new(FailureKind::Refused, reason)
        })),
    }
}

/// Creates the ledger as the tool does, with its schemas.
pub(super) async fn ensure_ledger(
    context: &UnitContext<'_>,
    session: &mut Session,
) -> Result<(), Failure> {
    let messages = context.track.detected.format.ensure_ledger(&context.unit.ledger);
    let own = messages.iter().map(|message| Effects::of(&message.text()));
    let _turn = context.scratch.acquire_if_needed(Reach::of(own, context.own())).await;
    for message in &messages {
        session.send(message).await?;
    }
    Ok(())
}

/// Runs one migration with the permit that the session has kept, or a new one, and returns the permit.
async fn run_step(
    context: &UnitContext<'_>,
    session: &mut Session,
    migration: &Migration,
    batch: &Batch,
    phase: Phase,
    kept: Option<GatePermit>,
) -> (StepRecord, GatePermit) {
    let (unit, migration_name) = (context.name(), migration.file_name().into());
    context.emit(RunEvent::StepStarted { unit, migration: migration_name });
    let permit = match kept {
        Some(permit) => permit,
        None => context.scratch.acquire(Reach::of_step(&batch.messages, context.own())).await,
    };
    let was_open = session.is_left_in_transaction();
    let watch = GuardWatch::begin(context.track, session, migration, &batch.messages).await;
    let mut execution = execute(session, batch).await;
    let mut step = record_of(context.track, migration, batch, phase, was_open, &mut execution);
    match execution.result {
        Ok(seen) => {
            if let Some(watch) = watch {
                watch.finish(session, &seen, &context.unit.search_path, &mut step).await;
            }
            step.in_ledger = Some(seen.is_applied);
            if let Some(moved) = seen.moved_search_path(&context.unit.search_path) {
                step.moved_search_path = Some(moved);
                step.moved_at = search_path_command(&batch.messages);
            }
        }
        // The native runner of a session has no plan that could be outdated.
        Err(NotExecuted::TargetChanged) => step.outcome = StepOutcome::NotRun,
        Err(NotExecuted::Failed(failed)) => {
            step.partly_applied = failed.is_partly_applied;
            let mut failure = context.replay.settle(failed.failure).await;
            // A failure in the tool's own SQL, such as a deferred constraint at its COMMIT, is caused by the migration.
            failure.place.get_or_insert_with(|| file_of(migration));
            context.check_conclusive(phase, &failure);
            step.outcome = StepOutcome::Failed(Box::new(failure));
        }
    }
    (step, permit)
}

/// The record of a step from its execution alone.
fn record_of(
    track: &TrackPlan,
    migration: &Migration,
    batch: &Batch,
    phase: Phase,
    was_open: bool,
    execution: &mut Execution,
) -> StepRecord {
    let unrun = StepRecord::not_run(migration, phase);
    let mut step = execution.applied(std::iter::once(unrun.clone())).pop().unwrap_or(unrun);
    let failed = match &execution.result {
        Err(NotExecuted::Failed(failed)) => failed.at,
        Ok(_) | Err(NotExecuted::TargetChanged) => None,
    };
    step.transaction_warnings = transaction_warnings(&batch.messages, was_open, failed);
    if !step.transaction_warnings.is_empty() && track.is_pending(migration) {
        step.transaction_command = transaction_command(&batch.messages);
    }
    step
}

/// A hint if another file has the same version.
fn counterpart(migrations: &[Migration], index: usize) -> Option<String> {
    let one = &migrations[index];
    let mut others = migrations.iter().enumerate().filter(|(other, _)| *other != index);
    let (_, other) = others.find(|(_, other)| other.version == one.version)?;
    let (one, other) = (one.up.path(), other.up.path());
    Some(format!("two files have this version: {one} and {other}"))
}

/// The place of a whole migration: the first line of its file.
fn file_of(migration: &Migration) -> Place {
    Place { path: migration.up.path().to_owned(), line: 1, column: None, excerpt: None }
}
