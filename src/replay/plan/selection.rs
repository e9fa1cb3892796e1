//! Selects databases, tenants and a partition of a project: `-n`, `--tenant` and `--partition`.

use super::{DatabasePlan, PlanError, PlannedUnit, StartingState};
use crate::model::{Database, Partition, TrackKind};

/// The selection. Empty lists select everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
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
        let known = || all.iter().map(|database| database.name.clone()).collect();
        if let Some(name) =
            self.databases.iter().find(|name| !all.iter().any(|database| &database.name == *name))
        {
            return Err(PlanError::UnknownDatabase { name: name.clone(), known: known() });
        }
        let wanted = |database: &&Database| {
            self.databases.is_empty() || self.databases.contains(&database.name)
        };
        Ok(all.iter().filter(wanted).collect())
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

fn is_generated(unit: &PlannedUnit) -> bool {
    !matches!(unit.start, StartingState::Sample(_))
}
