//! Tests with a real engine and the image of `.ci/make-postgres-image`. Without them the tests are listed as skipped;
//! `MIG_CI_REQUIRE_DOCKER=1` makes that a failure.

use std::process::Command;

use sqlx::Connection as _;
use tokio::sync::mpsc;

use super::label;
use crate::server::cleanup;
use crate::server::instance::Server;
use crate::server::provider::docker::*;
use crate::server::request::ServerRequest;
use crate::server::run_id::RunId;
use crate::skipped::have;

const IMAGE: &str = "mig-ci-test/postgres:15";

/// Whether the requirements of these tests are met.
fn usable() -> bool {
    let image = docker(&["image", "inspect", "--format", "{{.Id}}", IMAGE])
        .ok_or("no Docker engine has it (.ci/make-postgres-image)");
    have("MIG_CI_REQUIRE_DOCKER", &format!("image {IMAGE}"), image).is_some()
}

fn docker(arguments: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn containers_of(run: &RunId) -> String {
    let filter = format!("label={}={run}", label::RUN);
    docker(&["ps", "--all", "--quiet", "--filter", &filter]).unwrap()
}

fn request(image: &str) -> ServerRequest {
    let settings = PostgresSettings {
        provider: ProviderChoice::Docker,
        image: Some(image.to_owned()),
        ..PostgresSettings::default()
    };
    ServerRequest { settings, run: RunId::new(), jobs: 2, programs: false, program_image: None }
}

async fn start(request: &ServerRequest) -> Result<Server, ProviderError> {
    let (events, _events) = mpsc::unbounded_channel();
    Server::start(request, &events).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_started_used_and_removed() {
    if !usable() {
        return;
    }
    let request = request(IMAGE);
    let server = start(&request).await.unwrap();
    let id = containers_of(&request.run);
    assert_eq!(id.lines().count(), 1);
    let inspect = |format: &str| docker(&["inspect", "--format", format, &id]).unwrap();
    let published = inspect("{{json .HostConfig.PortBindings}}");
    let remote = std::env::var("DOCKER_HOST").is_ok_and(|host| host.starts_with("tcp://"));
    assert_eq!(published.contains("0.0.0.0"), remote, "{published}");
    assert_eq!(
        inspect("{{.HostConfig.AutoRemove}} {{index .Config.Entrypoint 0}}"),
        "true timeout"
    );

    assert_eq!(server.provider(), ProviderChoice::Docker);
    assert_eq!(server.description(), format!("Docker image {IMAGE}"));
    assert!(server.is_alive().await);
    let database = server.create_database().await.unwrap();
    let owner = connect::open(&server.owner(&database), "test").await.unwrap();
    owner.close().await.unwrap();
    let mut admin = connect::open(&server.admin_in(&database), "test").await.unwrap();
    let settings: (String, String) =
        sqlx::query_as("SELECT current_setting('fsync'), current_setting('data_directory')")
            .fetch_one(&mut admin)
            .await
            .unwrap();
    assert_eq!(settings, ("off".to_owned(), "/pgtmp/data".to_owned()));
    admin.close().await.unwrap();

    let stopped = server.stop().await;
    assert_eq!(stopped.problems, Vec::<String>::new());
    assert!(stopped.server_cpu.is_some(), "{stopped:?}");
    assert_eq!(containers_of(&request.run), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_start_leaves_no_container() {
    if !usable() {
        return;
    }
    for after in [5, 40, 150, 400, 1_000] {
        let request = request(IMAGE);
        let cut = tokio::time::timeout(Duration::from_millis(after), start(&request)).await;
        drop(cut);
        let start_time = Instant::now();
        let report = cleanup::cleanup_run(&request.settings, &request.run).await;
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!(containers_of(&request.run), "", "after {after} ms");
        assert!(start_time.elapsed() < Duration::from_secs(4), "{:?}", start_time.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_containers_of_dead_runs_are_removed() {
    if !usable() {
        return;
    }
    let living = request(IMAGE);
    let server = start(&living).await.unwrap();
    let dead = RunId::new();
    let run_label = format!("{}={dead}", label::RUN);
    let owner = crate::server::process_identity::ProcessIdentity::current();
    let labels = [
        format!("{}={}", label::PID, owner.pid),
        format!("{}=0", label::PID_STARTED),
        format!("{}={}", label::HOST, owner.boot),
        format!("{}={}", label::PID_NAMESPACE, owner.namespace),
    ];
    let mut arguments = vec!["run", "--detach", "--label", &run_label];
    arguments.extend(labels.iter().flat_map(|label| ["--label", label.as_str()]));
    arguments.extend(["--entrypoint", "sleep", IMAGE, "60"]);
    docker(&arguments).unwrap();

    let report = Docker.clean_up(&living.settings, &CleanupScope::Stale).await;

    assert!(report.removed.iter().any(|removed| removed.run == dead.as_str()), "{report:?}");
    assert_eq!(containers_of(&dead), "");
    assert!(report.kept >= 1 && server.is_alive().await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_of_a_container_that_dies_contains_its_log() {
    if !usable() {
        return;
    }
    let broken = "mig-ci-test/broken:1";
    let build = format!(
        "printf 'FROM {IMAGE}\\nRUN printf \"#!/bin/sh\\\\necho no such luck >&2; exit 3\\\\n\" > \
         /usr/local/bin/docker-entrypoint.sh\\n' | DOCKER_BUILDKIT=0 docker build -q -t {broken} -"
    );
    let built = Command::new("sh").args(["-c", &build]).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let request = request(broken);
    let error = start(&request).await.unwrap_err();
    docker(&["image", "rm", "--force", broken]).unwrap();
    assert!(matches!(error, ProviderError::ContainerDied { .. }), "{error}");
    assert!(error.to_string().contains("no such luck"), "{error}");
    assert_eq!(containers_of(&request.run), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unavailable_and_malformed_images_are_distinguished() {
    if !usable() {
        return;
    }
    // A registry whose host name cannot be resolved anywhere.
    let absent = request("registry.invalid/mig-ci-test/none:1");
    let error = start(&absent).await.unwrap_err();
    assert!(matches!(error, ProviderError::RegistryUnreachable { .. }), "{error}");
    let malformed = request("UPPER/case:1");
    let error = start(&malformed).await.unwrap_err();
    assert!(matches!(error, ProviderError::ImageName { .. }), "{error}");
    assert_eq!(containers_of(&absent.run), "");
}

/// Runs the first of these tests again, inside a container with these arguments, on the same engine.
fn inside(arguments: &[&str]) -> Result<String, String> {
    let exe = format!("{}:/test:ro", std::env::current_exe().unwrap().display());
    let cli = docker_cli();
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--entrypoint", "/test", "--volume", &exe, "--volume", &cli]);
    command.args(["--volume", "/var/run/docker.sock:/var/run/docker.sock"]);
    command.args(["--env", "MIG_CI_REQUIRE_DOCKER=1"]).args(arguments).arg(IMAGE);
    let name = "server::provider::docker::tests::a_container_is_started_used_and_removed";
    let output = command.args(["--exact", name, "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() && text.contains("1 passed") { Ok(text) } else { Err(text) }
}

/// Makes the engine reachable over TCP, as on another machine. Returns the port.
fn engine_over_tcp() -> u16 {
    use std::net::{Shutdown, TcpListener};
    use std::os::unix::net::UnixStream;
    use std::thread::spawn;
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn(move || {
        for client in listener.incoming().flatten() {
            let engine = UnixStream::connect("/var/run/docker.sock").unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), engine.try_clone().unwrap());
            spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            let (mut from, mut to) = (engine, client);
            spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    });
    port
}

fn docker_cli() -> String {
    let path = std::env::var_os("PATH").unwrap();
    let cli =
        std::env::split_paths(&path).map(|folder| folder.join("docker")).find(|cli| cli.is_file());
    format!("{}:/bin/docker:ro", std::fs::canonicalize(cli.unwrap()).unwrap().display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_reached_from_each_kind_of_container() {
    if !usable() || network::own_container().is_some() {
        return;
    }
    let net = format!("mig-ci-test-{}", RunId::new());
    docker(&["network", "create", &net]).unwrap();
    let other =
        ["run", "--rm", "--detach", "--network", &net, "--entrypoint", "sleep", IMAGE, "120"];
    let other = docker(&other).unwrap();
    let like = format!("container:{other}");
    let gateway =
        docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", &net]);
    let remote = format!("DOCKER_HOST=tcp://{}:{}", gateway.unwrap(), engine_over_tcp());
    let rows: [&[&str]; 5] = [
        &["--network", &net],
        &[],
        &["--network", "host"],
        &["--network", &like],
        &["--network", &net, "--env", &remote],
    ];
    let failures: Vec<String> = rows
        .iter()
        .filter_map(|row| inside(row).err().map(|text| format!("{row:?}: {text}")))
        .collect();
    docker(&["rm", "--force", &other]).unwrap();
    docker(&["network", "rm", &net]).unwrap();
    assert_eq!(failures, Vec::<String>::new());
}
