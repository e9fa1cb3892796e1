//! A pool of workers in one database, with its options.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::limits::{ConnectionSlots, RolloutLimits, StopRule};
use super::pool_scan::PoolScan;
use crate::model::Failure;
use crate::retry::RetryPolicy;
use crate::upgrade::interruption::Interruption;
use crate::upgrade::own_sql::of_own_sql;
use crate::upgrade::target::Target;
use crate::upgrade::track::executor::TrackExecutor;
use crate::upgrade::track::progress::TargetOutcome;

/// A pool of workers that process targets in one database.
pub(crate) struct WorkerPool<'a> {
    pub(crate) executor: &'a TrackExecutor<'a>,
    pub(crate) targets: &'a [Target],
    /// Options of worker sessions.
    pub(crate) session_options: PgConnectOptions,
    /// Options of the session that holds leases, which has no timeouts.
    pub(crate) lease_options: PgConnectOptions,
    pub(crate) limits: &'a RolloutLimits,
    pub(crate) interruption: &'a Interruption,
    /// How long the first connection waits for the server.
    pub(crate) reconnect: RetryPolicy,
    /// Limits that are shared between pools, if each target has a pool.
    pub(crate) slots: Option<&'a ConnectionSlots>,
    /// The stop rule of the rollout that contains the pool.
    pub(crate) stop: Option<&'a StopRule<'a>>,
}

impl WorkerPool<'_> {
    /// The first scan of the pool's targets.
    pub(crate) fn scan(&self) -> PoolScan<'_> {
        PoolScan {
            executor: self.executor,
            targets: self.targets,
            options: &self.lease_options,
            reconnect: self.reconnect,
        }
    }

    /// Fails all targets of a database that is unreachable.
    pub(crate) fn unreachable(&self, failure: Failure) -> TargetOutcome {
        let outcome = TargetOutcome::failed(of_own_sql(failure));
        for target in self.targets {
            self.executor.announce(target, &outcome, Duration::ZERO);
        }
        outcome
    }
}
