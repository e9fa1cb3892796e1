//! What is known before anything is changed: the request on one database, its targets, and what their ledgers and
//! addresses say.

pub(crate) mod contradiction;
pub(crate) mod database_target;
pub(crate) mod declared;
pub(crate) mod eligibility;
pub(crate) mod endpoint;
pub(crate) mod existing_ledgers;
pub(crate) mod ledger_scan;
pub(crate) mod ledger_state;
pub(crate) mod request_scope;
pub(crate) mod resolved_tenant;
pub(crate) mod targets;
