//! Runs of the action that end without a result: what the pull request shows then is never an older commit's green.

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

/// A second run, after one that was green.
fn step(job: &Job, fake: &Fake, shop: &Project) -> Command {
    job.step_at(fake, shop).arg("--no-base").env("GITHUB_RUN_ID", "9876543299")
}

/// The step after the job, with the state that the run has left.
fn after(job: &Job, fake: &Fake, shop: &Project, left: &Step) -> Step {
    let command = step(job, fake, shop).arg("--post");
    let state = left.state.iter().map(|(name, value)| (format!("STATE_{name}"), value));
    let command = state.fold(command, |command, (name, value)| command.env(&name, value));
    job.read(&command.run().success())
}

/// A pull request whose comment is green, from an earlier run.
fn green() -> Fake {
    let fake = Fake::start();
    let shop = shop(GOOD);
    let earlier = opened();
    earlier.read(&earlier.step_at(&fake, &shop).arg("--no-base").run().success());
    assert!(comment(&fake).contains(GREEN));
    fake
}

/// The one comment that is there.
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

/// Status and conclusion of the check runs, the earlier run's left out.
fn checks(fake: &Fake) -> Vec<(Value, Value)> {
    let runs = fake.check_runs();
    let ends = runs.iter().skip(1).map(|run| (run["status"].clone(), run["conclusion"].clone()));
    ends.collect()
}

fn ended(conclusion: &str) -> (Value, Value) {
    (json!("completed"), json!(conclusion))
}

#[test]
fn inputs_that_are_not_understood_replace_an_older_result() {
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

/// The check run stays in progress, and a required check would be waited for.
#[test]
fn a_refused_end_of_the_check_run_is_made_up_for_after_the_job() {
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
        // The comment is this run's own.
        assert!(comment(&fake).contains(GREEN) && comment(&fake).contains("id=9876543299"));
    }
}

#[test]
fn a_comment_that_github_did_not_take_is_replaced_after_the_job() {
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
        // One for each: the sessions of a killed run may be at work on its server for a while.
        let server = Postgres::start();
        let url = server.url("postgres");
        let (fake, job, slow) = (green(), opened(), shop(SLOW));
        let running = step(&job, &fake, &slow).env("MIG_CI_POSTGRES_URL", &url).start();
        wait_for_sleepers(&url, "pg_sleep(600)", 2).await;
        running.signal(signal);
        let mut outcome = running.wait();
        if signal == Signal::SIGKILL {
            // Its log ends in the middle.
            outcome.stdout.clear();
        }
        let left = job.read(&outcome);
        assert_eq!(left.outputs["result"], "error", "{signal}");
        let post = after(&job, &fake, &slow, &left);
        assert_no_result(&fake, "before it had a result");
        assert!(comment(&fake).contains(HEAD), "it says for which commit");
        assert_eq!(checks(&fake), [ended("cancelled")], "{signal}");
        assert!(post.summary.contains(NONE), "{signal}: {}", post.summary);
        // Once more: nothing changes.
        let body = comment(&fake);
        after(&job, &fake, &slow, &left);
        assert_eq!((comment(&fake), checks(&fake)), (body, vec![ended("cancelled")]));
    }
}

/// A newer push cancels a run: there is no need for a comment that says so, and the newer run's comment stays.
#[tokio::test]
async fn a_cancelled_run_makes_no_comment_and_overwrites_no_later_one() {
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

/// It has crashed before it could leave any state, or its image did not start.
#[test]
fn a_run_that_left_nothing_has_no_result() {
    let (fake, job, shop) = (green(), opened(), shop(GOOD));
    let nothing = job.read(&step(&job, &fake, &shop).arg("--help").run().success());
    assert!(nothing.state.is_empty() && nothing.outputs.is_empty());
    after(&job, &fake, &shop, &nothing);
    assert_no_result(&fake, "ended before it had a result");
    assert_eq!(checks(&fake), [ended("cancelled")]);
}

/// What a run says about another commit leaves the head without a result.
#[test]
fn a_workspace_with_another_commit_replaces_an_older_result() {
    let (fake, job, shop) = (green(), opened(), shop(GOOD));
    let commit = shop.git(&["rev-parse", "HEAD"]);
    let other = step(&job, &fake, &shop).env("GITHUB_SHA", "1".repeat(40));
    let left = job.read(&other.run().success());
    assert_no_result(&fake, &format!("This run verified commit {commit}, which is not"));
    assert_eq!(checks(&fake), [], "no check run is made of another commit's result");
    assert_eq!(left.outputs["result"], "passed", "the job itself is about that commit");
    // Where there was no comment, none is made.
    let fake = Fake::start();
    let job = opened();
    let other = step(&job, &fake, &shop).env("GITHUB_SHA", "1".repeat(40));
    other.run().success();
    assert!(fake.comments().is_empty() && fake.check_runs().is_empty());
}

/// A summary and outputs also where not even the job can be understood.
#[test]
fn a_job_that_is_not_understood_says_so_in_its_outputs() {
    let (job, shop) = (opened(), shop(GOOD));
    let left = job.read(&job.step(&shop).env("GITHUB_RUN_ID", "").run().exit(4));
    assert_eq!(left.outputs["result"], "error");
    assert!(left.summary.contains(NONE) && left.summary.contains("GITHUB_RUN_ID is not set"));
}

/// The environment says which pull request it is, also where the payload does not.
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
    // Neither does: nothing is known, and nobody's comment is touched.
    let (fake, job, shop) = (green(), Job::of_payload("pull_request", "{}"), shop(GOOD));
    let left = job.read(&step(&job, &fake, &shop).run().exit(4));
    assert!(comment(&fake).contains(GREEN) && left.summary.contains(NONE), "{}", left.summary);
}

/// The token ends in the middle, loses a right, or has asked too often: the step after the job makes up for it, and what it may
/// not do either, the log says.
#[test]
fn a_token_that_fails_in_the_middle_is_made_up_for_after_the_job() {
    for answer in ["bad credentials", "integration", "primary"] {
        for path in ["/comments/", "/check-runs/"] {
            let (fake, job, shop) = (green(), opened(), shop(GOOD));
            let fault = Fault::new("PATCH", path, refusal(answer));
            // A limit that lasts for longer than anybody waits.
            let limits = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "9999999999")];
            fake.fail(match answer {
                "primary" => {
                    limits.iter().fold(fault, |fault, (name, value)| fault.header(name, value))
                }
                _ => fault,
            });
            let left = job.read(&step(&job, &fake, &shop).run().success());
            assert_eq!(left.outputs["result"], "passed", "the verdict is that of the migrations");
            // A refused comment is made anew, and in order by the end of the run.
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

/// Killed by the kernel for its memory, or by the runner's limit of time: there was no time for a word.
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
