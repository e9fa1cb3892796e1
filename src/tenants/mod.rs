//! Tenants: which ones production has, where each of them lives, and which of them a command selects.

mod resolve_error;
mod resolver;
mod selector;
mod tenant;

pub(crate) use resolve_error::ResolveError;
pub(crate) use resolver::TenantResolver;
pub(crate) use selector::{SavedTenant, TenantSelector};
pub(crate) use tenant::{Ineligible, Tenant};
