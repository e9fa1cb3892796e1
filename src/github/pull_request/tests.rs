//! The search for a pull request, tested with the fake GitHub.

use serde_json::{Value, json};

use super::*;
use crate::github::fake::{Fake, HEAD};
use crate::github::testing::client;

const OTHER: &str = "0123456789abcdef0123456789abcdef01234567";

fn change(fake: &Fake, number: u64, change: impl FnOnce(&mut Value)) {
    let mut state = fake.state();
    let pull = state.pulls.iter_mut().find(|pull| pull["number"] == number);
    change(pull.unwrap());
}

fn number(found: &FoundPullRequest) -> Option<u64> {
    match found {
        FoundPullRequest::One(pull) => Some(pull.number),
        FoundPullRequest::None | FoundPullRequest::Several(_) => None,
    }
}

#[tokio::test]
async fn a_push_belongs_to_the_open_pull_request_with_this_head() {
    let fake = Fake::start();
    for number in 1..=4 {
        fake.pull_request(number, HEAD);
    }
    fake.pull_request(5, OTHER);
    change(&fake, 1, |pull| pull["state"] = json!("closed"));
    change(&fake, 2, |pull| pull["base"]["repo"]["full_name"] = json!("somebody/app"));
    change(&fake, 4, |pull| pull["head"]["sha"] = json!(OTHER));
    let (client, _) = client(&fake);
    assert_eq!(number(&of_commit(&client, HEAD).await.unwrap()), Some(3));
    assert_eq!(of_commit(&client, &"a".repeat(40)).await.unwrap(), FoundPullRequest::None);
    assert_eq!(of_commit(&client, OTHER).await.unwrap(), FoundPullRequest::Several(vec![4, 5]));
}

#[tokio::test]
async fn the_commit_of_a_fork_is_searched_in_open_pull_requests() {
    let fake = Fake::start();
    for number in 1..=130 {
        fake.pull_request(number, OTHER);
    }
    fake.fork_pull_request(131, HEAD);
    // GitHub does not associate it with its commit.
    change(&fake, 131, |pull| pull["connected"] = json!(false));
    let (client, _) = client(&fake);
    assert_eq!(of_commit(&client, HEAD).await.unwrap(), FoundPullRequest::None);
    let found = of_workflow_run(&client, HEAD).await.unwrap();
    assert_eq!(number(&found), Some(131));
}

#[tokio::test]
async fn a_deleted_head_repository_is_accepted() {
    let fake = Fake::start();
    fake.pull_request(7, HEAD);
    let (client, _) = client(&fake);
    assert_eq!(by_number(&client, 7).await.unwrap().number, 7);
    change(&fake, 7, |pull| pull["head"]["repo"] = Value::Null);
    let pull = by_number(&client, 7).await.unwrap();
    assert_eq!((pull.head.sha.as_str(), pull.base.name.as_str()), (HEAD, "master"));
}

#[tokio::test]
async fn a_report_is_shown_only_if_its_commit_is_the_head() {
    let fake = Fake::start();
    fake.pull_request(7, HEAD);
    fake.pull_request(8, OTHER);
    fake.pull_request(9, HEAD);
    change(&fake, 9, |pull| pull["base"]["repo"]["full_name"] = json!("somebody/app"));
    let (client, _) = client(&fake);
    assert_eq!(at_head(&client, 7, HEAD).await.unwrap().number, 7);
    let pushed = at_head(&client, 8, HEAD).await.unwrap_err();
    assert!(matches!(pushed, Mismatch::OtherHead { .. }) && pushed.to_string().contains(OTHER));
    let elsewhere = at_head(&client, 9, HEAD).await.unwrap_err();
    assert!(matches!(elsewhere, Mismatch::OtherRepository { .. }), "{elsewhere}");
    let absent = at_head(&client, 10, HEAD).await.unwrap_err();
    assert!(absent.to_string().contains("404"), "{absent}");
}
