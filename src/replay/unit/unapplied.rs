//! Pending migrations that a unit's head did not apply: those that its sample already had, and those that the tool never
//! applies.

use super::context::UnitContext;
use crate::formats::{Decision, LedgerRow};
use crate::model::{AppliedBefore, Migration, SkippedMigration, UnitRecord};
use crate::replay::plan::{StartingState, TrackPlan};

/// `rows`: the ledger before the first migration of the head.
pub(super) fn note_unapplied(
    context: &UnitContext<'_>,
    record: &mut UnitRecord,
    rows: &[LedgerRow],
    decision: &Decision,
) {
    let UnitContext { track, unit, .. } = context;
    let pending = |index: &usize| track.is_pending(&track.head[*index]);
    let is_in_head = is_at_pending_version(track, rows);
    let never_applied: Vec<usize> = match is_in_head {
        // Its one row is a version of this pull request: all migrations below count as applied, as for the tool.
        true => Vec::new(),
        false => decision.never_applied.iter().copied().filter(pending).collect(),
    };
    let is_left = |index: &usize| {
        pending(index) && !decision.apply.contains(index) && !never_applied.contains(index)
    };
    let left: Vec<usize> = match (&unit.start, &decision.refusal) {
        (StartingState::Sample(_), None) => (0..track.head.len()).filter(is_left).collect(),
        _ => Vec::new(),
    };
    let migration = |index: &usize| -> &Migration { &track.head[*index] };
    // Without a base it is unknown which migrations are new: an older sample is not reported then, but one without any applied
    // migration is.
    let is_reported = !track.base.is_empty() || decision.apply.is_empty();
    let already = left.iter().filter(|_| is_reported).map(migration).map(applied_before).collect();
    let passed = match track.base.is_empty() {
        true => Vec::new(),
        false => never_applied.iter().map(migration).map(skipped).collect(),
    };
    (record.already_applied, record.skipped_migrations) = (already, passed);
}

/// Whether the current version of a ledger with one row is a migration that the base does not have.
fn is_at_pending_version(track: &TrackPlan, rows: &[LedgerRow]) -> bool {
    let current = rows.last().filter(|_| track.detected.format.keeps_one_row());
    current.is_some_and(|row| {
        let mut head = track.head.iter();
        head.any(|known| known.version == row.version && track.is_pending(known))
    })
}

fn applied_before(migration: &Migration) -> AppliedBefore {
    AppliedBefore { version: migration.version.clone(), path: migration.up.path().to_owned() }
}

fn skipped(migration: &Migration) -> SkippedMigration {
    SkippedMigration { version: migration.version.clone(), path: migration.up.path().to_owned() }
}
