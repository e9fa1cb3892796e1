//! Who works on what: a crew claims a few targets at a time from the server, its lanes take them one by one, and what is done
//! is given back along with the next claim.

use std::collections::VecDeque;

use tokio::sync::MutexGuard;

use super::environment::{AWAY, Reconnect, of_own_sql};
use super::worker_pool::{PoolState, WorkerPool};
use crate::model::Failure;
use crate::postgres::{AdvisoryLockKeys, LeaseHolder};
use crate::upgrade::log;
use crate::upgrade::session::worker_session::WorkerSession;

/// Targets that are claimed together, at most. More would keep other machines from helping near the end.
const TOGETHER: usize = 16;

/// Those that could not be claimed, and why.
type NotLeased = (Vec<usize>, Failure);

impl WorkerPool<'_> {
    /// One that is ours, and that no lane has begun. `None` if there is none that nobody else works on.
    pub(crate) async fn next(
        &self,
        shared: &PoolState,
        lane: &mut WorkerSession,
    ) -> Result<Option<usize>, NotLeased> {
        if let Some(index) = shared.leased.lock().await.pop_front() {
            return Ok(Some(index));
        }
        // The mark of its last one would keep others from that.
        let (claimed, ()) = tokio::join!(self.lease_next(shared), lane.leave());
        claimed
    }

    /// Claims the next few that nobody works on, gives back those that are done, and gives one of them out.
    async fn lease_next(&self, shared: &PoolState) -> Result<Option<usize>, NotLeased> {
        let mut claims = shared.leases.lock().await;
        // Another lane may have claimed some meanwhile.
        if let Some(index) = shared.leased.lock().await.pop_front() {
            return Ok(Some(index));
        }
        let give_back = std::mem::take(&mut *shared.held.lock().await);
        let indices: Vec<usize> = {
            let mut waiting = shared.waiting.lock().await;
            let number = portion(waiting.len(), self.limits.jobs.max(1));
            waiting.drain(..number).collect()
        };
        if indices.is_empty() {
            self.release_leases(&mut claims, &give_back).await;
            return Ok(None);
        }
        let keys: Vec<AdvisoryLockKeys> =
            indices.iter().map(|index| self.targets[*index].keys).collect();
        let mine = match self.acquire_leases(&mut claims, &keys, &give_back).await {
            Ok(mine) => mine,
            Err(failure) => return Err((indices, failure)),
        };
        let (mut got, mut busy) = (VecDeque::new(), Vec::new());
        for (index, mine) in indices.into_iter().zip(mine) {
            log::lease(&self.targets[index], mine);
            if mine { got.push_back(index) } else { busy.push(index) }
        }
        let mut seen = shared.seen.lock().await;
        busy.iter().for_each(|index| seen[*index] = None);
        shared.busy.lock().await.extend(busy);
        let first = got.pop_front();
        shared.leased.lock().await.extend(got);
        Ok(first)
    }

    /// A session that has broken has lost its claims, and another one can have new ones: whoever works has a mark besides.
    async fn acquire_leases(
        &self,
        claims: &mut MutexGuard<'_, Option<LeaseHolder>>,
        keys: &[AdvisoryLockKeys],
        mut give_back: &[AdvisoryLockKeys],
    ) -> Result<Vec<bool>, Failure> {
        let requested = &self.interruption.requested;
        let mut reconnect = Reconnect::new(AWAY);
        loop {
            let claimed = async {
                let session = match claims.as_mut() {
                    Some(session) => session,
                    None => {
                        let open = LeaseHolder::open(self.lease_options.clone());
                        let opened = requested.run_until_cancelled(open).await;
                        // Nothing is claimed, and nothing more is begun.
                        let Some(opened) = opened else { return Ok(vec![false; keys.len()]) };
                        claims.insert(opened?)
                    }
                };
                session.acquire(keys, give_back).await
            };
            let failure = match claimed.await {
                Ok(claimed) => return Ok(claimed),
                Err(failure) => failure,
            };
            // With its end the server has been given back all that it held.
            (**claims, give_back) = (None, &[]);
            let pause = reconnect.after(&failure).ok_or_else(|| of_own_sql(failure))?;
            self.pause(pause).await;
            if requested.is_cancelled() {
                return Ok(vec![false; keys.len()]);
            }
        }
    }

    pub(crate) async fn release_leases(
        &self,
        claims: &mut MutexGuard<'_, Option<LeaseHolder>>,
        keys: &[AdvisoryLockKeys],
    ) {
        if let Some(session) = claims.as_mut()
            && session.release(keys).await.is_err()
        {
            // With its end the server gives back what it held.
            **claims = None;
        }
    }
}

/// How many of those that wait are claimed together: few enough that all machines end at about one time, and enough that a claim's round trip is not felt.
fn portion(waiting: usize, jobs: usize) -> usize {
    const LEAST: usize = 4;
    let fair = waiting.div_ceil(jobs).min(LEAST);
    (waiting / (4 * jobs)).clamp(fair, TOGETHER)
}
