//! One running driver: a supervisor in the project's Python that runs each target in a process of its own.
//!
//! A task owns the process and its streams. It sends requests, and passes each event to the run that it belongs to. If mig-ci
//! ends in any way, the supervisor reads the end of its input and kills all processes of its targets.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    Lines,
};
use tokio::sync::{mpsc, oneshot};

use super::error::DriverError;
use super::process::{DriverProcess, ProcessLife};
use super::protocol::{DriverEvent, DriverRequest, EventLine, PROTOCOL};
use super::sources;

/// The time between the start of Python and its first message.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// The time between the end of its input and its end.
const END_WITHIN: Duration = Duration::from_secs(5);
/// The number of bytes of its own error output that are kept.
const KEPT_OUTPUT: usize = 16 * 1024;

/// A handle to a running driver. When all handles are dropped, the driver ends and kills the processes of its targets.
#[derive(Debug, Clone)]
pub(crate) struct PythonDriver {
    orders: mpsc::UnboundedSender<DriverOrder>,
}

/// A request, and where its events go.
enum DriverOrder {
    Run { id: u64, request: DriverRequest, events: mpsc::UnboundedSender<DriverEvent> },
    Cancel { id: u64 },
}

/// The events of one run. Dropping it before [`DriverEvent::Exit`] cancels the run.
#[derive(Debug)]
pub(crate) struct RunEvents {
    id: u64,
    events: mpsc::UnboundedReceiver<DriverEvent>,
    orders: mpsc::UnboundedSender<DriverOrder>,
    ended: bool,
}

impl RunEvents {
    /// The next event; `None` if the driver died before the run ended.
    pub(crate) async fn next(&mut self) -> Option<DriverEvent> {
        let event = self.events.recv().await;
        self.ended |= matches!(event, None | Some(DriverEvent::Exit { .. }));
        event
    }
}

impl Drop for RunEvents {
    fn drop(&mut self) {
        if !self.ended {
            // A driver that has ended needs no message.
            let _ = self.orders.send(DriverOrder::Cancel { id: self.id });
        }
    }
}

impl PythonDriver {
    /// Waits until a started interpreter answers as a driver.
    ///
    /// # Errors
    /// The interpreter is too old, or ends.
    pub(crate) async fn over(process: DriverProcess) -> Result<Self, DriverError> {
        let mut connection = DriverConnection::new(process);
        let ready = tokio::time::timeout(READY_WITHIN, connection.ready()).await;
        match ready {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return Err(connection.failed(reason).await),
            Err(_) => {
                let reason = format!("no answer within {} s", READY_WITHIN.as_secs());
                return Err(connection.failed(reason).await);
            }
        }
        let (orders, received) = mpsc::unbounded_channel();
        tokio::spawn(connection.serve(received));
        Ok(Self { orders })
    }

    /// Starts a run.
    pub(crate) fn run(&self, id: u64, request: DriverRequest) -> RunEvents {
        let (sender, events) = mpsc::unbounded_channel();
        // If the driver has ended, the sender is dropped, and the run has no events.
        let _ = self.orders.send(DriverOrder::Run { id, request, events: sender });
        RunEvents { id, events, orders: self.orders.clone(), ended: false }
    }
}

/// The streams of a driver's process.
struct DriverConnection {
    name: String,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
    errors: oneshot::Receiver<String>,
    life: Box<dyn ProcessLife>,
}

impl DriverConnection {
    fn new(process: DriverProcess) -> Self {
        let DriverProcess { name, input, output, errors, life } = process;
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            let _ = sender.send(last_of(errors).await);
        });
        Self { name, input, output: BufReader::new(output).lines(), errors: receiver, life }
    }

    /// Sends the sources, and waits for the first message.
    async fn ready(&mut self) -> Result<(), String> {
        let sources = sources::framed();
        self.input.write_all(&sources).await.map_err(|error| error.to_string())?;
        self.input.flush().await.map_err(|error| error.to_string())?;
        match self.next_event().await? {
            Some(EventLine { event: DriverEvent::Ready { protocol, python }, .. })
                if protocol == PROTOCOL =>
            {
                tracing::debug!(python, "driver started");
                Ok(())
            }
            Some(EventLine { event: DriverEvent::Fatal { reason }, .. }) => Err(reason),
            Some(other) => Err(format!("unexpected first message {:?}", other.event)),
            None => Err("it ended without a message".to_owned()),
        }
    }

    async fn next_event(&mut self) -> Result<Option<EventLine>, String> {
        let Some(line) = self.output.next_line().await.map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        serde_json::from_str(&line)
            .map(Some)
            .map_err(|error| format!("unreadable message: {error}"))
    }

    /// Serves requests until all handles are dropped or the process ends.
    async fn serve(mut self, mut orders: mpsc::UnboundedReceiver<DriverOrder>) {
        let mut runs: HashMap<u64, mpsc::UnboundedSender<DriverEvent>> = HashMap::new();
        loop {
            tokio::select! {
                order = orders.recv() => {
                    let request = match order {
                        None => break,
                        Some(DriverOrder::Run { id, request, events }) => {
                            runs.insert(id, events);
                            request
                        }
                        Some(DriverOrder::Cancel { id }) => DriverRequest::Cancel { id },
                    };
                    if let Err(error) = self.send(&request).await {
                        tracing::debug!(%error, "the driver does not take requests");
                        break;
                    }
                }
                event = self.next_event() => match event {
                    Ok(Some(EventLine { id: Some(id), event })) => {
                        let is_last = matches!(event, DriverEvent::Exit { .. });
                        if let Some(run) = runs.get(&id) {
                            // A run that was dropped is cancelled.
                            let _ = run.send(event);
                        }
                        if is_last {
                            runs.remove(&id);
                        }
                    }
                    Ok(Some(EventLine { event, .. })) => tracing::debug!(?event, "from the driver"),
                    Ok(None) => break,
                    Err(reason) => {
                                    tracing::debug!(reason, "a message of the driver is invalid");
                                    break;
                    }
                },
            }
        }
        // Without senders, all runs see the end of the driver.
        drop(runs);
        // A shutdown, since a stream of a container has to be told.
        let _ = self.input.shutdown().await;
        drop(self.input);
        if tokio::time::timeout(END_WITHIN, self.life.ended()).await.is_err() {
            self.life.kill().await;
        }
    }

    async fn send(&mut self, request: &DriverRequest) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.input.write_all(&line).await?;
        self.input.flush().await
    }

    /// The error of a driver that did not start, with the end of its error output.
    async fn failed(mut self, reason: String) -> DriverError {
        let _ = self.input.shutdown().await;
        drop(self.input);
        if tokio::time::timeout(Duration::from_millis(500), self.life.ended()).await.is_err() {
            self.life.kill().await;
        }
        let errors = tokio::time::timeout(Duration::from_millis(500), self.errors).await;
        let errors = errors.ok().and_then(Result::ok).unwrap_or_default();
        let last = errors.lines().rev().find(|line| !line.trim().is_empty());
        let reason = last.map_or(reason, str::to_owned);
        DriverError::NotStarted { interpreter: self.name, reason }
    }
}

/// The end of a stream, as text.
async fn last_of(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut kept: VecDeque<u8> = VecDeque::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        kept.extend(&buffer[..read]);
        let surplus = kept.len().saturating_sub(KEPT_OUTPUT);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(kept.make_contiguous()).into_owned()
}
