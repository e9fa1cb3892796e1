//! The payloads of all events, and how they are read.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::skipped::have;

/// One entry of INDEX.json.
#[derive(Debug)]
struct PayloadCase {
    file: String,
    name: String,
    actor: Option<String>,
    payload: Value,
    expect: Value,
}

impl PayloadCase {
    fn event(&self) -> JobEvent {
        JobEvent::read(&self.name, &self.payload.to_string(), self.actor.as_deref())
            .unwrap_or_else(|error| panic!("{}: {error}", self.file))
    }
}

fn cases(folder: &Path) -> Vec<PayloadCase> {
    let read = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    let entries = read("INDEX.json");
    let case = |entry: &Value| PayloadCase {
        file: entry["file"].as_str().unwrap().to_owned(),
        name: entry["event_name"].as_str().unwrap().to_owned(),
        actor: entry["env"]["GITHUB_ACTOR"].as_str().map(str::to_owned),
        payload: read(entry["file"].as_str().unwrap()),
        expect: entry["expect"].clone(),
    };
    entries.as_array().unwrap().iter().map(case).collect()
}

fn committed() -> Vec<PayloadCase> {
    cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/github/events"))
}

fn committed_case(file: &str) -> PayloadCase {
    committed().into_iter().find(|case| case.file == file).unwrap()
}

/// Checks the expectations in INDEX.json, with the names of [`JobEvent`]; a sentence there has to be a question here.
fn assert_expected(case: &PayloadCase) {
    let event = case.event();
    let expect = &case.expect;
    let file = &case.file;
    match &expect["pr"] {
        Value::Null => assert!(matches!(event.subject, Subject::None(_)), "{file}: {event:?}"),
        Value::String(_) => {
            let sha = event.head_sha.clone().unwrap();
            assert_eq!(
                event.subject,
                Subject::Lookup(PullRequestLookup::PullsOfCommit { sha }),
                "{file}"
            );
        }
        number => assert_eq!(event.number(), number.as_u64(), "{file}"),
    }
    match expect["head_sha"].as_str() {
        Some(sha) if sha.len() == 40 => assert_eq!(event.head_sha.as_deref(), Some(sha), "{file}"),
        Some(_) => {
            assert!(
                matches!(event.subject, Subject::Lookup(PullRequestLookup::Pull { .. })),
                "{file}"
            );
            assert_eq!(event.head_sha, None, "{file}");
        }
        None => assert_eq!(event.head_sha, None, "{file}"),
    }
    if let Some(base) = expect.get("base_sha") {
        assert_eq!(event.base_sha.as_deref(), base.as_str(), "{file}");
    }
    if let Some(base) = expect["base_ref"].as_str() {
        assert_eq!(event.base_ref.as_deref(), Some(base), "{file}");
    }
    if let Some(is_fork) = expect["is_fork"].as_bool() {
        assert_eq!(event.is_fork, is_fork, "{file}");
    }
    if let Some(can_write) = expect["token_can_write_by_default"].as_bool() {
        assert_eq!(event.token_can_write, can_write, "{file}");
    }
}

/// Its pull request belongs to another repository, so it has a separate test.
const OF_ANOTHER: &str = "workflow_run.completed.with-pull-requests.json";

fn assert_all_expected(cases: &[PayloadCase]) {
    assert_eq!(cases.len(), 20);
    for case in cases.iter().filter(|case| case.file != OF_ANOTHER) {
        assert_expected(case);
    }
    let case = cases.iter().find(|case| case.file == OF_ANOTHER).unwrap();
    assert_pull_requests_of_other_repositories_do_not_count(case);
}

/// The pull request of the payload has the number and head in INDEX.json, and counts only if it targets the repository of the
/// run. Whether its head is still the run's commit is checked by the publisher.
fn assert_pull_requests_of_other_repositories_do_not_count(case: &PayloadCase) {
    let run_sha = case.expect["workflow_run_head_sha"].as_str().unwrap().to_owned();
    let event = case.event();
    let lookup = Subject::Lookup(PullRequestLookup::PullsOfCommit { sha: run_sha.clone() });
    assert_eq!((event.subject, event.head_sha), (lookup, Some(run_sha.clone())));

    let mut payload = case.payload.clone();
    let here = payload["repository"]["id"].clone();
    payload["workflow_run"]["pull_requests"][0]["base"]["repo"]["id"] = here;
    let event = JobEvent::read("workflow_run", &payload.to_string(), None).unwrap();
    let known = Subject::Known {
        number: case.expect["pr"].as_u64().unwrap(),
        head_sha: Some(case.expect["head_sha"].as_str().unwrap().to_owned()),
    };
    assert_eq!((event.subject, event.head_sha), (known, Some(run_sha)));
}

#[test]
fn all_payloads_match_the_index() {
    assert_all_expected(&committed());
}

/// The same with GitHub's complete payloads, if they are available next to the project.
#[test]
fn complete_payloads_match_the_index() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/github");
    let folder = std::env::var_os("MIG_CI_GITHUB_DATA").map_or(beside, PathBuf::from);
    let events = folder.join("events").read_dir().map(|_| folder.join("events"));
    let what = "GitHub's whole payloads (MIG_CI_GITHUB_DATA)";
    let Some(events) = have("MIG_CI_REQUIRE_GITHUB_DATA", what, events) else { return };
    assert_all_expected(&cases(&events));
}

#[test]
fn a_pull_request_target_is_refused_with_a_reason() {
    let refused = committed_case("pull_request_target.opened.from-fork.json").event();
    let why = refused.refusal.unwrap();
    assert!(why.contains("default branch") && why.contains("on: pull_request"), "{why}");
    // The subject is still known: a report can be published there.
    assert_eq!(refused.number(), Some(2));
    let pull = committed_case("pull_request.opened.from-fork.json").event();
    assert_eq!(pull.refusal, None);
}

#[test]
fn a_workflow_run_of_a_pull_request_is_refused_and_one_of_a_push_is_not() {
    let of_fork = committed_case("workflow_run.completed.fork-pull_request.json");
    assert!(of_fork.event().refusal.unwrap().contains("only publish its report"));
    assert_eq!(committed_case(OF_ANOTHER).event().refusal, None);
}

#[test]
fn a_deleted_branch_has_nothing_to_verify() {
    let event = committed_case("push.tag.deleted.json").event();
    assert_eq!(event.nothing_to_do, Some("a branch or tag was deleted"));
    assert_eq!(committed_case("push.branch.updated.json").event().nothing_to_do, None);
}

#[test]
fn only_the_default_branch_is_compared_with_the_previous_push() {
    let mut case = committed_case("push.branch.updated.json");
    assert!(case.event().base_sha.is_some());
    case.payload["ref"] = json!("refs/heads/feature");
    assert_eq!(case.event().base_sha, None);
}

#[test]
fn a_verdict_is_valid_for_the_head_and_the_merge_commit_only() {
    let event = committed_case("pull_request.synchronize.json").event();
    let merge = "1111111111111111111111111111111111111111";
    assert!(event.applies_to(merge, Some(merge)));
    assert!(event.applies_to(event.head_sha.as_deref().unwrap(), Some(merge)));
    assert!(!event.applies_to(event.base_sha.as_deref().unwrap(), Some(merge)));
    let dispatch = committed_case("workflow_dispatch.json").event();
    assert!(dispatch.applies_to(merge, None));
}

#[test]
fn a_named_pull_request_is_used_if_the_event_names_none() {
    let dispatch = committed_case("workflow_dispatch.json").event().or_pull_request(Some(7));
    assert_eq!(dispatch.subject, Subject::Lookup(PullRequestLookup::Pull { number: 7 }));
    let push = committed_case("push.branch.updated.json").event().or_pull_request(Some(7));
    assert_eq!(push.number(), Some(7));
    let pull = committed_case("pull_request.opened.json").event().or_pull_request(Some(7));
    assert_eq!(pull.number(), Some(2));
    let none = committed_case("workflow_dispatch.json").event().or_pull_request(None);
    assert_eq!(none.number(), None);
}

#[test]
fn dependabots_runs_cannot_write_except_for_events_of_the_base() {
    let case = committed_case("push.branch.updated.json");
    let of =
        |name: &str, actor| JobEvent::read(name, &case.payload.to_string(), Some(actor)).unwrap();
    assert!(of("push", "Codertocat").token_can_write);
    assert!(!of("push", "dependabot[bot]").token_can_write);
    let run = committed_case("workflow_run.completed.fork-pull_request.json");
    let event = JobEvent::read("workflow_run", &run.payload.to_string(), Some("dependabot[bot]"));
    assert!(event.unwrap().token_can_write);
}

#[test]
fn invalid_payloads_are_errors_with_a_reason() {
    let error =
        |name: &str, payload: &str| JobEvent::read(name, payload, None).unwrap_err().to_string();
    insta::assert_snapshot!(error("push", "<html>"), @"the event's payload is invalid: expected value at line 1 column 1");
    insta::assert_snapshot!(error("pull_request", "{}"), @"the payload of a `pull_request` event has no `pull_request`");
    insta::assert_snapshot!(
        error("merge_group", r#"{"merge_group": {"head_sha": "../../x](y) <b>"}}"#),
        @r#"`merge_group.head_sha` of the event's payload is not a commit hash: "../../x](y) <b>""#
    );
    insta::assert_snapshot!(
        error("pull_request", r#"{"pull_request": {"number": 1, "head": {"sha": null}}}"#),
        @"the payload of a `pull_request` event has no `pull_request.head.sha`"
    );
}

#[test]
fn unknown_events_are_no_errors() {
    let event = JobEvent::read("deployment", r#"{"pull_request": "x", "ref": 1}"#, None).unwrap();
    assert_eq!((event.kind, event.name.as_str()), (EventKind::Other, "deployment"));
    assert!(matches!(event.subject, Subject::None(why) if why.contains("`pull-request`")));
}

#[test]
fn queues_of_branches_with_slashes_name_their_pull_request() {
    let head = "0".repeat(39) + "1";
    let number = |head_ref: &str| {
        let payload = json!({"merge_group": {"head_sha": head, "head_ref": head_ref}});
        JobEvent::read("merge_group", &payload.to_string(), None).unwrap().number()
    };
    assert_eq!(number("refs/heads/gh-readonly-queue/release/1.x/pr-104-929f"), Some(104));
    assert_eq!(number("refs/heads/gh-readonly-queue/main/pr-x-929f"), None);
    assert_eq!(number("refs/heads/feature/pr-104-929f"), None);
}
