//! The requirements of a run for a server, and the events of its start.

use tokio::sync::mpsc;

use super::run_id::RunId;
use crate::model::{PostgresSettings, RunEvent};

/// The requirements for a server.
#[derive(Debug, Clone)]
pub(crate) struct ServerRequest {
    pub(crate) settings: PostgresSettings,
    pub(crate) run: RunId,
    /// The number of units that will use it concurrently.
    pub(crate) jobs: usize,
    /// Programs of the project connect to it, too. Many of them need a host and a port, so a Unix socket is not sufficient.
    pub(crate) programs: bool,
    /// An image in which one of these programs runs: the server has to be in a container beside it.
    pub(crate) program_image: Option<String>,
}

/// Receives the progress events of a start.
pub(crate) type EventSink = mpsc::UnboundedSender<RunEvent>;
