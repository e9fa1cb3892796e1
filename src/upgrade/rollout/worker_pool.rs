//! All targets of one track, several at a time: claimed, worked on, and given back. Others may do the same from other
//! machines, and with nothing but the server between us: what they have claimed is passed over, and looked at again at the
//! end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::future::join_all;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::Mutex;

use super::environment::of_own_sql;
use super::interruption::{Backends, Interruption, while_cancelling};
use super::per_database::{
    ConnectionSlots, INTERRUPTED, RolloutLimits, after_canary, after_failures, locked, server_lost,
};
use super::retry::{PendingRetry, RetryQueue};
use crate::model::{Failure, FailureKind, RunEvent};
use crate::postgres::{AdvisoryLockKeys, LeaseHolder};
use crate::upgrade::dry_run::DryRun;
use crate::upgrade::log;
use crate::upgrade::preflight::ledger_scan::LedgerState;
use crate::upgrade::preflight::pool_scan::LedgerScan;
use crate::upgrade::preflight::target::Target;
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::track::executor::TrackExecutor;
use crate::upgrade::track::progress::TargetOutcome;

/// Between two looks at targets that somebody else has claimed.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What works on targets in one database.
pub(crate) struct WorkerPool<'a> {
    pub(crate) work: &'a TrackExecutor<'a>,
    pub(crate) targets: &'a [Target],
    /// For sessions that work.
    pub(crate) session_options: PgConnectOptions,
    /// For the session that claims, which does not time out.
    pub(crate) lease_options: PgConnectOptions,
    pub(crate) limits: &'a RolloutLimits,
    pub(crate) interruption: &'a Interruption,
    /// How long a server is waited for at the first look.
    pub(crate) patience: Duration,
    /// Where each target has a crew: what they share.
    pub(crate) slots: Option<&'a ConnectionSlots<'a>>,
    pub(crate) rehearsal: Option<&'a DryRun>,
}

/// The state that the lanes share.
pub(crate) struct PoolState {
    /// Targets that have work, and where they stood when it was last looked.
    pub(crate) waiting: Mutex<VecDeque<usize>>,
    /// Those that are claimed and that no lane has begun: whichever has time takes the next one, so that none waits for a lane
    /// that is long at work.
    pub(crate) leased: Mutex<VecDeque<usize>>,
    /// The claims of those that are done. They are given back along with the next claims, which saves a round trip.
    pub(crate) held: Mutex<Vec<AdvisoryLockKeys>>,
    /// Those that somebody else has claimed.
    pub(crate) busy: Mutex<Vec<usize>>,
    pub(crate) leases: Mutex<Option<LeaseHolder>>,
    done: Mutex<Vec<Option<TargetOutcome>>>,
    /// Where they were seen, as long as nobody else has been there since, as far as is known.
    pub(crate) seen: Mutex<Vec<Option<LedgerState>>>,
    failures: AtomicUsize,
    /// Those that are to be tried again.
    pub(crate) retries: Mutex<RetryQueue>,
    /// The server was lost: why nothing more is begun on it.
    lost: OnceLock<String>,
    /// The server's processes at work for us.
    backends: Arc<Backends>,
}

impl WorkerPool<'_> {
    /// What has become of each target, in their order.
    pub(crate) async fn run(&self) -> Result<Vec<TargetOutcome>, Failure> {
        if let Some(rehearsal) = self.rehearsal {
            return self.dry_run(rehearsal).await;
        }
        let requested = &self.interruption.requested;
        let looked = requested.run_until_cancelled(self.patient_survey()).await;
        let Some(looked) = looked else {
            return Ok(self.targets.iter().map(|_| TargetOutcome::not_run(INTERRUPTED)).collect());
        };
        let LedgerScan { done, waiting, seen } = looked?;
        let failures = done.iter().flatten().filter(|done| done.is_failed()).count();
        let shared = PoolState {
            waiting: Mutex::default(),
            leased: Mutex::default(),
            held: Mutex::default(),
            busy: Mutex::default(),
            leases: Mutex::new(None),
            done: Mutex::new(done),
            seen: Mutex::new(seen),
            failures: AtomicUsize::new(failures),
            retries: Mutex::default(),
            lost: OnceLock::new(),
            backends: Arc::default(),
        };
        let spare = async |sql: &str| {
            if let Some(claims) = shared.leases.lock().await.as_mut() {
                claims.send(sql).await;
            }
        };
        let backends = Arc::clone(&shared.backends);
        let cancel = backends.cancel_lock_waits(&self.lease_options, self.interruption, spare);
        while_cancelling(cancel, self.all(&shared, &waiting)).await;
        let done = std::mem::take(&mut *shared.done.lock().await);
        Ok(done
            .into_iter()
            .map(|done| done.unwrap_or_else(|| TargetOutcome::not_run("unknown")))
            .collect())
    }

    /// The canaries, and then the others.
    async fn all(&self, shared: &PoolState, waiting: &[usize]) {
        let first = self.limits.canary.unwrap_or_default().min(waiting.len());
        let (canary, others) = waiting.split_at(first);
        let before = shared.failures.load(Ordering::Relaxed);
        self.run_batch(shared, canary).await;
        let failed = shared.failures.load(Ordering::Relaxed) - before;
        if self.limits.canary.is_some() && failed > 0 {
            let reason = after_canary(failed, first);
            self.skip_remaining(shared, others, &reason).await;
        } else {
            self.run_batch(shared, others).await;
        }
        if let Some(claims) = shared.leases.lock().await.take() {
            claims.close().await;
        }
    }

    /// Works on some of them until each has come to an end.
    async fn run_batch(&self, shared: &PoolState, indices: &[usize]) {
        *shared.waiting.lock().await = indices.iter().copied().collect();
        let lanes =
            (0..self.limits.jobs.clamp(1, indices.len().max(1))).map(|_| self.run_worker(shared));
        join_all(lanes).await;
        let mut left: Vec<usize> = shared.leased.lock().await.drain(..).collect();
        left.extend(shared.waiting.lock().await.drain(..));
        left.extend(shared.busy.lock().await.drain(..));
        left.extend(shared.retries.lock().await.drain());
        let reason = self.stop_reason(shared).unwrap_or_else(|| "it was not reached".to_owned());
        self.skip_remaining(shared, &left, &reason).await;
    }

    async fn run_worker(&self, shared: &PoolState) {
        let interrupted = self.interruption.requested.clone();
        let backends = Arc::clone(&shared.backends);
        let mut lane = WorkerSession::new(self.session_options.clone(), backends, interrupted);
        let mut waited_since = None;
        while self.stop_reason(shared).is_none() {
            match self.next(shared, &mut lane).await {
                Ok(Some(index)) => {
                    waited_since = None;
                    self.work_on(shared, &mut lane, index).await;
                    shared.held.lock().await.push(self.targets[index].keys);
                }
                Ok(None) => {
                    if !self.await_others(shared, &mut lane, &mut waited_since).await {
                        break;
                    }
                }
                Err((indices, failure)) => {
                    for index in indices {
                        self.fail(shared, index, failure.clone(), Duration::ZERO).await;
                    }
                }
            }
        }
        lane.close().await;
        let mut claims = shared.leases.lock().await;
        let held = std::mem::take(&mut *shared.held.lock().await);
        self.release_leases(&mut claims, &held).await;
    }

    /// Nothing is left but what others work on, and what is to be tried again: waits a moment, and then looks at that again.
    /// `false` if there is nothing.
    async fn await_others(
        &self,
        shared: &PoolState,
        lane: &mut WorkerSession,
        since: &mut Option<Instant>,
    ) -> bool {
        if !shared.waiting.lock().await.is_empty() {
            return true;
        }
        let is_busy = !shared.busy.lock().await.is_empty();
        let next = shared.retries.lock().await.next_due();
        if !is_busy {
            *since = None;
            return match next {
                Some(due) => self.await_retry(shared, lane, due).await,
                None => false,
            };
        }
        let since = *since.get_or_insert_with(Instant::now);
        if since.elapsed() > self.limits.wait {
            let busy = std::mem::take(&mut *shared.busy.lock().await);
            for index in busy {
                let failure = locked(&self.targets[index], self.limits.wait);
                self.fail(shared, index, failure, since.elapsed()).await;
            }
            return true;
        }
        let pause = LOOK_AGAIN.mul_f64(0.5 + fastrand::f64());
        self.pause(pause).await;
        let busy = std::mem::take(&mut *shared.busy.lock().await);
        let due = shared.retries.lock().await.due(Instant::now());
        shared.waiting.lock().await.extend(due.into_iter().chain(busy));
        true
    }

    /// Until the first of those that are to be tried again is due. A crew of one target makes room for others meanwhile.
    async fn await_retry(
        &self,
        shared: &PoolState,
        lane: &mut WorkerSession,
        due: Instant,
    ) -> bool {
        if let Some(places) = self.slots {
            lane.close().await;
            if let Some(claims) = shared.leases.lock().await.take() {
                claims.close().await;
            }
            places.leave();
        }
        self.pause(due.saturating_duration_since(Instant::now())).await;
        if let Some(places) = self.slots {
            places.enter().await;
        }
        let due = shared.retries.lock().await.due(Instant::now());
        shared.waiting.lock().await.extend(due);
        true
    }

    /// Or less, if the run is interrupted.
    pub(crate) async fn pause(&self, pause: Duration) {
        let pause = tokio::time::sleep(pause);
        self.interruption.requested.run_until_cancelled(pause).await;
    }

    /// Why nothing more is to be begun.
    pub(crate) fn stop_reason(&self, shared: &PoolState) -> Option<String> {
        if self.interruption.requested.is_cancelled() {
            return Some(INTERRUPTED.to_owned());
        }
        if let Some(lost) = shared.lost.get() {
            return Some(lost.clone());
        }
        if let Some(places) = self.slots {
            return places.stop_reason();
        }
        let most = self.limits.max_failures?;
        let failures = shared.failures.load(Ordering::Relaxed);
        (failures > most).then(|| after_failures(most))
    }

    async fn skip_remaining(&self, shared: &PoolState, indices: &[usize], reason: &str) {
        for index in indices {
            let retry = self.take_retry(shared, *index).await;
            self.finish(shared, *index, self.work.not_run(retry, reason), Duration::ZERO).await;
        }
    }

    async fn fail(&self, shared: &PoolState, index: usize, failure: Failure, took: Duration) {
        let retry = self.take_retry(shared, index).await;
        self.finish(shared, index, self.work.failed(retry, failure), took).await;
    }

    pub(crate) async fn take_retry(
        &self,
        shared: &PoolState,
        index: usize,
    ) -> Option<Box<PendingRetry>> {
        shared.retries.lock().await.take(index)
    }

    pub(crate) async fn finish(
        &self,
        shared: &PoolState,
        index: usize,
        done: TargetOutcome,
        took: Duration,
    ) {
        if done.is_failed() {
            shared.failures.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(lost) = done.failure().filter(|it| it.kind == FailureKind::ServerLost) {
            // The first one has said why.
            let _ = shared.lost.set(server_lost(&lost.message));
        }
        self.announce(index, &done, took);
        shared.done.lock().await[index] = Some(done);
    }

    pub(crate) fn announce(&self, index: usize, done: &TargetOutcome, took: Duration) {
        let (unit, verdict) = (self.targets[index].unit(), done.verdict());
        log::finished(&self.targets[index], done, took);
        let _ = self.work.events.send(RunEvent::UnitFinished { unit, verdict, took });
    }

    /// Its one target's database cannot be reached.
    pub(crate) fn lost(&self, failure: Failure) -> TargetOutcome {
        let done = TargetOutcome::failed(of_own_sql(failure));
        (0..self.targets.len()).for_each(|index| self.announce(index, &done, Duration::ZERO));
        done
    }
}
