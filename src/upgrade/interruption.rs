//! Interruption by a signal: pauses and waits for locks end at once, while a migration that is executing is allowed to
//! finish.
//!
//! A statement that waits for a lock is cancelled by another session of the same role. Its transaction rolls back, and the
//! migration counts as not run. Only the server knows whether a statement waits, so one statement checks and cancels.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use crate::model::{Failure, FailureKind};
use crate::postgres::Session;

/// The interval of the checks for statements that wait for a lock.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// The time limit for opening the session that cancels.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// Requests to stop the run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interruption {
    /// The first signal.
    pub(crate) requested: CancellationToken,
    /// A second signal, a moment later: also ends lock waits whose cancellation leaves a migration partly applied.
    pub(crate) repeated: CancellationToken,
}

/// The backends that execute statements for this run's sessions.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    busy: Mutex<BTreeMap<i32, Exchange>>,
}

/// The batch that a backend executes.
#[derive(Debug)]
struct Exchange {
    /// For each message: whether its cancellation would leave a part of a migration. Empty if none would.
    leaves_changes: Vec<bool>,
    /// The index of the message that the session currently sends.
    message: Arc<AtomicUsize>,
    /// Its statement is cancelled although it does not wait for a lock.
    always: bool,
    is_cancelled: bool,
}

/// The backends whose statements are to be cancelled.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cancellable {
    /// If their statement waits for a lock.
    waiting: Vec<i32>,
    /// In any case.
    always: Vec<i32>,
}

impl Backends {
    pub(crate) fn begin(&self, pid: i32, leaves_changes: Vec<bool>, message: Arc<AtomicUsize>) {
        self.insert(pid, Exchange { leaves_changes, message, always: false, is_cancelled: false });
    }

    /// For statements that have no effect if they are cancelled, and that may wait for something else than a lock: `CREATE
    /// DATABASE` waits up to 5 s for other sessions of its template.
    pub(crate) fn begin_cancellable(&self, pid: i32, message: Arc<AtomicUsize>) {
        let leaves_changes = Vec::new();
        self.insert(pid, Exchange { leaves_changes, message, always: true, is_cancelled: false });
    }

    fn insert(&self, pid: i32, exchange: Exchange) {
        if let Ok(mut busy) = self.busy.lock() {
            busy.insert(pid, exchange);
        }
    }

    /// Whether it may have been cancelled: a failure `query_canceled` then comes from this run.
    pub(crate) fn end(&self, pid: i32) -> bool {
        let ended = self.busy.lock().ok().and_then(|mut busy| busy.remove(&pid));
        ended.is_some_and(|exchange| exchange.is_cancelled)
    }

    /// After an interruption: cancels statements that wait for a lock, for as long as the future is polled. If the server
    /// has no connection left for another session, `spare` sends the statement in an existing one.
    pub(crate) async fn cancel_lock_waits(
        &self,
        options: &PgConnectOptions,
        interruption: &Interruption,
        spare: impl AsyncFn(&str),
    ) -> Infallible {
        interruption.requested.cancelled().await;
        let mut session = None;
        loop {
            let cancellable = self.to_cancel(interruption.repeated.is_cancelled());
            if cancellable != Cancellable::default() {
                let open = match session {
                    Some(session) => Some(session),
                    None => open(options).await,
                };
                let cancel = cancel(&cancellable);
                session = match open {
                    Some(mut open) => open.query(&cancel).await.ok().map(|_| open),
                    None => {
                        spare(&cancel).await;
                        None
                    }
                };
            }
            // A ticker, not a retry: statements may start to wait at any time until the run ends.
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// The flag is set before the request is sent: the cancelled session can report before the cancelling one.
    fn to_cancel(&self, all: bool) -> Cancellable {
        let mut cancellable = Cancellable::default();
        let Ok(mut busy) = self.busy.lock() else { return cancellable };
        let may = |exchange: &Exchange| {
            let message = exchange.message.load(Ordering::Relaxed);
            all || !exchange.leaves_changes.get(message).is_some_and(|leaves| *leaves)
        };
        for (pid, exchange) in busy.iter_mut().filter(|(_, exchange)| may(exchange)) {
            exchange.is_cancelled = true;
            match exchange.always {
                true => cancellable.always.push(*pid),
                false => cancellable.waiting.push(*pid),
            }
        }
        cancellable
    }
}

fn cancel(pids: &Cancellable) -> String {
    let list = |pids: &[i32]| {
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        format!("'{{{}}}'::pg_catalog.int4[]", pids.join(", "))
    };
    // `OFFSET 0` keeps the planner from calling the function before it has checked the other conditions.
    format!(
        "SELECT waiting.pid FROM (SELECT a.pid FROM pg_catalog.pg_stat_activity AS a WHERE \
         (a.pid OPERATOR(pg_catalog.=) ANY ({}) AND a.wait_event_type OPERATOR(pg_catalog.=) 'Lock') \
         OR (a.pid OPERATOR(pg_catalog.=) ANY ({}) AND a.state OPERATOR(pg_catalog.=) 'active') OFFSET 0) AS waiting \
         WHERE pg_catalog.pg_cancel_backend(waiting.pid)",
        list(&pids.waiting),
        list(&pids.always),
    )
}

async fn open(options: &PgConnectOptions) -> Option<Session> {
    let opened = Session::open_plain(options.clone());
    tokio::time::timeout(OPEN_WITHIN, opened).await.ok()?.ok()
}

/// The error of a cancelled statement. Source of the code: PostgreSQL, Appendix A.
pub(crate) fn is_cancellation(failure: &Failure) -> bool {
    failure.kind == FailureKind::Sql { sqlstate: "57014".to_owned() }
}

/// Runs `operation` to completion, and polls `cancel` meanwhile.
pub(crate) async fn while_cancelling<T>(
    cancel: impl Future<Output = Infallible>,
    operation: impl Future<Output = T>,
) -> T {
    tokio::select! {
        ended = operation => ended,
        never = cancel => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_leaves_a_partial_migration_is_cancelled_only_by_the_second_signal() {
        let backends = Backends::default();
        let message = Arc::new(AtomicUsize::new(0));
        backends.begin(1, Vec::new(), Arc::clone(&message));
        backends.begin(2, vec![true, false], Arc::clone(&message));
        assert_eq!(backends.to_cancel(false).waiting, [1]);
        message.store(1, Ordering::Relaxed);
        assert_eq!(backends.to_cancel(false).waiting, [1, 2]);
        message.store(0, Ordering::Relaxed);
        assert_eq!(backends.to_cancel(false).waiting, [1]);
        assert_eq!(backends.to_cancel(true).waiting, [1, 2]);
        assert!(backends.end(1) && !backends.end(7));
        backends.begin(1, vec![true], message);
        assert_eq!(backends.to_cancel(false).waiting, [0; 0]);
        assert!(!backends.end(1) && backends.end(2));
        assert_eq!(backends.to_cancel(false).waiting, [0; 0]);
    }
    #[test]
    fn a_cancellable_statement_is_cancelled_in_any_state() {
        let (backends, message) = (Backends::default(), Arc::new(AtomicUsize::new(0)));
        backends.begin_cancellable(3, Arc::clone(&message));
        backends.begin(4, Vec::new(), message);
        assert_eq!(backends.to_cancel(false), Cancellable { waiting: vec![4], always: vec![3] });
        assert!(backends.end(3));
    }
}
