//! The numbers: tenants by verdict, the databases if there are several, and what was replayed.

use std::fmt::Write as _;

use super::escape::{cell, code};
use super::icon;
use crate::report::text::{count, grouped};
use crate::report::verify::headline::{total, untested};
use crate::report::verify::v1::{
    Database, Finding, MigrationState, Report, Tally, TrackKind, Unit, Verdict,
};

/// The maximum number of rows of databases.
const DATABASES: usize = 20;

pub(crate) fn render(out: &mut String, report: &Report) {
    let tenants = report.counts.tenants;
    let (heading, tally) = if total(tenants) > 0 {
        ("Tenants", tenants)
    } else {
        ("Shared tracks", report.counts.shared)
    };
    let _ = write!(out, "\n| Result | {heading} | |\n| --- | ---: | --- |\n");
    if heading == "Tenants" && report.counts.shared.failed > 0 {
        let path = shared_finding(report).and_then(|finding| finding.place.as_ref());
        let path = path.map(|place| cell(&place.path)).unwrap_or_default();
        row(out, Verdict::Failed, "shared migration", report.counts.shared.failed, &path);
    }
    if tally.failed > 0 {
        let causes = causes(
            report,
            if heading == "Tenants" { TrackKind::Tenant } else { TrackKind::Shared },
        );
        let causes = if causes > 0 { count(causes, "distinct cause") } else { String::new() };
        row(out, Verdict::Failed, "failed", tally.failed, &causes);
    }
    if tally.not_run > 0 {
        let subject = heading.to_lowercase();
        let words = format!("these {subject} have no result");
        row(out, Verdict::NotRun, "not run", tally.not_run, &words);
    }
    let untested = if heading == "Tenants" { untested(report) } else { 0 };
    if untested > 0 {
        let words = "nothing was applied: they already have every pending migration";
        row(out, Verdict::NotRun, "at head", untested, words);
    }
    row(out, Verdict::Passed, "passed", tally.passed - untested.min(tally.passed), "");
    if report.databases.len() > 1 {
        databases(out, report);
    }
    let _ = write!(out, "\n{}\n", migrations(report));
}

fn row(out: &mut String, verdict: Verdict, words: &str, number: usize, remark: &str) {
    let _ = writeln!(out, "| {} {words} | {} | {remark} |", icon(verdict), grouped(number));
}

fn shared_finding(report: &Report) -> Option<&Finding> {
    report.findings.iter().find(|finding| finding.track == TrackKind::Shared)
}

/// The number of causes of failed units.
fn causes(report: &Report, track: TrackKind) -> usize {
    report
        .findings
        .iter()
        .filter(|finding| finding.track == track && finding.failure.is_some())
        .count()
}

fn databases(out: &mut String, report: &Report) {
    out.push_str("\n| Database | Shared | Tenants | Pending |\n| --- | --- | --- | ---: |\n");
    for database in report.databases.iter().take(DATABASES) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            cell(&database.name),
            verdicts(&database.units, TrackKind::Shared),
            verdicts(&database.units, TrackKind::Tenant),
            grouped(pending(database, TrackKind::Shared) + pending(database, TrackKind::Tenant))
        );
    }
    if let Some(more) = report.databases.len().checked_sub(DATABASES).filter(|more| *more > 0) {
        let _ = write!(out, "\n… and {} more databases: see the JSON report.\n", grouped(more));
    }
}

/// `❌ 2 failed, 498 passed`, the most severe first.
fn verdicts(units: &[Unit], track: TrackKind) -> String {
    let mut tally = Tally::default();
    let mut at_head = 0;
    for unit in units.iter().filter(|unit| unit.track == track) {
        match unit.verdict {
            Verdict::Passed if unit.is_untested() => at_head += 1,
            Verdict::Passed => tally.passed += 1,
            Verdict::Failed => tally.failed += 1,
            Verdict::NotRun => tally.not_run += 1,
        }
    }
    let parts: Vec<_> = [
        (Verdict::Failed, tally.failed, "failed"),
        (Verdict::NotRun, tally.not_run, "not run"),
        (Verdict::NotRun, at_head, "at head"),
        (Verdict::Passed, tally.passed, "passed"),
    ]
    .into_iter()
    .filter(|(_, number, _)| *number > 0)
    .collect();
    let Some((worst, _, _)) = parts.first() else { return String::new() };
    let words: Vec<_> =
        parts.iter().map(|(_, number, word)| format!("{} {word}", grouped(*number))).collect();
    format!("{} {}", icon(*worst), words.join(", "))
}

fn pending(database: &Database, track: TrackKind) -> usize {
    database
        .tracks
        .iter()
        .filter(|candidate| candidate.kind == track)
        .flat_map(|track| &track.migrations)
        .filter(|migration| migration.state == MigrationState::Pending)
        .count()
}

/// The replayed migrations, and the server.
fn migrations(report: &Report) -> String {
    let of =
        |track| report.databases.iter().map(|database| pending(database, track)).sum::<usize>();
    let (shared, tenant) = (of(TrackKind::Shared), of(TrackKind::Tenant));
    let base = report.revisions.base.as_ref().map(|base| code(&base.name));
    if shared + tenant == 0 {
        let all = count(report.counts.migrations, "migration");
        return format!("No migration is pending. The base has {all}.");
    }
    let split = match (shared, tenant) {
        (_, 0) => String::new(),
        (0, _) => " (per tenant)".to_owned(),
        _ => format!(" ({} shared, {} per tenant)", grouped(shared), grouped(tenant)),
    };
    let pending = count(shared + tenant, "pending migration");
    match base {
        Some(base) => format!("{pending}{split}, on top of {base}."),
        None => format!("{pending}{split}, on empty databases: there is no base to compare with."),
    }
}
