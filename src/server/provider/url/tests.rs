//! Tests with an existing server, started by the provider `local`.

use sqlx::Connection as _;
use tokio::sync::mpsc;

use super::leftovers::in_scope;
use crate::model::Role;
use crate::server::cleanup;
use crate::server::instance::Server;
use crate::server::provider::url::*;
use crate::server::request::ServerRequest;
use crate::server::run_id::run_of_database;

fn settings(url: &str) -> PostgresSettings {
    PostgresSettings {
        provider: ProviderChoice::Url,
        url: Some(url.to_owned().into()),
        ..PostgresSettings::default()
    }
}

async fn start(settings: PostgresSettings) -> Result<Server, ProviderError> {
    let (events, _events) = mpsc::unbounded_channel();
    Server::start(
        &ServerRequest {
            settings,
            run: RunId::new(),
            jobs: 2,
            programs: false,
            program_image: None,
        },
        &events,
    )
    .await
}

struct ExistingServer(Server);

impl ExistingServer {
    async fn start() -> Self {
        let local =
            PostgresSettings { provider: ProviderChoice::Local, ..PostgresSettings::default() };
        Self(start(local).await.unwrap())
    }

    fn url(&self, user: &str) -> String {
        let socket = self.0.admin().get_socket().unwrap().display().to_string().replace('/', "%2F");
        format!("postgres://{user}:hunter2@{socket}/postgres")
    }

    async fn run(&self, sql: &'static str) {
        let mut connection = connect::open(&self.0.admin(), "test").await.unwrap();
        connect::execute(&mut connection, sql, "test").await.unwrap();
        connection.close().await.unwrap();
    }

    /// Waits until the server has ended all sessions of a run.
    async fn until_no_session_of(&self, run: &RunId) {
        let start_time = std::time::Instant::now();
        let mut connection = connect::open(&self.0.admin(), "test").await.unwrap();
        loop {
            let all = names(&mut connection, "SELECT application_name FROM pg_stat_activity").await;
            if !all.unwrap().iter().any(|name| name.contains(&run.to_string())) {
                break;
            }
            assert!(
                start_time.elapsed() < Duration::from_secs(60),
                "sessions of {run} are still there"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        connection.close().await.unwrap();
    }

    /// Databases and roles with mig-ci's prefix.
    async fn ours(&self) -> Vec<String> {
        let mut connection = connect::open(&self.0.admin(), "test").await.unwrap();
        let sql = "SELECT datname::text FROM pg_database UNION ALL SELECT rolname::text FROM pg_roles ORDER BY 1";
        let all = names(&mut connection, sql).await.unwrap();
        connection.close().await.unwrap();
        all.into_iter()
            .filter(|name| run_of_database(name).or_else(|| run_of_role(name)).is_some())
            .collect()
    }
}

async fn database_owner(server: &Server, database: &str) -> String {
    let mut owner = connect::open(&server.owner(database), "test").await.unwrap();
    let sql = "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()";
    let name = sqlx::query_scalar(sql).fetch_one(&mut owner).await.unwrap();
    connect::execute(&mut owner, "CREATE SCHEMA s; CREATE TABLE public.t ()", "use it")
        .await
        .unwrap();
    owner.close().await.unwrap();
    name
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_removes_its_objects_for_each_kind_of_user() {
    let host = ExistingServer::start().await;
    host.run("CREATE ROLE maker LOGIN CREATEDB CREATEROLE; CREATE ROLE plain LOGIN CREATEDB").await;
    for (user, own_role) in [("mig_ci", true), ("maker", true), ("plain", false)] {
        let server = start(settings(&host.url(user))).await.unwrap();
        assert_eq!(server.description(), "the server of postgres.url");
        assert_eq!(run_of_role(server.role_name()).is_some(), own_role, "{user}");
        assert_eq!(
            server.notes().iter().any(|note| note.message.contains("may not create roles")),
            !own_role
        );
        let (one, two) =
            (server.create_database().await.unwrap(), server.create_database().await.unwrap());
        assert_eq!(database_owner(&server, &one).await, server.role_name());
        let busy = connect::open(&server.owner(&two), "test").await.unwrap();
        assert_eq!(host.ours().await.len(), 2 + usize::from(own_role));
        assert!(!format!("{server:?}").contains("hunter2"));
        let stopped = server.stop().await;
        drop(busy);
        assert_eq!(stopped.problems, Vec::<String>::new(), "{user}");
        assert_eq!(host.ours().await, Vec::<String>::new(), "{user}");
    }
    host.0.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_objects_of_dead_runs_are_removed() {
    let host = ExistingServer::start().await;
    host.run("CREATE DATABASE mig_ci_notes").await;
    let living = start(settings(&host.url("mig_ci"))).await.unwrap();
    let dead = start(settings(&host.url("mig_ci"))).await.unwrap();
    let database = living.create_database().await.unwrap();
    let leftover = dead.create_database().await.unwrap();
    // As after SIGKILL: its sessions are gone, but its databases remain.
    let run = dead.run.clone();
    drop(dead);
    host.until_no_session_of(&run).await;

    let next = start(settings(&host.url("mig_ci"))).await.unwrap();

    let ours = host.ours().await;
    assert!(ours.contains(&database) && !ours.contains(&leftover), "{ours:?}");
    assert!(next.notes().iter().any(|note| note.message.contains(&leftover)), "{:?}", next.notes());
    let interrupted = next.run.clone();
    next.create_database().await.unwrap();
    drop(next);
    let report = cleanup::cleanup_run(&settings(&host.url("mig_ci")), &interrupted).await;
    assert_eq!((report.removed.len(), report.problems), (2, Vec::new()));
    assert!(living.is_alive().await);
    let report = cleanup::clean(&settings(&host.url("mig_ci")), ProviderChoice::Url, false).await;
    assert!(report.kept >= 2 && host.ours().await.contains(&database), "{report:?}");
    living.stop().await;
    assert_eq!(host.ours().await, Vec::<String>::new());
    host.run("DROP DATABASE mig_ci_notes").await;
    host.0.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_privilege_is_named_in_the_error() {
    let host = ExistingServer::start().await;
    host.run("CREATE ROLE nobody LOGIN; CREATE ROLE plain LOGIN CREATEDB").await;
    let refused = start(settings(&host.url("nobody"))).await.unwrap_err();
    assert!(
        matches!(&refused, ProviderError::NoCreateDb { user } if user == "nobody"),
        "{refused}"
    );
    let superuser = PostgresSettings { role: Role::Superuser, ..settings(&host.url("plain")) };
    let refused = start(superuser).await.unwrap_err();
    assert!(matches!(refused, ProviderError::NoSuperuser { .. }), "{refused}");
    let unknown = start(settings(&host.url("who"))).await.unwrap_err().to_string();
    assert!(
        unknown.contains("role \"who\" does not exist") && !unknown.contains("hunter2"),
        "{unknown}"
    );
    assert_eq!(host.ours().await, Vec::<String>::new());
    host.0.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_of_an_unreachable_server_hides_the_url() {
    let text =
        start(settings("postgres://u:hunter2@127.0.0.1:1/db")).await.unwrap_err().to_string();
    assert!(text.contains("postgres.url") && text.contains("refused"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("127.0.0.1"), "{text}");
}

#[test]
fn the_error_of_an_invalid_url_hides_it() {
    for url in [
        "postgres://u:hunter2@h:port/db",
        "mysql://u:hunter2@h/db",
        "hunter2",
        "postgres://u:hunter2@h/db?sslmode=hunter2",
    ] {
        let text = options(&settings(url), &RunId::new()).unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }
    let none = PostgresSettings::default();
    assert!(matches!(options(&none, &RunId::new()), Err(ProviderError::NoUrl)));
}

#[test]
fn the_maintenance_database_is_postgres_by_default() {
    let run = RunId::new();
    let options = |url| options(&settings(url), &run).unwrap();
    assert_eq!(options("postgresql://u@h").get_database(), Some("postgres"));
    assert_eq!(options("postgres://u@h/admin").get_database(), Some("admin"));
    let name = options("postgres://u@h").get_application_name().map(str::to_owned);
    assert_eq!(name, Some(run.application_name()));
}

#[test]
fn a_living_run_is_never_stale() {
    let run = RunId::new();
    let living = BTreeSet::from([run.as_str().to_owned()]);
    assert!(!in_scope(run.as_str(), &CleanupScope::Stale, &living));
    assert!(in_scope("0123456789ab", &CleanupScope::Stale, &living));
    assert!(in_scope(run.as_str(), &CleanupScope::Run(run.clone()), &living));
    assert!(!in_scope("0123456789ab", &CleanupScope::Run(run), &living));
    assert!(in_scope("0123456789ab", &CleanupScope::Everything, &living));
}
