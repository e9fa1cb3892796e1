//! What of a project a run is about: `-n`, `--tenant` and `--partition`.

use super::{DatabasePlan, PlanError, PlannedUnit, StartingState};
use crate::model::{Database, Partition, TrackKind};

/// What of the project is wanted. Empty lists mean all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) databases: Vec<String>,
    pub(crate) tenants: Vec<String>,
    /// Of what is left after that.
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

    pub(crate) fn keep_tenants(&self, databases: &mut Vec<DatabasePlan>) -> Result<(), PlanError> {
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
        // A database none of whose tenants were asked for has nothing to say about them.
        databases.retain(|d| d.units.iter().any(|unit| unit.track == TrackKind::Tenant));
        Ok(())
    }

    /// Deals out the tenants of each database, and databases without tenants, in plan order. The tenants that are made up
    /// stay together, because the second empty one is there to show what the first one hides. Shared tracks are in each
    /// part that has tenants who stand on them.
    pub(crate) fn keep_partition(
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
            let mut of_made_up = None;
            database.units.retain(|unit| match unit.track {
                TrackKind::Shared => true,
                TrackKind::Tenant if is_made_up(unit) => *of_made_up.get_or_insert_with(&mut next),
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

fn is_made_up(unit: &PlannedUnit) -> bool {
    !matches!(unit.start, StartingState::Sample(_))
}
