//! The session that works on targets one after the other, and what is sent in it together.

pub(crate) mod preamble;
pub(crate) mod session_effects;
pub(crate) mod session_setup;
pub(crate) mod worker_session;
