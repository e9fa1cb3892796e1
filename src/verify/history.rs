//! Histories that cannot start from an empty target: the program made the first tables itself and stamped a revision, so an
//! old revision fails on empty tenants. That is no fault of the pull request.

use crate::model::{
    FailureKind, IncompleteHistory, Phase, ProgramCause, StepOutcome, StepRecord, TrackKind,
    UnitEnd, UnitRecord,
};
use crate::replay::plan::{DatabasePlan, MigrationState, ReplayPlan, StartingState, TrackPlan};

/// Takes the empty tenants of such histories out of the plan and the records, if samples show what the pull request does.
/// Without samples they stay, and fail.
pub(super) fn leave_out_incomplete_histories(
    plan: &mut ReplayPlan,
    units: &mut Vec<UnitRecord>,
) -> Vec<IncompleteHistory> {
    let mut found = Vec::new();
    for database in &mut plan.databases {
        let Some(history) = incomplete_history(database, units) else { continue };
        if history.is_left_out {
            let is_made = |track: TrackKind, name: &str| {
                track == TrackKind::Tenant && history.tenants.iter().any(|made| made == name)
            };
            database.units.retain(|unit| !is_made(unit.track, &unit.name));
            units
                .retain(|unit| unit.database != *database.name || !is_made(unit.track, &unit.name));
        }
        found.push(history);
    }
    found
}

fn incomplete_history(database: &DatabasePlan, units: &[UnitRecord]) -> Option<IncompleteHistory> {
    let track = database.tenants.as_ref().filter(|track| track.alembic.is_some())?;
    let record = |name: &str| {
        units.iter().find(|unit| {
            unit.database == *database.name && unit.track == TrackKind::Tenant && unit.name == name
        })
    };
    let planned = database.units.iter().filter(|unit| unit.track == TrackKind::Tenant);
    let (samples, made): (Vec<_>, Vec<_>) =
        planned.partition(|unit| matches!(unit.start, StartingState::Sample(_)));
    let failed: Option<Vec<&StepRecord>> =
        made.iter().map(|unit| failed_step(record(&unit.name)?)).collect();
    let failed = failed?;
    let first = failed.first()?;
    let is_same = failed.iter().all(|step| step.version == first.version);
    if !is_same || !is_of_base(track, &first.version) {
        return None;
    }
    let StepOutcome::Failed(failure) = &first.outcome else { return None };
    let is_judged =
        |unit: &&UnitRecord| matches!(unit.end, UnitEnd::Completed | UnitEnd::Failed { .. });
    let is_left_out =
        samples.iter().filter_map(|unit| record(&unit.name)).any(|unit| is_judged(&unit));
    Some(IncompleteHistory {
        database: database.name.to_string(),
        version: first.version.clone(),
        path: first.path.clone(),
        failure: (**failure).clone(),
        tenants: made.iter().map(|unit| unit.name.to_string()).collect(),
        is_left_out,
    })
}

/// The step in which a unit failed because of its own statements.
fn failed_step(unit: &UnitRecord) -> Option<&StepRecord> {
    let (phase, failure, step) = unit.failure()?;
    let is_own = matches!(
        failure.kind,
        FailureKind::Sql { .. } | FailureKind::Program(ProgramCause::Exception)
    );
    step.filter(|_| is_own && phase != Phase::Prepare && !failure.is_environmental())
}

/// The base has the migration, and the head has not changed it.
fn is_of_base(track: &TrackPlan, version: &str) -> bool {
    let mut states = track.states().into_iter();
    states.any(|(migration, state)| migration.version == version && state == MigrationState::Base)
}
