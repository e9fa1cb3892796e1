//! Processes all targets of one track in one database, several at a time. One owner ([`PoolOwner`]) holds the state and
//! assigns targets; workers send it requests through a channel. Other runs may process the same targets from other machines:
//! see `lease.rs`.

use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::mpsc;

use super::limits::StopRule;
use super::pool::WorkerPool;
use super::pool_owner::PoolOwner;
use super::worker::Request;
use super::worker::Worker;
use crate::model::Failure;
use crate::upgrade::interruption::{Backends, while_cancelling};
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::stop_reason::INTERRUPTED;
use crate::upgrade::track::progress::TargetOutcome;

impl WorkerPool<'_> {
    /// The outcome of each target, in their order.
    ///
    /// # Errors
    /// The server is unreachable at the first scan.
    pub(crate) async fn run(&self) -> Result<Vec<TargetOutcome>, Failure> {
        let requested = &self.interruption.requested;
        let scanned = requested.run_until_cancelled(self.scan().run()).await;
        let Some(scanned) = scanned else {
            return Ok(self.targets.iter().map(|_| TargetOutcome::not_run(INTERRUPTED)).collect());
        };
        let scan = scanned?;
        let failures = scan.outcomes.iter().flatten().filter(|outcome| outcome.is_failed()).count();
        let stop = match self.stop {
            Some(outer) => StopRule::part_of(outer),
            None => StopRule::new(self.limits, requested, failures),
        };
        let waiting = scan.waiting.clone();
        let mut owner = PoolOwner::new(self, scan, stop);
        self.all(&mut owner, &waiting).await;
        Ok(owner.finish().await)
    }

    /// Runs the canaries, then the others.
    async fn all(&self, owner: &mut PoolOwner<'_>, waiting: &[usize]) {
        let first = self.limits.canary.unwrap_or_default().min(waiting.len());
        let (canary, others) = waiting.split_at(first);
        let before = owner.failures();
        self.run_batch(owner, canary).await;
        match self.limits.after_canary(owner.failures() - before, first) {
            Some(reason) => owner.skip_remaining(others, &reason),
            None => self.run_batch(owner, others).await,
        }
    }

    /// Processes some of the targets until each has an outcome.
    async fn run_batch(&self, owner: &mut PoolOwner<'_>, indices: &[usize]) {
        let (requests, received) = mpsc::unbounded_channel();
        let backends = Arc::new(Backends::default());
        let workers: Vec<_> = (0..self.limits.jobs.clamp(1, indices.len().max(1)))
            .map(|_| {
                let (options, backends) = (self.session_options.clone(), Arc::clone(&backends));
                let interrupted = self.interruption.requested.clone();
                let session = WorkerSession::new(options, backends, interrupted);
                Worker { pool: self, session, requests: requests.clone() }.run()
            })
            .collect();
        // The owner ends when no worker can send requests any more.
        let spare = requests.downgrade();
        drop(requests);
        let send_in_lease_session = async |sql: &str| {
            if let Some(requests) = spare.upgrade() {
                Request::send_sql(&requests, sql).await;
            }
        };
        let cancel = backends.cancel_lock_waits(
            &self.lease_options,
            self.interruption,
            send_in_lease_session,
        );
        let run = async { tokio::join!(owner.serve(indices, received), join_all(workers)) };
        while_cancelling(cancel, run).await;
    }
}
