//! Publishing, tested with the fake GitHub: what is shown, and the alternatives after a refusal.

use super::*;
use crate::github::check_run::annotation::Level;
use crate::github::fake::{Fake, Fault, HEAD, TOKEN, refusal};
use crate::github::testing::{client, hasty_client};

const RUN: RunAttempt = RunAttempt { id: 500, attempt: 1 };

fn publication() -> Publication {
    Publication {
        pull_request: Some(7),
        head_sha: HEAD.to_owned(),
        verdict: Verdict::Failed,
        title: "Migrations fail for 1 of 2 tenants".to_owned(),
        body: "### ❌ Migrations fail for 1 of 2 tenants\n".to_owned(),
        key: "default".to_owned(),
        run: RUN,
        comment: CommentMode::Update,
        comment_when: CommentWhen::Always,
        only_existing: false,
        has_changes: true,
        check: CheckRunMode::Auto,
        check_run: None,
        token_can_write: true,
        annotations: vec![CheckRunAnnotation {
            path: "migrations/2_b.sql".to_owned(),
            start_line: 1,
            end_line: 2,
            start_column: None,
            end_column: None,
            level: Level::Failure,
            title: "migration-failed".to_owned(),
            message: "relation \"a\" does not exist".to_owned(),
        }],
    }
}

fn announcement() -> Announcement {
    let Publication { head_sha, key, run, check, token_can_write, .. } = publication();
    Announcement { head_sha, key, run, check, token_can_write }
}

fn steps(degraded: &[Degraded]) -> Vec<PublishStep> {
    degraded.iter().map(|degraded| degraded.what).collect()
}

#[tokio::test]
async fn a_result_is_shown_as_comment_and_check_run() {
    let fake = Fake::start();
    let (client, _) = client(&fake);
    let started = begin(&announcement(), &client).await;
    assert!(started.check_run.is_some() && started.degraded.is_empty());
    let publication = Publication { check_run: started.check_run, ..publication() };
    let published = publish(&publication, &client).await;
    assert_eq!(published.comment, Some(Outcome::Created));
    assert!(published.comment_url.unwrap().contains("/pull/7#issuecomment-"));
    assert!(published.check_url.unwrap().contains("/runs/"));
    assert!(published.annotated && published.degraded.is_empty());
    let body = &fake.comments()[0].body;
    assert!(
        body.starts_with("<!-- mig-ci:comment key=default -->\n<!-- mig-ci:run id=500 attempt=1")
    );
    assert_eq!(fake.check_runs().len(), 1);
    assert_eq!(fake.check_runs()[0]["conclusion"], "failure");
}

#[tokio::test]
async fn the_conclusion_follows_from_the_verdict() {
    for (verdict, conclusion) in
        [(Verdict::Passed, "success"), (Verdict::Failed, "failure"), (Verdict::NotRun, "failure")]
    {
        let fake = Fake::start();
        let (client, _) = client(&fake);
        publish(&Publication { verdict, ..publication() }, &client).await;
        assert_eq!(fake.check_runs()[0]["conclusion"], conclusion);
    }
}

#[tokio::test]
async fn each_refusal_is_one_line_and_the_other_step_continues() {
    for name in ["integration", "person", "saml", "not found", "conflict", "bad credentials"] {
        let fake = Fake::start();
        fake.fail(Fault::new("GET", "comments", refusal(name)).always());
        let (client, _) = client(&fake);
        let published = publish(&publication(), &client).await;
        assert_eq!(steps(&published.degraded), [PublishStep::Comment], "{name}");
        assert_eq!((published.comment, published.comment_url), (None, None));
        assert!(published.annotated, "{name}: the check run is there");
        let line = published.degraded[0].to_string();
        assert!(line.contains("job summary") && !line.contains('\n'), "{line}");
        assert!(!line.contains(TOKEN), "{line}");
    }
    for name in ["integration", "app", "not found"] {
        let fake = Fake::start();
        fake.fail(Fault::new("POST", "check-runs", refusal(name)).always());
        let (client, _) = client(&fake);
        let published = publish(&publication(), &client).await;
        assert_eq!(steps(&published.degraded), [PublishStep::CheckRun], "{name}");
        assert!(published.degraded[0].expected, "{name}: `auto` takes it as it is");
        assert!(!published.annotated && published.comment.is_some(), "{name}");
    }
}

#[tokio::test]
async fn a_comment_that_is_too_long_is_reported_in_a_line() {
    let fake = Fake::start();
    let (client, _) = client(&fake);
    let body = "x".repeat(70_000);
    fake.fail(Fault::new("POST", "comments", refusal("too long")));
    let published =
        publish(&Publication { body: body[..60_000].to_owned(), ..publication() }, &client).await;
    assert_eq!(steps(&published.degraded), [PublishStep::Comment]);
    assert!(published.degraded[0].why.contains("too long"), "{}", published.degraded[0]);
}

#[tokio::test]
async fn an_unresponsive_github_costs_90_seconds_at_most() {
    for fault in [
        Fault::new("", "", refusal("server error")),
        Fault::hang("", ""),
        Fault::cut("", ""),
        Fault::new("", "", refusal("secondary")).header("retry-after", 25),
    ] {
        let fake = Fake::start();
        fake.fail(fault.clone().of_any_method().always());
        let (client, clock) = hasty_client(&fake);
        let started = begin(&announcement(), &client).await;
        let published = publish(&publication(), &client).await;
        assert!(clock.slept() <= crate::github::retry::CAP, "{fault:?}: {:?}", clock.slept());
        assert_eq!(steps(&started.degraded), [PublishStep::CheckRun], "{fault:?}");
        assert_eq!(
            steps(&published.degraded),
            [PublishStep::Comment, PublishStep::CheckRun],
            "{fault:?}"
        );
        assert!(published.degraded.iter().all(|degraded| !degraded.advice.is_empty()));
    }
}

#[tokio::test]
async fn the_check_run_is_created_if_the_permission_is_expected() {
    for (check, token_can_write, made) in [
        (CheckRunMode::Auto, true, 1),
        (CheckRunMode::Auto, false, 0),
        (CheckRunMode::Always, false, 1),
        (CheckRunMode::Never, true, 0),
    ] {
        let fake = Fake::start();
        let (client, _) = client(&fake);
        let started =
            begin(&Announcement { check, token_can_write, ..announcement() }, &client).await;
        let check_run = started.check_run;
        let publication = Publication { check, token_can_write, check_run, ..publication() };
        let published = publish(&publication, &client).await;
        assert_eq!(fake.check_runs().len(), made, "{check} {token_can_write}");
        assert_eq!(published.annotated, made == 1);
        assert_eq!(published.degraded, []);
    }
}

#[tokio::test]
async fn a_forks_comment_is_attempted_and_its_refusal_expected() {
    let fake = Fake::start();
    let refused = Fault::new("POST", "comments", refusal("integration"))
        .header("x-accepted-github-permissions", "issues=write; pull_requests=write");
    fake.fail(refused);
    let (client, _) = client(&fake);
    let fork = Publication { token_can_write: false, ..publication() };
    let published = publish(&fork, &client).await;
    let line = published.degraded[0].to_string();
    assert!(published.degraded[0].expected);
    for words in ["`issues: write` or `pull-requests: write`", "workflow_run", "mig-ci publish"] {
        assert!(line.contains(words), "{words} in {line}");
    }
}

#[tokio::test]
async fn comment_when_applies_to_the_first_comment() {
    use CommentWhen::{Always, Changes, Failure};
    for (comment_when, verdict, has_changes, expected) in [
        (Always, Verdict::Passed, false, 1),
        (Failure, Verdict::Passed, true, 0),
        (Failure, Verdict::Failed, false, 1),
        (Failure, Verdict::NotRun, false, 1),
        (Changes, Verdict::Passed, false, 0),
        (Changes, Verdict::Passed, true, 1),
        (Changes, Verdict::Failed, false, 1),
    ] {
        let fake = Fake::start();
        let (client, _) = client(&fake);
        let publication = Publication { comment_when, verdict, has_changes, ..publication() };
        let published = publish(&publication, &client).await;
        assert_eq!(fake.comments().len(), expected, "{comment_when} {verdict} {has_changes}");
        assert_eq!(published.degraded, []);
    }
}

#[tokio::test]
async fn a_push_without_a_pull_request_has_only_a_check_run() {
    let fake = Fake::start();
    let (client, _) = client(&fake);
    let published = publish(&Publication { pull_request: None, ..publication() }, &client).await;
    assert_eq!((published.comment, fake.check_runs().len()), (None, 1));
    assert_eq!(published.degraded, []);
}
