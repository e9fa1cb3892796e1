//! Who the tenants of a database are, and where each lives: found as an upgrade finds them.

use tokio_util::sync::CancellationToken;

use crate::model::{Failure, Partition, Tenancy};
use crate::postgres::{Address, Url};
use crate::project::{Scope, load_project};
use crate::tenants::{TenantResolver, TenantSelector};
use crate::upgrade::UpgradeError;
use crate::upgrade::preflight::database_target::DatabaseTarget;
use crate::upgrade::preflight::endpoint;

/// Whose tenants are asked for.
#[derive(Debug)]
pub(crate) struct TenantListRequest {
    pub(crate) scope: Scope,
    /// In place of the configured address.
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

/// One of them.
#[derive(Debug)]
pub(crate) struct ListedTenant {
    pub(crate) name: String,
    /// Its schema, or its database.
    pub(crate) target: String,
    /// Server and database, without a password; or why that cannot be told.
    pub(crate) address: Result<String, Failure>,
}

/// Asks for all of them, or for a part.
pub(crate) async fn tenants(
    listing: &TenantListRequest,
    interrupted: &CancellationToken,
) -> Result<TenantList, UpgradeError> {
    let scope = &listing.scope;
    let (project, files) = load_project(scope.config.as_deref(), scope.overrides.clone())?;
    let whom = TenantSelector::All;
    let site = DatabaseTarget::of(&scope.selection, listing.url.as_ref(), Some(&whom), &project)?;
    let database = site.database;
    let Some(track) = &database.tenants else {
        return Err(UpgradeError::Usage(format!("`{}` has no tenants", database.name)));
    };
    let asking = TenantResolver {
        database: &database.name,
        track,
        shared: database.shared.as_ref(),
        files: &files,
        root: &project.root,
    };
    let seats = endpoint::resolve_tenants(&site, &asking, &whom, listing.partition);
    let seats = interrupted.run_until_cancelled(seats).await;
    let seats = seats.ok_or(UpgradeError::Interrupted)??;
    let found = seats.into_iter().map(|seat| ListedTenant {
        name: seat.tenant.name,
        target: seat.tenant.target,
        address: seat.address.as_ref().map(Address::describe).map_err(Failure::clone),
    });
    let (tenancy, tenants) = (track.tenancy, found.collect());
    Ok(TenantList { database: database.name.clone(), tenancy, tenants })
}
