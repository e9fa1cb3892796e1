//! The units of a database: the starting states of its tracks.

use std::sync::Arc;

use camino::Utf8Path;

use super::PlanError;
use super::track::{TrackPlan, directory};
use crate::formats::Ledger;
use crate::model::{Database, Files, Sample, TenantTrack, Track, TrackKind};

/// The generated tenants of every tenant track, in addition to its samples: two that start empty (the second reveals objects
/// created outside of the tenant's own target), and one that starts from the base.
pub(crate) const FRESH_TENANTS: [&str; 2] = ["fresh_1", "fresh_2"];
pub(crate) const BASE_TENANT: &str = "base";

/// Names of the shared track's starting states.
const SHARED_BASE: &str = "base";
const SHARED_SAMPLE: &str = "sample";
const SHARED_FRESH: &str = "fresh";

/// A placeholder schema that every tool supports.
const ANY_SCHEMA: &str = "any_schema";

/// One track on one target.
#[derive(Debug, Clone)]
pub(crate) struct PlannedUnit {
    pub(crate) track: TrackKind,
    /// The tenant, or the starting state of a shared track.
    pub(crate) name: Arc<str>,
    /// The schema or database of the tenant.
    pub(crate) target: String,
    pub(crate) start: StartingState,
    /// The search path of its sessions: each of these schemas must exist.
    pub(crate) search_path: Vec<String>,
    pub(crate) ledger: Ledger,
    /// Why the tool does not support this target.
    pub(crate) refused: Option<String>,
}

/// The state that a unit starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartingState {
    /// Empty: all migrations of the head are applied.
    Fresh,
    /// The state after the base's migrations.
    Base,
    /// Loaded from a file.
    Sample(Sample),
}

impl StartingState {
    /// A description for lists.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Fresh => "empty".to_owned(),
            Self::Base => "the base's migrations".to_owned(),
            Self::Sample(sample) => sample.path.to_string(),
        }
    }

    pub(crate) fn sample_path(&self) -> Option<&Utf8Path> {
        match self {
            Self::Sample(sample) => Some(&sample.path),
            Self::Fresh | Self::Base => None,
        }
    }
}

/// The state that tenants depend on (a sample's, else the base's), and an empty one to which all migrations are applied.
pub(crate) fn shared_units(
    database: &Database,
    track: &Track,
    plan: &TrackPlan,
    head: &dyn Files,
) -> Result<Vec<PlannedUnit>, PlanError> {
    let failed =
        |source| PlanError::Format { database: database.name.clone(), kind: plan.kind, source };
    let schema = track.search_path.first().unwrap_or(&track.schema);
    let ledger = plan.detected.format.ledger(&directory(track, head), schema).map_err(failed)?;
    let main = match &track.sample {
        Some(sample) => (SHARED_SAMPLE, StartingState::Sample(sample.clone())),
        None => (SHARED_BASE, StartingState::Base),
    };
    Ok([main, (SHARED_FRESH, StartingState::Fresh)]
        .into_iter()
        .map(|(name, start)| PlannedUnit {
            track: TrackKind::Shared,
            name: name.into(),
            target: database.name.clone(),
            start,
            search_path: track.search_path.clone(),
            ledger: ledger.clone(),
            refused: None,
        })
        .collect())
}

/// The samples, two tenants that start empty, and one that starts from the base.
pub(crate) fn tenant_units(
    database: &Database,
    tenants: &TenantTrack,
    plan: &TrackPlan,
    head: &dyn Files,
) -> Result<Vec<PlannedUnit>, PlanError> {
    let ledger_in = |schema: &str| {
        let directory = directory(&tenants.track, head);
        plan.detected.format.ledger(&directory, schema)
    };
    // An error in the ledger of a plain name is an error for all tenants.
    let failed =
        |source| PlanError::Format { database: database.name.clone(), kind: plan.kind, source };
    let elsewhere = ledger_in(ANY_SCHEMA).map_err(failed)?;
    let samples =
        tenants.samples.iter().map(|s| (s.tenant.as_str(), StartingState::Sample(s.clone())));
    let fresh = FRESH_TENANTS.iter().map(|name| (*name, StartingState::Fresh));
    samples
        .chain(fresh)
        .chain([(BASE_TENANT, StartingState::Base)])
        .map(|(name, start)| {
            let target = tenants.target.expand(name).map_err(|source| PlanError::Target {
                database: database.name.clone(),
                tenant: name.to_owned(),
                source,
            })?;
            let search_path: Vec<String> =
                tenants.track.search_path.iter().map(|s| s.replace("{target}", &target)).collect();
            let schema = search_path.first().map_or("public", String::as_str);
            let (ledger, refused) = match ledger_in(schema) {
                Ok(ledger) => (ledger, None),
                // With a plain name it is an error of the template, for all tenants.
                Err(source) if start.sample_path().is_none() => return Err(failed(source)),
                Err(problem) => {
                    let help = problem.help().map_or_else(String::new, |help| format!("; {help}"));
                    let ledger = Ledger::new(schema, elsewhere.table.clone());
                    (ledger, Some(format!("{problem}{help}")))
                }
            };
            let track = TrackKind::Tenant;
            Ok(PlannedUnit {
                track,
                name: name.into(),
                target,
                start,
                search_path,
                ledger,
                refused,
            })
        })
        .collect()
}
