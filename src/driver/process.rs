//! The process of a driver, wherever it runs: its streams, and its end.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::process::Stdio;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::{Child, Command};

use super::error::DriverError;
use super::interpreter::Interpreter;
use super::sources;

/// A running interpreter that executes the bootstrap.
pub(crate) struct DriverProcess {
    /// For messages: the interpreter, and why it was chosen.
    pub(crate) name: String,
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
    pub(crate) output: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) errors: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) life: Box<dyn ProcessLife>,
}

/// The end of a process.
pub(crate) trait ProcessLife: Send {
    /// Waits until it has ended by itself.
    fn ended(&mut self) -> BoxFuture<'_, ()>;
    /// Ends it.
    fn kill(&mut self) -> BoxFuture<'_, ()>;
}

impl ProcessLife for Child {
    fn ended(&mut self) -> BoxFuture<'_, ()> {
        self.wait().map(drop).boxed()
    }

    fn kill(&mut self) -> BoxFuture<'_, ()> {
        Self::kill(self).map(drop).boxed()
    }
}

/// The arguments of the interpreter.
pub(crate) fn arguments() -> Vec<String> {
    vec!["-c".to_owned(), sources::BOOTSTRAP.to_owned()]
}

impl DriverProcess {
    /// Starts an interpreter of this machine.
    pub(crate) fn spawn(
        interpreter: &Interpreter,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, DriverError> {
        let mut command = Command::new(&interpreter.path);
        command.args(arguments());
        // Python puts the working folder into the path of its modules.
        command.env_clear().envs(environment).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let failed = |reason: String| DriverError::NotStarted {
            interpreter: interpreter.to_string(),
            reason,
        };
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = streams else {
            return Err(failed("its streams are not connected".to_owned()));
        };
        Ok(Self {
            name: interpreter.to_string(),
            input: Box::pin(input),
            output: Box::new(output),
            errors: Box::new(errors),
            life: Box::new(child),
        })
    }
}
