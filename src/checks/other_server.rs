//! The program tried to connect to another server, or did not connect at all.

use crate::model::UnitRecord;

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct OtherServer;

const HELP: &str = "every connection to another server is refused before it is made. Let env.py take its address from `sqlalchemy.url` of the Config, or from a variable that `env` sets: `env = { DATABASE_URL = \"{url}\" }`";

impl Check for OtherServer {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Error, "other-server", "The migrations did not use the server of the run")
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::OtherServer)
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
        let kind = FailureKind::Program(ProgramCause::OtherServer);
        let failure = Failure { place: Some(place("m/env.py", 7)), ..failure(kind, "it failed") };
        let unit = unit("acme").ending(Phase::Head, failure);
        let problems = OtherServer.check(&unit);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place().map(|place| place.line), Some(7));
        assert_eq!(problems[0].help.as_deref(), Some(HELP));
    }

    #[test]
    fn other_failures_belong_to_other_checks() {
        let kind = FailureKind::Program(ProgramCause::Exception);
        assert!(OtherServer.check(&unit("a").ending(Phase::Head, failure(kind, "no"))).is_empty());
    }
}
