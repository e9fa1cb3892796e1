//! Connections to PostgreSQL: addresses, sessions, failures with their location in a file, notices, advisory locks.

mod address;
pub(crate) mod connect;
mod connect_retry;
pub(crate) mod failure;
pub(crate) mod ledger_rows;
mod lock;
pub(crate) mod notices;
mod session;

pub(crate) use address::{Address, AddressError, Url};

pub(crate) use connect::as_client;

pub(crate) use failure::copy_failure;

pub(crate) use lock::{AdvisoryLockKeys, LeaseHolder};
pub(crate) use notices::{collecting, layer as notice_layer};

pub(crate) use session::{Postcondition, Session, StepFailure};
