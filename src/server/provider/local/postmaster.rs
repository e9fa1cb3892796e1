//! The thread that manages a cluster: it creates the directory, runs `initdb` and `postgres`, stops them, and removes the
//! directory.
//!
//! One thread exists for the whole life of the server, because Linux ties `PR_SET_PDEATHSIG` to the *thread* that created
//! the child: tokio's threads may end before the process does, and the server would end with them. Also, `Drop` can wait for
//! a thread, but not for a future.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::time::TimeValLike as _;
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

use super::ADMINISTRATOR;
use super::leftover_processes;
use super::postmaster_plan::PostmasterPlan;
use super::process::{program, spawn};
use crate::retry::policies::CHILD_END;
use crate::server::error::{ProviderError, tail};
use crate::server::provider::StoppedServer;

/// The interval of checks on the children, and the maximum delay of a stop request.
const TICK: Duration = Duration::from_millis(10);
const LOG_LINES: usize = 20;
/// The locale of the official image, one that most machines have, and one that all have.
const LOCALES: [&str; 3] = ["en_US.UTF-8", "C.UTF-8", "C"];

/// A handle to the thread. Dropping it stops the server, removes the directory, and waits for that.
pub(crate) struct PostmasterHandle {
    /// Dropping the sender requests the stop.
    orders: Option<Sender<()>>,
    thread: Option<JoinHandle<StoppedServer>>,
    running: Option<oneshot::Receiver<Result<(), ProviderError>>>,
    /// The end of the server's log, once the server has ended without a request.
    ended: watch::Receiver<Option<String>>,
    log: PathBuf,
}

impl PostmasterHandle {
    /// Starts the thread, which starts the server.
    pub(crate) fn start(plan: PostmasterPlan) -> Result<Self, ProviderError> {
        let (orders, orders_in) = channel();
        let (running_out, running) = oneshot::channel();
        let (ended_out, ended) = watch::channel(None);
        let log = plan.cluster.log("postgres");
        let directory = plan.cluster.directory.clone();
        let thread = std::thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(move || manage(&plan, &orders_in, running_out, &ended_out))
            .map_err(|error| ProviderError::file("start a thread for", directory, &error))?;
        Ok(Self { orders: Some(orders), thread: Some(thread), running: Some(running), ended, log })
    }

    /// Waits until `postgres` has been started (it may not respond yet).
    pub(crate) async fn running(&mut self) -> Result<(), ProviderError> {
        match self.running.take() {
            Some(running) => running
                .await
                .unwrap_or(Err(ProviderError::Interrupted { doing: "starting the server" })),
            None => Ok(()),
        }
    }

    /// The end of the server's log, if the server has ended without a request.
    pub(crate) fn ended(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// The end of the server's log so far.
    pub(crate) fn log(&self) -> String {
        tail(&fs::read_to_string(&self.log).unwrap_or_default(), LOG_LINES)
    }

    /// Stops the server and removes the directory.
    pub(crate) async fn stop(mut self) -> StoppedServer {
        self.orders = None;
        let Some(thread) = self.thread.take() else { return StoppedServer::default() };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(stopped)) => stopped,
            Ok(Err(_)) | Err(_) => StoppedServer {
                problems: vec!["the thread that kept the server has failed".to_owned()],
                ..StoppedServer::default()
            },
        }
    }
}

impl Drop for PostmasterHandle {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // The result is not needed: the next start's cleanup removes what remains.
            let _ = thread.join();
        }
    }
}

fn manage(
    plan: &PostmasterPlan,
    orders: &Receiver<()>,
    running: oneshot::Sender<Result<(), ProviderError>>,
    ended: &watch::Sender<Option<String>>,
) -> StoppedServer {
    let mut stopped = StoppedServer::default();
    match begin(plan, orders) {
        Ok((mut server, cpu_before)) => {
            let _ = running.send(Ok(()));
            wait_for_stop(plan, &mut server, orders, ended);
            stopped.log = log_end(plan, "postgres");
            stopped.server_cpu = children_cpu().and_then(|now| now.checked_sub(cpu_before?));
        }
        Err(error) => {
            let _ = running.send(Err(error));
        }
    }
    leftover_processes::end(&plan.cluster.data());
    if let Err(error) = plan.cluster.remove() {
        stopped
            .problems
            .push(format!("cannot remove {}: {error}", plan.cluster.directory.display()));
    }
    stopped
}

/// Creates the cluster and starts its server. Returns it with the CPU time of all earlier children.
fn begin(
    plan: &PostmasterPlan,
    orders: &Receiver<()>,
) -> Result<(Child, Option<Duration>), ProviderError> {
    plan.cluster.create(plan.account.as_ref())?;
    make_cluster(plan, orders)?;
    let mut postgres = program(plan, "postgres")?;
    postgres.arg("-D").arg(plan.cluster.data());
    postgres.args(["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c"]);
    let mut sockets = OsString::from("unix_socket_directories=");
    sockets.push(&plan.cluster.directory);
    postgres.arg(sockets);
    for (name, value) in &plan.settings {
        postgres.arg("-c").arg(format!("{name}={value}"));
    }
    let cpu_before = children_cpu();
    // SIGQUIT: immediate shutdown, even while the server is busy.
    let server = spawn(plan, postgres, "postgres", Signal::SIGQUIT)?;
    Ok((server, cpu_before))
}

/// Creates the cluster in the first of the locales that this machine has. `initdb` checks the locale before it creates
/// anything.
fn make_cluster(plan: &PostmasterPlan, orders: &Receiver<()>) -> Result<(), ProviderError> {
    let mut locales = LOCALES.iter();
    while let Some(locale) = locales.next() {
        let mut initdb = program(plan, "initdb")?;
        // English messages: people and checks read them.
        initdb.args(["--no-sync", "--encoding=UTF8", "--lc-messages=C"]);
        // The socket is in a private folder. A port on the loopback interface is open to all users of the machine.
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256"]);
        initdb.args(["--locale", locale, "--username", ADMINISTRATOR]);
        initdb.arg("--pgdata").arg(plan.cluster.data());
        let mut child = spawn(plan, initdb, "initdb", Signal::SIGKILL)?;
        let Some(status) = wait(&mut child, orders) else {
            end_initdb(&mut child);
            return Err(ProviderError::Interrupted { doing: "creating the cluster" });
        };
        let log = log_end(plan, "initdb");
        let is_unknown = log.contains("invalid locale") && !plan.cluster.data().exists();
        match status.success() {
            true => return Ok(()),
            false if is_unknown && locales.len() > 0 => {}
            false => return Err(ProviderError::Initdb { folder: plan.folder.clone(), log }),
        }
    }
    unreachable!("internal error: the last locale is tried without another one")
}

/// Waits for the stop request, and stops the server.
fn wait_for_stop(
    plan: &PostmasterPlan,
    server: &mut Child,
    orders: &Receiver<()>,
    ended: &watch::Sender<Option<String>>,
) {
    match wait(server, orders) {
        None => end(server),
        Some(_) => {
            ended.send_replace(Some(log_end(plan, "postgres")));
            // The request to clean up follows.
            let _ = orders.recv();
        }
    }
}

/// Stops the server: fast shutdown, then immediate shutdown, then SIGKILL.
fn end(server: &mut Child) {
    for (signal, limit) in [
        (Signal::SIGINT, Duration::from_secs(2)),
        (Signal::SIGQUIT, Duration::from_secs(1)),
        (Signal::SIGKILL, Duration::from_secs(1)),
    ] {
        let _ = kill(pid(server), signal);
        if ends_within(server, limit) {
            return;
        }
    }
}

/// Stops `initdb`. At SIGTERM it ends in order, after the `postgres` that it runs; SIGKILL would leave shared memory behind.
fn end_initdb(initdb: &mut Child) {
    let _ = kill(pid(initdb), Signal::SIGTERM);
    if !ends_within(initdb, Duration::from_secs(3)) {
        // Its children are in its process group, since no shell started it.
        let _ = killpg(pid(initdb), Signal::SIGKILL);
        let _ = initdb.wait();
    }
}

fn ends_within(child: &mut Child, limit: Duration) -> bool {
    let has_ended = || matches!(child.try_wait(), Ok(Some(_)) | Err(_));
    CHILD_END.within(limit).poll_blocking(has_ended)
}

/// Waits for the end of a child; `None` at a stop request.
fn wait(child: &mut Child, orders: &Receiver<()>) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        match orders.recv_timeout(TICK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn log_end(plan: &PostmasterPlan, program: &str) -> String {
    tail(&fs::read_to_string(plan.cluster.log(program)).unwrap_or_default(), LOG_LINES)
}

/// User and system time of all children that have ended and been waited for, including their own children.
fn children_cpu() -> Option<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    u64::try_from(micros).ok().map(Duration::from_micros)
}
