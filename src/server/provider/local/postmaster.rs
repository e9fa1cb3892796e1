//! The thread that keeps a cluster: it makes the folder, runs `initdb` and `postgres`, ends them, removes the folder.
//!
//! It is one thread for the whole life of the server because Linux ties `PR_SET_PDEATHSIG` to the *thread* that made the
//! child: tokio's threads may end while the process goes on, and the server would end with them. And because it can be
//! waited for in `Drop`, where nothing async can.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::time::TimeValLike as _;
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

use super::ADMINISTRATOR;
use super::leftover_processes;
use super::postmaster_plan::PostmasterPlan;
use super::process::{program, spawn};
use crate::server::error::{ProviderError, tail};
use crate::server::provider::StoppedServer;

/// How often the children are looked after, and how soon an order is seen at the latest.
const TICK: Duration = Duration::from_millis(10);
const LOG_LINES: usize = 20;
/// That of the official image, what most machines have, and what every one has.
const LOCALES: [&str; 3] = ["en_US.UTF-8", "C.UTF-8", "C"];

/// A handle on the thread. Dropping it ends the server, removes the folder, and waits until that is done.
pub(crate) struct Keeper {
    /// Dropped as the order to stop.
    orders: Option<Sender<()>>,
    thread: Option<JoinHandle<StoppedServer>>,
    running: Option<oneshot::Receiver<Result<(), ProviderError>>>,
    /// The end of the server's log, once it has ended by itself.
    ended: watch::Receiver<Option<String>>,
    log: PathBuf,
}

impl Keeper {
    /// Starts the thread, which starts the rest.
    pub(crate) fn start(plan: PostmasterPlan) -> Result<Self, ProviderError> {
        let (orders, orders_in) = channel();
        let (running_out, running) = oneshot::channel();
        let (ended_out, ended) = watch::channel(None);
        let log = plan.place.log("postgres");
        let directory = plan.place.directory.clone();
        let thread = std::thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(move || keep(&plan, &orders_in, running_out, &ended_out))
            .map_err(|error| ProviderError::file("start a thread for", directory, &error))?;
        Ok(Self { orders: Some(orders), thread: Some(thread), running: Some(running), ended, log })
    }

    /// Waits until `postgres` has been started (it need not answer yet).
    pub(crate) async fn running(&mut self) -> Result<(), ProviderError> {
        match self.running.take() {
            Some(running) => running
                .await
                .unwrap_or(Err(ProviderError::Interrupted { doing: "starting the server" })),
            None => Ok(()),
        }
    }

    /// The end of the server's log, if it has ended by itself.
    pub(crate) fn ended(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// The end of the server's log so far.
    pub(crate) fn log(&self) -> String {
        tail(&fs::read_to_string(&self.log).unwrap_or_default(), LOG_LINES)
    }

    /// Ends the server and removes the folder.
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

impl Drop for Keeper {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing more to say: what it could not remove, the next start's sweep will.
            let _ = thread.join();
        }
    }
}

fn keep(
    plan: &PostmasterPlan,
    orders: &Receiver<()>,
    running: oneshot::Sender<Result<(), ProviderError>>,
    ended: &watch::Sender<Option<String>>,
) -> StoppedServer {
    let mut stopped = StoppedServer::default();
    match begin(plan, orders) {
        Ok((mut server, cpu_before)) => {
            let _ = running.send(Ok(()));
            attend(plan, &mut server, orders, ended);
            stopped.log = log_end(plan, "postgres");
            stopped.server_cpu = children_cpu().and_then(|now| now.checked_sub(cpu_before?));
        }
        Err(error) => {
            let _ = running.send(Err(error));
        }
    }
    leftover_processes::end(&plan.place.data());
    if let Err(error) = plan.place.remove() {
        stopped.problems.push(format!("cannot remove {}: {error}", plan.place.directory.display()));
    }
    stopped
}

/// Makes the cluster and starts its server. Returns it with the CPU time of all children before it.
fn begin(
    plan: &PostmasterPlan,
    orders: &Receiver<()>,
) -> Result<(Child, Option<Duration>), ProviderError> {
    plan.place.create(plan.account.as_ref())?;
    make_cluster(plan, orders)?;
    let mut postgres = program(plan, "postgres")?;
    postgres.arg("-D").arg(plan.place.data());
    postgres.args(["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c"]);
    let mut sockets = OsString::from("unix_socket_directories=");
    sockets.push(&plan.place.directory);
    postgres.arg(sockets);
    for (name, value) in &plan.settings {
        postgres.arg("-c").arg(format!("{name}={value}"));
    }
    let cpu_before = children_cpu();
    // SIGQUIT ends a server at once and in order, also one that is in the middle of something.
    let server = spawn(plan, postgres, "postgres", Signal::SIGQUIT)?;
    Ok((server, cpu_before))
}

/// In the first of the locales that this machine has. `initdb` looks at the locale before it makes anything.
fn make_cluster(plan: &PostmasterPlan, orders: &Receiver<()>) -> Result<(), ProviderError> {
    let mut locales = LOCALES.iter();
    while let Some(locale) = locales.next() {
        let mut initdb = program(plan, "initdb")?;
        // The server's messages are read by people, and by checks.
        initdb.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--lc-messages=C"]);
        initdb.args(["--locale", locale, "--username", ADMINISTRATOR]);
        initdb.arg("--pgdata").arg(plan.place.data());
        let mut child = spawn(plan, initdb, "initdb", Signal::SIGKILL)?;
        let Some(status) = wait(&mut child, orders) else {
            end_initdb(&mut child);
            return Err(ProviderError::Interrupted { doing: "creating the cluster" });
        };
        let log = log_end(plan, "initdb");
        let is_unknown = log.contains("invalid locale") && !plan.place.data().exists();
        match status.success() {
            true => return Ok(()),
            false if is_unknown && locales.len() > 0 => {}
            false => return Err(ProviderError::Initdb { folder: plan.folder.clone(), log }),
        }
    }
    unreachable!("internal error: the last locale is tried without another one")
}

/// Waits for the order to stop, and stops.
fn attend(
    plan: &PostmasterPlan,
    server: &mut Child,
    orders: &Receiver<()>,
    ended: &watch::Sender<Option<String>>,
) {
    match wait(server, orders) {
        None => end(server),
        Some(_) => {
            ended.send_replace(Some(log_end(plan, "postgres")));
            // The order to clean up is still to come.
            let _ = orders.recv();
        }
    }
}

/// Ends the server: in order, then at once, then by force.
fn end(server: &mut Child) {
    for (signal, patience) in [
        (Signal::SIGINT, Duration::from_secs(2)),
        (Signal::SIGQUIT, Duration::from_secs(1)),
        (Signal::SIGKILL, Duration::from_secs(1)),
    ] {
        let _ = kill(pid(server), signal);
        if ends_within(server, patience) {
            return;
        }
    }
}

/// Ends `initdb`. It ends in order at SIGTERM, once the `postgres` that it runs has come to its own end; killed, that
/// would leave shared memory behind, which no folder holds.
fn end_initdb(initdb: &mut Child) {
    let _ = kill(pid(initdb), Signal::SIGTERM);
    if !ends_within(initdb, Duration::from_secs(3)) {
        // Its own children are in its process group, as it is not a shell's job.
        let _ = killpg(pid(initdb), Signal::SIGKILL);
        let _ = initdb.wait();
    }
}

fn ends_within(child: &mut Child, patience: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    false
}

/// Waits for the end of a child, or, `None`, for an order.
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
    tail(&fs::read_to_string(plan.place.log(program)).unwrap_or_default(), LOG_LINES)
}

/// User and system time of all children that have ended and been waited for, with theirs.
fn children_cpu() -> Option<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    u64::try_from(micros).ok().map(Duration::from_micros)
}
