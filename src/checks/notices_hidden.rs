//! A check needs the server's notices, and they were disabled.

use crate::model::UnitRecord;

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct NoticesHidden;

const HELP: &str = "remove the setting from the migration (a dump's first lines contain it), or create the object outside \
                    of blocks and dynamic SQL: then the catalog shows whether it was skipped";

impl Check for NoticesHidden {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Warning,
            "notices-hidden",
            "A check was not possible because the server's notices were disabled"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let steps = unit.steps.iter();
        let problem = |step: &'a crate::model::StepRecord| {
            let not_checked = step.not_checked.as_ref()?;
            let message = format!("not checked: {}; {}", not_checked.check, not_checked.reason);
            Some(UnitProblem::in_file(&step.path, step.phase, message).with_help(Some(HELP)))
        };
        steps.filter_map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{step, unit};
    use crate::model::{NotChecked, Phase, StepRecord};

    #[test]
    fn a_check_that_was_not_possible_is_reported_with_its_reason() {
        let reason = "client_min_messages is error".to_owned();
        let not_checked = Some(NotChecked { check: "already-exists-skipped", reason });
        let quiet = StepRecord { not_checked, ..step("1", Phase::Head) };
        let unit = unit("acme").with_step(quiet).with_step(step("2", Phase::Head));
        let problems = NoticesHidden.check(&unit);
        assert_eq!(problems.len(), 1);
        assert_eq!(
            problems[0].message,
            "not checked: already-exists-skipped; client_min_messages is error"
        );
        assert_eq!(problems[0].place().unwrap().path, "m/1.sql");
    }
}
