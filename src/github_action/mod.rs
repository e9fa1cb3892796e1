//! The action without its output: the job's request, GitHub as the host of the base's files, and the target of a result.
//! `cli/commands/action/` runs it and prints.

mod connection;
mod host;
mod job;
mod log_line;
mod target;

pub(crate) use connection::{Connection, connect};
pub(crate) use job::{ActionJob, JobError, JobRequest};
pub(crate) use log_line::LogLine;
pub(crate) use target::{ResultTarget, find};
