//! A sample already contains pending migrations: they were not tested on this tenant.

use crate::model::{Phase, StepOutcome, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct SampleAtHead;

/// The maximum number of versions in a message.
const NAMED: usize = 5;

const HELP: &str = "take the sample from a database at production's version, without this pull request's migrations. \
                    According to its version table, it was dumped after they had been applied";

impl Check for SampleAtHead {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Warning,
            "sample-at-head",
            "A sample already contains pending migrations, so they were not tested on it"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let number = unit.already_applied.len();
        if number == 0 {
            return Vec::new();
        }
        let shown = unit.already_applied.iter().take(NAMED).map(|one| one.version.as_str());
        let mut versions = shown.collect::<Vec<_>>().join(", ");
        if number > NAMED {
            versions.push_str(", …");
        }
        let message = match has_run_some(unit) {
            false => format!(
                "nothing was tested: the sample already has every pending migration ({versions})"
            ),
            true => format!(
                "not everything was tested: the sample already has pending migrations ({versions})"
            ),
        };
        let problem = match unit.sample.as_ref().map(|sample| &sample.path) {
            Some(path) => UnitProblem::in_file(path, Phase::Head, message),
            None => UnitProblem::nowhere("it concerns the whole sample", Phase::Head, message),
        };
        vec![problem.with_help(Some(HELP))]
    }
}

/// Whether one of the head's migrations was run on it.
fn has_run_some(unit: &UnitRecord) -> bool {
    let is_run = |step: &crate::model::StepRecord| {
        step.phase == Phase::Head && !matches!(step.outcome, StepOutcome::NotRun)
    };
    unit.steps.iter().any(is_run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{step, unit};
    use crate::model::AppliedBefore;

    fn having(versions: &[&str]) -> UnitRecord {
        let one = |version: &&str| AppliedBefore {
            version: (*version).to_owned(),
            path: format!("m/{version}.sql").into(),
        };
        UnitRecord { already_applied: versions.iter().map(one).collect(), ..unit("acme") }
    }

    fn message(unit: &UnitRecord) -> String {
        SampleAtHead.check(unit).iter().map(|problem| problem.message.to_string()).collect()
    }

    #[test]
    fn a_tenant_with_no_tested_migration_is_distinguished_from_one_with_some() {
        assert_eq!(message(&unit("acme")), "");
        assert_eq!(
            message(&having(&["2"])),
            "nothing was tested: the sample already has every pending migration (2)"
        );
        let partly = having(&["2"]).with_step(step("3", Phase::Head));
        assert!(message(&partly).starts_with("not everything was tested"), "{}", message(&partly));
        let based = having(&["2"]).with_step(step("1", Phase::Base));
        assert!(
            message(&based).starts_with("nothing was tested"),
            "the base's migrations do not count"
        );
    }

    #[test]
    fn a_long_list_of_versions_is_cut() {
        assert!(message(&having(&["1", "2", "3", "4", "5", "6"])).ends_with("(1, 2, 3, 4, 5, …)"));
    }
}
