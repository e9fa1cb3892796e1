//! A job's step that is cancelled or killed, and the step after the job.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::network::Network;
use super::pull_request::{adding, sleepy};
use super::runner::Machine;
use super::step::Started;
use crate::common::{Container, containers_beside};

/// docs.github.com, "Workflow cancellation": SIGTERM comes 7.5 s after SIGINT, and the end 2.5 s after that.
const IN_TIME: Duration = Duration::from_millis(7_500);
/// Docker's exit code for SIGKILL.
const KILLED: i32 = 137;

/// During a replay, with its server.
fn at_work(machine: &Machine) -> (Started, Container) {
    let started = machine.step().start();
    let server = Container::beside(&started.id);
    server.wait_for_sleepers("pg_sleep(600)", 2);
    (started, server)
}

#[test]
fn a_cancelled_job_ends_in_time_without_leftovers() {
    for network in [Network::bridge, Network::of_a_job] {
        let Some(machine) = Machine::new(sleepy(), network) else { return };
        let (started, server) = at_work(&machine);
        let id = started.id.clone();
        assert_eq!(machine.fake.check_runs()[0]["status"], "in_progress");
        let asked = Instant::now();
        started.signal(Signal::SIGINT);
        let ended = started.wait().exit(130);
        assert!(asked.elapsed() < IN_TIME, "{:?}", asked.elapsed());
        let step = machine.read(&ended);
        assert!(step.text().contains("everything that this run created was removed"));
        assert_eq!(machine.fake.check_runs()[0]["conclusion"], "cancelled");
        assert!(machine.fake.comments().is_empty());
        assert_eq!(step.outputs, BTreeMap::from([("result".to_owned(), "error".to_owned())]));
        assert!(!server.is_there());
        assert_eq!(containers_beside(&id), "");
        let post = machine.post(&step.state).run().success();
        assert_eq!(machine.read(&post).text(), "nothing to remove\n");
    }
}

/// The runner sends SIGKILL if a step does not end.
#[test]
fn leftovers_of_a_killed_container_are_removed_after_the_job() {
    // Any start of a server on this engine, also by another test, removes leftovers of dead runs. Then none is left for the
    // step after the job, and the attempt proves nothing.
    const TRIES: u32 = 8;
    for network in [Network::bridge, Network::of_a_job] {
        let mut is_proven = false;
        for _ in 0..TRIES {
            // On GitHub each run has its own number.
            let Some(machine) = Machine::new(sleepy(), network) else { return };
            is_proven = is_removed_after_the_job(&machine);
            assert_eq!(machine.unremovable_files(), [""; 0]);
            if is_proven {
                break;
            }
        }
        assert!(is_proven, "another process was first each time");
    }
}

/// `false` if another run removed it first.
fn is_removed_after_the_job(machine: &Machine) -> bool {
    let (started, server) = at_work(machine);
    started.kill_container();
    let ended = started.wait().exit(KILLED);
    // The log ends within the output of another program, so only the files can be read.
    let state = machine.state_of(&ended);
    assert_eq!(state.keys().collect::<Vec<_>>(), ["started"]);

    // Without the state of a started run nothing is removed.
    let idle = machine.read(&machine.post(&BTreeMap::new()).run().success()).text();
    assert!(!idle.contains(&server.id[..12]), "{idle}");

    let post = machine.post(&state).run().success();
    let text = machine.read(&post).text();
    let is_ours = text.contains(&format!("removed container {} of run ", &server.id[..12]));
    assert!(!server.is_there(), "{text}");
    // Otherwise it would block the pull request.
    assert_eq!(machine.fake.check_runs()[0]["conclusion"], "cancelled");
    let again = machine.read(&machine.post(&state).run().success()).text();
    assert!(!again.contains(&server.id[..12]), "{again}");
    assert_eq!(machine.fake.count("PATCH"), 1, "one that has ended is left as it is");
    is_ours
}

#[test]
fn post_step_of_a_finished_job_does_nothing() {
    let good = adding("ALTER TABLE members ADD phone text;\n");
    let Some(machine) = Machine::new(good, Network::bridge) else { return };
    let state = machine.read(&machine.step().run().success()).state;
    assert_eq!(state.keys().collect::<Vec<_>>(), ["finished", "started"]);
    for _ in 0..2 {
        let post = machine.read(&machine.post(&state).run().success());
        assert_eq!(post.text(), "nothing to remove\n");
        assert!(post.outputs.is_empty() && post.state.is_empty() && post.summary.is_empty());
    }
    assert_eq!(machine.fake.comments().len(), 1);
}
