//! What a signal ends at once: pauses, and waits for locks. A migration that really executes is allowed to finish.
//!
//! A statement that waits for a lock is cancelled by another session, which the server allows to the same role: the
//! transaction rolls back, and the migration counts as not run. Whether a statement waits is known to the server alone, so
//! that it is asked and told in one statement.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use crate::model::{Failure, FailureKind};
use crate::postgres::Session;

/// Between two looks at statements that may wait for a lock.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// For the session that cancels.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// Requests from outside to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interruption {
    /// The first signal.
    pub(crate) requested: CancellationToken,
    /// A second one, a moment later: also ends lock waits that leave a migration half-done.
    pub(crate) repeated: CancellationToken,
}

/// The server's processes that execute something for sessions of this run.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    busy: Mutex<BTreeMap<i32, Exchange>>,
}

/// What a process executes.
#[derive(Debug)]
struct Exchange {
    /// For each of its messages: a cancellation would leave a part of a migration. None are given where none would.
    leaves_something: Vec<bool>,
    /// The message that the session sends now.
    message: Arc<AtomicUsize>,
    is_cancelled: bool,
}

impl Backends {
    pub(crate) fn begin(&self, pid: i32, leaves_something: Vec<bool>, message: Arc<AtomicUsize>) {
        if let Ok(mut busy) = self.busy.lock() {
            busy.insert(pid, Exchange { leaves_something, message, is_cancelled: false });
        }
    }

    /// Whether it may have been cancelled meanwhile: if its failure is `query_canceled`, it was.
    pub(crate) fn end(&self, pid: i32) -> bool {
        let ended = self.busy.lock().ok().and_then(|mut busy| busy.remove(&pid));
        ended.is_some_and(|exchange| exchange.is_cancelled)
    }

    /// Once the interruption comes: cancels what waits for a lock, for as long as it is polled. Where the server has no room
    /// for a session that does that, `spare` sends the statement in one that is there.
    pub(crate) async fn cancel_lock_waits(
        &self,
        options: &PgConnectOptions,
        interruption: &Interruption,
        spare: impl AsyncFn(&str),
    ) -> Infallible {
        interruption.requested.cancelled().await;
        let mut session = None;
        loop {
            let pids = self.to_cancel(interruption.repeated.is_cancelled());
            if !pids.is_empty() {
                let open = match session {
                    Some(session) => Some(session),
                    None => open(options).await,
                };
                let cancel = cancel(&pids);
                session = match open {
                    Some(mut open) => open.query(&cancel).await.ok().map(|_| open),
                    None => {
                        spare(&cancel).await;
                        None
                    }
                };
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Their answer can come before that of the session that cancels.
    fn to_cancel(&self, all: bool) -> Vec<i32> {
        let Ok(mut busy) = self.busy.lock() else { return Vec::new() };
        let may = |exchange: &Exchange| {
            let message = exchange.message.load(Ordering::Relaxed);
            all || !exchange.leaves_something.get(message).is_some_and(|leaves| *leaves)
        };
        let chosen = busy.iter_mut().filter(|(_, exchange)| may(exchange));
        let chosen = chosen.map(|(pid, exchange)| {
            exchange.is_cancelled = true;
            *pid
        });
        chosen.collect()
    }
}

fn cancel(pids: &[i32]) -> String {
    let list: Vec<String> = pids.iter().map(ToString::to_string).collect();
    // `OFFSET 0` keeps the planner from calling the function for a row before it looks at the other conditions.
    format!(
        "SELECT waiting.pid FROM (SELECT a.pid FROM pg_catalog.pg_stat_activity AS a WHERE a.pid IN ({}) \
         AND a.wait_event_type OPERATOR(pg_catalog.=) 'Lock' OFFSET 0) AS waiting \
         WHERE pg_catalog.pg_cancel_backend(waiting.pid)",
        list.join(", ")
    )
}

async fn open(options: &PgConnectOptions) -> Option<Session> {
    let opened = Session::open_plain(options.clone());
    tokio::time::timeout(OPEN_WITHIN, opened).await.ok()?.ok()
}

/// What the server says of a statement that was cancelled. Source of the code: PostgreSQL's Appendix A.
pub(crate) fn is_cancellation(failure: &Failure) -> bool {
    failure.kind == FailureKind::Sql { sqlstate: "57014".to_owned() }
}

/// Drives `work` to its end, and `beside` as long as that takes.
pub(crate) async fn while_cancelling<T>(
    beside: impl Future<Output = Infallible>,
    work: impl Future<Output = T>,
) -> T {
    tokio::select! {
        ended = work => ended,
        never = beside => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_leave_something_is_spared_at_first() {
        let backends = Backends::default();
        let message = Arc::new(AtomicUsize::new(0));
        backends.begin(1, Vec::new(), Arc::clone(&message));
        backends.begin(2, vec![true, false], Arc::clone(&message));
        assert_eq!(backends.to_cancel(false), [1]);
        message.store(1, Ordering::Relaxed);
        assert_eq!(backends.to_cancel(false), [1, 2]);
        message.store(0, Ordering::Relaxed);
        assert_eq!(backends.to_cancel(false), [1]);
        assert_eq!(backends.to_cancel(true), [1, 2]);
        assert!(backends.end(1) && !backends.end(7));
        backends.begin(1, vec![true], message);
        assert_eq!(backends.to_cancel(false), [0; 0]);
        assert!(!backends.end(1) && backends.end(2));
        assert_eq!(backends.to_cancel(false), [0; 0]);
    }
}
