//! A machine with GitHub's runner: the folders of a job, and their content afterwards.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, lchown};
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use nix::unistd::Uid;
use tempfile::TempDir;

use super::network::Network;
use super::pull_request::PullRequest;
use super::step::{ActionStep, Ended};
use crate::common::github::Fake;
use crate::common::{Step, action_image, docker_image, values};

/// The user of the runner on GitHub's machines.
const RUNNER: u32 = 1001;

/// The machine, with one job.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) fake: Fake,
    pub(super) pull_request: PullRequest,
    pub(super) network: Network,
    /// A PostgreSQL image that the engine has.
    pub(super) postgres: String,
    /// The action's image.
    pub(super) image: String,
    /// The runner's `_work`.
    work: TempDir,
    steps: Cell<u32>,
}

impl Machine {
    /// `None` if a requirement is missing.
    pub(super) fn new(pull_request: PullRequest, network: fn() -> Option<Network>) -> Option<Self> {
        let (image, postgres, network) = (action_image()?, docker_image()?, network()?);
        let fake = Fake::start_at(network.gateway);
        fake.serve_repository(pull_request.origin.path());
        pull_request.is_at(&fake);
        let work = tempfile::Builder::new().prefix("mig-ci-test-work-").tempdir().unwrap();
        let steps = Cell::new(0);
        let machine = Self { fake, pull_request, network, postgres, image, work, steps };
        for folder in ["_github_home", "_github_workflow", "_runner_file_commands"] {
            fs::create_dir_all(machine.temp().join(folder)).unwrap();
        }
        let event = machine.pull_request.event();
        fs::write(machine.temp().join("_github_workflow/event.json"), event).unwrap();
        fs::create_dir_all(machine.workspace()).unwrap();
        machine.pull_request.check_out(&machine.workspace());
        // The runner is not root, but the container is; if the tests are root, another user is the runner.
        if Uid::effective().is_root() {
            visit(machine.work.path(), &mut |path| {
                lchown(path, Some(RUNNER), Some(RUNNER)).unwrap();
            });
        }
        Some(machine)
    }

    /// `_work`.
    pub(super) fn work(&self) -> &Utf8Path {
        self.work.path().try_into().unwrap()
    }

    pub(super) fn temp(&self) -> Utf8PathBuf {
        self.work().join("_temp")
    }

    /// RUNNER_WORKSPACE: the parent folder of the workspace.
    pub(super) fn around(&self) -> Utf8PathBuf {
        self.work().join("app")
    }

    pub(super) fn workspace(&self) -> Utf8PathBuf {
        self.around().join("app")
    }

    /// A file that the runner creates for a step's output.
    pub(super) fn file(&self, name: &str, step: u32) -> Utf8PathBuf {
        self.temp().join(format!("_runner_file_commands/{name}_{step}"))
    }

    /// The host's folder of each mount, and its path in the container.
    pub(super) fn mounts(&self) -> [(Utf8PathBuf, &'static str); 5] {
        let temp = self.temp();
        [
            (temp.clone(), "/github/runner_temp"),
            (temp.join("_github_home"), "/github/home"),
            (temp.join("_github_workflow"), "/github/workflow"),
            (temp.join("_runner_file_commands"), "/github/file_commands"),
            (self.workspace(), "/github/workspace"),
        ]
    }

    /// `uses: mig-ci/mig-action@v0`, with the provider `docker`, and an image that the engine has.
    pub(super) fn step(&self) -> ActionStep<'_> {
        let number = self.steps.get() + 1;
        self.steps.set(number);
        for name in ["set_output", "save_state", "step_summary", "set_env", "add_path"] {
            let file = self.file(name, number);
            fs::write(&file, "").unwrap();
            chown(&file, owner(self.work()), None).unwrap();
        }
        let step = ActionStep::new(self, number);
        step.input("provider", "docker").input("postgres-image", &self.postgres)
    }

    /// The same step after the job, with the state that the step saved.
    pub(super) fn post(&self, state: &BTreeMap<String, String>) -> ActionStep<'_> {
        let step = self.step().entrypoint("/usr/local/bin/mig-ci-post");
        state.iter().fold(step, |step, (name, value)| step.env(&format!("STATE_{name}"), value))
    }

    /// The runner's view of a step.
    pub(super) fn read(&self, ended: &Ended) -> Step {
        Step::read(&ended.outcome, |name| {
            let name = match name {
                "output" => "set_output",
                "state" => "save_state",
                _ => "step_summary",
            };
            fs::read_to_string(self.file(name, ended.number)).unwrap()
        })
    }

    /// The state that a step saved, regardless of its log.
    pub(super) fn state_of(&self, ended: &Ended) -> BTreeMap<String, String> {
        values(&fs::read_to_string(self.file("save_state", ended.number)).unwrap())
    }

    /// Files that the runner cannot remove.
    pub(super) fn unremovable_files(&self) -> Vec<String> {
        let wanted = owner(self.work());
        let mut strange = Vec::new();
        visit(self.work.path(), &mut |path| {
            if Some(fs::symlink_metadata(path).unwrap().uid()) != wanted {
                strange.push(path.display().to_string());
            }
        });
        strange
    }
}

/// The runner's user, which owns its folder.
fn owner(folder: &Utf8Path) -> Option<u32> {
    Some(fs::metadata(folder).unwrap().uid())
}

/// Visits a folder and its content.
fn visit(path: &Path, act: &mut dyn FnMut(&Path)) {
    act(path);
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            visit(&entry.unwrap().path(), act);
        }
    }
}
