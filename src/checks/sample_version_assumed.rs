//! A whole sample does not say at which version it stands: everything that comes of it rests on a guess.

use crate::model::{Phase, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, about};

#[derive(Debug)]
pub(super) struct SampleVersionAssumed;

const HELP: &str = "make the sample with its version table (`pg_dump` takes it along), or say where it stands: \
                    `sample.TENANT.version = \"…\"` in mig-ci.toml. As it is, it has to be kept at the base by hand";

impl Check for SampleVersionAssumed {
    fn about(&self) -> &'static CheckMeta {
        about!(Info, "sample-version-assumed", "A sample does not say at which version it stands")
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let assumed = unit.sample.iter().filter(|sample| sample.assumed);
        assumed
            .filter_map(|sample| {
                let message = format!(
                    "no version table in samples: taken to stand at \"{}\", the newest migration of the base",
                    sample.version.as_deref()?
                );
                let why = "each tenant has a sample of its own";
                Some(UnitProblem::nowhere(why, Phase::Prepare, message).with_help(Some(HELP)))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::judge;
    use crate::checks::test_fixtures::unit;
    use crate::model::{CheckSettings, SampleLoad};

    #[test]
    fn one_finding_for_all_that_say_nothing() {
        let sampled = |name: &str, assumed| {
            let path = format!("samples/{name}.sql").into();
            let version = Some("2".to_owned());
            let sample = SampleLoad { path, version, assumed, ..SampleLoad::default() };
            UnitRecord { sample: Some(sample), ..unit(name) }
        };
        let units = [sampled("acme", true), sampled("globex", false), sampled("hooli", true)];
        let findings = judge(&units, &CheckSettings::default());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].units, [0, 2]);
    }
}
