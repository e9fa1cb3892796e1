//! A run that ends early: by a signal, by SIGKILL, or because its server dies. No process of the project is left.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgid};

use super::{Example, NUMBER_INVOICES, example};
use crate::common::{Running, until};

/// How long the end of a run may take.
const IN_TIME: Duration = Duration::from_secs(6);

/// The example, with a revision that sleeps in Python after it has started a process that ignores signals, in a group of its
/// own. All of these processes have `mark` in their environment.
fn sleeper(mark: &str) -> Option<Example> {
    let sleeps = "import subprocess, threading\n    \
                  subprocess.Popen([\"sh\", \"-c\", \"trap '' TERM INT HUP; sleep 300\"], start_new_session=True)\n    \
                  threading.Event().wait(300)\n    for number, invoice";
    let configuration = format!(
        "[databases.app.shared]\nalembic = {{ ini = \"alembic.ini\", section = \"shared\" }}\n\
         [databases.app.tenants]\nalembic = {{ ini = \"alembic.ini\", section = \"tenant\" }}\n\
         env = {{ TENANT_SCHEMA = \"{{target}}\", MARK = \"{mark}\" }}\n"
    );
    let example = example()?.edited(NUMBER_INVOICES, "for number, invoice", sleeps);
    Some(example.file("mig-ci.toml", configuration).git_commit("base"))
}

/// The processes with `mark` in their environment.
fn marked(mark: &str) -> Vec<i32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let has_mark = |id: &i32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.windows(mark.len()).any(|window| window == mark.as_bytes())
    };
    ids.filter(has_mark).collect()
}

/// Starts a run, and waits until a revision sleeps.
fn started(mark: &str) -> Option<(Example, Running)> {
    let example = sleeper(mark)?;
    let run = example.verify(["-n", "app", "--no-base", "--jobs", "1"]).start();
    until("a revision sleeps", || {
        let groups: std::collections::BTreeSet<_> = marked(mark)
            .into_iter()
            .filter_map(|id| getpgid(Some(Pid::from_raw(id))).ok())
            .collect();
        (groups.len() >= 2).then_some(())
    });
    Some((example, run))
}

#[test]
fn an_interrupted_run_leaves_no_process() {
    let mark = "mig-ci-test-interrupted";
    let Some((_example, run)) = started(mark) else { return };
    let sent = Instant::now();
    run.signal(Signal::SIGINT);
    let ended = run.wait().exit(130);
    assert!(sent.elapsed() < IN_TIME, "{:?}: {}", sent.elapsed(), ended.stderr);
    until("no process is left", || marked(mark).is_empty().then_some(()));
}

#[test]
fn a_killed_run_leaves_no_process() {
    let mark = "mig-ci-test-killed";
    let Some((_example, run)) = started(mark) else { return };
    run.signal(Signal::SIGKILL);
    run.wait();
    until("no process is left", || marked(mark).is_empty().then_some(()));
}
