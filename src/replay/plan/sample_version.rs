//! The version of a sample that has no ledger of its own: the configured version, else the base. Pure.

use super::{PlanError, TrackPlan};
use crate::model::{Migration, Sample};

/// The migrations that are applied in a sample without a ledger. `None` if unknown: nothing is configured, and there is no
/// base.
pub(crate) fn applied_in_sample<'t>(
    sample: &Sample,
    track: &'t TrackPlan,
) -> Option<&'t [Migration]> {
    match &sample.version {
        // A sample may be ahead of the base, for example one from a feature branch's database.
        Some(version) => upto(&track.base, version).or_else(|| upto(&track.head, version)),
        None => (!track.base.is_empty()).then_some(&track.base),
    }
}

/// Checks that a migration has the configured version.
pub(crate) fn check(database: &str, sample: &Sample, track: &TrackPlan) -> Result<(), PlanError> {
    match &sample.version {
        Some(version) if applied_in_sample(sample, track).is_none() => {
            Err(PlanError::SampleVersion {
                database: database.to_owned(),
                path: sample.path.clone(),
                version: version.clone(),
                directory: track.directory.clone(),
                known: track.head.iter().rev().map(|migration| migration.version.clone()).collect(),
            })
        }
        _ => Ok(()),
    }
}

fn upto<'m>(migrations: &'m [Migration], version: &str) -> Option<&'m [Migration]> {
    let last = migrations.iter().rposition(|migration| migration.version == version)?;
    Some(&migrations[..=last])
}
