//! The program ended successfully, and its ledger is not that of the target.

use crate::model::UnitRecord;

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct WrongTarget;

const HELP: &str = "env.py ignores the tenant, or reads it from a variable with another name: set it in `env` (or `args` for `-x`), and use it for the search path and for `version_table_schema`";

impl Check for WrongTarget {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Error, "wrong-target", "The migrations worked on another target")
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::OtherTarget)
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
        let kind = FailureKind::Program(ProgramCause::OtherTarget);
        let failure = Failure { place: Some(place("m/env.py", 7)), ..failure(kind, "it failed") };
        let unit = unit("acme").ending(Phase::Head, failure);
        let problems = WrongTarget.check(&unit);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place().map(|place| place.line), Some(7));
        assert_eq!(problems[0].help.as_deref(), Some(HELP));
    }

    #[test]
    fn other_failures_belong_to_other_checks() {
        let kind = FailureKind::Program(ProgramCause::Exception);
        assert!(WrongTarget.check(&unit("a").ending(Phase::Head, failure(kind, "no"))).is_empty());
    }
}
