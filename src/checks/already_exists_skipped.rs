//! `IF NOT EXISTS` found an existing object: the migration changed nothing, even if the object has another shape.

use crate::model::{Notice, Phase, StepRecord, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct AlreadyExistsSkipped;

const SKIPPED: &str = "already exists, skipping";

/// Objects without a shape to compare, which are created before the migrations on purpose (`extensions`, the target itself).
const EXPECTED: &[&str] = &["extension ", "schema "];

const HELP: &str = "IF NOT EXISTS compares only names: the existing object may be older or broken (an invalid index left by \
                    a failed CREATE INDEX CONCURRENTLY), belong to another tenant, or be outside of the tenant's schema. \
                    Remove IF NOT EXISTS if the object must be new, or check its definition in the migration";

impl Check for AlreadyExistsSkipped {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Warning,
            "already-exists-skipped",
            "IF NOT EXISTS skipped an object because the name already exists"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        unit.steps
            .iter()
            .filter(|step| step.phase == Phase::Head)
            .flat_map(|step| {
                // The catalog shows it even if notices are hidden; a notice may add objects that a DO block skipped.
                let notices =
                    step.notices.iter().filter(|notice| is_skip(notice) && !is_told(step, notice));
                step.skipped.iter().chain(notices).map(|notice| {
                    let message = notice.message.as_str();
                    let problem = match &notice.place {
                        Some(place) => UnitProblem::at(place, step.phase, message),
                        None => UnitProblem::in_file(&step.path, step.phase, message),
                    };
                    problem.with_help(Some(HELP))
                })
            })
            .collect()
    }
}

/// Whether the catalog already shows it for the same statement.
fn is_told(step: &StepRecord, notice: &Notice) -> bool {
    let line = |notice: &Notice| notice.place.as_ref().map(|place| place.line);
    let mut skipped = step.skipped.iter();
    skipped.any(|one| one.message == notice.message && line(one) == line(notice))
}

fn is_skip(notice: &Notice) -> bool {
    notice.message.ends_with(SKIPPED)
        && !EXPECTED.iter().any(|kind| notice.message.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{notice, step, unit};

    fn messages(phase: Phase, message: &str) -> usize {
        let unit = unit("acme").with_step(step("1", phase).noticing(notice(message)));
        AlreadyExistsSkipped.check(&unit).len()
    }

    #[test]
    fn a_skipped_object_of_the_head_is_a_problem() {
        assert_eq!(messages(Phase::Head, "relation \"users\" already exists, skipping"), 1);
        let column = "column \"a\" of relation \"b\" already exists, skipping";
        assert_eq!(messages(Phase::Head, column), 1);
    }

    #[test]
    fn extensions_schemas_other_notices_and_the_base_are_no_problem() {
        assert_eq!(messages(Phase::Head, "extension \"vector\" already exists, skipping"), 0);
        assert_eq!(messages(Phase::Head, "schema \"tenant_acme\" already exists, skipping"), 0);
        assert_eq!(messages(Phase::Head, "table \"x\" does not exist, skipping"), 0);
        assert_eq!(messages(Phase::Base, "relation \"users\" already exists, skipping"), 0);
    }
}
