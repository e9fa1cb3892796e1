//! A sample of a whole database does not state its version: all results for it depend on an assumption.

use crate::model::{Phase, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct SampleVersionAssumed;

const HELP: &str = "create the sample with its version table (`pg_dump` includes it), or set its version: \
                    `sample.TENANT.version = \"…\"` in mig-ci.toml. Otherwise you have to keep it at the base manually";

impl Check for SampleVersionAssumed {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Info,
            "sample-version-assumed",
            "The version of a sample is unknown, so the base's was assumed"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let assumed = unit.sample.iter().filter(|sample| sample.assumed);
        assumed
            .filter_map(|sample| {
                let message = format!(
                    "no version table in samples: assumed version \"{}\", the newest migration of the base",
                    sample.version.as_deref()?
                );
                let why = "each tenant has its own sample";
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
    fn samples_without_a_version_make_one_finding() {
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
