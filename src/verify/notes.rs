//! Notes of the report on the plan: what is pending, changed, missing, or different from the base.

use crate::model::{Deploy, Severity};
use crate::project::Loaded;
use crate::replay::plan::{MigrationState, ReplayPlan, StartingState, TrackPlan};
use crate::report::verify::v1;
use crate::source::{BaseDivergence, Revisions};

pub(super) fn of_plan(loaded: &Loaded) -> Vec<v1::Note> {
    let mut notes = of_base(loaded);
    let pending: usize = loaded.plan.tracks().map(TrackPlan::pending).sum();
    let changes = changes(&loaded.plan);
    // Changes that the tool does not detect are reported by a check.
    let changed: Vec<&String> =
        changes.iter().filter(|(noticed, _)| *noticed).map(|(_, change)| change).collect();
    match (pending, changes.len()) {
        (0, 0) => notes.push(note(
            Severity::Info,
            "no migration is pending: head and base have the same migrations; all of them were replayed on empty databases",
        )),
        (0, _) => notes.push(note(Severity::Warning, "no migration is pending")),
        _ => {}
    }
    if !changed.is_empty() {
        const SHOWN: usize = 5;
        let more = changed.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        notes.push(note(
            Severity::Warning,
            &format!(
                "migrations of the base were changed: {}{more}. The change has no effect where they have already been \
                 applied; add a new migration instead",
                changed.iter().take(SHOWN).map(|change| change.as_str()).collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    let by_mig_ci = loaded.plan.tracks().filter(|track| track.deploy == Deploy::MigCi);
    notes.extend(by_mig_ci.map(|track| {
        let words = "was replayed as `mig-ci upgrade` runs it (deploy = \"mig-ci\"), not as its format's tool does";
        note(Severity::Info, &format!("{} {words}", track.directory))
    }));
    let allowed = loaded.plan.tracks().flat_map(TrackPlan::allowed_directions);
    notes.extend(allowed.map(|text| note(Severity::Warning, &text)));
    for database in &loaded.plan.databases {
        let samples =
            database.units.iter().filter(|unit| matches!(unit.start, StartingState::Sample(_)));
        if database.tenants.is_none() && samples.clone().count() == 0 {
            let name = &database.name;
            let text = format!("no sample for `{name}`: its migrations ran on empty tables");
            notes.push(note(Severity::Info, &text));
        }
        if database.tenants.is_some() && samples.count() == 0 {
            notes.push(note(
                Severity::Warning,
                &format!(
                    "database `{}` has no sample tenants: only empty tenants and one created by the base's migrations were \
                     replayed, without data",
                    database.name
                ),
            ));
        }
    }
    notes
}

/// Reasons why the base may not be the intended one.
fn of_base(loaded: &Loaded) -> Vec<v1::Note> {
    let Revisions { base, .. } = &loaded.revisions;
    let Some(revision) = &base.revision else {
        let text =
            format!("there is no base ({}), so every migration counts as pending", base.reason);
        return vec![note(Severity::Warning, &text)];
    };
    let name = &revision.name;
    let lacks = match base.divergence {
        BaseDivergence::Commits(1) => Some(format!("HEAD does not contain 1 commit of {name}")),
        BaseDivergence::Commits(commits) => {
            Some(format!("HEAD does not contain {commits} commits of {name}"))
        }
        BaseDivergence::Unknown if has_removed(&loaded.plan) => Some(format!(
            "HEAD may not contain all commits of {name}; this shallow clone cannot show it"
        )),
        BaseDivergence::Unknown | BaseDivergence::Nothing => None,
    };
    let advice = |lacks| {
        format!(
            "{lacks}. `--base` compares with exactly {name}, so its newer migrations count as removed; rebase, or omit \
             --base to compare with the merge base"
        )
    };
    let moved =
        loaded.plan.tracks().filter(|track| track.base.is_empty() && !track.head.is_empty());
    let moved = moved.map(|track| {
        format!(
            "the base ({name}) has no migrations in {}: if the folder was moved, edited migrations are not detected, and \
             every migration counts as pending",
            track.directory
        )
    });
    lacks.map(advice).into_iter().chain(moved).map(|text| note(Severity::Warning, &text)).collect()
}

fn has_removed(plan: &ReplayPlan) -> bool {
    plan.tracks().flat_map(TrackPlan::states).any(|(_, state)| state == MigrationState::Removed)
}

/// Migrations of the base that the head has changed or removed, and whether the tool's checksums detect it.
fn changes(plan: &ReplayPlan) -> Vec<(bool, String)> {
    let states = plan.tracks().flat_map(TrackPlan::states);
    let changed = states.filter_map(|(migration, state)| {
        let change = match state {
            MigrationState::Edited => format!("{} (edited)", migration.up.path()),
            MigrationState::Removed => format!("{} (removed)", migration.up.path()),
            MigrationState::Base | MigrationState::Pending => return None,
        };
        Some((migration.checksum.is_some(), change))
    });
    changed.collect()
}

pub(super) fn note(severity: Severity, message: &str) -> v1::Note {
    let severity = match severity {
        Severity::Info => v1::Severity::Info,
        Severity::Warning => v1::Severity::Warning,
        Severity::Error => v1::Severity::Error,
    };
    v1::Note { severity, message: message.to_owned() }
}
