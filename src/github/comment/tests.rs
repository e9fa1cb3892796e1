//! The sticky comment, tested with the fake GitHub.

use super::*;
use crate::github::fake::{ACTIONS, Fake, Fault, HEAD, refusal};
use crate::github::testing::{client, client_with, hasty_client, settings};

const RUN: RunAttempt = RunAttempt { id: 500, attempt: 1 };
const PULL: u64 = 7;

fn wanted(body: &str) -> WantedComment<'_> {
    WantedComment {
        pull_request: PULL,
        key: "default",
        run: RUN,
        head_sha: HEAD,
        body,
        mode: CommentMode::Update,
        may_create: true,
    }
}

/// A comment's text as written by the run with this number.
fn text(id: u64, body: &str) -> String {
    marker::mark(body, "default", RunAttempt { id, attempt: 1 }, HEAD)
}

async fn post_to(fake: &Fake, wanted: &WantedComment<'_>) -> Posted {
    let (client, _) = client(fake);
    post(&client, wanted).await.unwrap()
}

/// The texts below the marker lines.
fn bodies(fake: &Fake) -> Vec<String> {
    fake.comments().iter().map(|comment| marker::unmarked(&comment.body).to_owned()).collect()
}

#[tokio::test]
async fn the_first_run_creates_and_the_next_rewrites() {
    let fake = Fake::start();
    let posted = post_to(&fake, &wanted("red")).await;
    assert_eq!(posted.outcome, Outcome::Created);
    let id = fake.comments()[0].id;
    let url = format!("https://github.com/shop/app/pull/7#issuecomment-{id}");
    assert_eq!(posted.url, Some(url.clone()));

    let next = WantedComment { run: RunAttempt { id: 501, attempt: 1 }, ..wanted("green") };
    let posted = post_to(&fake, &next).await;
    assert_eq!(posted, Posted { outcome: Outcome::Updated, url: Some(url), problem: None });
    assert_eq!(fake.comments()[0].body, text(501, "green"));
    assert_eq!((fake.comments().len(), fake.count("DELETE")), (1, 0));
}

#[tokio::test]
async fn a_comment_is_found_after_250_others() {
    let fake = Fake::start();
    for number in 0..250 {
        fake.comment(PULL, "somebody", &format!("comment {number}"));
    }
    let ours = fake.comment(PULL, ACTIONS, &text(400, "red"));
    fake.comment(PULL, "somebody", "one more");
    assert_eq!(post_to(&fake, &wanted("green")).await.outcome, Outcome::Updated);
    let ours = fake.comments().into_iter().find(|comment| comment.id == ours).unwrap();
    assert_eq!(ours.body, text(500, "green"));
    assert_eq!(fake.comments().len(), 252);
}

#[tokio::test]
async fn a_failed_comment_is_updated_even_if_success_creates_none() {
    let fake = Fake::start();
    let only_failures = WantedComment { may_create: false, ..wanted("green") };
    let posted = post_to(&fake, &only_failures).await;
    assert_eq!((posted.outcome, posted.url), (Outcome::NotWanted, None));
    assert_eq!(fake.comments(), []);
    fake.comment(PULL, ACTIONS, &text(400, "red"));
    assert_eq!(post_to(&fake, &only_failures).await.outcome, Outcome::Updated);
    assert_eq!(bodies(&fake), ["green"]);
}

#[tokio::test]
async fn an_unchanged_comment_is_not_sent() {
    let fake = Fake::start();
    // A server may change line ends.
    fake.comment(PULL, ACTIONS, &format!("{}\r\n", text(500, "red\nwords").replace('\n', "\r\n")));
    let posted = post_to(&fake, &wanted("red\nwords\n")).await;
    assert_eq!(posted.outcome, Outcome::Unchanged);
    assert!(posted.url.is_some());
    assert_eq!((fake.count("PATCH"), fake.count("POST")), (0, 0));
}

#[tokio::test]
async fn a_marker_in_another_authors_comment_is_ignored() {
    let fake = Fake::start();
    fake.comment(PULL, "mallory", &text(900, "mine"));
    fake.comment(PULL, ACTIONS, &format!("> quoted\n{}", text(901, "quoted")));
    fake.comment(PULL, ACTIONS, &text(902, "another key").replace("key=default", "key=pg17"));
    fake.comment(8, ACTIONS, &text(903, "another pull request"));
    assert_eq!(post_to(&fake, &wanted("ours")).await.outcome, Outcome::Created);
    assert_eq!(fake.comments().len(), 5);
    assert_eq!(bodies(&fake)[4], "ours");
}

#[tokio::test]
async fn a_later_run_is_never_overwritten() {
    for (id, attempt) in [(501, 1), (500, 2)] {
        let fake = Fake::start();
        let later = marker::mark("later", "default", RunAttempt { id, attempt }, HEAD);
        let id = fake.comment(PULL, ACTIONS, &later);
        let posted = post_to(&fake, &wanted("earlier")).await;
        assert_eq!(posted.outcome, Outcome::LaterRun);
        assert!(posted.url.unwrap().ends_with(&format!("-{id}")));
        assert_eq!(bodies(&fake), ["later"]);
        assert_eq!(fake.requests().len(), 1, "it only sent a read request");
    }
}

#[tokio::test]
async fn own_duplicates_are_deleted() {
    let fake = Fake::start();
    let first = fake.comment(PULL, ACTIONS, &text(300, "one"));
    fake.comment(PULL, ACTIONS, &text(301, "two"));
    fake.comment(PULL, "somebody", "between");
    fake.comment(PULL, ACTIONS, &text(302, "three"));
    assert_eq!(post_to(&fake, &wanted("now")).await.outcome, Outcome::Updated);
    assert_eq!(bodies(&fake), ["now", "between"]);
    assert_eq!(fake.comments()[0].id, first);
}

#[tokio::test]
async fn a_duplicate_that_cannot_be_deleted_is_no_failure() {
    let fake = Fake::start();
    fake.comment(PULL, ACTIONS, &text(300, "one"));
    fake.comment(PULL, ACTIONS, &text(301, "two"));
    fake.fail(Fault::new("DELETE", "", refusal("integration")).always());
    let posted = post_to(&fake, &wanted("now")).await;
    assert_eq!(posted.outcome, Outcome::Updated);
    assert!(posted.problem.unwrap().to_string().contains("delete a duplicate"));
}

#[tokio::test]
async fn of_two_concurrent_runs_the_later_remains() {
    for (other, expected, outcome) in
        [(400, "ours", Outcome::Updated), (600, "theirs", Outcome::LaterRun)]
    {
        let fake = Fake::start();
        // The other run creates its comment between this run's listing and creating.
        fake.before("POST", "comments", move |state| {
            state.add_comment(PULL, ACTIONS, &text(other, "theirs"));
        });
        let posted = post_to(&fake, &wanted("ours")).await;
        assert_eq!(posted.outcome, outcome);
        assert_eq!(bodies(&fake), [expected]);
        let id = fake.comments()[0].id;
        assert!(posted.url.unwrap().ends_with(&format!("-{id}")));
    }
}

#[tokio::test]
async fn the_other_run_may_create_second() {
    // It creates its comment between this run's creating and second listing. An earlier run's comment is deleted; a later run
    // will list again afterwards, and rewrite this one.
    for (other, left) in [(400, vec!["ours"]), (600, vec!["ours", "theirs"])] {
        let fake = Fake::start();
        fake.before("POST", "comments", move |state| {
            // The second listing.
            state.before("GET", "comments", move |state| {
                state.add_comment(PULL, ACTIONS, &text(other, "theirs"));
            });
        });
        post_to(&fake, &wanted("ours")).await;
        assert_eq!(bodies(&fake), left);
    }
}

#[tokio::test]
async fn a_comment_that_a_later_run_has_rewritten_is_not_deleted() {
    let fake = Fake::start();
    fake.before("POST", "comments", |state| {
        // The later run lists before this run's second listing, rewrites this run's comment, and will delete its own.
        state.before("GET", "comments", |state| {
            state.add_comment(PULL, ACTIONS, &text(600, "theirs"));
            state.comments[0].body = text(600, "theirs");
        });
    });
    assert_eq!(post_to(&fake, &wanted("ours")).await.outcome, Outcome::LaterRun);
    assert_eq!(bodies(&fake), ["theirs", "theirs"]);
}

#[tokio::test]
async fn a_list_may_miss_the_newest_comment() {
    let fake = Fake::start();
    fake.before("POST", "comments", |state| {
        let theirs = state.add_comment(PULL, ACTIONS, &text(400, "theirs"));
        // The second listing contains the other run's comment, and not yet this one.
        let behind = serde_json::json!([state.comment_as_json(&theirs)]);
        state.faults.push(Fault::new("GET", "comments", (200, behind)));
    });
    assert_eq!(post_to(&fake, &wanted("ours")).await.outcome, Outcome::Updated);
    assert_eq!(bodies(&fake), ["ours"]);
}

#[tokio::test]
async fn two_real_concurrent_runs_end_with_the_later() {
    for round in 0..30 {
        let fake = Fake::start();
        let run = |id: u64, body: &'static str| {
            let (client, _) = client_with(settings(&fake));
            async move {
                let wanted = WantedComment { run: RunAttempt { id, attempt: 1 }, ..wanted(body) };
                post(&client, &wanted).await.unwrap()
            }
        };
        let (early, late) = (run(600, "early"), run(601, "late"));
        match round % 2 {
            0 => drop(tokio::join!(early, late)),
            _ => drop(tokio::join!(late, early)),
        }
        assert_eq!(bodies(&fake), ["late"], "round {round}");
    }
}

#[tokio::test]
async fn a_comment_that_is_deleted_meanwhile_is_created_again() {
    let fake = Fake::start();
    fake.comment(PULL, ACTIONS, &text(400, "red"));
    fake.before("PATCH", "comments", |state| state.comments.clear());
    assert_eq!(post_to(&fake, &wanted("green")).await.outcome, Outcome::Created);
    assert_eq!(bodies(&fake), ["green"]);
}

#[tokio::test]
async fn a_lost_answer_creates_no_second_comment() {
    for fault in [
        Fault::new("POST", "", refusal("bad gateway")).but_executed(),
        Fault::cut("POST", ""),
        Fault::hang("POST", "").but_executed(),
    ] {
        let fake = Fake::start();
        fake.fail(fault);
        let (client, _) = hasty_client(&fake);
        let posted = post(&client, &wanted("ours")).await.unwrap();
        assert_eq!(posted.outcome, Outcome::Created);
        assert_eq!(bodies(&fake), ["ours"]);
        assert_eq!(fake.count("POST"), 1);
    }
}

#[tokio::test]
async fn an_apps_token_finds_its_own_comment() {
    for prefix in ["", "/api/v3"] {
        let fake = Fake::start_below(prefix);
        fake.state().login = "acme-ci[bot]".to_owned();
        fake.comment(PULL, ACTIONS, &text(401, "of the job's token, once"));
        let ours = fake.comment(PULL, "acme-ci[bot]", &text(400, "red"));
        // Also if no comment would be created.
        let posted = post_to(&fake, &WantedComment { may_create: false, ..wanted("green") }).await;
        assert_eq!(posted.outcome, Outcome::Updated);
        assert_eq!(bodies(&fake), ["of the job's token, once", "green"]);
        assert!(posted.url.unwrap().ends_with(&format!("-{ours}")));
    }
}

#[tokio::test]
async fn an_app_without_a_known_login_is_recognised_by_its_comment() {
    let fake = Fake::start();
    fake.state().login = "acme-ci[bot]".to_owned();
    let first = fake.comment(PULL, "acme-ci[bot]", &text(400, "red"));
    fake.fail(Fault::new("POST", "graphql", refusal("integration")));
    let posted = post_to(&fake, &wanted("green")).await;
    assert_eq!((posted.outcome, bodies(&fake)), (Outcome::Updated, vec!["green".to_owned()]));
    assert_eq!(fake.comments()[0].id, first);
}

#[tokio::test]
async fn a_workflow_can_change_its_token() {
    let fake = Fake::start();
    fake.comment(PULL, ACTIONS, &text(400, "of the job's token"));
    fake.state().login = "acme-ci[bot]".to_owned();
    fake.fail(Fault::new("PATCH", "comments", refusal("integration")));
    assert_eq!(post_to(&fake, &wanted("ours")).await.outcome, Outcome::Created);
    assert_eq!(post_to(&fake, &wanted("ours again")).await.outcome, Outcome::Updated);
    assert_eq!(bodies(&fake), ["of the job's token", "ours again"]);
}

#[tokio::test]
async fn another_apps_marker_is_ignored() {
    let fake = Fake::start();
    fake.comment(PULL, "mallory[bot]", &text(900, "mine"));
    assert_eq!(post_to(&fake, &wanted("ours")).await.outcome, Outcome::Created);
    assert_eq!(bodies(&fake), ["mine", "ours"]);
}

#[tokio::test]
async fn a_user_token_reads_its_login() {
    let fake = Fake::start();
    fake.state().login = "octocat".to_owned();
    fake.state().token = "ghp_persons".to_owned();
    fake.comment(PULL, "octocat", &text(400, "red"));
    let persons = crate::github::client::ClientSettings {
        token: "ghp_persons".to_owned().into(),
        ..settings(&fake)
    };
    let (client, _) = client_with(persons);
    assert_eq!(post(&client, &wanted("green")).await.unwrap().outcome, Outcome::Updated);
    assert_eq!(bodies(&fake), ["green"]);
    assert_eq!(fake.requests()[0], "GET /user");
}

#[tokio::test]
async fn the_mode_new_adds_one_for_each_run() {
    let fake = Fake::start();
    let new = |id, body| WantedComment {
        mode: CommentMode::New,
        run: RunAttempt { id, attempt: 1 },
        ..wanted(body)
    };
    assert_eq!(post_to(&fake, &new(500, "one")).await.outcome, Outcome::Created);
    assert_eq!(post_to(&fake, &new(501, "two")).await.outcome, Outcome::Created);
    assert_eq!(post_to(&fake, &new(501, "two")).await.outcome, Outcome::Unchanged);
    assert_eq!(post_to(&fake, &new(500, "one again")).await.outcome, Outcome::Updated);
    assert_eq!(bodies(&fake), ["one again", "two"]);
}

#[tokio::test]
async fn the_mode_off_sends_no_request() {
    let fake = Fake::start();
    let off = WantedComment { mode: CommentMode::Off, ..wanted("x") };
    assert_eq!(post_to(&fake, &off).await.outcome, Outcome::NotWanted);
    assert_eq!(fake.requests(), Vec::<String>::new());
}
