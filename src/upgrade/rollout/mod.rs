//! How an upgrade goes over all targets: order, workers, leases, limits, retries, signals.

pub(crate) mod apart;
pub(crate) mod claiming;
pub(crate) mod commits;
pub(crate) mod crew;
pub(crate) mod environment;
pub(crate) mod fleet;
pub(crate) mod interruption;
pub(crate) mod retry;
pub(crate) mod turn;
