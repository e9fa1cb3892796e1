//! Leases: which of several runs works on a target. The owner leases a few targets at a time from the server, workers take
//! them one by one, and leases of targets that are done are given back along with the next request.

use super::pool_owner::PoolOwner;
use crate::model::Failure;
use crate::postgres::{AdvisoryLockKeys, LeaseHolder};
use crate::upgrade::log;
use crate::upgrade::reconnect::{AWAY, Reconnect, of_own_sql};

/// Targets that are leased together, at most. More would keep other machines from helping near the end.
const TOGETHER: usize = 16;

impl PoolOwner<'_> {
    /// Leases the next few targets that no other run works on, and gives back the leases of those that are done. Targets of
    /// which that cannot be found out have failed.
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

    /// A session that has broken has lost its leases, and another one can have new ones: a worker has an execution lock, too.
    async fn acquire(
        &mut self,
        keys: &[AdvisoryLockKeys],
        mut release: &[AdvisoryLockKeys],
    ) -> Result<Vec<bool>, Failure> {
        let requested = &self.pool.interruption.requested;
        let mut reconnect = Reconnect::new(AWAY);
        loop {
            let acquired = async {
                let leases = match self.leases.as_mut() {
                    Some(leases) => leases,
                    None => {
                        let open = LeaseHolder::open(self.pool.lease_options.clone());
                        let opened = requested.run_until_cancelled(open).await;
                        // Nothing is leased, and nothing more is begun.
                        let Some(opened) = opened else { return Ok(vec![false; keys.len()]) };
                        self.leases.insert(opened?)
                    }
                };
                leases.acquire(keys, release).await
            };
            let failure = match acquired.await {
                Ok(acquired) => return Ok(acquired),
                Err(failure) => failure,
            };
            // With the end of the session the server has been given back all that it held.
            (self.leases, release) = (None, &[]);
            let pause = reconnect.after(&failure).ok_or_else(|| of_own_sql(failure))?;
            requested.run_until_cancelled(tokio::time::sleep(pause)).await;
            if requested.is_cancelled() {
                return Ok(vec![false; keys.len()]);
            }
        }
    }

    /// Gives back the leases of targets that are done.
    pub(super) async fn release_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        if let Some(leases) = self.leases.as_mut()
            && leases.release(&held).await.is_err()
        {
            // With the end of the session the server gives back what it held.
            self.leases = None;
        }
    }
}

/// How many of those that wait are leased together: few enough that all machines end at about one time, and enough that the
/// round trip is not felt.
fn portion(waiting: usize, jobs: usize) -> usize {
    const LEAST: usize = 4;
    let fair = waiting.div_ceil(jobs).min(LEAST);
    (waiting / (4 * jobs)).clamp(fair, TOGETHER)
}
