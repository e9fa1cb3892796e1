//! Step records of a run.

use super::ProgramRun;
use crate::driver::{FailedStatement, ObservedStep};
use crate::model::{
    Failure, Migration, Notice, NoticeLevel, ProgramStep, StepOutcome, StepRecord, SwallowedFailure,
};

/// One record for each pending migration, and the failure if it does not belong to one of them.
pub(super) fn records(
    run: &ProgramRun<'_>,
    failure: Option<Failure>,
) -> (Vec<StepRecord>, Option<Failure>) {
    let mut left = failure;
    let failed = left.as_ref().and_then(|_| failed_step(run));
    let mut records = Vec::new();
    for step in &run.observation.steps {
        let pending = run.pending.iter().find(|one| one.version == step.revision);
        let Some(migration) = pending else { continue };
        let mut record = record(run, migration, step);
        let is_failed = failed == Some(step.revision.as_str());
        if is_failed && let Some(failure) = left.take() {
            record.outcome = StepOutcome::Failed(Box::new(failure));
            record.in_ledger = None;
        }
        records.push(record);
    }
    let is_seen = |migration: &Migration| {
        run.observation.steps.iter().any(|step| step.revision == migration.version)
    };
    // What the ledger shows without a step was applied before.
    let unseen = run.pending.iter().filter(|one| !is_seen(one) && !(run.is_applied)(one));
    records.extend(unseen.map(|migration| StepRecord::not_run(migration, run.phase)));
    (records, left)
}

/// The revision in which the run stopped, if it stopped in one.
fn failed_step<'r>(run: &'r ProgramRun<'_>) -> Option<&'r str> {
    let named = run.observation.error().and_then(|error| error.revision.as_deref());
    let is_open = |step: &&ObservedStep| step.duration.is_none();
    named
        .or_else(|| run.observation.steps.last().filter(is_open).map(|step| step.revision.as_str()))
}

fn record(run: &ProgramRun<'_>, migration: &Migration, step: &ObservedStep) -> StepRecord {
    let is_finished = step.duration.is_some();
    let is_applied = (run.is_applied)(migration);
    let caught = step.counts.failed.iter().filter(|_| is_finished);
    StepRecord {
        outcome: if is_finished { StepOutcome::Applied } else { StepOutcome::NotRun },
        duration: step.duration.unwrap_or_default(),
        notices: step.notices.iter().map(notice).collect(),
        // A step that was rolled back with a later one is not missing from the ledger.
        in_ledger: is_applied.then_some(true),
        program: Some(Box::new(ProgramStep {
            statements: step.counts.executed,
            digest: step.counts.digest,
            changed_nothing: is_finished
                && step.counts.changing == 0
                && step.counts.unobserved == 0,
            swallowed: caught.map(|failed| swallowed(run, failed)).collect(),
            unobserved: step.counts.unobserved,
            unobserved_at: step
                .counts
                .unobserved_at
                .as_ref()
                .and_then(|place| run.files.place(place)),
        })),
        ..StepRecord::not_run(migration, run.phase)
    }
}

fn swallowed(run: &ProgramRun<'_>, failed: &FailedStatement) -> SwallowedFailure {
    SwallowedFailure {
        sqlstate: failed.error.sqlstate.clone(),
        message: failed.error.message.clone(),
        place: failed.place.as_ref().and_then(|place| run.files.place(place)),
    }
}

fn notice(observed: &crate::driver::ObservedNotice) -> Notice {
    let level = match observed.severity.as_str() {
        "WARNING" => NoticeLevel::Warning,
        _ => NoticeLevel::Notice,
    };
    Notice { level, message: observed.message.clone(), place: None }
}
