//! A worker: requests a leased target from the pool's owner, processes it in its session, and reports the result. The messages
//! between the two are here.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::pool::WorkerPool;
use crate::model::{Failure, FailureKind, Phase, RunEvent, attempt_span};
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::stop_reason::INTERRUPTED;
use crate::upgrade::target::Target;
use crate::upgrade::track::attempt::{Attempted, PendingRetry};
use crate::upgrade::track::progress::TargetOutcome;

pub(crate) struct Worker<'a> {
    pub(crate) pool: &'a WorkerPool<'a>,
    pub(crate) session: WorkerSession,
    pub(crate) requests: UnboundedSender<Request>,
}

impl Worker<'_> {
    pub(crate) async fn run(mut self) {
        loop {
            match self.next().await {
                Assignment::Process(assigned) => self.process(*assigned).await,
                Assignment::PauseUntil(due) => self.pause_until(due).await,
                Assignment::Stop => break,
            }
        }
        self.session.close().await;
        // The owner outlives its workers.
        let _ = self.requests.send(Request::Closed);
    }

    async fn next(&mut self) -> Assignment {
        let (reply, answer) = oneshot::channel();
        // Without an owner there is no work.
        if self.requests.send(Request::Next(reply)).is_err() {
            return Assignment::Stop;
        }
        match answer.await {
            Ok(Answer::Assigned(assignment)) => assignment,
            Ok(Answer::Later(assignment)) => {
                let (assignment, ()) = tokio::join!(assignment, self.session.leave());
                assignment.unwrap_or(Assignment::Stop)
            }
            Err(_) => Assignment::Stop,
        }
    }

    async fn process(&mut self, assigned: AssignedTarget) {
        let (index, started) = (assigned.index, Instant::now());
        let target = &self.pool.targets[index];
        let unit = target.unit();
        let executor = self.pool.executor;
        // A run does not stop if no one receives its events.
        let _ = executor.events.send(RunEvent::UnitStarted { unit, phase: Phase::Head });
        let attempt = assigned.retry.as_ref().map_or(0, |retry| retry.progress.retries) + 1;
        let span = target.span().in_scope(|| attempt_span(attempt));
        let attempted = self.upgrade(target, assigned).instrument(span).await;
        if matches!(attempted, Attempted::Retry(_)) {
            // The next attempt acquires the lock again; another run may do so before.
            self.session.leave().await;
        }
        let took = started.elapsed();
        let _ = self.requests.send(Request::Ended { index, attempted, took });
    }

    /// Processes a target by its scanned state, or by a new read of its ledger.
    async fn upgrade(&mut self, target: &Target, assigned: AssignedTarget) -> Attempted {
        let executor = self.pool.executor;
        let AssignedTarget { seen, retry, .. } = assigned;
        let session = &mut self.session;
        session
            .set_needs_own_session(executor.track.may_change_session(target, seen.as_ref()))
            .await;
        let seen = seen.filter(|_| retry.is_none());
        let with_preamble =
            seen.and_then(|state| executor.preamble(target, &state).map(|it| (state, it)));
        if let Some((state, preamble)) = with_preamble {
            return executor.upgrade(session, target, state, Some(preamble), None).await;
        }
        // Another run may have changed it since the first scan.
        let state = executor.read_ledger(session, target).await;
        let state = state.map(|rows| match rows {
            Some(rows) => LedgerState::Rows(rows.into()),
            None => LedgerState::New,
        });
        match state {
            Ok(state) if retry.is_none() => {
                match executor.outcome_without_session(target, &state) {
                    Some(outcome) => outcome.into(),
                    None => executor.upgrade(session, target, state, None, None).await,
                }
            }
            Ok(state) => executor.upgrade(session, target, state, None, retry).await,
            Err(failure) => self.not_read(retry, failure).await.into(),
        }
    }

    /// The outcome of a target whose ledger could not be read.
    async fn not_read(
        &mut self,
        retry: Option<Box<PendingRetry>>,
        failure: Failure,
    ) -> TargetOutcome {
        let track = &self.pool.executor.track;
        let is_cancelled = self.pool.interruption.requested.is_cancelled();
        let is_interrupted = self.session.take_interruption()
            || (failure.kind == FailureKind::ServerLost && is_cancelled);
        self.session.close().await;
        match is_interrupted {
            true => PendingRetry::not_run(retry, track, INTERRUPTED),
            false => PendingRetry::failed(retry, track, failure),
        }
    }

    /// Releases the slot to other targets until `due`, or until the run is interrupted.
    async fn pause_until(&mut self, due: Instant) {
        self.session.close().await;
        if let Some(slots) = self.pool.slots {
            slots.leave();
        }
        let pause = tokio::time::sleep_until(due.into());
        self.pool.interruption.requested.run_until_cancelled(pause).await;
        if let Some(slots) = self.pool.slots {
            slots.enter().await;
        }
    }
}

/// A worker's message to the owner.
pub(crate) enum Request {
    /// The worker is free. The owner replies at once.
    Next(oneshot::Sender<Answer>),
    /// An attempt on the assigned target has ended.
    Ended { index: usize, attempted: Attempted, took: Duration },
    /// The worker's session is closed, and it holds no lock.
    Closed,
    /// Send this SQL in the session that holds the leases.
    Send { sql: String, sent: oneshot::Sender<()> },
}

/// The owner's answer to [`Request::Next`].
pub(crate) enum Answer {
    Assigned(Assignment),
    /// The assignment follows. Meanwhile the worker releases its execution lock, which would block other runs from its last
    /// target.
    Later(oneshot::Receiver<Assignment>),
}

/// What a worker does next.
pub(crate) enum Assignment {
    Process(Box<AssignedTarget>),
    /// Release the slot to other targets until then.
    PauseUntil(Instant),
    /// No target is left.
    Stop,
}

/// A target that is assigned to a worker.
pub(crate) struct AssignedTarget {
    pub(crate) index: usize,
    /// Its scanned state, unless another run may have changed it since.
    pub(crate) seen: Option<LedgerState>,
    pub(crate) retry: Option<Box<PendingRetry>>,
}

impl Request {
    /// Sends SQL in the session that holds the leases.
    pub(crate) async fn send_sql(requests: &UnboundedSender<Self>, sql: &str) {
        let (sent, done) = oneshot::channel();
        if requests.send(Self::Send { sql: sql.to_owned(), sent }).is_ok() {
            // An error means that the owner has ended: no statement waits for a lock any more.
            let _ = done.await;
        }
    }
}
