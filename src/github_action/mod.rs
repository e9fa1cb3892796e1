//! The action without its output: what a job asks for, GitHub as the host of the base's files, and where a result belongs.
//! `cli/commands/action/` runs it, and shows what came of it.

mod connection;
mod host;
mod job;
mod log_line;
mod target;

pub(crate) use connection::{Connection, connect};
pub(crate) use job::{ActionJob, Asked, JobError};
pub(crate) use log_line::LogLine;
pub(crate) use target::{ResultTarget, find};
