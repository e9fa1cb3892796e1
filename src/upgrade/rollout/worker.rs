//! A worker: asks the pool's owner for a target that the run has leased, works on it in its session, and tells how that ended.

use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::messages::{Answer, Assignment, Request, Work};
use super::pool::WorkerPool;
use crate::model::{Failure, FailureKind, Phase, RunEvent, attempt_span};
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::stop_reason::INTERRUPTED;
use crate::upgrade::target::Target;
use crate::upgrade::track::attempt::{Attempted, PendingRetry};
use crate::upgrade::track::progress::TargetOutcome;

/// See the file's head.
pub(crate) struct Worker<'a> {
    pub(crate) pool: &'a WorkerPool<'a>,
    pub(crate) session: WorkerSession,
    pub(crate) requests: UnboundedSender<Request>,
}

impl Worker<'_> {
    pub(crate) async fn run(mut self) {
        loop {
            match self.next().await {
                Assignment::Work(work) => self.work_on(*work).await,
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
        // Without an owner there is nothing to do.
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

    async fn work_on(&mut self, work: Work) {
        let (index, started) = (work.index, Instant::now());
        let target = &self.pool.targets[index];
        let unit = target.unit();
        let executor = self.pool.executor;
        // Without a listener the run goes on.
        let _ = executor.events.send(RunEvent::UnitStarted { unit, phase: Phase::Head });
        let attempt = work.retry.as_ref().map_or(0, |retry| retry.progress.retries) + 1;
        let span = target.span().in_scope(|| attempt_span(attempt));
        let attempted = self.upgrade(target, work).instrument(span).await;
        if matches!(attempted, Attempted::Retry(_)) {
            // The next try, also that of another run, asks for its lock.
            self.session.leave().await;
        }
        let took = started.elapsed();
        let _ = self.requests.send(Request::Ended { index, attempted, took });
    }

    /// By what was seen of it, or by another look.
    async fn upgrade(&mut self, target: &Target, work: Work) -> Attempted {
        let executor = self.pool.executor;
        let Work { seen, retry, .. } = work;
        let session = &mut self.session;
        session.keep_apart(executor.track.may_change_session(target, seen.as_ref())).await;
        let seen = seen.filter(|_| retry.is_none());
        let with_preamble =
            seen.and_then(|state| executor.preamble(target, &state).map(|it| (state, it)));
        if let Some((state, preamble)) = with_preamble {
            return executor.upgrade(session, target, state, Some(preamble), None).await;
        }
        // Another run may have been there since the first look.
        let state = executor.read_ledger(session, target).await;
        let state = state.map(|rows| match rows {
            Some(rows) => LedgerState::Rows(rows.into()),
            None => LedgerState::New,
        });
        match state {
            Ok(state) if retry.is_none() => match executor.done_without_session(target, &state) {
                Some(outcome) => outcome.into(),
                None => executor.upgrade(session, target, state, None, None).await,
            },
            Ok(state) => executor.upgrade(session, target, state, None, retry).await,
            Err(failure) => self.not_read(retry, failure).await.into(),
        }
    }

    /// Its ledger could not be read.
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

    /// Makes room for other targets until then, or until the run is interrupted.
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
