//! A real target that cannot be worked on as it is: commands on real databases alone have such.

use crate::model::UnitRecord;

use super::failed::{Business, failed};
use super::{About, Check, Problem, about};

#[derive(Debug)]
pub(super) struct TargetUnusable;

impl Check for TargetUnusable {
    fn about(&self) -> &'static About {
        about!(
            Error,
            "target-unusable",
            "A tenant's name, address, schema or database cannot be used"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<Problem<'a>> {
        failed(unit, Business::Target).map(|failed| failed.problem()).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::samples::{failure, unit};
    use crate::model::{FailureKind, Phase};

    #[test]
    fn what_keeps_a_target_from_being_worked_on_is_its_own_finding() {
        let absent = failure(FailureKind::Target, "there is no schema \"tenant_acme\"");
        let unit = unit("acme").ending(Phase::Head, absent);
        assert_eq!(TargetUnusable.check(&unit)[0].message, "there is no schema \"tenant_acme\"");
    }
}
