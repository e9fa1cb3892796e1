//! Runs of the binary under test, and their results.

use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::Report;

/// Long enough for the slowest test on the slowest machine; a test that hangs must not block CI.
const LIMIT: Duration = Duration::from_secs(180);

/// Variables that the binary and its child processes read, which would make a test depend on the environment.
const SCRUBBED: [&str; 15] = [
    "ACTIONS_",
    "CI",
    "CLICOLOR",
    "COLUMNS",
    "DATABASE_URL",
    "FORCE_COLOR",
    "GH_",
    "GITHUB_",
    "GIT_",
    "INPUT_",
    "MIG_CI_",
    "NO_COLOR",
    "PG",
    "RUNNER_",
    "TENANT_",
];

/// The binary with its arguments, ready to run.
#[derive(Debug)]
pub(crate) struct Command {
    process: Process,
    stdin: Vec<u8>,
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// A run in progress.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
    started: Instant,
}

/// The output of a stream so far.
#[derive(Debug)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// Removes variables from a process's environment that a test must not depend on.
pub(crate) fn scrub(process: &mut Process) {
    let set: Vec<_> = process.get_envs().map(|(name, _)| name.to_owned()).collect();
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let hit = SCRUBBED.iter().any(|prefix| text.starts_with(prefix));
        if hit && !set.contains(&name) {
            process.env_remove(&name);
        }
    }
    // The user's git configuration may sign commits or rewrite URLs.
    process.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
}

impl Command {
    pub(super) fn new<const N: usize>(folder: &Utf8Path, args: [&str; N]) -> Self {
        let mut process = Process::new(env!("CARGO_BIN_EXE_mig-ci"));
        process.current_dir(folder).args(args);
        Self::of(process)
    }

    /// Another program that runs the binary in a container.
    pub(crate) fn of(mut process: Process) -> Self {
        scrub(&mut process);
        Self { process, stdin: Vec::new() }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.process.arg(arg);
        self
    }

    pub(crate) fn args<const N: usize>(mut self, args: [&str; N]) -> Self {
        self.process.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.process.env(name, value);
        self
    }

    pub(crate) fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = text.into();
        self
    }

    /// Runs it through another program: `unshare`, `runuser`.
    pub(crate) fn through(self, program: &str, args: &[&str]) -> Self {
        let mut process = Process::new(program);
        process.args(args).arg(self.process.get_program());
        self.replacing(process)
    }

    /// Runs a copy of it.
    pub(crate) fn of_program(self, path: &Utf8Path) -> Self {
        self.replacing(Process::new(path))
    }

    fn replacing(mut self, mut process: Process) -> Self {
        process.args(self.process.get_args());
        process.current_dir(self.process.get_current_dir().unwrap());
        for (name, value) in self.process.get_envs() {
            match value {
                Some(value) => process.env(name, value),
                None => process.env_remove(name),
            };
        }
        self.process = process;
        self
    }

    /// Gives it a process group of its own, as a shell does, for [`Running::signal_group`].
    pub(crate) fn in_process_group(mut self) -> Self {
        self.process.process_group(0);
        self
    }

    /// Runs it in a folder below the project's.
    pub(crate) fn in_folder(mut self, folder: &str) -> Self {
        let project = self.process.get_current_dir().unwrap().to_owned();
        self.process.current_dir(project.join(folder));
        self
    }

    /// Runs it to completion.
    pub(crate) fn run(self) -> Outcome {
        self.start().wait()
    }

    /// Runs `verify` to completion and reads its report.
    pub(crate) fn report(self, exit: i32) -> Report {
        let run = self.arg("--format=json").run().exit(exit);
        Report { json: run.json() }
    }

    /// Starts it, to be signalled or observed while it runs.
    pub(crate) fn start(mut self) -> Running {
        let mut child = self
            .process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        // A process that does not read its input may have ended.
        let _ = child.stdin.take().unwrap().write_all(&self.stdin);
        Running { child, stdout, stderr, started: Instant::now() }
    }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has written this text to stderr.
    pub(crate) fn says(&self, text: &str) {
        let begun = Instant::now();
        while self.said(text) == 0 {
            assert!(begun.elapsed() < LIMIT, "no {text:?} in:\n{}", self.stderr.so_far());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// How often it has written this text to stderr.
    pub(crate) fn said(&self, text: &str) -> usize {
        self.stderr.so_far().matches(text).count()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// The same for a run that may have ended.
    pub(crate) fn try_signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), signal);
    }

    /// Signals it and all processes of its group, as a terminal does.
    pub(crate) fn signal_group(&self, signal: Signal) {
        killpg(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If that takes longer than three minutes; the process is then killed.
    pub(crate) fn wait(mut self) -> Outcome {
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.started.elapsed() > LIMIT {
                self.child.kill().unwrap();
                let stderr = self.stderr.whole();
                panic!("mig-ci did not end within {LIMIT:?}; stderr:\n{stderr}");
            }
            thread::sleep(Duration::from_millis(5));
        };
        let took = self.started.elapsed();
        Outcome { status, stdout: self.stdout.whole(), stderr: self.stderr.whole(), took }
    }
}

impl Outcome {
    /// Requires this exit code.
    pub(crate) fn exit(self, code: i32) -> Self {
        let Self { status, stdout, stderr, .. } = &self;
        let got = status.code();
        assert_eq!(got, Some(code), "{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        self
    }

    pub(crate) fn success(self) -> Self {
        self.exit(0)
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> Stream {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&bytes);
    let reader = thread::spawn(move || {
        let mut part = [0; 8 * 1024];
        loop {
            match pipe.read(&mut part).unwrap() {
                0 => return,
                read => sink.lock().unwrap().extend_from_slice(&part[..read]),
            }
        }
    });
    Stream { bytes, reader }
}

impl Stream {
    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// All output, once the stream has ended.
    fn whole(self) -> String {
        self.reader.join().unwrap();
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell instead of the binary, to test its environment.
    fn shell(script: &str) -> Command {
        let folder = Utf8Path::new("/");
        let mut command = Command::new(folder, []);
        let mut process = Process::new("sh");
        process.current_dir(folder).args(["-c", script]);
        for (name, value) in command.process.get_envs() {
            match value {
                Some(value) => process.env(name, value),
                None => process.env_remove(name),
            };
        }
        command.process = process;
        command
    }

    #[test]
    fn an_outcome_contains_both_streams_and_the_exit_code() {
        let run = shell("cat; echo '{\"a\": 1}'; echo no >&2; exit 3").stdin(" ").run().exit(3);
        assert_eq!(run.json()["a"], 1);
        assert_eq!(run.stderr, "no\n");
        assert!(run.took < LIMIT);
    }

    #[test]
    fn the_environment_is_cleaned() {
        let seen = shell("env").env("MIG_CI_X", "mine").run().success().stdout;
        let ours = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "MIG_CI_X"];
        for line in seen.lines() {
            let name = line.split('=').next().unwrap();
            let scrubbed = SCRUBBED.iter().any(|prefix| name.starts_with(prefix));
            assert!(!scrubbed || ours.contains(&name), "{line}");
        }
        assert!(seen.contains("MIG_CI_X=mine\n"));
    }

    #[test]
    fn a_running_process_can_be_signalled() {
        let running = shell("exec sleep 100").start();
        assert!(running.id() > 1);
        running.signal(Signal::SIGTERM);
        assert_eq!(running.wait().status.code(), None);
    }
}
