//! The providers: one file each, and the one list of them.

mod auto;
mod docker;
mod local;
mod url;

pub(crate) use local::{file_with_secret, process_with_secret};

use std::time::Duration;

use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;

use super::clean_report::{CleanupScope, Swept};
use super::error::ProviderError;
use super::note::Note;
use super::request::{EventSink, ServerRequest};
use crate::model::{PostgresSettings, ProviderChoice, RunEvent};

/// Something that can make a server.
pub(crate) trait Provider: Sync {
    /// The word for it in the configuration.
    fn choice(&self) -> ProviderChoice;

    /// Makes one that answers. Dropping the future must leave nothing that `sweep` with the run's scope does not remove.
    fn start<'a>(
        &'a self,
        start: &'a ProviderStart<'a>,
    ) -> BoxFuture<'a, Result<Started, ProviderError>>;

    /// Removes what runs have left with this provider. Never fails: what cannot be done is a line in the result, and a
    /// provider that this machine does not have has nothing to remove.
    fn sweep<'a>(
        &'a self,
        settings: &'a PostgresSettings,
        scope: &'a CleanupScope,
    ) -> BoxFuture<'a, Swept>;
}

/// All of them.
const PROVIDERS: [&dyn Provider; 4] =
    [&auto::Auto, &docker::Docker, &local::Local, &url::UrlProvider];

/// The one that a configuration names.
pub(crate) fn of(choice: ProviderChoice) -> &'static dyn Provider {
    PROVIDERS
        .into_iter()
        .find(|provider| provider.choice() == choice)
        .expect("internal error: a provider is missing in PROVIDERS")
}

/// What a provider may know of the run.
pub(crate) struct ProviderStart<'a> {
    pub(crate) request: &'a ServerRequest,
    pub(crate) events: &'a EventSink,
}

impl ProviderStart<'_> {
    pub(crate) fn tell(&self, description: impl Into<String>) {
        // Nobody listening is no reason not to work.
        let _ = self.events.send(RunEvent::ProviderStarting { description: description.into() });
    }
}

/// A server that answers.
pub(crate) struct Started {
    /// Which provider made it: never `auto`.
    pub(crate) provider: ProviderChoice,
    /// What was started, and why. No address, no password.
    pub(crate) description: String,
    pub(crate) notes: Vec<Note>,
    /// The administrator, on the maintenance database.
    pub(crate) admin: PgConnectOptions,
    /// Nobody else uses the server, and it goes away with the run.
    pub(crate) own: bool,
    pub(crate) running: Box<dyn RunningServer>,
}

/// The part of a server that has to be taken away again. Dropping it is the net: it removes what it can without waiting
/// for anybody.
pub(crate) trait RunningServer: Send + Sync {
    fn stop(self: Box<Self>) -> BoxFuture<'static, StoppedServer>;
}

/// How a stop went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StoppedServer {
    /// User and system time of the server's processes, where the provider can tell.
    pub(crate) server_cpu: Option<Duration>,
    /// The end of the server's log, where the provider can tell; of interest if the server was lost.
    pub(crate) log: String,
    /// What could not be removed, in words.
    pub(crate) problems: Vec<String>,
    /// Roles that the server got during the run, and that nothing says to be the run's: they stay.
    pub(crate) roles_left: Vec<String>,
}

/// How a server of our own is set up: nothing on it is worth a disk write. `max_locks_per_transaction` and all else that
/// migrations can run into stay as production has them by default.
pub(crate) fn own_server_settings(jobs: usize) -> Vec<(&'static str, String)> {
    // A worker may hold a few sessions (its own, a probe's, an administrator's).
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

/// How often a server that is not ready yet is asked again.
pub(crate) const POLL: Duration = Duration::from_millis(25);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_has_its_provider() {
        use ProviderChoice::{Auto, Docker, Local, Url};
        for choice in [Auto, Docker, Local, Url] {
            // An exhaustive match, so that a new choice makes somebody look here.
            match choice {
                Auto | Docker | Local | Url => assert_eq!(of(choice).choice(), choice),
            }
        }
    }

    #[test]
    fn what_migrations_can_run_into_stays_as_in_production() {
        let settings = own_server_settings(2);
        assert!(!settings.iter().any(|(name, _)| name.contains("locks") || *name == "wal_level"));
        assert!(settings.contains(&("max_connections", "100".to_owned())));
        assert!(own_server_settings(64).contains(&("max_connections", "276".to_owned())));
    }
}
