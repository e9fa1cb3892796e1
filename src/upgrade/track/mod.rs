//! One track on one target: what the tool would do, sending it, and what the ledger shows afterwards.

pub(crate) mod aftermath;
pub(crate) mod apply;
pub(crate) mod concurrent_index;
pub(crate) mod done;
pub(crate) mod goal;
pub(crate) mod half_built;
pub(crate) mod race;
pub(crate) mod unit;
