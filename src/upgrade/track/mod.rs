//! One track on one target: decide as the tool would, send, and read the ledger back.

pub(crate) mod apply;
pub(crate) mod attempt;
pub(crate) mod commits;
pub(crate) mod directed_track;
pub(crate) mod environment;
pub(crate) mod executor;
pub(crate) mod invalid_index;
pub(crate) mod leftovers;
pub(crate) mod progress;
