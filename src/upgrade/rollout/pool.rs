//! A pool of workers: what works on targets in one database, and with which options.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::limits::{ConnectionSlots, RolloutLimits, StopRule};
use super::pool_scan::PoolScan;
use crate::model::Failure;
use crate::upgrade::interruption::Interruption;
use crate::upgrade::reconnect::of_own_sql;
use crate::upgrade::target::Target;
use crate::upgrade::track::executor::TrackExecutor;
use crate::upgrade::track::progress::TargetOutcome;

/// What works on targets in one database.
pub(crate) struct WorkerPool<'a> {
    pub(crate) executor: &'a TrackExecutor<'a>,
    pub(crate) targets: &'a [Target],
    /// For the sessions of workers.
    pub(crate) session_options: PgConnectOptions,
    /// For the session that holds leases, which does not time out.
    pub(crate) lease_options: PgConnectOptions,
    pub(crate) limits: &'a RolloutLimits,
    pub(crate) interruption: &'a Interruption,
    /// How long a server is waited for at the first look.
    pub(crate) patience: Duration,
    /// Where each target has a pool: what they share.
    pub(crate) slots: Option<&'a ConnectionSlots>,
    /// The rule of the rollout that the pool is a part of.
    pub(crate) stop: Option<&'a StopRule<'a>>,
}

impl WorkerPool<'_> {
    /// The first look at its targets.
    pub(crate) fn scan(&self) -> PoolScan<'_> {
        PoolScan {
            executor: self.executor,
            targets: self.targets,
            options: &self.lease_options,
            patience: self.patience,
        }
    }

    /// The outcome of each target of a database that cannot be reached.
    pub(crate) fn unreachable(&self, failure: Failure) -> TargetOutcome {
        let outcome = TargetOutcome::failed(of_own_sql(failure));
        for target in self.targets {
            self.executor.announce(target, &outcome, Duration::ZERO);
        }
        outcome
    }
}
