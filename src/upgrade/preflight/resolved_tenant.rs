//! A tenant that a command selects, with the address of its database.

use crate::model::Failure;
use crate::postgres::Address;
use crate::tenants::Tenant;

/// A selected tenant with the address of its database, or the reason why it cannot be processed.
pub(crate) struct ResolvedTenant {
    pub(crate) tenant: Tenant,
    pub(crate) address: Result<Address, Failure>,
}
