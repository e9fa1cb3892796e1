//! The status for a terminal: one line each for few targets, groups for many, and the names of those with problems.

use std::fmt::Write as _;

use super::super::RenderOptions;
use super::super::text::{count, grouped, one_line};
use super::{Agreement, Difference, Report, Standing, Unit, Version};
use crate::report::verify::v1::TrackKind;

/// The maximum number of tenants with a line each.
const LINES: usize = 30;
/// The maximum number of names in one line.
const NAMES: usize = 10;
/// The maximum length in characters of a line that contains untrusted text.
const LINE: usize = 1_000;

pub(crate) fn render(report: &Report, _: &RenderOptions) -> String {
    let mut out = String::new();
    let of = |track| report.units.iter().filter(move |unit: &&Unit| unit.track == track);
    for unit in of(TrackKind::Shared) {
        let _ = writeln!(out, "{}: {}", text(&unit.name), standing(unit));
        for entry in &report.history {
            let sign = if entry.applied { '✔' } else { '·' };
            let path = entry.path.as_deref().unwrap_or("no file has this version");
            let pending = if entry.applied { "" } else { "  pending" };
            let _ = writeln!(out, "  {sign} {}  {}{pending}", text(&entry.version), text(path));
        }
    }
    let tenants: Vec<&Unit> = of(TrackKind::Tenant).collect();
    if !tenants.is_empty() {
        let _ = writeln!(out, "{}: {}", text(&report.database), count(tenants.len(), "tenant"));
        report.versions.iter().for_each(|version| group(&mut out, version));
        let is_wrong = |unit: &&&Unit| is_wrong(unit);
        let shown: Vec<&&Unit> = match tenants.len() {
            0..=LINES => tenants.iter().collect(),
            _ => tenants.iter().filter(is_wrong).take(LINES).collect(),
        };
        for unit in &shown {
            let _ = writeln!(out, "  {} {}: {}", sign(unit), text(&unit.name), standing(unit));
        }
        let all = match tenants.len() {
            0..=LINES => shown.len(),
            _ => tenants.iter().filter(is_wrong).count(),
        };
        if all > shown.len() {
            let more = count(all - shown.len(), "more tenant");
            let _ = writeln!(out, "  … and {more}: see the JSON report");
        }
    }
    report.differences.iter().for_each(|difference| differing(&mut out, difference));
    for note in &report.notes {
        let _ = writeln!(out, "note: {}", text(note));
    }
    let _ = writeln!(out, "{}", report.summary);
    out
}

fn group(out: &mut String, version: &Version) {
    let at = version.version.as_deref().map_or_else(|| "nothing".to_owned(), text);
    let pending = match version.pending.as_slice() {
        _ if version.refused => "the tool refuses".to_owned(),
        [] => "nothing pending".to_owned(),
        some => format!("{} pending", grouped(some.len())),
    };
    let number = grouped(version.tenants);
    let _ = writeln!(out, "  {number:>7} at {at}, {pending}");
}

fn differing(out: &mut String, difference: &Difference) {
    let names: Vec<String> = difference.tenants.iter().take(NAMES).map(|name| text(name)).collect();
    let more = difference.tenants.len().saturating_sub(NAMES);
    let more = if more > 0 { format!(" and {} more", grouped(more)) } else { String::new() };
    let expected = text(&difference.expected);
    let _ = writeln!(out, "{}{more}, compared with {expected}:", names.join(", "));
    for item in &difference.items {
        let _ = writeln!(out, "  - {}", text(item));
    }
    if difference.left_out > 0 {
        let _ = writeln!(out, "  … and {} more", grouped(difference.left_out));
    }
}

fn is_wrong(unit: &Unit) -> bool {
    let is_odd = matches!(
        unit.agreement,
        Some(Agreement::Drifted | Agreement::LedgerMismatch | Agreement::Unknown)
    );
    is_odd || !matches!(unit.standing, Standing::AtHead)
}

fn sign(unit: &Unit) -> char {
    match (unit.standing, is_wrong(unit)) {
        (Standing::AtHead, false) => '✔',
        (Standing::Behind, _) => '·',
        _ => '✘',
    }
}

fn standing(unit: &Unit) -> String {
    let at = unit.version.as_deref().map_or_else(|| "nothing".to_owned(), text);
    let why = unit.failure.as_ref().map(|failure| text(&failure.message)).unwrap_or_default();
    let state = match unit.standing {
        Standing::AtHead => format!("at {at}, nothing pending"),
        Standing::Behind => {
            let names: Vec<String> = unit.pending.iter().take(NAMES).map(|one| text(one)).collect();
            let more = if unit.pending.len() > NAMES { ", …" } else { "" };
            format!("at {at}, {} pending: {}{more}", unit.pending.len(), names.join(", "))
        }
        Standing::Refused => format!("at {at}, the tool refuses: {why}"),
        Standing::Absent => format!("{} does not exist", text(&unit.target)),
        Standing::Unreadable => format!("cannot be read: {why}"),
        Standing::EnvironmentFailed => format!("no result, the environment failed: {why}"),
    };
    let like = unit.looks_like.as_deref().map(text).unwrap_or_default();
    match unit.agreement {
        Some(Agreement::Drifted) => {
            format!("{state}; its schema differs from that of the others with this ledger")
        }
        Some(Agreement::LedgerMismatch) => {
            format!("{state}; its ledger does not match its schema, which is that of {like}")
        }
        Some(Agreement::Unknown) => format!("{state}; its schema cannot be read: {why}"),
        Some(Agreement::Same | Agreement::Alone) | None => state,
    }
}

fn text(foreign: &str) -> String {
    one_line(foreign, LINE)
}
