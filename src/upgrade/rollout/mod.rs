//! How an upgrade goes over all targets: order, workers, leases, limits, retries, signals.

pub(crate) mod commits;
pub(crate) mod coordinator;
pub(crate) mod environment;
pub(crate) mod interruption;
pub(crate) mod lease;
pub(crate) mod per_database;
pub(crate) mod retry;
pub(crate) mod worker;
pub(crate) mod worker_pool;
