//! The providers: one file each, and the list of all.

mod auto;
mod docker;
mod local;
mod url;

pub(crate) use docker::{
    CopiedTree, ImageRequest, PROGRAM_BASE, PROGRAM_WORKSPACE, ProgramContainer, ProgramHost,
    ProgramImageError,
};
pub(crate) use local::{ClusterFolder, clean_up_folders, file_with_secret, process_with_secret};

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;

use super::clean_report::{CleanReport, CleanupScope};
use super::error::ProviderError;
use super::note::Note;
use super::request::{EventSink, ServerRequest};
use crate::model::{PostgresSettings, ProviderChoice, RunEvent};

/// A way to get a server.
pub(crate) trait Provider: Sync {
    /// Its name in the configuration.
    fn choice(&self) -> ProviderChoice;

    /// Starts a server and waits until it responds. After dropping the future, `clean_up` with the run's scope must remove
    /// everything.
    fn start<'a>(
        &'a self,
        start: &'a ProviderStart<'a>,
    ) -> BoxFuture<'a, Result<Started, ProviderError>>;

    /// Removes leftovers of runs with this provider. Never fails: problems are lines in the result, and a provider that is
    /// not available here has no leftovers.
    fn clean_up<'a>(
        &'a self,
        settings: &'a PostgresSettings,
        scope: &'a CleanupScope,
    ) -> BoxFuture<'a, CleanReport>;
}

/// All providers.
const PROVIDERS: [&dyn Provider; 4] =
    [&auto::Auto, &docker::Docker, &local::Local, &url::UrlProvider];

/// The provider of a configured choice.
pub(crate) fn of(choice: ProviderChoice) -> &'static dyn Provider {
    PROVIDERS
        .into_iter()
        .find(|provider| provider.choice() == choice)
        .expect("internal error: a provider is missing in PROVIDERS")
}

/// The request and the event sink of a start.
pub(crate) struct ProviderStart<'a> {
    pub(crate) request: &'a ServerRequest,
    pub(crate) events: &'a EventSink,
}

impl ProviderStart<'_> {
    pub(crate) fn tell(&self, description: impl Into<String>) {
        // A start does not fail if no one receives its events.
        let _ = self.events.send(RunEvent::ProviderStarting { description: description.into() });
    }
}

/// A server that responds.
pub(crate) struct Started {
    /// The provider that started it: never `auto`.
    pub(crate) provider: ProviderChoice,
    /// What was started, and why. Without address and password.
    pub(crate) description: String,
    pub(crate) notes: Vec<Note>,
    /// The administrator, for the maintenance database.
    pub(crate) admin: PgConnectOptions,
    /// Its TCP port on 127.0.0.1, if `admin` uses a Unix socket and programs of the project need a port.
    pub(crate) port: Option<u16>,
    /// Only this run uses the server, and it is removed with the run.
    pub(crate) own: bool,
    pub(crate) running: Box<dyn RunningServer>,
}

/// The part of a server that must be removed. Dropping it without `stop` removes as much as possible without waiting.
pub(crate) trait RunningServer: Send + Sync {
    /// What runs programs of the project in containers that reach the server; `None` if it is in no container of mig-ci.
    fn programs(&self) -> Option<Arc<ProgramHost>> {
        None
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, StoppedServer>;
}

/// The result of a stop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StoppedServer {
    /// User and system time of the server's processes, if the provider knows it.
    pub(crate) server_cpu: Option<Duration>,
    /// The end of the server's log, if the provider has it, for the case that the server was lost.
    pub(crate) log: String,
    /// What could not be removed, as text.
    pub(crate) problems: Vec<String>,
    /// New roles on the server that are not labelled as the run's: they remain.
    pub(crate) roles_left: Vec<String>,
}

/// Settings of a server that mig-ci starts: without durability, since its data are discarded. `max_locks_per_transaction`
/// and other limits that migrations can reach keep PostgreSQL's defaults, as in production.
pub(crate) fn own_server_settings(jobs: usize) -> Vec<(&'static str, String)> {
    // A unit may use several sessions (its own, a probe's, an administrator's).
    let max_connections = (jobs * 4 + 20).max(100);
    let mut settings: Vec<(&'static str, String)> = [
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("synchronous_commit", "off"),
        ("autovacuum", "off"),
        ("jit", "off"),
        ("checkpoint_timeout", "1h"),
        ("bgwriter_lru_maxpages", "0"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
    .collect();
    settings.push(("max_connections", max_connections.to_string()));
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_has_a_provider() {
        use ProviderChoice::{Auto, Docker, Local, Url};
        for choice in [Auto, Docker, Local, Url] {
            // An exhaustive match: a new choice does not compile without a provider here.
            match choice {
                Auto | Docker | Local | Url => assert_eq!(of(choice).choice(), choice),
            }
        }
    }

    #[test]
    fn limits_of_the_server_keep_their_defaults() {
        let settings = own_server_settings(2);
        assert!(!settings.iter().any(|(name, _)| name.contains("locks") || *name == "wal_level"));
        assert!(settings.contains(&("max_connections", "100".to_owned())));
        assert!(own_server_settings(64).contains(&("max_connections", "276".to_owned())));
    }
}
