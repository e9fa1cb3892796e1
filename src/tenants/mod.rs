//! Production's tenants: which ones exist, their targets, and which of them a command selects.

mod resolve_error;
mod resolver;
mod selector;
mod tenant;

pub(crate) use resolve_error::ResolveError;
pub(crate) use resolver::TenantResolver;
pub(crate) use selector::{SavedTenant, TenantSelector};
pub(crate) use tenant::{Ineligible, Tenant};
