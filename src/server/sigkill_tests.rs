//! What SIGKILL leaves, tested with another process: this test binary, running a test that starts a server and waits to be
//! killed.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::cleanup;
use super::instance::Server;
use super::request::ServerRequest;
use super::run_id::RunId;
use crate::model::{PostgresSettings, ProviderChoice};
use crate::skipped::have;

const HELPER: &str = "MIG_CI_TEST_HELPER";
const IMAGE: &str = "mig-ci-test/postgres:15";

fn settings(provider: ProviderChoice) -> PostgresSettings {
    let image = (provider == ProviderChoice::Docker).then(|| IMAGE.to_owned());
    PostgresSettings { provider, image, ..PostgresSettings::default() }
}

/// Not a test: the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "no test: the process that the tests of this file start and kill"]
#[expect(clippy::print_stdout, reason = "the test reads the run's name from here")]
async fn helper() {
    let provider = std::env::var(HELPER).unwrap();
    let settings = settings(provider.parse().unwrap());
    let request = ServerRequest {
        settings,
        run: RunId::new(),
        jobs: 1,
        programs: false,
        program_image: None,
    };
    let (events, _events) = mpsc::unbounded_channel();
    let server = Server::start(&request, &events).await.unwrap();
    // The directory of a local server is that of its socket.
    let folder = server.admin().get_socket().cloned().unwrap_or_default();
    println!("\nready {} {}", request.run, folder.display());
    tokio::time::sleep(Duration::from_secs(60)).await;
}

/// Starts the helper. Returns it with its run and its server's directory.
fn start(provider: &str) -> (Child, String, PathBuf) {
    // libtest names tests without the crate.
    let (_, module) = module_path!().split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::helper"), "--nocapture", "--ignored"])
        .env(HELPER, provider)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).find(|line| line.starts_with("ready ")).unwrap();
    let words: Vec<&str> = ready.split(' ').collect();
    (child, words[1].to_owned(), PathBuf::from(words[2]))
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_server_ends_with_its_run_and_its_folder_is_removed() {
    let (mut child, _, folder) = start("local");
    let lock = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    let server = PathBuf::from(format!("/proc/{}", lock.lines().next().unwrap()));
    assert!(server.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let start_time = Instant::now();
    while server.exists() && start_time.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!server.exists(), "the server outlived its run");
    let report =
        cleanup::clean(&settings(ProviderChoice::Local), ProviderChoice::Local, false).await;
    // Another test's start may have removed it already.
    assert!(!folder.exists(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_outlives_its_run_is_removed() {
    let image = Command::new("docker").args(["image", "inspect", IMAGE]).output();
    let image = image.ok().filter(|output| output.status.success()).ok_or("no engine has it");
    if have("MIG_CI_REQUIRE_DOCKER", &format!("image {IMAGE}"), image).is_none() {
        return;
    }
    let (mut child, run, _) = start("docker");
    child.kill().unwrap();
    child.wait().unwrap();
    let filter = format!("label=org.mig-ci.run={run}");
    let left =
        || Command::new("docker").args(["ps", "-aq", "--filter", &filter]).output().unwrap().stdout;
    assert!(!left().is_empty());
    let report =
        cleanup::clean(&settings(ProviderChoice::Docker), ProviderChoice::Docker, false).await;
    assert!(left().is_empty(), "{report:?}");
}
