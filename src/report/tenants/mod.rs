//! Who the real tenants of a database are, and where each lives. Its own schema.

pub(super) mod terminal;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The value of [`Report::schema`].
pub(crate) const SCHEMA: &str = "mig-ci.tenants/1";

/// The tenants of one database.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "mig-ci list of tenants, version 1")]
pub(crate) struct Report {
    /// Always `mig-ci.tenants/1`.
    pub(crate) schema: String,
    pub(crate) database: String,
    /// What each tenant has: `schema` or `database`.
    pub(crate) tenancy: String,
    /// In the order of their source.
    pub(crate) tenants: Vec<Tenant>,
}

/// One of them. It has an address or an error.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    /// Its schema or database.
    pub(crate) target: String,
    /// The server and the database, without a password: `db.example:5432/app`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// Why there is no address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}
