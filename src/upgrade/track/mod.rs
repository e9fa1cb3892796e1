//! One track on one target: what the tool would do, sending it, and what the ledger shows afterwards.

pub(crate) mod apply;
pub(crate) mod concurrent_index;
pub(crate) mod direction;
pub(crate) mod executor;
pub(crate) mod invalid_index;
pub(crate) mod postcondition;
pub(crate) mod progress;
pub(crate) mod race;
