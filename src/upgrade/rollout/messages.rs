//! What the workers of a pool and its owner tell each other.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::track::attempt::{Attempted, PendingRetry};

/// What a worker tells the owner.
pub(crate) enum Request {
    /// It is free. The answer comes at once.
    Next(oneshot::Sender<Answer>),
    /// A target that was assigned to it has been tried.
    Ended { index: usize, attempted: Attempted, took: Duration },
    /// Its session is closed, and it holds no lock any more.
    Closed,
    /// Send this in the session that holds the leases.
    Send { sql: String, sent: oneshot::Sender<()> },
}

/// The owner's answer to [`Request::Next`].
pub(crate) enum Answer {
    Assigned(Assignment),
    /// The assignment follows. Meanwhile the worker's execution lock would keep other runs from its last target.
    Later(oneshot::Receiver<Assignment>),
}

/// What a worker is to do.
pub(crate) enum Assignment {
    Work(Box<Work>),
    /// Leave the slot to other targets until then.
    PauseUntil(Instant),
    /// There is nothing left for it.
    Stop,
}

/// A target to work on.
pub(crate) struct Work {
    pub(crate) index: usize,
    /// Where it was seen, if no other run has been there since, as far as is known.
    pub(crate) seen: Option<LedgerState>,
    pub(crate) retry: Option<Box<PendingRetry>>,
}

impl Request {
    /// Sends SQL in the session that holds the leases.
    pub(crate) async fn send_sql(requests: &UnboundedSender<Self>, sql: &str) {
        let (sent, done) = oneshot::channel();
        if requests.send(Self::Send { sql: sql.to_owned(), sent }).is_ok() {
            // The owner has gone: nothing waits for a lock any more.
            let _ = done.await;
        }
    }
}
