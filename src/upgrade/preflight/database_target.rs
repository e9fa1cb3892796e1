//! The real database of a command, its address, the settings of its sessions, and the addresses of tenants.

use secrecy::ExposeSecret as _;

use crate::config::process_environment;
use crate::model::{Database, Failure, Project, Tenancy};
use crate::postgres::{Address, Url};
use crate::project::ProjectError;
use crate::replay::plan::Selection;
use crate::tenants::{Tenant, TenantSelector};
use crate::upgrade::{UpgradeError, UpgradeRequest};

pub(crate) struct DatabaseTarget<'a> {
    pub(crate) database: &'a Database,
    /// The other named databases of the project.
    pub(crate) others: Vec<&'a Database>,
    pub(crate) url: Url,
    /// `[postgres.settings]`, for the sessions that run migrations.
    pub(crate) settings: Vec<(String, String)>,
}

impl<'a> DatabaseTarget<'a> {
    /// Refuses a database that Alembic runs, before its address is needed. `command` is Alembic's own for the same purpose.
    pub(crate) fn check_format(
        request: &UpgradeRequest,
        project: &Project,
        command: &str,
    ) -> Result<(), UpgradeError> {
        let database =
            select_database(&request.scope.selection, request.tenants.as_ref(), project)?;
        UpgradeError::of_alembic(database, command).map_or(Ok(()), Err)
    }

    /// Selects the one database of a command. With `selector`, one that has tenants.
    pub(crate) fn of(
        selection: &Selection,
        url: Option<&Url>,
        selector: Option<&TenantSelector>,
        project: &'a Project,
    ) -> Result<Self, UpgradeError> {
        let database = select_database(selection, selector, project)?;
        let from_environment = || {
            let url = process_environment("DATABASE_URL");
            url.filter(|url| !url.is_empty()).map(Url::new)
        };
        let url = url.cloned().or_else(|| configured_url(database)).or_else(from_environment);
        let url = url.ok_or_else(|| UpgradeError::NoUrl(database.name.clone()))?;
        let all = project.databases.iter();
        let others = all.filter(|other| other.name != database.name).collect();
        let settings = project.postgres.settings.iter();
        let settings = settings.map(|(name, value)| (name.clone(), value.clone())).collect();
        Ok(Self { database, others, url, settings })
    }

    /// Settings of the sessions that run migrations: `[postgres.settings]`, as in `verify`, then those of flags, which win.
    pub(crate) fn working_settings(&self, flags: Vec<(String, String)>) -> Vec<(String, String)> {
        [self.settings.clone(), flags].concat()
    }

    /// Whether both have the same configured address, or neither has one, so that the flag or `DATABASE_URL` applies to
    /// both.
    pub(crate) fn shares_address_with(&self, other: &Database) -> bool {
        let key = |url: Url| url.address().ok().map(|address| address.key());
        match configured_url(other) {
            None => self.database.url.is_none(),
            Some(url) => key(url).is_some_and(|other| Some(other) == key(self.url.clone())),
        }
    }

    pub(crate) fn tenancy(&self) -> Tenancy {
        let tenants = self.database.tenants.as_ref();
        tenants.map_or_else(Tenancy::default, |tenants| tenants.tenancy)
    }
}

/// The address in the project's configuration.
pub(crate) fn configured_url(database: &Database) -> Option<Url> {
    database.url.as_ref().map(|url| Url::new(url.expose_secret()))
}

fn select_database<'a>(
    selection: &Selection,
    selector: Option<&TenantSelector>,
    project: &'a Project,
) -> Result<&'a Database, UpgradeError> {
    let selected = selection.databases(&project.databases).map_err(ProjectError::from)?;
    let has_tenants = |database: &&&Database| selector.is_none() || database.tenants.is_some();
    let candidates: Vec<&Database> = selected.iter().filter(has_tenants).copied().collect();
    if let [one] = candidates.as_slice() {
        return Ok(one);
    }
    let names = |databases: &[&Database]| {
        let names: Vec<_> = databases.iter().map(|database| database.name.as_str()).collect();
        names.join(", ")
    };
    Err(UpgradeError::Usage(match (candidates.as_slice(), selector) {
        ([], Some(selector)) if !selection.databases.is_empty() => format!(
            "`{}` has no tenants, but {}: choose another database with -n, or omit that",
            names(&selected),
            selected_by(selector)
        ),
        ([], _) => "no database of this project has tenants".to_owned(),
        (several, _) => format!("choose a database with -n: {}", names(several)),
    }))
}

/// The option that selects tenants.
fn selected_by(selector: &TenantSelector) -> &'static str {
    match selector {
        TenantSelector::All => "--all-tenants is set",
        TenantSelector::Named(_) => "a tenant is selected",
        TenantSelector::New(_) => "a tenant should be created",
        TenantSelector::Saved(_) => "the report contains some",
        TenantSelector::Target { .. } => "TENANT_SCHEMA or TENANT_DB in the environment names one",
    }
}

/// A selected tenant with the address of its database, or the reason why it cannot be processed.
pub(crate) struct ResolvedTenant {
    pub(crate) tenant: Tenant,
    pub(crate) address: Result<Address, Failure>,
}
