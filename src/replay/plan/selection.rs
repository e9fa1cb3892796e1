//! What of a project a run is about: `-n` and `--tenant`.

use super::{DatabasePlan, PlanError};
use crate::model::{Database, TrackKind};

/// What of the project is wanted. Empty lists mean all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    pub(crate) databases: Vec<String>,
    pub(crate) tenants: Vec<String>,
}

impl Selection {
    pub(super) fn databases<'a>(
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

    pub(super) fn keep_tenants(&self, databases: &mut Vec<DatabasePlan>) -> Result<(), PlanError> {
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
}
