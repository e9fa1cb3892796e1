//! One database: its tracks, then a row for each unit. Many passed units are folded; failed ones are not.

use std::fmt::Write as _;

use indexmap::IndexMap;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Padding, Style};

use super::{LINE, Paint, symbol, word};
use crate::report::text::{duration, grouped, one_line, visible};
use crate::report::verify::v1::{
    Database, MigrationState, Outcome, Phase, Start, Track, Unit, Verdict,
};

/// The maximum number of rows of passed units without folding.
const PASSED: usize = 20;
/// The number of rows of passed units if they are folded.
const PASSED_FOLDED: usize = 10;
const FAILED: usize = 50;
const NOT_RUN: usize = 10;
/// The maximum length of a name in characters: together with the other columns a row has fewer than 80.
const NAME: usize = 30;
/// The maximum number of reasons for which units were not run.
const REASONS: usize = 10;

pub(crate) fn render(out: &mut String, database: &Database, paint: Paint) {
    let _ = writeln!(out, "{}", paint.bold(&one_line(&database.name, LINE)));
    for track in &database.tracks {
        let _ = writeln!(out, "  {}", describe(track));
    }
    let (rows, folded) = choose(&database.units);
    if rows.is_empty() {
        let _ = writeln!(out, "  nothing to run");
        return;
    }
    let text = layout(&rows);
    let mut lines = text.lines();
    if let Some(heading) = lines.next() {
        let _ = writeln!(out, "{}", heading.trim_end());
    }
    for (line, unit) in lines.zip(&rows) {
        let cell = verdict(unit);
        let color = if unit.is_untested() { Verdict::NotRun } else { unit.verdict };
        let painted = line.trim_end().replacen(&cell, &paint.verdict(color, &cell), 1);
        let _ = writeln!(out, "{painted}");
    }
    for (shown, number) in folded {
        let word = match shown {
            RowStatus::Untested => "at head: nothing was applied",
            RowStatus::Ended(verdict) => word(verdict),
        };
        let _ = writeln!(out, "  … and {} more {word}", grouped(number));
    }
    reasons(out, &database.units);
}

/// `tenant migrations/tenant (sqlx): 2 of 7 migrations pending`.
fn describe(track: &Track) -> String {
    let pending = track
        .migrations
        .iter()
        .filter(|migration| migration.state == MigrationState::Pending)
        .count();
    format!(
        "{}: {} ({}), {} of {} migrations pending",
        track.kind,
        one_line(&track.directory, LINE),
        one_line(&track.format, LINE),
        grouped(pending),
        grouped(track.migrations.len())
    )
}

/// The units that get a row, in plan order, and the number of others by status.
fn choose(units: &[Unit]) -> (Vec<&Unit>, Vec<(RowStatus, usize)>) {
    let ended = [Verdict::Failed, Verdict::NotRun, Verdict::Passed].map(RowStatus::Ended);
    let [failed, not_run, passed] = ended;
    let mut room = [failed, not_run, RowStatus::Untested, passed].map(|kind| {
        let number = units.iter().filter(|unit| shown(unit) == kind).count();
        let limit = match kind {
            RowStatus::Ended(Verdict::Failed) => FAILED,
            RowStatus::Ended(Verdict::NotRun) | RowStatus::Untested => NOT_RUN,
            RowStatus::Ended(Verdict::Passed) if number > PASSED => PASSED_FOLDED,
            RowStatus::Ended(Verdict::Passed) => PASSED,
        };
        (kind, number, limit)
    });
    let folded = room
        .iter()
        .filter(|(_, number, limit)| number > limit)
        .map(|(kind, number, limit)| (*kind, number - limit))
        .collect();
    let rows = units
        .iter()
        .filter(|unit| {
            room.iter_mut().any(|(kind, _, left)| {
                let taken = *kind == shown(unit) && *left > 0;
                *left -= usize::from(taken);
                taken
            })
        })
        .collect();
    (rows, folded)
}

fn layout(rows: &[&Unit]) -> String {
    let mut builder = Builder::default();
    builder.push_record(["  result", "track", "name", "start", "base", "head", "time"]);
    for unit in rows {
        let ran = unit.verdict != Verdict::NotRun;
        let number = |phase| if ran { applied(unit, phase) } else { String::new() };
        builder.push_record([
            format!("  {}", verdict(unit)),
            unit.track.to_string(),
            one_line(&unit.name, NAME),
            start(&unit.start).to_owned(),
            number(Phase::Base),
            number(Phase::Head),
            if ran { duration(unit.duration_ms) } else { String::new() },
        ]);
    }
    builder
        .build()
        .with(Style::empty())
        .with(Padding::new(0, 2, 0, 0))
        .modify(Columns::new(4..), Alignment::right())
        .to_string()
}

/// `✔ passed`; `– at head` if nothing was left to apply.
fn verdict(unit: &Unit) -> String {
    match shown(unit) {
        RowStatus::Untested => format!("{} at head", symbol(Verdict::NotRun)),
        RowStatus::Ended(verdict) => format!("{} {}", symbol(verdict), word(verdict)),
    }
}

/// The status of a unit in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowStatus {
    Ended(Verdict),
    /// It passed, and none of the pending migrations was run on it.
    Untested,
}

fn shown(unit: &Unit) -> RowStatus {
    if unit.is_untested() { RowStatus::Untested } else { RowStatus::Ended(unit.verdict) }
}

fn start(start: &Start) -> &'static str {
    match start {
        Start::Fresh => "fresh",
        Start::Base => "base",
        Start::Sample { .. } => "sample",
    }
}

/// The number of applied migrations; `1/3` if some were not applied.
fn applied(unit: &Unit, phase: Phase) -> String {
    let steps = || unit.steps.iter().filter(move |step| step.phase == phase);
    let applied = steps().filter(|step| step.outcome == Outcome::Applied).count();
    let all = steps().count();
    if applied == all { applied.to_string() } else { format!("{applied}/{all}") }
}

/// Why units were not run, each reason once.
fn reasons(out: &mut String, units: &[Unit]) {
    let mut reasons: IndexMap<&str, usize> = IndexMap::new();
    for unit in units.iter().filter(|unit| unit.verdict == Verdict::NotRun) {
        *reasons.entry(unit.reason.as_deref().unwrap_or("no reason given")).or_default() += 1;
    }
    for (reason, number) in reasons.iter().take(REASONS) {
        let reason = one_line(&visible(reason), LINE);
        let _ = writeln!(out, "  {} not run: {reason}", grouped(*number));
    }
}
