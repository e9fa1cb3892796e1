//! The server or the machine failed during a unit: there is no result for its migrations.

use crate::model::{FailureKind, UnitRecord};

use super::failed::{Failed, FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta, sqlstate};

#[derive(Debug)]
pub(super) struct EnvironmentFailed;

impl Check for EnvironmentFailed {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Error,
            "environment-failed",
            "The server or the machine failed, so this unit has no result"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::Environment)
            .map(|failed| failed.problem().with_help(help(&failed)))
            .into_iter()
            .collect()
    }
}

fn help(failed: &Failed<'_>) -> Option<&'static str> {
    match &failed.failure.kind {
        FailureKind::Sql { sqlstate } if sqlstate.starts_with("53") => {
            sqlstate::help(sqlstate, &failed.failure.message)
        }
        FailureKind::Sql { .. } => Some(
            "the server cannot read or write its own files: check its disk and its log, and run again on an intact server",
        ),
        // Messages of mig-ci already say what to do.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, sql, step, unit};
    use crate::model::{EnvironmentCause, Phase};

    #[test]
    fn a_full_disk_is_reported_with_help() {
        let full = sql("53100", "could not extend file \"base/5/1\": No space left on device");
        let unit = unit("acme").with_step(step("7", Phase::Head).failing(full));
        let problems = EnvironmentFailed.check(&unit);
        assert_eq!(problems[0].place().map(|place| place.path.as_str()), Some("m/7.sql"));
        assert!(problems[0].help.as_deref().is_some_and(|help| help.contains("--jobs")));
    }

    #[test]
    fn a_failure_of_the_migration_is_not_reported_here() {
        let locks = sql("53200", "out of shared memory");
        let unit = unit("acme").with_step(step("7", Phase::Head).failing(locks));
        assert!(EnvironmentFailed.check(&unit).is_empty());
    }

    #[test]
    fn a_failed_operation_of_mig_ci_has_no_place() {
        let no = failure(
            FailureKind::Environment(EnvironmentCause::DatabaseNotCreated),
            "could not make the database",
        );
        let unit = unit("acme").ending(Phase::Prepare, no);
        assert!(EnvironmentFailed.check(&unit)[0].place().is_none());
    }
}
