//! A target with its outcome, in the terms of checks and reports.

use super::target::Target;
use super::track::progress::TargetOutcome;
use crate::model::UnitRecord;
use crate::report::upgrade::Upgraded;

/// A target and its outcome.
pub(crate) struct FinishedTarget {
    pub(crate) target: Target,
    pub(crate) outcome: TargetOutcome,
}

/// Splits a finished target into the record for checks and the additional data of the report.
pub(crate) fn parts(unit: FinishedTarget) -> (UnitRecord, Upgraded) {
    let FinishedTarget { target, outcome } = unit;
    let TargetOutcome { before, after, rows_before, versions, steps, took, end, retries } = outcome;
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
