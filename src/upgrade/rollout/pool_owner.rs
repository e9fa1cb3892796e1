//! The owner of a worker pool's state: waiting targets, leased targets, and outcomes. It handles the workers' requests one
//! after the other, so that the state needs no lock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::limits::StopRule;
use super::outcomes::Outcomes;
use super::pool::WorkerPool;
use super::pool_scan::LedgerScan;
use super::retry_queue::RetryQueue;
use super::worker::{Answer, AssignedTarget, Assignment, Request};

use crate::model::Failure;
use crate::postgres::{AdvisoryLockKeys, LeaseHolder};
use crate::retry::policies::TARGET_LEASE;
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::track::attempt::{Attempted, PendingRetry};
use crate::upgrade::track::progress::TargetOutcome;

pub(crate) struct PoolOwner<'a> {
    pub(super) pool: &'a WorkerPool<'a>,
    /// Targets that have pending work.
    pub(super) waiting: VecDeque<usize>,
    /// Leased targets that no worker has started.
    pub(super) leased: VecDeque<usize>,
    /// The leases of finished targets. They are released with the next request, which saves a round trip.
    pub(super) held: Vec<AdvisoryLockKeys>,
    /// Targets that another run holds.
    pub(super) busy: Vec<usize>,
    /// Since when only busy targets are left, and when their leases are requested again.
    busy_since: Option<Instant>,
    next_busy_retry: Option<Instant>,
    pub(super) leases: Option<LeaseHolder>,
    outcomes: Outcomes,
    /// The scanned states of targets, unless another run may have changed them since.
    pub(super) seen: Vec<Option<LedgerState>>,
    retries: RetryQueue,
    stop: StopRule<'a>,
    /// Workers that wait for an assignment, first come, first served.
    idle: VecDeque<oneshot::Sender<Assignment>>,
}

/// The next action for a worker.
enum Next {
    Assignment(Assignment),
    /// Waiting targets must be leased first.
    Lease,
    /// Nothing to do before that time.
    NotBefore(Instant),
}

impl<'a> PoolOwner<'a> {
    pub(crate) fn new(pool: &'a WorkerPool<'a>, scan: LedgerScan, stop: StopRule<'a>) -> Self {
        let (waiting, leased, held, busy, retries, idle) = Default::default();
        Self {
            pool,
            waiting,
            leased,
            held,
            busy,
            busy_since: None,
            next_busy_retry: None,
            leases: None,
            outcomes: scan.outcomes.into(),
            seen: scan.seen,
            retries,
            stop,
            idle,
        }
    }

    pub(crate) fn failures(&self) -> usize {
        self.stop.failures()
    }

    /// Serves workers until each of these targets has an outcome.
    pub(crate) async fn serve(
        &mut self,
        indices: &[usize],
        mut requests: UnboundedReceiver<Request>,
    ) {
        self.waiting = indices.iter().copied().collect();
        let interrupted = self.pool.interruption.requested.clone();
        loop {
            let wake = self.serve_idle().await;
            let is_interrupted = interrupted.is_cancelled();
            // A timer of a queue, not a retry: other requests are served until a target is due.
            let sleep = async {
                match wake {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                request = requests.recv() => match request {
                    Some(request) => self.answer(request).await,
                    None => break,
                },
                () = sleep => {}
                () = interrupted.cancelled(), if !is_interrupted => {}
            }
        }
        let mut left: Vec<usize> = self.leased.drain(..).collect();
        left.extend(self.waiting.drain(..));
        left.append(&mut self.busy);
        left.extend(self.retries.drain());
        let reason = self.stop.reason().unwrap_or_else(|| "it was not reached".to_owned());
        self.skip_remaining(&left, &reason);
    }

    /// The outcomes of all targets. Leases end with their session.
    pub(crate) async fn finish(self) -> Vec<TargetOutcome> {
        if let Some(leases) = self.leases {
            leases.close().await;
        }
        self.outcomes.finish("it was not reached")
    }

    async fn answer(&mut self, request: Request) {
        match request {
            Request::Next(reply) => {
                let answer = match self.next_leased() {
                    Some(assignment) => Answer::Assigned(assignment),
                    None => {
                        let (later, assignment) = oneshot::channel();
                        self.idle.push_back(later);
                        Answer::Later(assignment)
                    }
                };
                // The worker waits for the reply, so the channel is open.
                let _ = reply.send(answer);
            }
            Request::Ended { index, attempted, took } => {
                match attempted {
                    Attempted::Ended(outcome) => self.set(index, outcome, took),
                    Attempted::Retry(retry) => self.retries.push(index, retry),
                }
                self.held.push(self.pool.targets[index].keys);
            }
            Request::Closed => self.release_held().await,
            Request::Send { sql, sent } => {
                if let Some(leases) = self.leases.as_mut() {
                    leases.send(&sql).await;
                }
                let _ = sent.send(());
            }
        }
    }

    /// Gives assignments to idle workers. Returns when it must be called again at the latest.
    async fn serve_idle(&mut self) -> Option<Instant> {
        while !self.idle.is_empty() {
            match self.next() {
                Next::Assignment(assignment) => {
                    if matches!(assignment, Assignment::PauseUntil(_))
                        && let Some(leases) = self.leases.take()
                    {
                        leases.close().await;
                        self.held.clear();
                    }
                    if let Some(worker) = self.idle.pop_front() {
                        // The worker waits for its assignment, so the channel is open.
                        let _ = worker.send(assignment);
                    }
                }
                Next::Lease => self.lease_next().await,
                Next::NotBefore(due) => return Some(due),
            }
        }
        None
    }

    /// The next leased target, or the stop of the worker.
    fn next_leased(&mut self) -> Option<Assignment> {
        if self.stop.reason().is_some() {
            return Some(Assignment::Stop);
        }
        let index = self.leased.pop_front()?;
        let (seen, retry) = (self.seen[index].take(), self.retries.take(index));
        self.busy_since = None;
        Some(Assignment::Process(Box::new(AssignedTarget { index, seen, retry })))
    }

    fn next(&mut self) -> Next {
        if let Some(assignment) = self.next_leased() {
            return Next::Assignment(assignment);
        }
        if !self.waiting.is_empty() {
            return Next::Lease;
        }
        let now = Instant::now();
        let next_retry = self.retries.next_due();
        if self.busy.is_empty() {
            (self.busy_since, self.next_busy_retry) = (None, None);
            return match next_retry {
                None => Next::Assignment(Assignment::Stop),
                Some(due) if due <= now => self.lease_due(now),
                Some(due) if self.pool.slots.is_some() => {
                    Next::Assignment(Assignment::PauseUntil(due))
                }
                Some(due) => Next::NotBefore(due),
            };
        }
        let since = *self.busy_since.get_or_insert(now);
        if since.elapsed() > self.pool.limits.wait {
            self.fail_busy(since.elapsed());
            return self.next();
        }
        let next_busy_retry = *self.next_busy_retry.get_or_insert_with(|| {
            let pause = TARGET_LEASE.pause_before(0, fastrand::f64());
            now + pause.unwrap_or_default()
        });
        if next_busy_retry > now {
            return Next::NotBefore(next_busy_retry);
        }
        self.next_busy_retry = None;
        let due = self.lease_due(now);
        self.waiting.extend(self.busy.drain(..));
        due
    }

    /// Targets whose retry is due wait for a lease again.
    fn lease_due(&mut self, now: Instant) -> Next {
        self.waiting.extend(self.retries.due(now));
        Next::Lease
    }

    /// Fails the targets whose leases other runs have held for longer than the maximum wait.
    fn fail_busy(&mut self, waited: Duration) {
        for index in std::mem::take(&mut self.busy) {
            let failure = self.pool.targets[index].lock_not_acquired(self.pool.limits.wait);
            self.fail(index, failure, waited);
        }
    }

    pub(super) fn fail(&mut self, index: usize, failure: Failure, took: Duration) {
        let (retry, track) = (self.retries.take(index), &self.pool.executor.track);
        self.set(index, PendingRetry::failed(retry, track, failure), took);
    }

    /// Skips these targets: none of them is started or retried.
    pub(crate) fn skip_remaining(&mut self, indices: &[usize], reason: &str) {
        let track = &self.pool.executor.track;
        for index in indices {
            let retry = self.retries.take(*index);
            self.set(*index, PendingRetry::not_run(retry, track, reason), Duration::ZERO);
        }
    }

    fn set(&mut self, index: usize, outcome: TargetOutcome, took: Duration) {
        self.stop.note(&outcome);
        self.pool.executor.announce(&self.pool.targets[index], &outcome, took);
        self.outcomes.set(index, outcome);
    }
}
