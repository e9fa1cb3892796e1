//! Statements of a sample that were skipped on purpose, such as ownership and grants of roles that do not exist on the test
//! server.

use crate::model::{Phase, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct SampleStatementsSkipped;

const HELP: &str = "no action is needed, unless migrations depend on these roles: then create them in `prepare` (`CREATE \
                    ROLE …`), and grants are executed. Owners are never restored: the objects of a sample belong to the \
                    role that runs the migrations";

impl Check for SampleStatementsSkipped {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Info,
            "sample-statements-skipped",
            "Statements of a sample were skipped intentionally"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let skipped = unit.sample.iter().flat_map(|sample| &sample.skipped);
        skipped
            .map(|skipped| {
                // Without the count and the file, which depend on the tenant: one finding for each reason.
                let message = format!("skipped statements of samples: {}", skipped.reason);
                UnitProblem::nowhere("each tenant has its own sample", Phase::Prepare, message)
                    .with_help(Some(HELP))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::judge;
    use crate::checks::test_fixtures::unit;
    use crate::model::{CheckSettings, SampleLoad, SkippedStatements};

    #[test]
    fn samples_make_one_finding_for_each_reason() {
        let sampled = |name: &str, count| {
            let skipped = ["owner of unknown role \"app\"", "grant to unknown role \"ro\""]
                .map(|reason| SkippedStatements { reason: reason.into(), count });
            let path = format!("samples/{name}.sql").into();
            let sample = SampleLoad { path, skipped: skipped.into(), ..SampleLoad::default() };
            UnitRecord { sample: Some(sample), ..unit(name) }
        };
        let units = [sampled("acme", 3), sampled("globex", 12)];
        let findings = judge(&units, &CheckSettings::default());
        assert_eq!(findings.len(), 2);
        assert_eq!(findings[0].units, [0, 1]);
    }
}
