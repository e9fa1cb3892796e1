//! Leases of targets, so that concurrent runs do not process the same target. The pool owner acquires a few leases at a
//! time, workers take the targets one by one, and leases of finished targets are released with the next request.

use super::pool_owner::PoolOwner;
use crate::model::Failure;
use crate::postgres::{AdvisoryLockKeys, LeaseHolder};
use crate::retry::RetryError;
use crate::retry::policies::SERVER_AWAY;
use crate::upgrade::log;
use crate::upgrade::own_sql::{is_away, of_own_sql};

/// The maximum number of leases acquired together. More would keep other machines from helping near the end.
const TOGETHER: usize = 16;

impl PoolOwner<'_> {
    /// Leases the next few targets that no other run processes, and releases the leases of finished targets. Targets whose
    /// lease cannot be requested fail.
    pub(super) async fn lease_next(&mut self) {
        let release = std::mem::take(&mut self.held);
        let number = portion(self.waiting.len(), self.pool.limits.jobs.max(1));
        let indices: Vec<usize> = self.waiting.drain(..number).collect();
        let targets = self.pool.targets;
        let keys: Vec<AdvisoryLockKeys> =
            indices.iter().map(|index| targets[*index].keys).collect();
        let acquired = match self.acquire(&keys, &release).await {
            Ok(acquired) => acquired,
            Err(failure) => {
                let failed = |index| self.fail(index, failure.clone(), std::time::Duration::ZERO);
                return indices.into_iter().for_each(failed);
            }
        };
        for (index, is_acquired) in indices.into_iter().zip(acquired) {
            log::lease(&targets[index], is_acquired);
            if is_acquired {
                self.leased.push_back(index);
            } else {
                self.seen[index] = None;
                self.busy.push(index);
            }
        }
    }

    /// A broken session has lost its leases. It is safe to acquire new ones, because workers also hold an execution lock.
    async fn acquire(
        &mut self,
        keys: &[AdvisoryLockKeys],
        mut release: &[AdvisoryLockKeys],
    ) -> Result<Vec<bool>, Failure> {
        let requested = &self.pool.interruption.requested;
        let attempt = async || {
            let acquired = self.acquire_once(keys, release).await;
            if acquired.is_err() {
                // The server released all leases when the session ended.
                (self.leases, release) = (None, &[]);
            }
            acquired
        };
        match SERVER_AWAY.retry_until(requested, is_away, attempt).await {
            Ok(acquired) => Ok(acquired),
            Err(RetryError::Failed(failure)) => Err(of_own_sql(failure)),
            Err(RetryError::Interrupted(_)) => Ok(vec![false; keys.len()]),
        }
    }

    async fn acquire_once(
        &mut self,
        keys: &[AdvisoryLockKeys],
        release: &[AdvisoryLockKeys],
    ) -> Result<Vec<bool>, Failure> {
        let leases = match self.leases.as_mut() {
            Some(leases) => leases,
            None => {
                let open = LeaseHolder::open(self.pool.lease_options.clone());
                let requested = &self.pool.interruption.requested;
                let opened = requested.run_until_cancelled(open).await;
                // Interrupted: nothing is leased, and no target starts.
                let Some(opened) = opened else { return Ok(vec![false; keys.len()]) };
                self.leases.insert(opened?)
            }
        };
        leases.acquire(keys, release).await
    }

    /// Releases the leases of finished targets.
    pub(super) async fn release_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        if let Some(leases) = self.leases.as_mut()
            && leases.release(&held).await.is_err()
        {
            // The server releases the leases when the session ends.
            self.leases = None;
        }
    }
}

/// How many waiting targets are leased together: few enough that all machines end at about the same time, and enough that
/// the round trip is negligible.
fn portion(waiting: usize, jobs: usize) -> usize {
    const LEAST: usize = 4;
    let fair = waiting.div_ceil(jobs).min(LEAST);
    (waiting / (4 * jobs)).clamp(fair, TOGETHER)
}
