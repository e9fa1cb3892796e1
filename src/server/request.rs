//! What a run wants a server for, and where the progress of its start is told.

use tokio::sync::mpsc;

use super::run_id::RunId;
use crate::model::{PostgresSettings, RunEvent};

/// What a server is wanted for.
#[derive(Debug, Clone)]
pub(crate) struct ServerRequest {
    pub(crate) settings: PostgresSettings,
    pub(crate) run: RunId,
    /// How many workers will use it at a time.
    pub(crate) jobs: usize,
}

/// Where the progress of a start is told.
pub(crate) type EventSink = mpsc::UnboundedSender<RunEvent>;
