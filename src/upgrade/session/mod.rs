//! The worker's session, and the SQL that is sent together with a target's first batch.

pub(crate) mod session_setup;
pub(crate) mod worker_session;
