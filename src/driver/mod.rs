//! Runs migrations that are programs of the project: Alembic, in the project's own Python.
//!
//! ```text
//! AlembicTrack + target ─▶ request ─▶ supervisor (Python) ─▶ a process for each target
//!                                         │ JSON lines
//!                     observation ◀── protocol
//! ```
//!
//! The driver (`python/`) ships inside the binary, and reports what happens: each revision from its beginning to its end, each
//! statement with its file and line, each connection. It refuses connections to any server but the one of the run. What a
//! program reports is evidence for places and causes; whether a migration was applied is read from the ledger.

mod address;
mod changing;
mod error;
mod interpreter;
mod observation;
mod process;
mod protocol;
mod request;
mod sources;
mod supervisor;

pub(crate) use error::DriverError;
pub(crate) use interpreter::{Interpreter, InterpreterSearch};
pub(crate) use observation::{
    FailedStatement, ObservedNotice, ObservedStep, ProcessExit, ProgramObservation,
};
pub(crate) use process::{DriverProcess, ProcessLife, arguments};
pub(crate) use protocol::{ErrorEvent, ProgramServer, SourcePlace};
pub(crate) use request::{TargetNames, TrackProgram, common_environment};
pub(crate) use supervisor::PythonDriver;
