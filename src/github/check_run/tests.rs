//! The check run, tested with the fake GitHub.

use serde_json::{Value, json};

use super::*;
use crate::github::fake::{Fake, Fault, HEAD, refusal};
use crate::github::testing::client;

const IDENTITY: Identity<'_> =
    Identity { head_sha: HEAD, key: "default", run: RunAttempt { id: 500, attempt: 2 } };

fn annotations(number: usize) -> Vec<CheckRunAnnotation> {
    (0..number)
        .map(|index| CheckRunAnnotation {
            path: format!("migrations/{index}.sql"),
            start_line: 1,
            end_line: 1,
            start_column: None,
            end_column: None,
            level: annotation::Level::Failure,
            title: "migration-failed".into(),
            message: format!("cause {index} 😀\u{0}"),
        })
        .collect()
}

fn ending(annotations: &[CheckRunAnnotation]) -> Ending<'_> {
    Ending {
        conclusion: Conclusion::Failure,
        title: "Migrations fail for 2 of 500 tenants",
        summary: "<!-- mig-ci:comment key=default -->\n### red",
        annotations,
    }
}

async fn started(fake: &Fake) -> (GithubClient, u64) {
    let (client, _) = client(fake);
    let id = begin(&client, &IDENTITY).await.unwrap().id;
    (client, id)
}

/// The paths of the annotations of the only check run.
fn paths(fake: &Fake) -> Vec<String> {
    let runs = fake.check_runs();
    let all = runs[0]["annotations"].as_array().unwrap().clone();
    all.iter().map(|annotation| annotation["path"].as_str().unwrap().to_owned()).collect()
}

fn expected_paths(number: usize) -> Vec<String> {
    (0..number).map(|index| format!("migrations/{index}.sql")).collect()
}

#[tokio::test]
async fn a_check_run_is_in_progress_and_then_completed() {
    let fake = Fake::start();
    let (client, id) = started(&fake).await;
    let run = fake.check_runs()[0].clone();
    assert_eq!((&run["status"], &run["name"]), (&json!("in_progress"), &json!("mig-ci")));
    assert_eq!(
        (&run["head_sha"], &run["external_id"]),
        (&json!(HEAD), &json!("mig-ci:500:2:default"))
    );

    let concluded = conclude(&client, id, &ending(&annotations(2))).await.unwrap();
    let url = format!("https://github.com/shop/app/runs/{id}");
    assert_eq!(concluded, Concluded { url: Some(url), annotations: 2, problem: None });
    let run = fake.check_runs()[0].clone();
    assert_eq!((&run["status"], &run["conclusion"]), (&json!("completed"), &json!("failure")));
    assert_eq!(run["output"]["summary"], "### red");
    assert_eq!(run["annotations"][1]["message"], "cause 1 \\u{1f600}");
    assert_eq!(run["annotations"][1]["annotation_level"], "failure");
    assert_eq!(fake.count("PATCH"), 1);
}

#[tokio::test]
async fn annotations_are_sent_in_batches_and_the_conclusion_last() {
    for (number, requests) in [(0, 1), (49, 1), (50, 1), (51, 2), (100, 2), (120, 3)] {
        let fake = Fake::start();
        let (client, id) = started(&fake).await;
        let concluded = conclude(&client, id, &ending(&annotations(number))).await.unwrap();
        assert_eq!((concluded.annotations, concluded.problem), (number, None));
        assert_eq!(paths(&fake), expected_paths(number));
        assert_eq!(fake.count("PATCH"), requests, "{number}");
    }
}

#[tokio::test]
async fn the_number_of_annotations_is_limited() {
    let fake = Fake::start();
    let (client, id) = started(&fake).await;
    let concluded = conclude(&client, id, &ending(&annotations(3000))).await.unwrap();
    assert_eq!(concluded.annotations, MOST);
    assert_eq!(fake.count("PATCH"), 20);
}

#[tokio::test]
async fn annotations_that_have_arrived_are_not_sent_again() {
    for fault in [
        Fault::new("PATCH", "check-runs", refusal("bad gateway")).but_executed(),
        Fault::cut("PATCH", "check-runs"),
    ] {
        let fake = Fake::start();
        let (client, id) = started(&fake).await;
        // Each of three requests loses its answer.
        fake.fail(fault.times(3));
        let concluded = conclude(&client, id, &ending(&annotations(120))).await.unwrap();
        assert_eq!((concluded.annotations, concluded.problem), (120, None));
        assert_eq!(paths(&fake), expected_paths(120));
        assert_eq!(fake.check_runs()[0]["status"], "completed");
    }
}

#[tokio::test]
async fn annotations_that_have_not_arrived_are_sent_again() {
    let fake = Fake::start();
    let (client, id) = started(&fake).await;
    fake.fail(Fault::new("PATCH", "check-runs", refusal("bad gateway")).times(2));
    conclude(&client, id, &ending(&annotations(60))).await.unwrap();
    assert_eq!(paths(&fake), expected_paths(60));
}

#[tokio::test]
async fn a_check_run_is_completed_without_annotations_if_github_refuses_them() {
    for number in [3, 120] {
        let fake = Fake::start();
        let (client, id) = started(&fake).await;
        let invalid = json!({ "message": "Invalid request.\n\nNo subschema matched." });
        fake.fail(Fault::new("PATCH", "check-runs", (422, invalid)));
        let concluded = conclude(&client, id, &ending(&annotations(number))).await.unwrap();
        assert_eq!(concluded.annotations, 0);
        assert!(matches!(
            concluded.problem.unwrap().problem,
            crate::github::error::GithubProblem::Invalid { .. }
        ));
        assert_eq!(fake.check_runs()[0]["conclusion"], "failure");
    }
}

#[tokio::test]
async fn a_lost_answer_creates_no_second_check_run() {
    let fake = Fake::start();
    // Others with the same name: of another attempt, and of other runs.
    for number in 0..130 {
        let external_id = format!("mig-ci:{number}:1:default");
        let other = json!({ "name": "mig-ci", "head_sha": HEAD, "external_id": external_id });
        fake.state().check_run(&other);
    }
    fake.fail(Fault::new("POST", "check-runs", refusal("bad gateway")).but_executed());
    let (_, id) = started(&fake).await;
    assert_eq!(fake.check_runs().len(), 131);
    assert_eq!(fake.check_runs()[130]["id"], id);
    assert_eq!(fake.count("POST"), 1);
}

#[tokio::test]
async fn each_job_of_a_matrix_has_its_own_check_run() {
    let fake = Fake::start();
    let (client, _) = client(&fake);
    let leg = Identity { key: "pg 17 & más", ..IDENTITY };
    fake.fail(Fault::new("POST", "check-runs", refusal("bad gateway")).but_executed());
    begin(&client, &leg).await.unwrap();
    assert_eq!(fake.check_runs().len(), 1, "a name with special characters is found again");
    assert_eq!(fake.check_runs()[0]["name"], "mig-ci (pg 17 & más)");
}

#[tokio::test]
async fn texts_respect_githubs_limits() {
    let fake = Fake::start();
    let (client, id) = started(&fake).await;
    let (title, summary) = ("ä".repeat(400), "ü".repeat(40_000));
    let long = Ending { title: &title, summary: &summary, ..ending(&[]) };
    conclude(&client, id, &long).await.unwrap();
    let output: Value = fake.check_runs()[0]["output"].clone();
    assert_eq!(output["title"].as_str().unwrap().chars().count(), TITLE);
    let shown = output["summary"].as_str().unwrap();
    assert!(shown.contains("job summary") && shown.len() <= SUMMARY, "{shown}");
}

#[tokio::test]
async fn an_interrupted_run_completes_its_check_run_once() {
    let fake = Fake::start();
    let (client, _) = started(&fake).await;
    cancel(&client, &Identity { key: "another", ..IDENTITY }).await.unwrap();
    assert_eq!(fake.count("PATCH"), 0);
    cancel(&client, &IDENTITY).await.unwrap();
    assert_eq!(fake.check_runs()[0]["conclusion"], "cancelled");
    cancel(&client, &IDENTITY).await.unwrap();
    assert_eq!(fake.count("PATCH"), 1);
}

#[tokio::test]
async fn a_completed_check_run_is_not_changed() {
    let fake = Fake::start();
    let (client, id) = started(&fake).await;
    conclude(&client, id, &ending(&[])).await.unwrap();
    cancel(&client, &IDENTITY).await.unwrap();
    assert_eq!(fake.check_runs()[0]["conclusion"], "failure");
}
