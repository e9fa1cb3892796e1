//! A lane's turn at a target that its crew has claimed.

use std::time::Instant;

use tracing::Instrument as _;

use super::per_database::INTERRUPTED;
use super::retry::{Attempted, PendingRetry};
use super::worker_pool::{PoolState, WorkerPool};
use crate::model::{Failure, FailureKind, Phase, RunEvent, attempt_span};
use crate::upgrade::preflight::ledger_scan::LedgerState;
use crate::upgrade::preflight::target::Target;
use crate::upgrade::session::worker_session::WorkerSession;

impl WorkerPool<'_> {
    /// One that is ours. It has come to an end then, or is to be tried again once others have had their turn.
    pub(crate) async fn work_on(&self, shared: &PoolState, lane: &mut WorkerSession, index: usize) {
        let target = &self.targets[index];
        let started = Instant::now();
        let unit = target.unit();
        let _ = self.work.events.send(RunEvent::UnitStarted { unit, phase: Phase::Head });
        let seen = shared.seen.lock().await[index].take();
        let retry = self.take_retry(shared, index).await;
        let attempt = retry.as_ref().map_or(0, |retry| retry.begun.retries) + 1;
        let attempt = target.span().in_scope(|| attempt_span(attempt));
        match self.upgrade(lane, target, seen, retry).instrument(attempt).await {
            Attempted::Done(done) => self.finish(shared, index, done, started.elapsed()).await,
            Attempted::Retry(retry) => {
                // Whoever tries it again, another run included, asks for its lock.
                lane.leave().await;
                shared.retries.lock().await.push(index, retry);
            }
        }
    }

    /// By what was seen of it, or by another look.
    async fn upgrade(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
        seen: Option<LedgerState>,
        retry: Option<Box<PendingRetry>>,
    ) -> Attempted {
        let opening = |stand: &LedgerState| self.work.opening(target, stand);
        lane.keep_apart(self.work.may_leave_something(target, seen.as_ref())).await;
        let seen = seen.filter(|_| retry.is_none());
        if let Some((stand, opening)) = seen.and_then(|stand| opening(&stand).map(|o| (stand, o))) {
            return self.work.upgrade(lane, target, stand, Some(opening), None).await;
        }
        match self.stand(lane, target).await {
            Ok(stand) if retry.is_none() => match self.work.done_without_session(target, &stand) {
                Some(done) => Attempted::Done(done),
                None => self.work.upgrade(lane, target, stand, None, None).await,
            },
            Ok(stand) => self.work.upgrade(lane, target, stand, None, retry).await,
            Err(failure) => {
                let is_interrupted = lane.take_interruption()
                    || (failure.kind == FailureKind::ServerLost
                        && self.interruption.requested.is_cancelled());
                lane.close().await;
                Attempted::Done(match is_interrupted {
                    true => self.work.not_run(retry, INTERRUPTED),
                    false => self.work.failed(retry, failure),
                })
            }
        }
    }

    /// Where it stands now that it is ours: somebody else may have been there since the first look.
    async fn stand(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
    ) -> Result<LedgerState, Failure> {
        let rows = self.work.look(lane, target).await?;
        Ok(rows.map_or(LedgerState::New, |rows| LedgerState::Rows(rows.into())))
    }
}
