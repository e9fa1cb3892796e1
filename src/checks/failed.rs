//! Assigns each failure to one check. The match is exhaustive, so that each failure has exactly one finding.

use crate::model::{Failure, FailureKind, Phase, ProgramCause, StepRecord, UnitRecord};

use super::UnitProblem;

/// The failure that ended a unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed<'a> {
    pub(super) category: FailureCategory,
    pub(super) phase: Phase,
    pub(super) failure: &'a Failure,
    /// The step that failed; `None` for a failure outside of any step.
    pub(super) step: Option<&'a StepRecord>,
}

/// The check that reports a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FailureCategory {
    Migration,
    Base,
    Sample,
    Refusal,
    SearchPath,
    Ledger,
    Server,
    Environment,
    Target,
    NotStarted,
    OtherServer,
    NotCommitted,
    OtherTarget,
}

/// The failure of this unit, if it belongs to this category.
pub(super) fn failed(unit: &UnitRecord, category: FailureCategory) -> Option<Failed<'_>> {
    failure_of(unit).filter(|failed| failed.category == category)
}

impl<'a> Failed<'a> {
    /// The problem for this failure: in the server's words, at its position, else at its step's file.
    pub(super) fn problem(&self) -> UnitProblem<'a> {
        let message = self.failure.message.as_str();
        let problem = match (&self.failure.place, self.step) {
            (Some(place), _) => UnitProblem::at(place, self.phase, message),
            (None, Some(step)) => UnitProblem::in_file(&step.path, self.phase, message),
            (None, None) => UnitProblem::nowhere(
                "the failure is outside of all migration files",
                self.phase,
                message,
            ),
        };
        problem.with_failure(self.failure)
    }

    /// The SQLSTATE, if the server reported one.
    pub(super) fn sqlstate(&self) -> Option<&'a str> {
        sqlstate(self.failure)
    }
}

/// The SQLSTATE of a failure, if the server reported one.
pub(super) fn sqlstate(failure: &Failure) -> Option<&str> {
    match &failure.kind {
        FailureKind::Sql { sqlstate } => Some(sqlstate),
        _ => None,
    }
}

fn failure_of(unit: &UnitRecord) -> Option<Failed<'_>> {
    let (phase, failure, step) = unit.failure()?;
    Some(Failed { category: category(unit, phase, failure), phase, failure, step })
}

fn category(unit: &UnitRecord, phase: Phase, failure: &Failure) -> FailureCategory {
    match (&failure.kind, phase) {
        (FailureKind::ServerLost, _) => FailureCategory::Server,
        _ if failure.is_environmental() => FailureCategory::Environment,
        (FailureKind::Target(_), _) => FailureCategory::Target,
        (FailureKind::Refused, _) => FailureCategory::Refusal,
        (FailureKind::Ledger, _) => FailureCategory::Ledger,
        (FailureKind::Program(cause), _) => of_program(*cause, phase),
        (FailureKind::Sql { .. } | FailureKind::File, Phase::Prepare)
            if is_the_samples(unit, failure) =>
        {
            FailureCategory::Sample
        }
        (FailureKind::SearchPath, Phase::Base | Phase::Head) => FailureCategory::SearchPath,
        // A missing schema of the search path is an error of the preparation.
        (
            FailureKind::SearchPath
            | FailureKind::Sql { .. }
            | FailureKind::File
            | FailureKind::Environment(_)
            | FailureKind::ConnectionLost,
            Phase::Prepare,
        )
        | (
            FailureKind::Sql { .. }
            | FailureKind::File
            | FailureKind::Environment(_)
            | FailureKind::ConnectionLost,
            Phase::Base,
        ) => FailureCategory::Base,
        (
            FailureKind::Sql { .. }
            | FailureKind::File
            | FailureKind::Environment(_)
            | FailureKind::ConnectionLost,
            Phase::Head,
        ) => FailureCategory::Migration,
    }
}

fn of_program(cause: ProgramCause, phase: Phase) -> FailureCategory {
    match (cause, phase) {
        (ProgramCause::NotStarted, _) => FailureCategory::NotStarted,
        (ProgramCause::OtherServer | ProgramCause::NoConnection, _) => FailureCategory::OtherServer,
        (ProgramCause::NotCommitted, _) => FailureCategory::NotCommitted,
        (ProgramCause::OtherTarget, _) => FailureCategory::OtherTarget,
        (ProgramCause::LedgerNotMoved, _) => FailureCategory::Ledger,
        (ProgramCause::Exception | ProgramCause::Ended, Phase::Head) => FailureCategory::Migration,
        (ProgramCause::Exception | ProgramCause::Ended, Phase::Prepare | Phase::Base) => {
            FailureCategory::Base
        }
    }
}

/// If the failure has a position, the position decides. Otherwise an unusable file is the sample. Before the sample is loaded,
/// only `prepare` files run.
fn is_the_samples(unit: &UnitRecord, failure: &Failure) -> bool {
    match (&unit.sample, &failure.place) {
        (Some(sample), Some(place)) => sample.path == place.path,
        (Some(_), None) => failure.kind == FailureKind::File,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{CHECKS, test_fixtures};
    use crate::model::{EnvironmentCause, TargetCause};

    #[test]
    fn every_failure_belongs_to_one_check() {
        let kinds = [
            FailureKind::Sql { sqlstate: "42P01".into() },
            FailureKind::Refused,
            FailureKind::File,
            FailureKind::SearchPath,
            FailureKind::Ledger,
            FailureKind::Environment(EnvironmentCause::Pooler),
            FailureKind::Target(TargetCause::MissingSchema),
            FailureKind::Sql { sqlstate: "53100".into() },
            FailureKind::ServerLost,
            FailureKind::ConnectionLost,
        ]
        .into_iter()
        .chain(
            [
                ProgramCause::NotStarted,
                ProgramCause::Exception,
                ProgramCause::Ended,
                ProgramCause::OtherServer,
                ProgramCause::NoConnection,
                ProgramCause::NotCommitted,
                ProgramCause::OtherTarget,
                ProgramCause::LedgerNotMoved,
            ]
            .map(FailureKind::Program),
        );
        for kind in kinds {
            for phase in [Phase::Prepare, Phase::Base, Phase::Head] {
                for in_step in [true, false] {
                    let failure = test_fixtures::failure(kind.clone(), "it broke");
                    let unit = if in_step {
                        test_fixtures::unit("acme")
                            .with_step(test_fixtures::step("1", phase).failing(failure))
                    } else {
                        test_fixtures::unit("acme").ending(phase, failure)
                    };
                    let problems: Vec<_> = CHECKS
                        .iter()
                        .flat_map(|check| {
                            let code = check.meta().code;
                            check.check(&unit).into_iter().map(move |_| code)
                        })
                        .collect();
                    assert_eq!(problems.len(), 1, "{kind:?} in {phase}: {problems:?}");
                }
            }
        }
    }
}
