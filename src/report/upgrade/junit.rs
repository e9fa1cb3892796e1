//! JUnit XML: a suite for each track of each database, a case for each target. A target that was not run is skipped, with its
//! reason: never passed. A failure of the environment is an error, not a failure.

use std::time::Duration;

use indexmap::IndexMap;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::super::RenderOptions;
use super::super::text::{clip, one_line, visible};
use super::{Direction, Outcome, Report, Unit};

/// The maximum length of one text in characters.
const TEXT: usize = 10_000;

pub(crate) fn render(report: &Report, _: &RenderOptions) -> String {
    let mut suites: IndexMap<String, TestSuite> = IndexMap::new();
    for unit in &report.units {
        let name = visible(&format!("{}/{}", unit.database, unit.track)).into_owned();
        let suite = suites.entry(name.clone()).or_insert_with(|| TestSuite::new(name.as_str()));
        let mut case = TestCase::new(visible(&unit.name).as_ref(), status(unit));
        case.set_classname(name.as_str());
        case.set_time(Duration::from_millis(unit.duration_ms));
        suite.add_test_case(case);
    }
    let mut junit = quick_junit::Report::new(match report.direction {
        Direction::Up => "mig-ci upgrade",
        Direction::Down => "mig-ci downgrade",
    });
    junit.set_time(Duration::from_millis(report.duration_ms));
    junit.add_test_suites(suites.into_values());
    junit.to_string().expect("internal error: writing XML into a string cannot fail")
}

fn status(unit: &Unit) -> TestCaseStatus {
    match unit.outcome {
        Outcome::Upgraded | Outcome::Downgraded | Outcome::Pending | Outcome::UpToDate => {
            TestCaseStatus::success()
        }
        Outcome::NotRun => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(one_line(unit.reason.as_deref().unwrap_or("not run"), TEXT));
            status
        }
        Outcome::Failed | Outcome::EnvironmentFailed => {
            let kind = match unit.outcome {
                Outcome::EnvironmentFailed => NonSuccessKind::Error,
                _ => NonSuccessKind::Failure,
            };
            let mut status = TestCaseStatus::non_success(kind);
            if let Some(failure) = &unit.failure {
                status.set_type(failure.sqlstate.as_deref().unwrap_or(&failure.kind));
                status.set_message(one_line(&failure.message, TEXT));
                let texts = [&failure.detail, &failure.hint, &failure.statement];
                let texts = texts.into_iter().flatten().map(|text| clip(text, TEXT));
                status.set_description(texts.collect::<Vec<_>>().join("\n"));
            }
            status
        }
    }
}
