//! Selects databases, tenants and a partition of a project: `-n`, `--tenant` and `--partition`.

use super::{DatabasePlan, PlanError, PlannedUnit, StartingState};
use crate::model::{Database, Partition, TrackKind};

/// The selection. Empty lists select everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// Names of databases, or of sections of Alembic's configuration: a section selects the whole database, because tenants need
    /// the shared track.
    pub(crate) databases: Vec<String>,
    pub(crate) tenants: Vec<String>,
    /// A partition of the selected tenants.
    pub(crate) partition: Option<Partition>,
}

impl Selection {
    pub(crate) fn databases<'a>(
        &self,
        all: &'a [Database],
    ) -> Result<Vec<&'a Database>, PlanError> {
        let mut wanted: Vec<&str> = Vec::new();
        for name in &self.databases {
            wanted.push(named(name, all)?);
        }
        let is_wanted = |database: &&Database| {
            self.databases.is_empty() || wanted.contains(&database.name.as_str())
        };
        Ok(all.iter().filter(is_wanted).collect())
    }

    pub(crate) fn retain_tenants(
        &self,
        databases: &mut Vec<DatabasePlan>,
    ) -> Result<(), PlanError> {
        if self.tenants.is_empty() {
            return Ok(());
        }
        let known: Vec<String> = databases
            .iter()
            .flat_map(|database| &database.units)
            .filter(|unit| unit.track == TrackKind::Tenant)
            .map(|unit| unit.name.to_string())
            .collect();
        if let Some(name) = self.tenants.iter().find(|name| !known.contains(name)) {
            return Err(PlanError::UnknownTenant { name: name.clone(), known });
        }
        for database in &mut *databases {
            database.units.retain(|unit| {
                unit.track == TrackKind::Shared
                    || self.tenants.iter().any(|name| **name == *unit.name)
            });
        }
        // A database without selected tenants is omitted.
        databases.retain(|d| d.units.iter().any(|unit| unit.track == TrackKind::Tenant));
        Ok(())
    }

    /// Distributes the tenants of each database, and databases without tenants, in plan order. Generated tenants stay
    /// together, because the second empty one reveals what the first one hides. A shared track is in each partition that has
    /// tenants depending on it.
    pub(crate) fn retain_partition(
        &self,
        databases: &mut Vec<DatabasePlan>,
    ) -> Result<(), PlanError> {
        let Some(partition) = self.partition else { return Ok(()) };
        let mut dealt = 0;
        let mut next = || {
            dealt += 1;
            partition.has(dealt - 1)
        };
        databases.retain_mut(|database| {
            if database.tenants.is_none() {
                return next();
            }
            let mut of_generated = None;
            database.units.retain(|unit| match unit.track {
                TrackKind::Shared => true,
                TrackKind::Tenant if is_generated(unit) => {
                    *of_generated.get_or_insert_with(&mut next)
                }
                TrackKind::Tenant => next(),
            });
            database.units.iter().any(|unit| unit.track == TrackKind::Tenant)
        });
        match databases.is_empty() {
            true => Err(PlanError::EmptyPartition { partition, most: dealt }),
            false => Ok(()),
        }
    }
}

/// The database that a name selects. A database's own name has priority over a section.
fn named<'a>(name: &str, all: &'a [Database]) -> Result<&'a str, PlanError> {
    if let Some(database) = all.iter().find(|database| database.name == name) {
        return Ok(&database.name);
    }
    let has_section = |database: &&Database| sections(database).any(|section| section == name);
    let found: Vec<&Database> = all.iter().filter(has_section).collect();
    match found.as_slice() {
        [one] => Ok(&one.name),
        [] => {
            let known = all.iter().map(|database| database.name.clone()).collect();
            let mut sections: Vec<String> =
                all.iter().flat_map(sections).map(str::to_owned).collect();
            sections.sort();
            sections.dedup();
            Err(PlanError::UnknownDatabase { name: name.to_owned(), known, sections })
        }
        several => {
            let databases = several.iter().map(|database| database.name.clone()).collect();
            Err(PlanError::AmbiguousSection { section: name.to_owned(), databases })
        }
    }
}

/// The sections of its tracks that can be selected: those of ini files.
fn sections(database: &Database) -> impl Iterator<Item = &str> {
    let environments = database.tracks().filter_map(|(_, track)| track.alembic.as_ref());
    environments.filter(|alembic| alembic.ini.is_some()).map(|alembic| alembic.section.as_str())
}

fn is_generated(unit: &PlannedUnit) -> bool {
    !matches!(unit.start, StartingState::Sample(_))
}
