//! A step of a job as GitHub's runner runs it: its output and its leftovers.

use serde_json::json;

use super::network::Network;
use super::pull_request::{NOT_NULL, NUMBER, PullRequest, adding, shop};
use super::runner::Machine;
use super::service::Service;
use crate::common::github::{ACTIONS, Fault, TOKEN, refusal};
use crate::common::{Line, Step, containers_beside, docker};

/// The networks of the engine, without those of these tests.
fn networks() -> Vec<String> {
    let names = docker(&["network", "ls", "--format", "{{.Name}}"]);
    let mut names: Vec<_> = names.lines().map(str::to_owned).collect();
    names.retain(|name| !name.starts_with("mig-ci-test-"));
    names.sort();
    names
}

/// The locations of annotations in the log.
fn annotated(step: &Step) -> Vec<(&str, &str)> {
    let errors = step.log.iter().filter_map(|line| match line {
        Line::Command { name, properties, .. } if name == "error" => Some(properties),
        _ => None,
    });
    errors.map(|found| (found["file"].as_str(), found["line"].as_str())).collect()
}

fn one_tenant_fails_and_all_is_shown(network: fn() -> Option<Network>) {
    let Some(machine) = Machine::new(adding(NOT_NULL), network) else { return };
    let before = networks();
    let started = machine.step().start();
    let id = started.id.clone();
    let step = machine.read(&started.wait().exit(1));
    let PullRequest { head, .. } = &machine.pull_request;

    let comments = machine.fake.comments();
    let [comment] = &comments[..] else { panic!("{comments:?}") };
    assert_eq!((comment.pull_request, comment.login.as_str()), (NUMBER, ACTIONS));
    assert!(comment.body.contains("### ❌ Migrations fail for 1 of 7 tenants"), "{}", comment.body);
    let place = format!("https://github.com/shop/app/blob/{head}/migrations/3_email.sql#L1");
    assert!(comment.body.contains(&place), "{}", comment.body);
    assert!(comment.body.contains("\nTenants: `initech`\n"), "{}", comment.body);

    let checks = machine.fake.check_runs();
    let [check] = &checks[..] else { panic!("{checks:?}") };
    assert_eq!((&check["head_sha"], &check["conclusion"]), (&json!(head), &json!("failure")));
    let annotations = check["annotations"].as_array().unwrap();
    assert_eq!(annotations.len(), 1);
    assert_eq!(annotations[0]["path"], "migrations/3_email.sql");
    assert_eq!(annotations[0]["start_line"], 1);
    assert_eq!(step.commands("error"), [""; 0], "an annotation stands there once");

    assert_eq!(step.outputs["result"], "failed");
    assert_eq!(step.outputs["tenants-passed"], "6");
    assert_eq!(step.outputs["tenants-failed"], "1");
    assert_eq!(step.outputs["tenants-not-run"], "0");
    assert!(step.outputs["comment-url"].contains("/pull/2#issuecomment-"), "{:?}", step.outputs);
    // Other steps use the folder's path on the machine.
    assert_eq!(step.outputs["report"], machine.temp().join("mig-ci-report.json"));
    let report = step.report();
    assert_eq!(report["server"]["provider"], "docker");
    assert_eq!(report["counts"]["pending_migrations"], 1);
    assert!(step.summary.starts_with("### ❌ Migrations fail for 1 of 7 tenants\n"));
    assert!(step.summary.contains("| `initech` | ❌ failed |"), "{}", step.summary);
    assert_eq!(step.state.keys().collect::<Vec<_>>(), ["finished", "started"]);
    assert_eq!(step.stderr, "", "all of the log is in one stream");
    assert!(!step.text().contains(TOKEN));

    the_base_was_read_from_github(&machine, &[]);
    assert_eq!(machine.unremovable_files(), [""; 0]);
    assert_eq!((containers_beside(&id), networks()), (String::new(), before));
}

/// The image contains no git: the base is read from the merge commit's parent, one listing, and the files that differ.
pub(super) fn the_base_was_read_from_github(machine: &Machine, changed: &[&str]) {
    let requests = machine.fake.requests();
    let of_git = requests.iter().filter_map(|each| each.strip_prefix("GET /repos/shop/app/git/"));
    let PullRequest { merge, base, .. } = &machine.pull_request;
    let mut wanted = vec![format!("commits/{merge}"), format!("trees/{base}")];
    let blobs = changed.iter().map(|path| machine.pull_request.blob_of_base(path));
    wanted.extend(blobs.map(|blob| format!("blobs/{blob}")));
    assert_eq!(of_git.collect::<Vec<_>>(), wanted);
}

#[test]
fn in_a_job_without_services() {
    one_tenant_fails_and_all_is_shown(Network::bridge);
}

#[test]
fn in_a_job_with_services() {
    one_tenant_fails_and_all_is_shown(Network::of_a_job);
}

#[test]
fn a_correct_pull_request_passes() {
    let good = adding("ALTER TABLE members ADD phone text;\n");
    let Some(machine) = Machine::new(good, Network::bridge) else { return };
    let report = "out/mig-ci/report.json";
    let step = machine.step().input("report-path", report).run().success();
    let step = machine.read(&step);
    assert_eq!(
        (step.outputs["result"].as_str(), step.outputs["report"].as_str()),
        ("passed", report)
    );
    assert!(step.summary.starts_with("### ✅ Migrations pass for all 7 tenants\n"));
    assert!(machine.fake.comments()[0].body.contains("### ✅ Migrations pass"));
    assert_eq!(machine.fake.check_runs()[0]["conclusion"], "success");
    // In the workspace, which the next checkout must be able to clean.
    assert!(machine.workspace().join(report).is_file());
    assert_eq!(machine.unremovable_files(), [""; 0]);
}

#[test]
fn without_a_check_run_annotations_are_in_the_log() {
    let Some(machine) = Machine::new(adding(NOT_NULL), Network::bridge) else { return };
    let place = [("migrations/3_email.sql", "1")];
    let step = machine.read(&machine.step().input("check-run", "never").run().exit(1));
    assert_eq!(annotated(&step), place);
    assert!(machine.fake.check_runs().is_empty());

    machine.fake.fail(Fault::new("POST", "/check-runs", refusal("integration")).always());
    let step = machine.read(&machine.step().run().exit(1));
    assert_eq!(annotated(&step), place);
    assert!(step.text().contains("no check run, "), "{:?}", step.log);
    assert_eq!(machine.fake.comments().len(), 1, "it is rewritten");
}

/// For a changed migration of the base, only its text in the base is requested in addition.
#[test]
fn a_changed_migration_needs_one_more_request() {
    let changed = "ALTER TABLE members ADD remark text;\n";
    let pull_request = PullRequest::of(shop(), |head| head.file("migrations/2_note.sql", changed));
    let Some(machine) = Machine::new(pull_request, Network::bridge) else { return };
    let step = machine.read(&machine.step().run().exit(1));
    let codes: Vec<_> = step.report()["findings"].as_array().unwrap().clone();
    assert!(codes.iter().any(|finding| finding["code"] == "ledger-refused"), "{codes:#?}");
    the_base_was_read_from_github(&machine, &["migrations/2_note.sql"]);
}

#[test]
fn a_service_container_is_reached_by_its_name() {
    let Some(machine) = Machine::new(adding(NOT_NULL), Network::of_a_job) else { return };
    let service = Service::start(&machine);
    let step = machine.step().input("provider", "url").env("MIG_CI_POSTGRES_URL", &service.url());
    let started = step.without_socket().start();
    let id = started.id.clone();
    let step = machine.read(&started.wait().exit(1));
    assert_eq!(step.report()["server"]["provider"], "url");
    assert!(machine.fake.comments()[0].body.contains("Migrations fail for 1 of 7 tenants"));
    assert_eq!((service.left(), containers_beside(&id)), (String::new(), String::new()));
}
