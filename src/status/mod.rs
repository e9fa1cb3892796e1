//! The current state of real databases and their tenants: `status` and `tenants`. Read-only.

pub(crate) mod ledger_summary;
pub(crate) mod same_shape;
pub(crate) mod tenant_list;
pub(crate) mod tenant_status;

pub(crate) use tenant_list::{ListedTenant, TenantList, TenantListRequest, tenants};
pub(crate) use tenant_status::{StatusRequest, status};
