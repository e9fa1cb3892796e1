//! Tests of the fake GitHub itself: it rejects what GitHub would reject. Otherwise the tests that use it would prove less.

use octocrab::Octocrab;
use serde_json::{Value, json};

use super::fake::{ACTIONS, Fake, HEAD, TOKEN};

async fn send(
    fake: &Fake,
    crab: &Octocrab,
    method: &str,
    route: &str,
    body: &Value,
) -> Vec<String> {
    let uri = format!("{}/repos/shop/app/{route}", fake.url());
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("user-agent", "test");
    let request = crab.build_request(request, Some(body)).unwrap();
    crab.execute(request).await.unwrap();
    std::mem::take(&mut fake.state().violations)
}

#[tokio::test]
async fn requests_that_github_refuses_are_reported() {
    let fake = Fake::start();
    if !fake.state().has_description() {
        return;
    }
    let id = fake.comment(7, ACTIONS, "hello");
    let proxies = super::transport::Proxies::default();
    let base = fake.url().parse().unwrap();
    let crab = super::transport::connect(&base, &TOKEN.to_owned().into(), &proxies).unwrap();
    let annotation = json!({
        "path": "a.sql", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "m",
    });
    let with = |output: Value| json!({ "name": "x", "head_sha": HEAD, "output": output });
    let one = |annotation: &Value| {
        with(json!({ "title": "t", "summary": "s", "annotations": [annotation] }))
    };
    let mut error = annotation.clone();
    error["annotation_level"] = json!("error");
    let mut without_end = annotation.clone();
    without_end.as_object_mut().unwrap().remove("end_line");
    for (method, route, body) in [
        // As sent by octocrab's own update_comment.
        ("POST", format!("issues/comments/{id}"), json!({ "body": "new" })),
        ("PATCH", format!("issues/comments/{id}"), json!({})),
        ("POST", "issues/7/comments".into(), json!({ "body": "x".repeat(65_537) })),
        ("POST", "check-runs".into(), json!({ "name": "x", "head_sha": "ec26c3e" })),
        (
            "POST",
            "check-runs".into(),
            json!({ "name": "x", "head_sha": HEAD, "status": "completed" }),
        ),
        ("POST", "check-runs".into(), one(&error)),
        ("POST", "check-runs".into(), one(&without_end)),
        ("POST", "check-runs".into(), with(json!({ "title": "t", "summary": "x".repeat(65_536) }))),
        (
            "POST",
            "check-runs".into(),
            with(json!({ "title": "t", "summary": "s", "annotations": vec![&annotation; 51] })),
        ),
        ("GET", "issues/7/comments?pages=2".into(), Value::Null),
        ("GET", "no/such/thing".into(), Value::Null),
    ] {
        let noticed = send(&fake, &crab, method, &route, &body).await;
        assert!(!noticed.is_empty(), "{method} {route} {body}");
    }
    let fine = one(&annotation);
    assert_eq!(send(&fake, &crab, "POST", "check-runs", &fine).await, Vec::<String>::new());
}
