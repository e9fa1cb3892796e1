//! Pending migrations that were applied and changed nothing in any unit.

use std::collections::BTreeMap;

use crate::model::{
    Migration, Phase, StepOutcome, StepRecord, SwallowedFailure, UnitRecord, WithoutEffect,
};
use crate::replay::plan::{DatabasePlan, TrackPlan};

/// Those of all tracks, in plan order.
pub(super) fn without_effect(
    databases: &[DatabasePlan],
    units: &[UnitRecord],
) -> Vec<WithoutEffect> {
    let tracks = databases.iter().flat_map(|database| {
        database.shared.iter().chain(&database.tenants).map(move |t| (database, t))
    });
    tracks
        .flat_map(|(database, track)| {
            let of_track = units
                .iter()
                .filter(|unit| *unit.database == *database.name && unit.track == track.kind);
            of_one_track(database, track, of_track)
        })
        .collect()
}

fn of_one_track<'u>(
    database: &DatabasePlan,
    track: &TrackPlan,
    units: impl Iterator<Item = &'u UnitRecord>,
) -> Vec<WithoutEffect> {
    let mut steps: BTreeMap<&str, Vec<&StepRecord>> = BTreeMap::new();
    for step in units.flat_map(|unit| &unit.steps) {
        if step.phase == Phase::Head && matches!(step.outcome, StepOutcome::Applied) {
            steps.entry(&step.version).or_default().push(step);
        }
    }
    let pending = track.head.iter().filter(|one| track.is_pending(one) && is_expected_to_act(one));
    pending
        .filter_map(|migration| {
            let applied = steps.get(migration.version.as_str())?;
            let changed_nothing =
                |step: &&StepRecord| step.program.as_ref().is_some_and(|one| one.changed_nothing);
            applied.iter().all(changed_nothing).then(|| WithoutEffect {
                database: database.name.to_string(),
                track: track.kind,
                version: migration.version.clone(),
                path: migration.up.path().to_owned(),
                swallowed: last_swallowed(applied),
            })
        })
        .collect()
}

/// Neither a merge of branches nor an empty function.
fn is_expected_to_act(migration: &Migration) -> bool {
    migration.node.as_ref().is_some_and(|node| !node.is_empty && node.down_revisions.len() < 2)
}

fn last_swallowed(steps: &[&StepRecord]) -> Option<SwallowedFailure> {
    let programs = steps.iter().filter_map(|step| step.program.as_ref());
    programs.flat_map(|program| &program.swallowed).last().cloned()
}
