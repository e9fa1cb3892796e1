//! A server for one run: started by a provider, used through connection options, stopped in order.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use sqlx::postgres::PgConnectOptions;

use super::error::ProviderError;
use super::facts::{INCARNATION, ServerFacts};
use super::locale::DatabaseLocale;
use super::note::Note;
use super::provider::{self, ProgramHost, ProviderStart, RunningServer, Started, StoppedServer};
use super::request::{EventSink, ServerRequest};
use super::roles::{self, MigrationRole};
use super::run_id::RunId;
use super::{cleanup, locale};
use crate::model::{PostgresSettings, ProviderChoice, RunEvent};
use crate::postgres::connect;
use crate::retry::policies::{SERVER_ALIVE, SERVER_BACK};

/// A running server. Stop it with [`Server::stop`]. If it is dropped instead (within the runtime, and not in a task that is
/// being aborted with it), it removes itself as far as possible without waiting; [`crate::server::cleanup_run`] removes the
/// rest.
pub(crate) struct Server {
    pub(crate) run: RunId,
    provider: ProviderChoice,
    description: String,
    version: String,
    pub(crate) version_num: u32,
    /// Changes with a restart, and with a crash recovery.
    incarnation: String,
    notes: Vec<Note>,
    locale: DatabaseLocale,
    admin: PgConnectOptions,
    /// See [`Started::port`].
    port: Option<u16>,
    role: MigrationRole,
    pub(crate) own: bool,
    settings: PostgresSettings,
    databases: AtomicUsize,
    running: Box<dyn RunningServer>,
}

impl Server {
    /// Removes leftovers of ended runs, and starts a server (or connects to the one of `postgres.url`).
    ///
    /// # Errors
    /// No provider works, the server does not respond, or the migration role cannot be created. Nothing remains then. After
    /// *dropping* the future, call [`crate::server::cleanup_run`].
    pub(crate) async fn start(
        request: &ServerRequest,
        events: &EventSink,
    ) -> Result<Self, ProviderError> {
        let start_time = Instant::now();
        let provider = provider::of(request.settings.provider);
        if let (Some(image), ProviderChoice::Local | ProviderChoice::Url) =
            (&request.program_image, request.settings.provider)
        {
            return Err(ProviderError::ImageNeedsDocker {
                image: image.clone(),
                provider: request.settings.provider.to_string(),
            });
        }
        let start = ProviderStart { request, events };
        let (started, report) =
            tokio::join!(provider.start(&start), cleanup::stale(provider, &request.settings));
        let mut started = started?;
        started.notes.extend(report.note());
        let server = Self::inspect_or_stop(request, started).await?;
        let _ = events.send(RunEvent::ServerReady {
            description: server.description.clone(),
            version: server.version.clone(),
            took: start_time.elapsed(),
        });
        Ok(server)
    }

    /// Reads the facts of the started server, and creates the migration role.
    async fn inspect_or_stop(
        request: &ServerRequest,
        started: Started,
    ) -> Result<Self, ProviderError> {
        match Self::inspect(request, &started).await {
            Ok((facts, locale, role, notes)) => Ok(Self {
                locale,
                run: request.run.clone(),
                provider: started.provider,
                description: started.description,
                version: facts.version,
                version_num: facts.version_num,
                incarnation: facts.incarnation,
                notes: started.notes.into_iter().chain(notes).collect(),
                admin: started.admin,
                port: started.port,
                role,
                own: started.own,
                settings: request.settings.clone(),
                databases: AtomicUsize::new(1),
                running: started.running,
            }),
            Err(error) => {
                started.running.stop().await;
                Err(error)
            }
        }
    }

    async fn inspect(
        request: &ServerRequest,
        started: &Started,
    ) -> Result<(ServerFacts, DatabaseLocale, MigrationRole, Vec<Note>), ProviderError> {
        let mut connection = connect::open(&started.admin, "connect to the new server").await?;
        let facts = ServerFacts::of(&mut connection).await?;
        let mut notes = Vec::new();
        notes.extend(other_major(request.settings.version, &facts));
        if std::env::var_os("PGOPTIONS").is_some_and(|value| !value.is_empty()) {
            notes.push(Note::warning(
                "PGOPTIONS is set in the environment, and applies to every session of this run; unset it",
            ));
        }
        let (settings, own) = (&request.settings, started.own);
        let (locale, of_locale) =
            locale::check(&mut connection, settings, facts.version_num, own).await?;
        notes.extend(of_locale);
        let (role, note) = roles::prepare(&mut connection, request, started).await?;
        notes.extend(note);
        connect::close(connection).await;
        connect::try_settings(&started.admin, &request.settings.settings).await?;
        Ok((facts, locale, role, notes))
    }

    /// The provider that started it: `docker`, `local` or `url`.
    pub(crate) fn provider(&self) -> ProviderChoice {
        self.provider
    }

    /// What was started, and why. Contains no address and no password.
    pub(crate) fn description(&self) -> &str {
        &self.description
    }

    /// `15.18`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The locale of the run's databases.
    pub(crate) fn locale(&self) -> &DatabaseLocale {
        &self.locale
    }

    /// The locale options of `CREATE DATABASE`.
    pub(crate) fn locale_options(&self) -> String {
        locale::create_options(&self.settings)
    }

    /// Remarks about the server for the report.
    pub(crate) fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The name of the role that migrations run as.
    pub(crate) fn role_name(&self) -> &str {
        &self.role.name
    }

    /// Connection options of the administrator, for the maintenance database, without the project's session settings.
    pub(crate) fn admin(&self) -> PgConnectOptions {
        self.admin.clone()
    }

    /// Connection options of the administrator for a database of the run, with the project's session settings.
    pub(crate) fn admin_in(&self, database: &str) -> PgConnectOptions {
        self.admin.clone().database(database).options(&self.settings.settings)
    }

    /// `[postgres.settings]`.
    pub(crate) fn session_settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Connection options of the migration role for a database of the run, with the project's session settings.
    pub(crate) fn owner(&self, database: &str) -> PgConnectOptions {
        self.role.options.clone().database(database).options(&self.settings.settings)
    }

    /// The TCP port on 127.0.0.1 for programs of the project, if other sessions use a Unix socket.
    pub(crate) fn program_port(&self) -> Option<u16> {
        self.port
    }

    /// What runs programs of the project in containers beside the server; `None` if the server is in no container of mig-ci.
    pub(crate) fn program_host(&self) -> Option<Arc<ProgramHost>> {
        self.running.programs()
    }

    /// Whether `prepare` SQL must run in one transaction, between [`super::begin_prepare`] and [`super::end_prepare`].
    pub(crate) fn labels_new_roles(&self) -> bool {
        !self.own
    }

    /// The extensions that are created in each database.
    pub(crate) fn extensions(&self) -> &[String] {
        &self.settings.extensions
    }

    /// The name of the run's next database.
    pub(crate) fn next_database(&self) -> String {
        self.run.database(self.databases.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether the server accepts a new connection within about two seconds (twelve for a server that mig-ci did not start).
    /// A server in crash recovery has that long to return; one without a free connection is alive.
    pub(crate) async fn is_alive(&self) -> bool {
        let policy = if self.own { SERVER_ALIVE } else { SERVER_BACK };
        let deadline = Instant::now() + policy.total();
        let answer = policy.poll(async || {
            let left = deadline.saturating_duration_since(Instant::now());
            match connect::connect(&self.admin, left).await {
                Ok(connection) => connect::close(connection).await,
                // 57P01 to 57P03: shutting down, crashed, starting up.
                Err(sqlx::Error::Database(error))
                    if !error.code().is_some_and(|code| code.starts_with("57P")) => {}
                Err(_) => return Err(()),
            }
            Ok(())
        });
        answer.await.is_ok()
    }

    /// Whether the server was restarted, or recovered from a crash, since the run started. `false` if it cannot be queried.
    pub(crate) async fn has_come_back(&self) -> bool {
        let Ok(mut connection) = connect::connect(&self.admin, SERVER_ALIVE.total()).await else {
            return false;
        };
        let now: Result<String, sqlx::Error> =
            sqlx::query_scalar(INCARNATION).fetch_one(&mut connection).await;
        connect::close(connection).await;
        now.is_ok_and(|now| now != self.incarnation)
    }

    /// Removes everything that the run created, in order.
    pub(crate) async fn stop(self) -> StoppedServer {
        self.running.stop().await
    }
}

/// Without connection options: their own `Debug` shows passwords.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("run", &self.run)
            .field("description", &self.description)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

fn other_major(configured: Option<u32>, facts: &ServerFacts) -> Option<Note> {
    let configured = configured?;
    let major = facts.version_num / 10_000;
    (major != configured).then(|| {
        Note::warning(format!(
            "the migrations ran on PostgreSQL {}, but postgres.version is {configured}; differences between \
             the versions were not tested",
            facts.version
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Severity;

    #[test]
    fn another_major_version_is_a_warning_with_both_versions() {
        let (version, incarnation) = ("15.18".to_owned(), String::new());
        let facts = ServerFacts { version, version_num: 150_018, incarnation };
        let note = other_major(Some(17), &facts).unwrap();
        assert_eq!(note.severity, Severity::Warning);
        assert!(note.message.contains("15.18") && note.message.contains("17"));
        assert_eq!(other_major(Some(15), &facts), None);
        assert_eq!(other_major(None, &facts), None);
    }
}
