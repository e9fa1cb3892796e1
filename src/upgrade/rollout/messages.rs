//! Messages between the workers of a pool and its owner.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::track::attempt::{Attempted, PendingRetry};

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
