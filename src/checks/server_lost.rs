//! The server became unavailable while a unit ran.

use crate::model::UnitRecord;

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct ServerLost;

const HELP: &str = "check the server's log. Usual reasons: out of memory or disk (use fewer `--jobs`; tmpfs is memory, \
                    too), a crash in an extension, the container's time limit, a manual stop. If the same statement ends it \
                    each time, that statement crashes the server";

impl Check for ServerLost {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Error, "server-lost", "The server was lost during the run")
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::Server)
            .map(|failed| failed.problem().with_help(Some(HELP)))
            .into_iter()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, step, unit};
    use crate::model::{FailureKind, Phase};

    #[test]
    fn the_place_is_the_step_that_ran() {
        let lost = failure(FailureKind::ServerLost, "the server closed the connection");
        let unit = unit("acme").with_step(step("9", Phase::Head).failing(lost));
        let problems = ServerLost.check(&unit);
        assert_eq!(problems[0].place().map(|place| place.path.as_str()), Some("m/9.sql"));
    }

    #[test]
    fn outside_of_a_step_there_is_a_reason_for_no_place() {
        let lost = failure(FailureKind::ServerLost, "the server closed the connection");
        let unit = unit("acme").ending(Phase::Prepare, lost);
        assert!(ServerLost.check(&unit)[0].place().is_none());
    }
}
