//! Servers for a run: what starts one (a provider), what is made on one (databases, the migration role), and how all of it
//! is removed, also after a crash.
//!
//! The life of a run: [`Server::start`] (which removes what dead runs left) → databases → [`Server::stop`]. A caller that
//! drops the future of `start`, or loses the server's value on the way out, calls [`cleanup_run`] before the process ends.
//! What SIGKILL leaves, the next start removes, or `mig-ci clean`.
//!
//! To add a provider: one file in `provider/`, one line in `PROVIDERS` of `provider/mod.rs`, one word in
//! `model::ProviderChoice`.

pub(crate) mod borrowed_roles;
pub(crate) mod clean_report;
pub(crate) mod cleanup;
pub(crate) mod databases;
pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod instance;
pub(crate) mod locale;
pub(crate) mod note;
pub(crate) mod process_identity;
pub(crate) mod provider;
pub(crate) mod request;
pub(crate) mod roles;
pub(crate) mod run_id;
#[cfg(test)]
pub(crate) mod sigkill_tests;

pub(crate) use borrowed_roles::{begin_prepare, end_prepare};
pub(crate) use clean_report::CleanReport;
pub(crate) use cleanup::{clean, cleanup_run};
pub(crate) use error::ProviderError;
pub(crate) use instance::Server;
pub(crate) use locale::DatabaseLocale;
pub(crate) use provider::{StoppedServer, file_with_secret, process_with_secret};
pub(crate) use request::{EventSink, ServerRequest};
pub(crate) use run_id::RunId;
