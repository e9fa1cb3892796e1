//! What is known before anything is changed: the request on one database, its targets, and what their ledgers and
//! addresses say.

pub(crate) mod contradiction;
pub(crate) mod declared;
pub(crate) mod eligibility;
pub(crate) mod existing;
pub(crate) mod first_look;
pub(crate) mod job;
pub(crate) mod place;
pub(crate) mod plan;
pub(crate) mod survey;
pub(crate) mod target;
