//! Ends of a run while a migration runs in its container: nothing is left, at once or after the next cleanup.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Images, shop};
use crate::common::{Project, Running, containers_of, docker, until};

const SLEEPS: &str = "import signal\n\nrevision = \"002\"\ndown_revision = \"001\"\n\n\ndef upgrade():\n    \
                      print(\"asleep\")\n    signal.pause()\n";

fn sleepy() -> Project {
    shop().file("migrations/versions/002_sleep.py", SLEEPS)
}

/// The image of each container of a run.
fn images_of(pid: u32) -> Vec<String> {
    let label = format!("label=org.mig-ci.pid={pid}");
    let lines = docker(&["ps", "--all", "--format", "{{.Image}}", "--filter", &label]);
    lines.lines().map(str::to_owned).collect()
}

fn networks_of(pid: u32) -> String {
    docker(&["network", "ls", "--quiet", "--filter", &format!("label=org.mig-ci.pid={pid}")])
}

/// The container in which a migration of the run sleeps.
fn sleeping(images: &Images, pid: u32) -> Option<String> {
    let label = format!("label=org.mig-ci.pid={pid}");
    let ancestor = format!("ancestor={}", images.python);
    let ids = docker(&["ps", "--quiet", "--filter", &label, "--filter", &ancestor]);
    let id = ids.lines().next()?;
    // It may end meanwhile.
    let shown =
        Process::new("docker").args(["top", id, "-eo", "pid,wchan:30,args"]).output().ok()?;
    // The supervisor waits in poll; only a target pauses.
    String::from_utf8_lossy(&shown.stdout).contains("pause").then(|| id.to_owned())
}

/// A run whose migration sleeps in its container.
fn asleep(images: &Images, project: &Project) -> Running {
    let run = images.verify(project, &images.python).start();
    until("a sleeping migration", || sleeping(images, run.id()));
    run
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    let Some(images) = Images::found() else { return };
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let project = sleepy();
        let run = asleep(&images, &project);
        let id = run.id();
        assert_eq!(images_of(id).len(), 2);
        assert_ne!(networks_of(id), "");
        let sent = Instant::now();
        run.signal(signal);
        let ended = run.wait().exit(130);
        assert!(sent.elapsed() < Duration::from_secs(7), "{:?}", sent.elapsed());
        let said = "everything that this run created was removed";
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
        assert_eq!((containers_of(id), networks_of(id)), (String::new(), String::new()));
    }
}

/// The container of the migration ends with mig-ci, and its server and network are removed by the next cleanup.
#[test]
fn a_killed_run_is_removed_by_the_next_cleanup() {
    let Some(images) = Images::found() else { return };
    let project = sleepy();
    let run = asleep(&images, &project);
    let id = run.id();
    run.signal(Signal::SIGKILL);
    assert_eq!(run.wait().status.signal(), Some(9));
    until("the end of the migration's container", || {
        (!images_of(id).contains(&images.python)).then_some(())
    });
    project.mig_ci(["clean"]).run().success();
    assert_eq!((containers_of(id), networks_of(id)), (String::new(), String::new()));
}

/// The container of the migration is killed: the migration fails, and nothing is left.
#[test]
fn a_lost_container_is_a_failure_of_the_migration() {
    let Some(images) = Images::found() else { return };
    let project = sleepy();
    let mut run = asleep(&images, &project);
    let id = run.id();
    // A run that was disturbed is replayed once more, with another container.
    until("the end of the run", || {
        if let Some(container) = sleeping(&images, id) {
            let _ = Process::new("docker").args(["kill", &container]).output();
        }
        run.has_ended().then_some(())
    });
    let ended = run.wait().exit(1);
    assert!(ended.stdout.contains("the driver of the migrations ended"), "{}", ended.stdout);
    assert_eq!((containers_of(id), networks_of(id)), (String::new(), String::new()));
}
