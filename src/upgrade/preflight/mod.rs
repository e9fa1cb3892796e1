//! The checks before anything is changed: the request for one database, its targets, and the state of their ledgers and
//! addresses.

pub(crate) mod contradiction;
pub(crate) mod database_target;
pub(crate) mod declared;
pub(crate) mod eligibility;
pub(crate) mod endpoint;
pub(crate) mod existing_ledgers;
pub(crate) mod ledger_scan;
pub(crate) mod ledger_state;
pub(crate) mod request_scope;
pub(crate) mod targets;
