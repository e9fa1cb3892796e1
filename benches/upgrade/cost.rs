//! The resources that an arm used: time, its processes' CPU and memory, and the server's CPU.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::common::scrub;

/// The interval at which the peak memory of a process is read.
const SAMPLE: Duration = Duration::from_millis(10);

/// The resources of one run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// User and system time of the arm's processes.
    pub(crate) client: Duration,
    /// The same for all of the server's processes.
    pub(crate) server: Duration,
    /// The peak memory, if the arm is a single process.
    pub(crate) peak_kib: Option<u64>,
    /// The number of round trips and sessions, if a proxy has counted them.
    pub(crate) round_trips: u64,
    pub(crate) sessions: u64,
}

/// Runs processes concurrently, each of which has to succeed.
pub(crate) fn run_all(mut commands: Vec<Command>, concurrency: usize) -> Result<Cost> {
    commands.iter_mut().for_each(prepare);
    let is_one = commands.len() == 1;
    commands.reverse();
    let started = (Instant::now(), cpu_of_children()?);
    let waiting = Mutex::new(commands);
    let peaks = thread::scope(|scope| {
        let workers: Vec<_> = (0..concurrency).map(|_| scope.spawn(|| work(&waiting))).collect();
        let ends = workers.into_iter().map(|worker| worker.join().expect("a worker panicked"));
        ends.collect::<Result<Vec<u64>>>()
    })?;
    Ok(Cost {
        wall: started.0.elapsed(),
        client: cpu_of_children()? - started.1,
        // A process that ended before the first reading has none.
        peak_kib: peaks.into_iter().max().filter(|peak| is_one && *peak > 0),
        ..Cost::default()
    })
}

fn prepare(command: &mut Command) {
    scrub(command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
}

fn work(waiting: &Mutex<Vec<Command>>) -> Result<u64> {
    let mut peak = 0;
    loop {
        let next = waiting.lock().expect("a worker panicked").pop();
        let Some(mut command) = next else { return Ok(peak) };
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        peak = peak.max(wait(child).with_context(|| format!("{command:?}"))?);
    }
}

/// Its peak memory, in KiB.
fn wait(child: Child) -> Result<u64> {
    let id = child.id();
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let sampler = thread::spawn(move || {
        let mut peak = 0;
        loop {
            peak = peak.max(peak_of(id).unwrap_or_default());
            if ended.recv_timeout(SAMPLE) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                return peak;
            }
        }
    });
    let output = child.wait_with_output()?;
    drop(done);
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {stderr}", output.status);
    Ok(sampler.join().expect("the sampler panicked"))
}

fn peak_of(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Of terminated children, and of their own children in turn.
fn cpu_of_children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

/// User and system time of a process, of its running children, and of those that it has waited for: fields 14 to 17 of
/// `/proc/PID/stat`, in hundredths of a second.
pub(crate) fn cpu_of_family(parent: u32) -> Result<Duration> {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process that has just ended is counted by its parent.
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        let (_, fields) = stat.rsplit_once(')').context("an odd /proc/PID/stat")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        if id == parent || fields[1] == parent.to_string() {
            let counted = if id == parent { 11..15 } else { 11..13 };
            for field in &fields[counted] {
                ticks += field.parse::<u64>()?;
            }
        }
    }
    Ok(Duration::from_millis(ticks * 10))
}
