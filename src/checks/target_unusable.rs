//! A real target that cannot be upgraded in its current state; occurs only in commands on real databases.

use crate::model::UnitRecord;

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct TargetUnusable;

impl Check for TargetUnusable {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
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
    fn an_unusable_target_is_its_own_finding() {
        let absent = failure(
            FailureKind::Target(TargetCause::MissingSchema),
            "the schema \"tenant_acme\" does not exist",
        );
        let unit = unit("acme").ending(Phase::Head, absent);
        assert_eq!(
            TargetUnusable.check(&unit)[0].message,
            "the schema \"tenant_acme\" does not exist"
        );
    }
}
