//! Servers: what makes one (a provider), what is made on one (databases, the migration role), and what takes it all away
//! again, whatever happens.
//!
//! The life of a run: [`Server::start`] (which sweeps what dead runs left) → databases → [`Server::stop`]. Who drops the
//! future of `start`, or loses the server's value on the way out, calls [`cleanup_run`] before the process ends. What even
//! that could not do (SIGKILL) the next start does, or `mig-ci clean`.
//!
//! To add a provider: one file in `provider/`, one line in `PROVIDERS` of `provider/mod.rs`, one word in
//! `model::ProviderChoice`.

mod address;
mod borrowed_roles;
mod catalog;
mod concurrency;
mod connect;
mod databases;
mod error;
mod failure;
#[cfg(test)]
mod killed;
pub(crate) mod ledger_rows;
mod locale;
mod lock;
mod notices;
mod owner;
mod patience;
mod provider;
mod roles;
mod run_id;
mod server;
mod server_facts;
mod session;
mod sweep;

pub(crate) use address::{Address, AddressError, Url};
pub(crate) use catalog::CatalogReader;
pub(crate) use concurrency::can_come_of_concurrency;
pub(crate) use connect::as_client;
pub(crate) use error::ProviderError;
pub(crate) use failure::copy_failure;
pub(crate) use locale::DatabaseLocale;
pub(crate) use lock::{Claims, Keys};
pub(crate) use notices::{collecting, layer as notice_layer};
pub(crate) use provider::{file_with_secret, process_with_secret};
pub(crate) use run_id::RunId;
pub(crate) use server::{EventSink, Server, ServerRequest, Stopped};
pub(crate) use session::{Aftermath, Session, StepFailure};
pub(crate) use sweep::{CleanReport, clean, cleanup_run};
