//! The command line with which GitHub's runner runs a container action.
//!
//! Source: actions/runner 2.336, `Handlers/ContainerActionHandler.cs` and `Container/DockerCommandManager.cs` (`DockerRun`).

use std::collections::BTreeMap;
use std::process::Command as Process;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use nix::sys::signal::Signal;

use super::runner::Machine;
use super::variables::{arguments, inputs, variables};
use crate::common::{Command, Outcome, Running, docker, until};

const SOCKET: &str = "/var/run/docker.sock";

/// A step that uses the action, not yet run.
#[derive(Debug)]
pub(super) struct ActionStep<'a> {
    machine: &'a Machine,
    /// As on the runner, with the machine's own paths.
    environment: BTreeMap<String, String>,
    entrypoint: Option<&'static str>,
    /// The path that is mounted as the engine's socket.
    socket: Option<Utf8PathBuf>,
    number: u32,
}

/// A step whose container runs.
#[derive(Debug)]
pub(super) struct Started {
    running: Running,
    /// The name of its container.
    pub(super) id: String,
    number: u32,
}

/// A finished step.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) number: u32,
}

impl<'a> ActionStep<'a> {
    /// With default values for all inputs.
    pub(super) fn new(machine: &'a Machine, number: u32) -> Self {
        let mut environment = inputs();
        environment.extend(variables(machine, number));
        Self { machine, environment, entrypoint: None, socket: Some(SOCKET.into()), number }
    }

    pub(super) fn entrypoint(self, path: &'static str) -> Self {
        Self { entrypoint: Some(path), ..self }
    }

    /// `with:`
    pub(super) fn input(self, name: &str, value: &str) -> Self {
        let variable = format!("INPUT_{}", name.to_uppercase());
        assert!(self.environment.contains_key(&variable), "action.yml has no input {name}");
        self.env(&variable, value)
    }

    /// `env:`
    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Another path instead of the engine's socket.
    pub(super) fn socket(self, path: &Utf8Path) -> Self {
        Self { socket: Some(path.to_owned()), ..self }
    }

    /// As with containers in Kubernetes (actions-runner-controller), where an engine is not guaranteed.
    pub(super) fn without_socket(self) -> Self {
        Self { socket: None, ..self }
    }

    /// Runs it to completion.
    pub(super) fn run(self) -> Ended {
        let number = self.number;
        let (command, _) = self.command();
        Ended { outcome: command.run(), number }
    }

    /// Starts it, and waits for its container.
    pub(super) fn start(self) -> Started {
        let number = self.number;
        let (command, name) = self.command();
        let running = command.start();
        let id = until("the action's container", || {
            let filter = format!("name=^{name}$");
            let id = docker(&["ps", "--quiet", "--no-trunc", "--filter", &filter]);
            (!id.is_empty()).then_some(id)
        });
        Started { running, id, number }
    }

    /// `docker run …`, and the container's name.
    fn command(self) -> (Command, String) {
        let Self { machine, environment, entrypoint, socket, .. } = self;
        let image = &machine.image;
        let plain: String = image.chars().filter(char::is_ascii_alphanumeric).collect();
        let random = uuid::Uuid::new_v4().simple().to_string();
        let name = format!("{plain}_{}", &random[..6]);
        let mut cli = Process::new("docker");
        cli.args(["run", "--name", &name, "--label", &random[6..12]]);
        cli.args(["--workdir", "/github/workspace", "--rm"]);
        let mounts = machine.mounts();
        // Only names: the values are in the command's environment.
        for (variable, value) in &environment {
            cli.args(["-e", variable]).env(variable, translated(value, &mounts));
        }
        cli.args(["-e", "GITHUB_ACTIONS=true", "-e", "CI=true"]);
        if let Some(path) = entrypoint {
            cli.args(["--entrypoint", path]);
        }
        if let Some(network) = machine.network.argument() {
            cli.args(["--network", network]);
        }
        let mut mount = |host: &Utf8Path, inside: &str| {
            cli.arg("-v").arg(format!("{host}:{inside}"));
        };
        if let Some(path) = &socket {
            mount(path, SOCKET);
        }
        for (host, inside) in &mounts {
            mount(host, inside);
        }
        cli.arg(image).args(arguments());
        (Command::of(cli), name)
    }
}

/// The runner rewrites values that are a path below a mounted folder (`StepHost.ResolvePathForStepHost`,
/// `ContainerInfo.TranslateToContainerPath`).
fn translated(value: &str, mounts: &[(Utf8PathBuf, &str)]) -> String {
    let below = mounts.iter().filter_map(|(host, inside)| {
        let rest = value.strip_prefix(host.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| (host.as_str().len(), inside, rest))
    });
    match below.max_by_key(|(length, _, _)| *length) {
        Some((_, inside, rest)) => format!("{inside}{rest}"),
        None => value.to_owned(),
    }
}

#[test]
fn a_path_is_translated_by_the_innermost_mount() {
    let mounts =
        [("/runner/_temp".into(), "/github/runner_temp"), ("/runner/_temp/a".into(), "/github/a")];
    let inside = |value: &str| translated(value, &mounts);
    assert_eq!(inside("/runner/_temp/a/b"), "/github/a/b");
    assert_eq!(inside("/runner/_temp"), "/github/runner_temp");
    assert_eq!(inside("/runner/_temperature"), "/runner/_temperature");
}

impl Started {
    /// As the runner does: to the Docker command, which forwards it.
    pub(super) fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    pub(super) fn kill_container(&self) {
        docker(&["kill", &self.id]);
    }

    pub(super) fn wait(self) -> Ended {
        Ended { outcome: self.running.wait(), number: self.number }
    }
}

impl Ended {
    pub(super) fn exit(self, code: i32) -> Self {
        Self { outcome: self.outcome.exit(code), ..self }
    }

    pub(super) fn success(self) -> Self {
        self.exit(0)
    }

    pub(super) fn took(&self) -> Duration {
        self.outcome.took
    }
}
