//! A real target that cannot be worked on as it is: commands on real databases alone have such.

use crate::model::UnitRecord;

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, about};

#[derive(Debug)]
pub(super) struct TargetUnusable;

impl Check for TargetUnusable {
    fn about(&self) -> &'static CheckMeta {
        about!(
            Error,
            "target-unusable",
            "A tenant's name, address, schema or database cannot be used"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::Target).map(|failed| failed.problem()).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, unit};
    use crate::model::{FailureKind, Phase, TargetCause};

    #[test]
    fn what_keeps_a_target_from_being_worked_on_is_its_own_finding() {
        let absent = failure(
            FailureKind::Target(TargetCause::MissingSchema),
            "there is no schema \"tenant_acme\"",
        );
        let unit = unit("acme").ending(Phase::Head, absent);
        assert_eq!(TargetUnusable.check(&unit)[0].message, "there is no schema \"tenant_acme\"");
    }
}
