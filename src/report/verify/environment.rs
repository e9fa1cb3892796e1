//! Failures of the environment in a report: they leave units without a verdict.

use super::convert::{ENVIRONMENT, SERVER_LOST};
use super::v1::{Report, Unit, Verdict};

/// Whether units have no verdict because the server or the machine failed.
pub(crate) fn environment_failed(report: &Report) -> bool {
    let units = report.databases.iter().flat_map(|database| &database.units);
    report.server.lost || units.into_iter().any(is_struck)
}

fn is_struck(unit: &Unit) -> bool {
    let in_steps = unit.steps.iter().filter_map(|step| step.failure.as_ref());
    let mut failures = in_steps.chain(&unit.failure);
    unit.verdict == Verdict::NotRun
        && failures.any(|failure| [ENVIRONMENT, SERVER_LOST].contains(&failure.kind.as_str()))
}
