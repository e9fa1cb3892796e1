//! The messages of a step if something of the machine is missing: also on the pull request, where the author otherwise sees
//! no reason for the missing verdict.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use super::network::Network;
use super::pull_request::{NOT_NULL, adding};
use super::runner::Machine;
use super::step::ActionStep;

/// The error of a step that cannot verify anything. Exit code 3 is for the configuration, and 4 for the machine.
fn error_of(machine: &Machine, step: ActionStep<'_>, code: i32) -> String {
    let ended = step.run().exit(code);
    assert!(ended.took() < Duration::from_secs(60), "{:?}", ended.took());
    let step = machine.read(&ended);
    let [error] = step.commands("error")[..] else { panic!("{:?}", step.log) };
    assert_eq!(step.outputs["result"], "error");
    assert!(step.summary.starts_with("### ❌ Migrations could not be verified\n"));
    let comments = machine.fake.comments();
    let [comment] = &comments[..] else { panic!("{comments:?}") };
    assert!(comment.body.contains("No tenant has a result."), "{}", comment.body);
    error.to_owned()
}

#[track_caller]
fn says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
}

fn machine() -> Option<Machine> {
    Machine::new(adding(NOT_NULL), Network::bridge)
}

/// As with container hooks, in a job without a service container.
#[test]
fn without_an_engine_and_without_a_server() {
    let Some(machine) = machine() else { return };
    let socket = "/var/run/docker.sock: there is no such socket";
    let error = error_of(&machine, machine.step().input("provider", "").without_socket(), 4);
    // The runner's binaries are not a fallback: only the workflow may choose them.
    says(&error, &["no Docker engine answers at ", socket]);
    let error = error_of(&machine, machine.step().input("provider", "auto").without_socket(), 4);
    says(&error, &["no Docker engine answers at ", socket]);
    let error = error_of(&machine, machine.step().input("provider", "url").without_socket(), 3);
    says(
        &error,
        &["the provider is `url`, but the server's URL is not set", "MIG_CI_POSTGRES_URL"],
    );
}

#[test]
fn a_docker_socket_without_listener() {
    let Some(machine) = machine() else { return };
    let socket = machine.temp().join("docker.sock");
    drop(UnixListener::bind(&socket).unwrap());
    let error = error_of(&machine, machine.step().socket(&socket), 4);
    says(&error, &["unix:///var/run/docker.sock: the socket exists, but no process listens on it"]);
}

#[test]
fn an_image_that_does_not_exist() {
    let Some(machine) = machine() else { return };
    // A registry that does not respond in any environment.
    let image = "127.0.0.1:1/no-such-image:17";
    let error = error_of(&machine, machine.step().input("postgres-image", image), 4);
    says(&error, &[image, "is not on this machine, and its registry cannot be reached"]);
}

#[test]
fn an_unreachable_server() {
    let Some(machine) = machine() else { return };
    let step = machine.step().input("provider", "url");
    let step = step.env("MIG_CI_POSTGRES_URL", "postgres://u:hush@localhost:5432/postgres");
    let error = error_of(&machine, step, 4);
    says(&error, &["cannot connect to the server of postgres.url"]);
    assert!(!error.contains("hush"), "{error}");
}
