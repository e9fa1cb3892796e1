//! A tenant that a command selects, with the address of its database.

use crate::model::Failure;
use crate::postgres::Address;
use crate::tenants::Tenant;

/// A tenant, and where its database is, or why it cannot be worked on: known before anything is begun.
pub(crate) struct ResolvedTenant {
    pub(crate) tenant: Tenant,
    pub(crate) address: Result<Address, Failure>,
}
