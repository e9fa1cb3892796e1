//! JUnit XML, for CI systems that show test results: a suite for each track of each database, a case for each unit.
//!
//! A unit that was not run is skipped, with its reason: never passed. The same applies to a unit on which no pending migration
//! was run.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::v1::{Database, Failure, Finding, Outcome, Report, TrackKind, Unit, Verdict};
use crate::report::RenderOptions;
use crate::report::text::{clip, one_line, visible};

/// The findings of each unit, the most severe first.
type ByUnit<'a> = BTreeMap<(&'a str, &'static str, &'a str), Vec<&'a Finding>>;

/// The maximum length of one text of a finding in characters.
const TEXT_LIMIT: usize = 10_000;

pub(crate) fn render(report: &Report, _: &RenderOptions) -> String {
    let by_unit = findings_by_unit(report);
    let mut junit = quick_junit::Report::new("mig-ci");
    junit.set_time(Duration::from_millis(report.duration_ms));
    for database in &report.databases {
        for kind in [TrackKind::Shared, TrackKind::Tenant] {
            if let Some(suite) = suite(database, kind, &by_unit) {
                junit.add_test_suite(suite);
            }
        }
    }
    let of_project = report.findings.iter().filter(|finding| finding.units.is_empty());
    let cases: Vec<TestCase> = of_project.map(project_case).collect();
    if !cases.is_empty() {
        let mut suite = TestSuite::new("project");
        suite.add_test_cases(cases);
        junit.add_test_suite(suite);
    }
    junit.to_string().expect("internal error: writing XML into a string cannot fail")
}

/// A finding without units.
fn project_case(finding: &Finding) -> TestCase {
    let text = visible(&clip(&finding.message, TEXT_LIMIT)).into_owned();
    let mut status = TestCaseStatus::success();
    if finding.fails_run {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type(finding.code.as_str());
        status.set_message(text.as_str());
    }
    let name = format!("{}: {}", finding.code, one_line(&text, TEXT_LIMIT));
    let mut case = TestCase::new(name, status);
    case.set_classname("project");
    if !finding.fails_run {
        case.set_system_out(text);
    }
    case
}

fn suite(database: &Database, kind: TrackKind, by_unit: &ByUnit<'_>) -> Option<TestSuite> {
    let track = database.tracks.iter().find(|track| track.kind == kind);
    let units: Vec<&Unit> = database.units.iter().filter(|unit| unit.track == kind).collect();
    if track.is_none() && units.is_empty() {
        return None;
    }
    let name = visible(&format!("{}/{}", database.name, word(kind))).into_owned();
    let mut suite = TestSuite::new(name.as_str());
    suite.set_time(units.iter().map(|unit| Duration::from_millis(unit.duration_ms)).sum());
    if let Some(replayed) = &database.replayed {
        suite.add_property(("replayed", visible(&replayed.reason).as_ref()));
    }
    for unit in units {
        let findings = by_unit.get(&(database.name.as_str(), word(kind), unit.name.as_str()));
        let findings = findings.map_or(&[][..], Vec::as_slice);
        let mut case = TestCase::new(visible(&unit.name).as_ref(), status(unit, findings));
        case.set_classname(name.as_str());
        case.set_time(Duration::from_millis(unit.duration_ms));
        if unit.verdict == Verdict::Passed && !findings.is_empty() {
            let lines: Vec<_> = findings.iter().map(|finding| head(unit, finding)).collect();
            case.set_system_out(lines.join("\n"));
        }
        suite.add_test_case(case);
    }
    Some(suite)
}

fn status(unit: &Unit, findings: &[&Finding]) -> TestCaseStatus {
    match unit.verdict {
        Verdict::Passed if unit.is_untested() => {
            let mut status = TestCaseStatus::skipped();
            status
                .set_message("nothing was applied: the sample already has every pending migration");
            status
        }
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::NotRun => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(one_line(unit.reason.as_deref().unwrap_or("not run"), TEXT_LIMIT));
            status
        }
        Verdict::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            match findings.first() {
                Some(worst) => {
                    status.set_type(worst.code.as_str());
                    status.set_message(one_line(message(unit, worst), TEXT_LIMIT));
                    let texts: Vec<_> =
                        findings.iter().map(|finding| text(unit, finding)).collect();
                    status.set_description(texts.join("\n\n"));
                }
                // Its check is disabled; the unit failed nevertheless.
                None => {
                    let message = failure_of(unit).map_or("failed", |failure| &failure.message);
                    status.set_message(one_line(message, TEXT_LIMIT));
                }
            }
            status
        }
    }
}

fn failure_of(unit: &Unit) -> Option<&Failure> {
    let step = unit.steps.iter().rev().find(|step| step.outcome == Outcome::Failed);
    unit.failure.as_ref().or_else(|| step?.failure.as_ref())
}

/// A finding has the message of its first unit; each unit's own failure may name another row.
fn message<'a>(unit: &'a Unit, finding: &'a Finding) -> &'a str {
    own_failure(unit, finding).map_or(&finding.message, |failure| &failure.message)
}

fn own_failure<'a>(unit: &'a Unit, finding: &'a Finding) -> Option<&'a Failure> {
    let first = finding.failure.as_ref()?;
    failure_of(unit).filter(|own| own.kind == first.kind && own.sqlstate == first.sqlstate)
}

fn head(unit: &Unit, finding: &Finding) -> String {
    let message = one_line(message(unit, finding), TEXT_LIMIT);
    format!("{}[{}]: {message}", finding.severity, finding.code)
}

/// The lines of a finding.
fn text(unit: &Unit, finding: &Finding) -> String {
    let mut lines = vec![head(unit, finding)];
    if let Some(place) = &finding.place {
        let column = place.column.map(|column| format!(":{column}")).unwrap_or_default();
        lines.push(format!("at {}:{}{column}", place.path, place.line));
    }
    let mut line = |name: &str, text: Option<&str>| {
        if let Some(text) = text {
            lines.push(format!("{name}: {}", clip(text, TEXT_LIMIT)));
        }
    };
    if let Some(failure) = own_failure(unit, finding).or(finding.failure.as_ref()) {
        line("sqlstate", failure.sqlstate.as_deref());
        line("detail", failure.detail.as_deref());
        line("hint", failure.hint.as_deref());
        line("context", failure.context.as_deref());
        line("statement", failure.statement.as_deref());
    }
    line("help", finding.help.as_deref());
    // The command replays the first of the units.
    let first = finding.units.first().is_some_and(|first| *first == unit.name);
    line("reproduce", finding.reproduce.as_deref().filter(|_| first));
    visible(&lines.join("\n")).into_owned()
}

fn findings_by_unit(report: &Report) -> ByUnit<'_> {
    let mut by_unit = ByUnit::new();
    for finding in &report.findings {
        for unit in &finding.units {
            let key = (finding.database.as_str(), word(finding.track), unit.as_str());
            by_unit.entry(key).or_default().push(finding);
        }
    }
    by_unit
}

fn word(kind: TrackKind) -> &'static str {
    match kind {
        TrackKind::Shared => "shared",
        TrackKind::Tenant => "tenant",
    }
}
