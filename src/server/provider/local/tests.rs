//! Tests with the PostgreSQL binaries of this machine.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use sqlx::Connection as _;
use tokio::sync::mpsc;

use crate::server::cleanup;
use crate::server::instance::Server;
use crate::server::provider::local::*;
use crate::server::request::ServerRequest;
use crate::server::run_id::RunId;

fn request(settings: PostgresSettings) -> ServerRequest {
    let settings = PostgresSettings { provider: ProviderChoice::Local, ..settings };
    ServerRequest { settings, run: RunId::new(), jobs: 2, programs: false, program_image: None }
}

async fn start(request: &ServerRequest) -> Server {
    let (events, _events) = mpsc::unbounded_channel();
    Server::start(request, &events).await.unwrap()
}

/// The directory of a run, in any location.
fn folder(run: &RunId) -> Option<PathBuf> {
    cluster_folder::bases()
        .into_iter()
        .map(|base| base.join(run.directory()))
        .find(|path| path.exists())
}

fn postmaster(folder: &std::path::Path) -> u32 {
    let lock = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    lock.lines().next().unwrap().parse().unwrap()
}

fn lives(pid: u32) -> bool {
    std::path::Path::new("/proc").join(pid.to_string()).exists()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_started_used_and_removed() {
    let request = request(PostgresSettings::default());
    let (events, mut receiver) = mpsc::unbounded_channel();
    let server = Server::start(&request, &events).await.unwrap();
    let folder = folder(&request.run).unwrap();
    let pid = postmaster(&folder);
    assert!(server.description().contains("binaries in"), "{}", server.description());
    assert_eq!(server.provider(), ProviderChoice::Local);
    assert!(server.version().split('.').next().is_some_and(|major| major.parse::<u32>().is_ok()));
    assert!(server.is_alive().await);

    let database = server.create_database().await.unwrap();
    let mut owner = connect::open(&server.owner(&database), "test").await.unwrap();
    let (user, superuser, application): (String, bool, String) = sqlx::query_as(
        "SELECT CURRENT_USER::text, rolsuper, current_setting('application_name') FROM pg_roles \
         WHERE rolname = CURRENT_USER",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!((user.as_str(), superuser), (server.role_name(), false));
    assert_eq!(application, request.run.application_name());
    let locks: String = sqlx::query_scalar("SELECT current_setting('max_locks_per_transaction')")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(locks, "64");
    owner.close().await.unwrap();

    let stopped = server.stop().await;
    assert_eq!(stopped.problems, Vec::<String>::new());
    assert!(stopped.server_cpu.is_some_and(|cpu| cpu > Duration::ZERO), "{stopped:?}");
    assert!(!folder.exists() && !lives(pid));

    let received: Vec<String> =
        std::iter::from_fn(|| receiver.try_recv().ok()).map(|e| format!("{e:?}")).collect();
    assert_eq!(received.len(), 2, "{received:?}");
    assert!(received[0].starts_with("ProviderStarting") && received[1].starts_with("ServerReady"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_extensions_and_role_are_as_configured() {
    let mut settings = PostgresSettings {
        version: Some(9),
        role: crate::model::Role::Superuser,
        extensions: vec!["plpgsql".to_owned()],
        ..PostgresSettings::default()
    };
    settings.settings.insert("app.region".to_owned(), "eu west \\ 1".to_owned());
    let request = request(settings);
    let server = start(&request).await;
    let database = server.create_database().await.unwrap();
    let mut session = connect::open(&server.owner(&database), "test").await.unwrap();
    let region: String = sqlx::query_scalar("SELECT current_setting('app.region')")
        .fetch_one(&mut session)
        .await
        .unwrap();
    assert_eq!(region, "eu west \\ 1");
    assert_eq!(server.role_name(), ADMINISTRATOR);
    assert!(server.notes().iter().any(|note| note.message.contains("postgres.version is 9")));
    session.close().await.unwrap();
    server.stop().await;
    let missing = PostgresSettings {
        extensions: vec!["no \"such".to_owned()],
        ..PostgresSettings::default()
    };
    let server = start(&self::request(missing)).await;
    let error = server.create_database().await.unwrap_err().to_string();
    assert!(error.contains("the extension `no \"such` of postgres.extensions"), "{error}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_server_leaves_no_process_or_folder() {
    let request = request(PostgresSettings::default());
    let server = start(&request).await;
    let folder = folder(&request.run).unwrap();
    let pid = postmaster(&folder);
    drop(server);
    assert!(!folder.exists() && !lives(pid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_start_leaves_no_folder() {
    // During initdb, near its end, and during the wait for the first response.
    for after in [50, 300, 700] {
        let request = request(PostgresSettings::default());
        let (events, _events) = mpsc::unbounded_channel();
        let start_time = Instant::now();
        let cut =
            tokio::time::timeout(Duration::from_millis(after), Server::start(&request, &events))
                .await;
        let report = cleanup::cleanup_run(&request.settings, &request.run).await;
        assert_eq!(report.problems, Vec::<String>::new());
        drop(cut);
        assert_eq!(folder(&request.run), None);
        assert!(start_time.elapsed() < Duration::from_secs(4), "{:?}", start_time.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashed_server_is_detected_and_cleaned_up() {
    let request = request(PostgresSettings::default());
    let server = start(&request).await;
    let folder = folder(&request.run).unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(postmaster(&folder)).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert!(!server.is_alive().await);
    assert_eq!(server.stop().await.problems, Vec::<String>::new());
    assert!(!folder.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_contains_the_output_of_initdb() {
    let programs = tempfile::tempdir().unwrap();
    for (name, text) in [
        (
            "initdb",
            "#!/bin/sh\necho 'initdb: error: could not write: No space left on device' >&2\nexit 1\n",
        ),
        ("postgres", "#!/bin/sh\necho 'postgres (PostgreSQL) 15.18'\n"),
    ] {
        let file = programs.path().join(name);
        std::fs::write(&file, text).unwrap();
        set_mode(&file, 0o755);
    }
    set_mode(programs.path(), 0o755);
    let run = RunId::new();
    let account = cluster_folder::account().unwrap();
    let cluster = cluster_folder::choose(&run, account.as_ref()).unwrap();
    let folder = programs.path().to_owned();
    let plan = PostmasterPlan { folder, cluster: cluster.clone(), account, settings: Vec::new() };
    let mut handle = PostmasterHandle::start(plan).unwrap();
    let error = handle.running().await.unwrap_err().to_string();
    assert!(error.contains("No space left on device"), "{error}");
    assert_eq!(handle.stop().await.problems, Vec::<String>::new());
    assert!(!cluster.directory.exists());
}

fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// On one thread, because the subscriber of a test is bound to its thread.
#[tokio::test]
async fn notices_of_a_server_are_collected() {
    use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
    let log =
        tracing_subscriber::fmt::layer().with_filter(tracing_subscriber::EnvFilter::new("off"));
    let registry = tracing_subscriber::registry().with(log).with(crate::postgres::notice_layer());
    let _guard = tracing::subscriber::set_default(registry);
    let server = start(&request(PostgresSettings::default())).await;
    let database = server.create_database().await.unwrap();
    let mut owner = connect::open(&server.owner(&database), "test").await.unwrap();
    let sql = "CREATE TABLE t (); CREATE TABLE IF NOT EXISTS t (); \
               DO $$ BEGIN RAISE WARNING 'careful'; RAISE DEBUG 'chatter'; END $$";
    let ((), notices) = crate::postgres::collecting(async {
        connect::execute(&mut owner, sql, "test").await.unwrap();
    })
    .await;
    let roles_problem: Vec<String> =
        notices.iter().map(|n| format!("{}: {}", n.level, n.message)).collect();
    assert_eq!(
        roles_problem,
        ["notice: relation \"t\" already exists, skipping", "warning: careful"]
    );
    owner.close().await.unwrap();
    server.stop().await;
}
