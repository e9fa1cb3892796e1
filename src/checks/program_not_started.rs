//! The program that runs the migrations did not start.

use crate::model::UnitRecord;

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct ProgramNotStarted;

const HELP: &str = "the text names what is missing. The driver runs `alembic` in the Python of the project, with the variables of `env` alone: declare what env.py needs";

impl Check for ProgramNotStarted {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Error, "program-not-started", "The migrations could not be started")
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::NotStarted)
            .map(|failed| failed.problem().with_help(Some(HELP)))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, place, unit};
    use crate::model::{Failure, FailureKind, Phase, ProgramCause};

    #[test]
    fn the_finding_is_at_the_place_of_the_failure() {
        let kind = FailureKind::Program(ProgramCause::NotStarted);
        let failure = Failure { place: Some(place("m/env.py", 7)), ..failure(kind, "it failed") };
        let unit = unit("acme").ending(Phase::Head, failure);
        let problems = ProgramNotStarted.check(&unit);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place().map(|place| place.line), Some(7));
        assert_eq!(problems[0].help.as_deref(), Some(HELP));
    }

    #[test]
    fn other_failures_belong_to_other_checks() {
        let kind = FailureKind::Program(ProgramCause::Exception);
        assert!(
            ProgramNotStarted.check(&unit("a").ending(Phase::Head, failure(kind, "no"))).is_empty()
        );
    }
}
