//! Runs of the action that end without a result: the pull request must not show the passed verdict of an older commit.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::common::github::{Fake, Fault, refusal};
use crate::common::{Command, HEAD, Job, Postgres, Project, Step, project, wait_for_sleepers};

const GOOD: &str = "CREATE TABLE a (id int);\n";
const SLOW: &str = "SELECT pg_sleep(600);\n";
const GREEN: &str = "### ✅ Migrations pass";
const NONE: &str = "### ❌ Migrations could not be verified";

fn shop(migration: &str) -> Project {
    project().file("migrations/1_a.sql", migration).git_commit("head")
}

fn opened() -> Job {
    Job::of_event("pull_request.opened.json")
}

/// A second run, after one that passed.
fn step(job: &Job, fake: &Fake, shop: &Project) -> Command {
    job.step_at(fake, shop).arg("--no-base").env("GITHUB_RUN_ID", "9876543299")
}

/// The step after the job, with the state that the run saved.
fn after(job: &Job, fake: &Fake, shop: &Project, left: &Step) -> Step {
    let command = step(job, fake, shop).arg("--post");
    let state = left.state.iter().map(|(name, value)| (format!("STATE_{name}"), value));
    let command = state.fold(command, |command, (name, value)| command.env(&name, value));
    job.read(&command.run().success())
}

/// A pull request whose comment shows a passed verdict of an earlier run.
fn green() -> Fake {
    let fake = Fake::start();
    let shop = shop(GOOD);
    let earlier = opened();
    earlier.read(&earlier.step_at(&fake, &shop).arg("--no-base").run().success());
    assert!(comment(&fake).contains(GREEN));
    fake
}

/// The only comment.
fn comment(fake: &Fake) -> String {
    let comments = fake.comments();
    let [comment] = &comments[..] else { panic!("{comments:?}") };
    comment.body.clone()
}

fn assert_no_result(fake: &Fake, why: &str) {
    let body = comment(fake);
    assert!(body.contains(NONE) && !body.contains(GREEN), "{body}");
    assert!(body.contains(why), "{body}");
    assert!(body.contains(&format!("<!-- mig-ci:run id=9876543299 attempt=1 sha={HEAD} -->")));
}

/// Status and conclusion of the check runs, except that of the earlier run.
fn checks(fake: &Fake) -> Vec<(Value, Value)> {
    let runs = fake.check_runs();
    let ends = runs.iter().skip(1).map(|run| (run["status"].clone(), run["conclusion"].clone()));
    ends.collect()
}

fn ended(conclusion: &str) -> (Value, Value) {
    (json!("completed"), json!(conclusion))
}

#[test]
fn invalid_inputs_replace_an_older_result() {
    for (name, value) in [
        ("INPUT_FAIL-ON", "never"),
        ("INPUT_COMMENT", "on"),
        ("INPUT_CHECK_RUN", "maybe"),
        ("INPUT_PROVIDER", "oracle"),
        ("INPUT_PULL-REQUEST", "#7"),
    ] {
        let (fake, job, shop) = (green(), opened(), shop(GOOD));
        let left = job.read(&step(&job, &fake, &shop).env(name, value).run().exit(2));
        assert_no_result(&fake, value);
        assert_eq!(checks(&fake), [ended("failure")]);
        assert_eq!(left.outputs["result"], "error");
        assert!(left.summary.contains(NONE) && left.summary.contains(value), "{}", left.summary);
        let before = fake.requests().len();
        assert_eq!(after(&job, &fake, &shop, &left).text(), "nothing to remove\n");
        assert_eq!(fake.requests().len(), before, "all of it is shown already");
    }
}

/// The check run would stay in progress and block the merge.
#[test]
fn the_post_step_completes_a_check_run_after_a_refusal() {
    for times in [1, usize::MAX] {
        let (fake, job, shop) = (green(), opened(), shop(GOOD));
        fake.fail(Fault::new("PATCH", "/check-runs/", refusal("integration")).times(times));
        let left = job.read(&step(&job, &fake, &shop).run().success());
        assert_eq!(checks(&fake), [(json!("in_progress"), Value::Null)]);
        assert_eq!(left.state["finished"], "not-shown");
        after(&job, &fake, &shop, &left);
        let all = checks(&fake);
        let last = all.last().unwrap();
        assert_eq!(*last, ended("failure"), "{all:?}");
        assert_eq!(all.len(), if times == 1 { 1 } else { 2 });
        // The comment is that of this run.
        assert!(comment(&fake).contains(GREEN) && comment(&fake).contains("id=9876543299"));
    }
}

#[test]
fn the_post_step_replaces_a_comment_after_a_refusal() {
    for fault in [
        Fault::new("PATCH", "/comments/", refusal("bad gateway")).times(4),
        Fault::new("GET", "/issues/2/comments", refusal("server error")).times(4),
    ] {
        let (fake, job, shop) = (green(), opened(), shop(GOOD));
        fake.fail(fault);
        let left = job.read(&step(&job, &fake, &shop).run().success());
        assert!(!comment(&fake).contains("id=9876543299"), "the older one is there");
        assert_eq!(left.state["finished"], "not-shown");
        after(&job, &fake, &shop, &left);
        assert_no_result(&fake, "could not show all of its result here");
        assert_eq!(checks(&fake), [ended("success")], "it was shown by the run");
    }
}

#[tokio::test]
async fn a_run_that_is_killed_or_cancelled_has_no_result() {
    for signal in [Signal::SIGKILL, Signal::SIGINT, Signal::SIGTERM] {
        // A server for each case: the sessions of a killed run may execute for a while.
        let server = Postgres::start();
        let url = server.url("postgres");
        let (fake, job, slow) = (green(), opened(), shop(SLOW));
        let running = step(&job, &fake, &slow).env("MIG_CI_POSTGRES_URL", &url).start();
        wait_for_sleepers(&url, "pg_sleep(600)", 2).await;
        running.signal(signal);
        let mut outcome = running.wait();
        if signal == Signal::SIGKILL {
            // Its log is truncated.
            outcome.stdout.clear();
        }
        let left = job.read(&outcome);
        assert_eq!(left.outputs["result"], "error", "{signal}");
        let post = after(&job, &fake, &slow, &left);
        assert_no_result(&fake, "before it had a result");
        assert!(comment(&fake).contains(HEAD), "it says for which commit");
        assert_eq!(checks(&fake), [ended("cancelled")], "{signal}");
        assert!(post.summary.contains(NONE), "{signal}: {}", post.summary);
        // Running it again changes nothing.
        let body = comment(&fake);
        after(&job, &fake, &slow, &left);
        assert_eq!((comment(&fake), checks(&fake)), (body, vec![ended("cancelled")]));
    }
}

/// A newer push cancels a run: no comment is needed, and the newer run's comment stays.
#[tokio::test]
async fn a_cancelled_run_does_not_overwrite_a_later_comment() {
    let server = Postgres::start();
    let url = server.url("postgres");
    for later in [false, true] {
        let (fake, job, slow) = (Fake::start(), opened(), shop(SLOW));
        let running = step(&job, &fake, &slow).env("MIG_CI_POSTGRES_URL", &url).start();
        wait_for_sleepers(&url, "pg_sleep(600)", 2).await;
        running.signal(Signal::SIGINT);
        let left = job.read(&running.wait().exit(130));
        if later {
            let (newer, good) = (opened(), shop(GOOD));
            let run = newer.step_at(&fake, &good).arg("--no-base");
            run.env("GITHUB_RUN_ID", "9876543300").run().success();
        }
        after(&job, &fake, &slow, &left);
        match later {
            true => assert!(comment(&fake).contains(GREEN)),
            false => assert!(fake.comments().is_empty()),
        }
    }
}

/// It crashed before it could save any state, or its image did not start.
#[test]
fn a_run_without_state_has_no_result() {
    let (fake, job, shop) = (green(), opened(), shop(GOOD));
    let nothing = job.read(&step(&job, &fake, &shop).arg("--help").run().success());
    assert!(nothing.state.is_empty() && nothing.outputs.is_empty());
    after(&job, &fake, &shop, &nothing);
    assert_no_result(&fake, "ended before it had a result");
    assert_eq!(checks(&fake), [ended("cancelled")]);
}

/// A verdict on another commit leaves the head without a result.
#[test]
fn a_workspace_with_another_commit_replaces_an_older_result() {
    let (fake, job, shop) = (green(), opened(), shop(GOOD));
    let commit = shop.git(&["rev-parse", "HEAD"]);
    let other = step(&job, &fake, &shop).env("GITHUB_SHA", "1".repeat(40));
    let left = job.read(&other.run().success());
    assert_no_result(&fake, &format!("This run verified commit {commit}, which is not"));
    assert_eq!(checks(&fake), [], "no check run is made of another commit's result");
    assert_eq!(left.outputs["result"], "passed", "the job itself is about that commit");
    // Without a comment, none is created.
    let fake = Fake::start();
    let job = opened();
    let other = step(&job, &fake, &shop).env("GITHUB_SHA", "1".repeat(40));
    other.run().success();
    assert!(fake.comments().is_empty() && fake.check_runs().is_empty());
}

/// Summary and outputs are written even if the job is invalid.
#[test]
fn an_unreadable_event_is_reported_in_the_outputs() {
    let (job, shop) = (opened(), shop(GOOD));
    let left = job.read(&job.step(&shop).env("GITHUB_RUN_ID", "").run().exit(4));
    assert_eq!(left.outputs["result"], "error");
    assert!(left.summary.contains(NONE) && left.summary.contains("GITHUB_RUN_ID is not set"));
}

/// The environment identifies the pull request even if the payload does not.
#[test]
fn an_event_that_cannot_be_read_replaces_an_older_result() {
    for payload in ["", "{\"pull_request\": 7}", "{}", "<html>"] {
        let (fake, job, shop) = (green(), Job::of_payload("pull_request", payload), shop(GOOD));
        fake.pull_request(2, HEAD);
        let at = |command: Command| command.env("GITHUB_REF", "refs/pull/2/merge");
        let left = job.read(&at(step(&job, &fake, &shop)).run().exit(4));
        assert_no_result(&fake, "payload");
        assert_eq!(checks(&fake), [ended("failure")], "{payload}");
        assert_eq!(left.outputs["result"], "error");
        assert_eq!(left.state["finished"], "true");
    }
    // Without both the pull request is unknown, and no comment is changed.
    let (fake, job, shop) = (green(), Job::of_payload("pull_request", "{}"), shop(GOOD));
    let left = job.read(&step(&job, &fake, &shop).run().exit(4));
    assert!(comment(&fake).contains(GREEN) && left.summary.contains(NONE), "{}", left.summary);
}

/// The token expires during the run, loses a permission, or reaches its rate limit: the step after the job repeats the
/// requests, and the log reports those that still fail.
#[test]
fn the_post_step_repeats_requests_after_a_token_failure() {
    for answer in ["bad credentials", "integration", "primary"] {
        for path in ["/comments/", "/check-runs/"] {
            let (fake, job, shop) = (green(), opened(), shop(GOOD));
            let fault = Fault::new("PATCH", path, refusal(answer));
            // A rate limit longer than the maximum wait.
            let limits = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9999999999")];
            fake.fail(match answer {
                "primary" => {
                    limits.iter().fold(fault, |fault, (name, value)| fault.header(name, value))
                }
                _ => fault,
            });
            let left = job.read(&step(&job, &fake, &shop).run().success());
            assert_eq!(left.outputs["result"], "passed", "the verdict is that of the migrations");
            // A refused comment is created again, and correct at the end of the run.
            let is_made_up_for = path == "/comments/" && answer != "primary";
            let wanted = if is_made_up_for { "true" } else { "not-shown" };
            assert_eq!(left.state["finished"], wanted, "{answer} {path}");
            after(&job, &fake, &shop, &left);
            assert!(!is_older(&comment(&fake)), "{answer} {path}: {}", comment(&fake));
            let all = checks(&fake);
            assert!(
                all.iter().all(|(status, _)| status == "completed"),
                "{answer} {path}: {all:?}"
            );
        }
    }
}

fn is_older(body: &str) -> bool {
    !body.contains("<!-- mig-ci:run id=9876543299 ")
}

/// Killed by the kernel for its memory, or by the runner's time limit, without a message.
#[test]
fn a_run_that_ends_silently_has_no_result() {
    for state in [&[][..], &[("started", "true")]] {
        let (fake, job, shop) = (green(), opened(), shop(GOOD));
        let mut left = job.read(&step(&job, &fake, &shop).arg("--help").run().success());
        left.state.extend(state.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        after(&job, &fake, &shop, &left);
        assert_no_result(&fake, "ended before it had a result");
        assert_eq!(checks(&fake), [ended("cancelled")]);
    }
}
