//! The session that works on targets one after the other, and what is sent in it together.

pub(crate) mod batch;
pub(crate) mod lane;
pub(crate) mod opening;
pub(crate) mod path;
pub(crate) mod proof;
pub(crate) mod sessions;
