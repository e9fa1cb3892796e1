//! The upgrade for a terminal: a line for each target if there are few, the causes, and one sentence.

use std::fmt::Write as _;

use super::super::RenderOptions;
use super::super::text::{count, duration, grouped, one_line};
use super::{Outcome, Report, Unit};
use crate::report::verify::terminal::{Paint, render_finding, symbol};
use crate::report::verify::v1::TrackKind;

/// The maximum number of targets with a line each.
const LINES: usize = 30;
/// The maximum number of complete findings.
const FINDINGS: usize = 50;
/// The maximum length in characters of a line that contains untrusted text.
const LINE: usize = 1_000;

pub(crate) fn render(report: &Report, options: &RenderOptions) -> String {
    let paint = Paint { color: options.color };
    let mut out = String::new();
    // Of many units, only those that need attention.
    let interesting = |unit: &&Unit| {
        matches!(unit.outcome, Outcome::Failed | Outcome::EnvironmentFailed | Outcome::NotRun)
    };
    let shown: Vec<&Unit> = match report.units.len() {
        0..=LINES => report.units.iter().collect(),
        _ => report.units.iter().filter(interesting).take(LINES).collect(),
    };
    for unit in &shown {
        let _ = writeln!(out, "{}", line(unit));
    }
    let all = match report.units.len() {
        0..=LINES => shown.len(),
        _ => report.units.iter().filter(interesting).count(),
    };
    if let Some(more) = all.checked_sub(shown.len()).filter(|more| *more > 0) {
        let _ = writeln!(out, "… and {}: see the JSON report", count(more, "more target"));
    }
    for finding in report.findings.iter().take(FINDINGS) {
        out.push('\n');
        render_finding(&mut out, finding, options);
    }
    if let Some(more) = report.findings.len().checked_sub(FINDINGS).filter(|more| *more > 0) {
        let _ = writeln!(out, "\n… and {} more causes: see the JSON report", grouped(more));
    }
    for note in &report.notes {
        let _ = writeln!(out, "\nnote: {}", one_line(note, LINE));
    }
    let sentence = format!("{} {}", symbol(report.verdict), report.summary);
    let sentence = paint.verdict(report.verdict, &sentence);
    let gap = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(out, "{gap}{sentence} ({})", duration(report.duration_ms));
    if report.dry_run {
        // It follows the SQL that would be sent.
        return out.lines().map(|line| format!("-- {line}").trim_end().to_owned() + "\n").collect();
    }
    out
}

fn line(unit: &Unit) -> String {
    let subject = match unit.track {
        TrackKind::Shared => format!("{}, shared track", one_line(&unit.name, LINE)),
        TrackKind::Tenant => {
            format!("{}, tenant {}", one_line(&unit.database, LINE), one_line(&unit.name, LINE))
        }
    };
    let version = |version: &Option<String>| {
        version.as_ref().map_or_else(|| "nothing".to_owned(), |text| one_line(text, LINE))
    };
    let (before, after) = (version(&unit.before), version(&unit.after));
    let what = match unit.outcome {
        Outcome::UpToDate => format!("already at {after}"),
        Outcome::Upgraded => {
            let number = count(unit.applied.len(), "migration");
            format!("{before} → {after}, {number} in {}", duration(unit.duration_ms))
        }
        Outcome::Downgraded => {
            let number = count(unit.undone.len(), "migration");
            format!("{before} → {after}, {number} reverted in {}", duration(unit.duration_ms))
        }
        Outcome::Pending => {
            let names: Vec<_> = unit.pending.iter().map(|name| one_line(name, LINE)).collect();
            let number = count(names.len(), "migration");
            format!("at {before}, would run {number}: {}", names.join(", "))
        }
        // The target may not even have been read.
        Outcome::Failed if unit.after.is_none() => "failed".to_owned(),
        Outcome::Failed => format!("failed, now at {after}"),
        Outcome::EnvironmentFailed => {
            let why = unit.failure.as_ref().map_or("unknown", |failure| &failure.message);
            let at = match &unit.after {
                Some(_) => format!(", now at {after}"),
                None => String::new(),
            };
            let names: Vec<_> = unit.pending.iter().map(|name| one_line(name, LINE)).collect();
            let left = match names.as_slice() {
                [] => String::new(),
                names => format!(", state of {} unknown", names.join(", ")),
            };
            format!("the environment failed{at}{left}: {}", one_line(why, LINE))
        }
        Outcome::NotRun => {
            let reason = unit.reason.as_deref().unwrap_or("unknown");
            let has_started = !unit.applied.is_empty() || !unit.undone.is_empty();
            let at = if has_started { format!(", now at {after}") } else { String::new() };
            format!("not run: {}{at}", one_line(reason, LINE))
        }
    };
    let sign = match unit.outcome {
        Outcome::UpToDate => '=',
        Outcome::Upgraded | Outcome::Downgraded => '✔',
        Outcome::Failed => '✘',
        Outcome::EnvironmentFailed => '!',
        Outcome::NotRun => '-',
        Outcome::Pending => '·',
    };
    format!("{sign} {subject}: {what}")
}
