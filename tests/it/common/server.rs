//! Objects of a run under test, observed from outside: its cluster, its container, or its part of a server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::postgres::lines;
use super::{Postgres, Running};

/// The time limit for conditions that take a moment on an idle machine, and longer on a busy one.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until `ask` returns a value.
///
/// # Panics
/// If there is none within three minutes.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        sleep(LOOK_AGAIN);
    }
}

/// Waits until `count` sessions of the server sleep in a statement that contains `mark`.
pub(crate) async fn wait_for_sleepers(url: &str, mark: &str, count: usize) {
    wait_for(url, &sleepers("count(*)", mark), count).await;
}

/// Waits until `count` sessions of the server execute a statement that contains `mark`, and do not wait for anything.
pub(crate) async fn wait_for_computing(url: &str, mark: &str, count: usize) {
    let sql = sleepers("count(*)", mark).replace("= 'PgSleep'", "IS NULL AND state = 'active'");
    wait_for(url, &sql, count).await;
}

/// Waits until a query returns this count.
pub(crate) async fn wait_for(url: &str, sql: &str, count: usize) {
    let begun = Instant::now();
    while lines(url, sql).await != [count.to_string()] {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {count} sessions of {sql}");
        sleep(LOOK_AGAIN);
    }
}

fn sleepers(what: &str, mark: &str) -> String {
    format!(
        "SELECT {what} FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%{mark}%' \
         AND pid <> pg_backend_pid()"
    )
}

/// Whether a process exists.
fn exists(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie does not count.
    !stat.is_empty() && !stat.contains(") Z ")
}

/// The cluster of a run with the provider `local`.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) folder: PathBuf,
    /// The ID of its System V segment, once it exists.
    pub(crate) segment: Option<String>,
}

impl Cluster {
    /// Waits for its directory.
    pub(crate) fn begun(run: &Running) -> Self {
        let folder = until("a folder with the run's marker", || Self::folder_of(run.id()));
        Self { folder, segment: None }
    }

    /// Waits until its server is ready.
    pub(crate) fn ready(run: &Running) -> Self {
        let mut cluster = Self::begun(run);
        let last = |lock: String| lock.lines().nth(7).map(|line| line.trim() == "ready");
        until("the server", || cluster.lock().and_then(last).filter(|ready| *ready));
        cluster.note_segment();
        cluster
    }

    /// The directory whose marker names this process.
    pub(crate) fn folder_of(pid: u32) -> Option<PathBuf> {
        let bases =
            [Path::new("/dev/shm"), &std::env::temp_dir(), Path::new("/tmp")].map(Path::to_owned);
        let entries = bases.iter().filter_map(|base| fs::read_dir(base).ok()).flatten().flatten();
        let ours = |folder: &PathBuf| {
            let marker = fs::read_to_string(folder.join("owner")).unwrap_or_default();
            marker.split(' ').nth(2) == Some(&pid.to_string())
        };
        entries.map(|entry| entry.path()).find(ours)
    }

    fn lock(&self) -> Option<String> {
        fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()
    }

    /// Stores the ID of the segment, if it exists by now.
    pub(crate) fn note_segment(&mut self) {
        let line = self.lock().and_then(|lock| lock.lines().nth(6).map(str::to_owned));
        let number = line.and_then(|line| line.split_whitespace().nth(1).map(str::to_owned));
        self.segment = number.or(self.segment.take());
    }

    pub(crate) fn postmaster(&self) -> i32 {
        self.lock().unwrap().lines().next().unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.postmaster()), signal).unwrap();
    }

    /// The URL as its administrator.
    pub(crate) fn url(&self) -> String {
        format!("postgres://mig_ci@localhost/postgres?host={}", self.folder.display())
    }

    /// All processes that work in it, or name it on their command line.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let folder = self.folder.to_str().unwrap();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let cwd = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            let names = String::from_utf8_lossy(&command).contains(folder);
            if (names || cwd.starts_with(&self.folder)) && exists(pid) {
                found.push(pid);
            }
        }
        found
    }

    /// No process and no shared memory remains: leftovers that the next start's cleanup could not find.
    ///
    /// # Panics
    /// If something remains after a while.
    pub(crate) fn is_dead(&self) {
        until(&format!("the end of {:?}", self.processes()), || {
            self.processes().is_empty().then_some(())
        });
        let segments = fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
        let mut numbers = segments.lines().filter_map(|line| line.split_whitespace().nth(1));
        assert!(!numbers.any(|number| Some(number) == self.segment.as_deref()), "{self:?}");
    }

    /// Nothing remains.
    pub(crate) fn is_gone(&self) {
        assert!(!self.folder.exists(), "{self:?}");
        self.is_dead();
    }
}

/// The container of a run with the provider `docker`.
#[derive(Debug)]
pub(crate) struct Container {
    label: String,
    pub(crate) id: String,
}

impl Container {
    /// Waits until it runs.
    pub(crate) fn begun(run: &Running) -> Self {
        Self::labelled(label(run.id()))
    }

    /// Waits for the container that was created from within another container.
    pub(crate) fn beside(container: &str) -> Self {
        Self::labelled(made_in(container))
    }

    fn labelled(label: String) -> Self {
        let id = until("a container with the run's label", || {
            let id = docker(&["ps", "--quiet", "--no-trunc", "--filter", &label]);
            (!id.is_empty()).then_some(id)
        });
        Self { label, id }
    }

    /// Waits until `count` sessions sleep in a statement that contains `mark`.
    pub(crate) fn wait_for_sleepers(&self, mark: &str, count: usize) {
        let sql = sleepers("count(*)", mark);
        let psql =
            ["exec", &self.id, "psql", "-XAtq", "-U", "mig_ci", "-d", "postgres", "-c", &sql];
        let begun = Instant::now();
        loop {
            let output = Process::new("docker").args(psql).output().unwrap();
            let seen = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if seen == count.to_string() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain: {}", self.describe(&output));
            sleep(LOOK_AGAIN);
        }
    }

    /// The complete output, for the message of a failed wait.
    fn describe(&self, output: &Output) -> String {
        let logs = Process::new("docker").args(["logs", "--tail", "30", &self.id]).output();
        format!("{output:?}\n{logs:?}\n{}", docker(&["ps", "--all"]))
    }

    pub(crate) fn kill(&self) {
        docker(&["kill", &self.id]);
    }

    pub(crate) fn is_there(&self) -> bool {
        let all = docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &self.label]);
        all.lines().any(|id| id == self.id)
    }
}

/// The containers that a process has created, running or not.
pub(crate) fn containers_of(pid: u32) -> String {
    docker(&["ps", "--all", "--quiet", "--filter", &label(pid)])
}

/// The containers that were created from within another container, running or not.
pub(crate) fn containers_beside(container: &str) -> String {
    docker(&["ps", "--all", "--quiet", "--filter", &made_in(container)])
}

fn made_in(container: &str) -> String {
    format!("label=org.mig-ci.container={container}")
}

fn label(pid: u32) -> String {
    format!("label=org.mig-ci.pid={pid}")
}

/// The output of a Docker command, without the line break.
pub(crate) fn docker(args: &[&str]) -> String {
    let output = Process::new("docker").args(args).output().unwrap();
    assert!(
        output.status.success(),
        "docker {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A run's part of an existing server.
#[derive(Debug)]
pub(crate) struct Guest<'a> {
    server: &'a Postgres,
    /// The run's name, which all its objects have.
    pub(crate) run: String,
}

impl<'a> Guest<'a> {
    /// The run whose session sleeps in a statement that contains `mark`.
    pub(crate) async fn of_sleeper(server: &'a Postgres, mark: &str) -> Self {
        let name = server.sql(&sleepers("application_name", mark)).await.remove(0);
        Self { server, run: name.strip_prefix("mig-ci ").unwrap().to_owned() }
    }

    /// Its databases, roles and sessions.
    pub(crate) async fn things(&self) -> Vec<String> {
        let sql = format!(
            "SELECT datname FROM pg_database WHERE datname LIKE 'mig\\_ci\\_{run}%' \
             UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'mig\\_ci\\_{run}%' \
             UNION ALL SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'mig-ci {run}%' \
             ORDER BY 1",
            run = self.run
        );
        self.server.sql(&sql).await
    }

    /// The same after the end of the run: the server ends a session a moment after its client.
    pub(crate) async fn is_gone(&self) {
        let begun = Instant::now();
        loop {
            let things = self.things().await;
            let is_session = |thing: &String| thing.starts_with("mig-ci ");
            if things.is_empty() {
                return;
            }
            let may_wait =
                things.iter().all(is_session) && begun.elapsed() < Duration::from_secs(2);
            assert!(may_wait, "{things:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
