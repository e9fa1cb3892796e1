//! A target with what has become of it, in the terms of checks and reports.

use super::done::Done;
use super::target::Target;
use crate::model::UnitRecord;
use crate::report::upgrade::Upgraded;

/// A target and what has become of it.
pub(super) struct Unit {
    pub(super) target: Target,
    pub(super) done: Done,
}

/// What checks read.
pub(super) fn record(unit: &Unit) -> UnitRecord {
    let Unit { target, done } = unit;
    UnitRecord {
        database: target.database.to_string(),
        track: target.track,
        name: target.name.to_string(),
        target: target.target.clone(),
        sample: None,
        steps: done.steps.clone(),
        passed_over: Vec::new(),
        changed: Vec::new(),
        end: done.end.clone(),
        duration: done.took,
        head_duration: done.took,
    }
}

pub(super) fn upgraded(unit: &Unit) -> Upgraded {
    let Done { before, after, rows_before, versions, retries, .. } = &unit.done;
    Upgraded {
        before: before.clone(),
        after: after.clone(),
        rows_before: *rows_before,
        versions: versions.clone(),
        retries: *retries,
    }
}
