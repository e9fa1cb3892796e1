//! Lists the tenants of a database and their targets, resolved as for an upgrade.

use tokio_util::sync::CancellationToken;

use crate::model::{Failure, Partition, Tenancy};
use crate::postgres::{Address, Url};
use crate::project::{Scope, load_project};
use crate::tenants::{TenantResolver, TenantSelector};
use crate::upgrade::UpgradeError;
use crate::upgrade::preflight::database_target::DatabaseTarget;
use crate::upgrade::preflight::endpoint;

/// Which tenants are listed.
#[derive(Debug)]
pub(crate) struct TenantListRequest {
    pub(crate) scope: Scope,
    /// Replaces the configured address.
    pub(crate) url: Option<Url>,
    pub(crate) partition: Option<Partition>,
}

/// The tenants of a database, in the order of their source.
#[derive(Debug)]
pub(crate) struct TenantList {
    pub(crate) database: String,
    pub(crate) tenancy: Tenancy,
    pub(crate) tenants: Vec<ListedTenant>,
}

#[derive(Debug)]
pub(crate) struct ListedTenant {
    pub(crate) name: String,
    /// The name of its schema or database.
    pub(crate) target: String,
    /// Server and database, without the password; or why it cannot be determined.
    pub(crate) address: Result<String, Failure>,
}

/// Lists all tenants, or those of a partition.
pub(crate) async fn tenants(
    request: &TenantListRequest,
    interrupted: &CancellationToken,
) -> Result<TenantList, UpgradeError> {
    let scope = &request.scope;
    let (project, files) = load_project(scope.config.as_deref(), scope.overrides.clone())?;
    let selector = TenantSelector::All;
    let database_target =
        DatabaseTarget::of(&scope.selection, request.url.as_ref(), Some(&selector), &project)?;
    let database = database_target.database;
    let Some(track) = &database.tenants else {
        return Err(UpgradeError::Usage(format!("`{}` has no tenants", database.name)));
    };
    let resolver = TenantResolver {
        database: &database.name,
        track,
        shared: database.shared.as_ref(),
        files: &files,
        root: &project.root,
    };
    let tenants =
        endpoint::resolve_tenants(&database_target, &resolver, &selector, request.partition);
    let tenants = interrupted.run_until_cancelled(tenants).await;
    let tenants = tenants.ok_or(UpgradeError::Interrupted)??;
    let found = tenants.into_iter().map(|tenant| ListedTenant {
        name: tenant.tenant.name,
        target: tenant.tenant.target,
        address: tenant.address.as_ref().map(Address::describe).map_err(Failure::clone),
    });
    let (tenancy, tenants) = (track.tenancy, found.collect());
    Ok(TenantList { database: database.name.clone(), tenancy, tenants })
}
