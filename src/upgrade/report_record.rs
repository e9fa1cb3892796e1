//! A target with what has become of it, in the terms of checks and reports.

use super::target::Target;
use super::track::progress::TargetOutcome;
use crate::model::UnitRecord;
use crate::report::upgrade::Upgraded;

/// A target and what has become of it.
pub(crate) struct FinishedTarget {
    pub(crate) target: Target,
    pub(crate) done: TargetOutcome,
}

/// What checks read, and what the report has besides.
pub(crate) fn parts(unit: FinishedTarget) -> (UnitRecord, Upgraded) {
    let FinishedTarget { target, done } = unit;
    let TargetOutcome { before, after, rows_before, versions, steps, took, end, retries } = done;
    let record = UnitRecord {
        database: target.database.to_string(),
        track: target.track,
        name: target.name.to_string(),
        target: target.target,
        sample: None,
        steps,
        skipped_migrations: Vec::new(),
        changed: Vec::new(),
        already_applied: Vec::new(),
        shape: None,
        outside: None,
        end,
        duration: took,
        head_duration: took,
    };
    (record, Upgraded { before, after, rows_before, versions, retries })
}
