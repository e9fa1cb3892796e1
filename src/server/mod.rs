//! Servers for a run: providers that start one, the objects on it (databases, the migration role), and their removal, also
//! after a crash.
//!
//! The lifecycle of a run: [`Server::start`] (which removes leftovers of ended runs) → databases → [`Server::stop`]. A
//! caller that drops the future of `start`, or the server, calls [`cleanup_run`] before the process ends. The next start, or
//! `mig-ci clean`, removes what SIGKILL leaves.
//!
//! To add a provider: one file in `provider/`, one line in `PROVIDERS` of `provider/mod.rs`, one value in
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
pub(crate) mod run_folder;
pub(crate) mod run_id;
#[cfg(test)]
pub(crate) mod sigkill_tests;

pub(crate) use borrowed_roles::{begin_prepare, end_prepare};
pub(crate) use clean_report::CleanReport;
pub(crate) use cleanup::{clean, cleanup_run};
pub(crate) use error::ProviderError;
pub(crate) use instance::Server;
pub(crate) use locale::DatabaseLocale;
pub(crate) use provider::{
    CopiedTree, ImageRequest, PROGRAM_BASE, PROGRAM_WORKSPACE, ProgramContainer, ProgramImageError,
    StoppedServer, file_with_secret, process_with_secret,
};
pub(crate) use request::{EventSink, ServerRequest};
pub(crate) use run_folder::RunFolder;
pub(crate) use run_id::RunId;
