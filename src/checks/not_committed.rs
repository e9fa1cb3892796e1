//! The program ended successfully, and its transaction was never committed.

use crate::model::UnitRecord;

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct NotCommitted;

const HELP: &str = "commit what env.py has begun before `context.begin_transaction()`, or use `connection.execution_options(isolation_level=\"AUTOCOMMIT\")` for the SET: then Alembic begins and commits its own transaction";

impl Check for NotCommitted {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Error, "not-committed", "The migrations were never committed")
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::NotCommitted)
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
        let kind = FailureKind::Program(ProgramCause::NotCommitted);
        let failure = Failure { place: Some(place("m/env.py", 7)), ..failure(kind, "it failed") };
        let unit = unit("acme").ending(Phase::Head, failure);
        let problems = NotCommitted.check(&unit);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place().map(|place| place.line), Some(7));
        assert_eq!(problems[0].help.as_deref(), Some(HELP));
    }

    #[test]
    fn other_failures_belong_to_other_checks() {
        let kind = FailureKind::Program(ProgramCause::Exception);
        assert!(NotCommitted.check(&unit("a").ending(Phase::Head, failure(kind, "no"))).is_empty());
    }
}
