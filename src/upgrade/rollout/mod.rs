//! The rollout of an upgrade to all targets: order, workers, leases, limits, retries.

pub(crate) mod coordinator;
pub(crate) mod lease;
pub(crate) mod limits;
pub(crate) mod outcomes;
pub(crate) mod per_database;
pub(crate) mod pool;
pub(crate) mod pool_owner;
pub(crate) mod pool_scan;
pub(crate) mod retry_queue;
pub(crate) mod worker;
pub(crate) mod worker_pool;
