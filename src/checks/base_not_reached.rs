//! The starting state of the pull request's migrations cannot be created.

use crate::model::{Phase, UnitRecord};

use super::failed::{Failed, FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta, sqlstate};

#[derive(Debug)]
pub(super) struct BaseNotReached;

impl Check for BaseNotReached {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Error,
            "base-not-reached",
            "The state of the base branch cannot be reproduced, so the pending migrations were not tested"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::Base)
            .map(|failed| failed.problem().with_help(Some(help(&failed))))
            .into_iter()
            .collect()
    }
}

fn help(failed: &Failed<'_>) -> String {
    let general = if failed.phase == Phase::Prepare {
        "it failed before any migration, while the database and schema were created and the `prepare` files ran: check \
         `prepare`, `extensions` and `search_path` in mig-ci.toml"
    } else {
        "it failed in a migration of the base branch, not in one of the pull request. Put objects that exist in production \
         and not in an empty database (roles, extensions, schemas of the platform) into `prepare` and `extensions`, or give \
         the tenant a sample at a later version"
    };
    let particular =
        failed.sqlstate().and_then(|state| sqlstate::help(state, &failed.failure.message));
    match particular {
        Some(particular) => format!("{general}. For this error: {particular}"),
        None => general.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{sql, step, unit};

    #[test]
    fn a_failed_step_of_the_base_is_not_blamed_on_the_pull_request() {
        let missing = sql("42704", "role \"app_user\" does not exist");
        let unit = unit("fresh_1").with_step(step("1", Phase::Base).failing(missing));
        let problems = BaseNotReached.check(&unit);
        assert_eq!(problems[0].phase, Phase::Base);
        let help = problems[0].help.as_deref().unwrap();
        assert!(help.contains("not in one of the pull request"), "{help}");
        assert!(help.contains("CREATE ROLE"), "{help}");
    }

    #[test]
    fn a_failure_of_prepare_is_reported_separately_with_a_reason_for_no_place() {
        let unit = unit("acme").ending(Phase::Prepare, sql("XX000", "cannot create schema"));
        let problems = BaseNotReached.check(&unit);
        assert!(problems[0].place().is_none());
        assert!(problems[0].help.as_deref().unwrap().contains("before any migration"));
    }

    #[test]
    fn a_failed_step_of_the_head_is_no_problem() {
        let head = step("1", Phase::Head).failing(sql("42P01", "no"));
        assert!(BaseNotReached.check(&unit("a").with_step(head)).is_empty());
    }
}
