//! Where a sample stands among the migrations, if its own ledger does not say so: at its configured version, else at the
//! base. Pure.

use super::{PlanError, TrackPlan};
use crate::model::{Migration, Sample};

/// The migrations that a sample without a ledger has behind it. `None` where nobody knows: nothing is configured, and
/// there is no base.
pub(crate) fn stands_after<'t>(sample: &Sample, track: &'t TrackPlan) -> Option<&'t [Migration]> {
    match &sample.version {
        // A sample may be further than the base, as one from a feature's own database is.
        Some(version) => upto(&track.base, version).or_else(|| upto(&track.head, version)),
        None => (!track.base.is_empty()).then_some(&track.base),
    }
}

/// A configured version is one that a migration has.
pub(crate) fn check(database: &str, sample: &Sample, track: &TrackPlan) -> Result<(), PlanError> {
    match &sample.version {
        Some(version) if stands_after(sample, track).is_none() => Err(PlanError::SampleVersion {
            database: database.to_owned(),
            path: sample.path.clone(),
            version: version.clone(),
            directory: track.directory.clone(),
            known: track.head.iter().rev().map(|migration| migration.version.clone()).collect(),
        }),
        _ => Ok(()),
    }
}

fn upto<'m>(migrations: &'m [Migration], version: &str) -> Option<&'m [Migration]> {
    let last = migrations.iter().rposition(|migration| migration.version == version)?;
    Some(&migrations[..=last])
}
