//! The plan: databases × tracks × units, determined before anything starts. Pure: `mig-ci list` prints it without a server.

mod base;
mod revision_graph;
mod sample_version;
mod selection;
#[cfg(test)]
mod tests;
mod track;
mod units;

use std::collections::BTreeSet;
use std::sync::Arc;

use camino::Utf8PathBuf;

pub(crate) use base::PlanBase;
pub(crate) use revision_graph::revision_graph;
pub(crate) use sample_version::applied_in_sample;
pub(crate) use selection::Selection;
pub(crate) use track::{MigrationState, TrackPlan, directory};
pub(crate) use units::{PlannedUnit, StartingState};

use crate::formats::FormatError;
use crate::model::{Database, Files, Partition, Project, TargetError, Tenancy, TrackKind};
use units::{shared_units, tenant_units};

/// The plan of a run.
#[derive(Debug, Clone)]
pub(crate) struct ReplayPlan {
    /// In the order of the configuration.
    pub(crate) databases: Vec<DatabasePlan>,
    /// The partition that this plan is limited to.
    pub(crate) partition: Option<Partition>,
}

/// One named database.
#[derive(Debug, Clone)]
pub(crate) struct DatabasePlan {
    pub(crate) name: Arc<str>,
    pub(crate) prepare: Vec<Utf8PathBuf>,
    pub(crate) shared: Option<TrackPlan>,
    pub(crate) tenants: Option<TrackPlan>,
    pub(crate) tenancy: Tenancy,
    /// SQL files that run for each tenant.
    pub(crate) tenant_prepare: Vec<Utf8PathBuf>,
    /// In plan order: the shared track's starting states, then the samples by name, `fresh_1`, `fresh_2`, `base`.
    pub(crate) units: Vec<PlannedUnit>,
}

/// Why no plan could be created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("database `{database}`, {kind} track: {source}")]
    Format { database: String, kind: TrackKind, source: FormatError },
    #[error("database `{database}`, {kind} track, at the base revision: {source}")]
    BaseFormat { database: String, kind: TrackKind, source: FormatError },
    #[error("database `{database}`, tenant `{tenant}`: {source}")]
    Target { database: String, tenant: String, source: TargetError },
    #[error(
        "database `{database}`: the sample {path} is configured with version `{version}`, which no \
         migration of {directory} has; the newest are {}",
        list(.known)
    )]
    SampleVersion {
        database: String,
        path: Utf8PathBuf,
        version: String,
        directory: Utf8PathBuf,
        /// Newest first.
        known: Vec<String>,
    },
    #[error(
        "database `{database}`: {directory} has one ledger {ledger} for all tenants; after the first \
         tenant, {format} would find everything applied for the others; set its name without a schema, so \
         that each tenant has its own"
    )]
    OneLedger { database: String, directory: Utf8PathBuf, ledger: String, format: &'static str },
    #[error(
        "there is no database `{name}` in this project; it has {}{}",
        list(.known),
        if .sections.is_empty() { String::new() } else { format!(", and the Alembic sections {}", list(.sections)) }
    )]
    UnknownDatabase { name: String, known: Vec<String>, sections: Vec<String> },
    #[error("several databases have the Alembic section `{section}`; choose one of {}", list(.databases))]
    AmbiguousSection { section: String, databases: Vec<String> },
    #[error("there is no tenant `{name}` in the selected databases; they have {}", list(.known))]
    UnknownTenant { name: String, known: Vec<String> },
    #[error(
        "there is nothing in partition {partition}: this project can be divided among at most {most} jobs \
         (a job for each sample tenant, one for the generated tenants of each database, one for each \
         database without tenants)"
    )]
    EmptyPartition { partition: Partition, most: usize },
}

impl PlanError {
    /// A file of a directory would run in the wrong direction.
    pub(crate) fn is_direction_error(&self) -> bool {
        matches!(self, Self::Format { source: FormatError::Direction { .. }, .. })
    }
}

impl ReplayPlan {
    /// Reads the migrations of both revisions and creates the units. `base` is `None` if there is no base revision.
    pub(crate) fn new(
        project: &Project,
        head: &dyn Files,
        base: Option<PlanBase<'_>>,
        selection: &Selection,
    ) -> Result<Self, PlanError> {
        let mut databases = Vec::new();
        for database in selection.databases(&project.databases)? {
            databases.push(DatabasePlan::new(database, head, base)?);
        }
        selection.retain_tenants(&mut databases)?;
        selection.retain_partition(&mut databases)?;
        Ok(Self { databases, partition: selection.partition })
    }

    /// Every unit with its database, in plan order, which is the order of all results.
    pub(crate) fn units(&self) -> impl Iterator<Item = (&DatabasePlan, &PlannedUnit)> {
        self.databases
            .iter()
            .flat_map(|database| database.units.iter().map(move |unit| (database, unit)))
    }

    pub(crate) fn tracks(&self) -> impl Iterator<Item = &TrackPlan> {
        self.databases.iter().flat_map(|database| database.shared.iter().chain(&database.tenants))
    }
}

impl DatabasePlan {
    fn new(
        database: &Database,
        head: &dyn Files,
        base: Option<PlanBase<'_>>,
    ) -> Result<Self, PlanError> {
        let mut units: Vec<PlannedUnit> = Vec::new();
        let shared = match &database.shared {
            None => None,
            Some(track) => {
                let base = base.map(|base| base.track(&database.name, TrackKind::Shared));
                let plan = TrackPlan::new(&database.name, TrackKind::Shared, track, head, base)?;
                units.extend(shared_units(database, track, &plan, head)?);
                Some(plan)
            }
        };
        let tenants = match &database.tenants {
            None => None,
            Some(tenants) => {
                let track = &tenants.track;
                let base = base.map(|base| base.track(&database.name, TrackKind::Tenant));
                let plan = TrackPlan::new(&database.name, TrackKind::Tenant, track, head, base)?;
                let of_tenants = tenant_units(database, tenants, &plan, head)?;
                check_ledgers_are_distinct(database, &plan, &units, &of_tenants)?;
                units.extend(of_tenants);
                Some(plan)
            }
        };
        let samples = units.iter().filter_map(|unit| match &unit.start {
            StartingState::Sample(sample) => Some((unit.track, sample)),
            StartingState::Fresh | StartingState::Base => None,
        });
        for (kind, sample) in samples {
            let track = if kind == TrackKind::Shared { &shared } else { &tenants };
            track
                .as_ref()
                .map_or(Ok(()), |track| sample_version::check(&database.name, sample, track))?;
        }
        Ok(Self {
            name: database.name.as_str().into(),
            prepare: database.prepare.clone(),
            shared,
            tenants,
            tenancy: database.tenants.as_ref().map_or_else(Tenancy::default, |t| t.tenancy),
            tenant_prepare: database.tenants.as_ref().map_or_else(Vec::new, |t| t.prepare.clone()),
            units,
        })
    }

    pub(crate) fn track(&self, kind: TrackKind) -> Option<&TrackPlan> {
        match kind {
            TrackKind::Shared => self.shared.as_ref(),
            TrackKind::Tenant => self.tenants.as_ref(),
        }
    }
}

/// Tenants that are schemas share a database. A ledger name with a schema would be one ledger for all of them.
fn check_ledgers_are_distinct(
    database: &Database,
    track: &TrackPlan,
    shared: &[PlannedUnit],
    tenants: &[PlannedUnit],
) -> Result<(), PlanError> {
    if database.tenants.as_ref().is_none_or(|track| track.tenancy == Tenancy::Database) {
        return Ok(());
    }
    let of_shared = shared.iter().map(|unit| unit.ledger.qualified());
    let mut seen: BTreeSet<String> = of_shared.collect();
    match tenants.iter().find(|unit| !seen.insert(unit.ledger.qualified())) {
        None => Ok(()),
        Some(unit) => Err(PlanError::OneLedger {
            database: database.name.clone(),
            directory: track.directory.clone(),
            ledger: unit.ledger.qualified(),
            format: track.detected.format.name(),
        }),
    }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "none".to_owned(),
        n if n > SHOWN => format!("{} and {} more", shown.join(", "), n - SHOWN),
        _ => shown.join(", "),
    }
}
