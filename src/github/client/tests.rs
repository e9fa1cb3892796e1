//! The client, tested with the fake GitHub: addresses, pages, retries, and each kind of failure.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::github::error::TokenKind;
use crate::github::fake::{ACTIONS, Fake, Fault, HEAD, TOKEN, beside, refusal};
use crate::github::testing::{TestClock, client, client_with, hasty_client, settings};

const ANY: &str = "";

#[tokio::test]
async fn all_pages_are_read_by_githubs_links() {
    for prefix in ["", "/api/v3"] {
        let fake = Fake::start_below(prefix);
        for number in 0..250 {
            fake.comment(7, "somebody", &format!("comment {number}"));
        }
        fake.comment(8, "somebody", "on another pull request");
        let (client, _) = client(&fake);
        let comments = client.comments().of_pull_request(7).await.unwrap();
        assert_eq!(comments.len(), 250);
        assert_eq!(comments[249].text(), "comment 249");
        assert_eq!(fake.count("GET"), 3);
    }
}

/// No request contains a known secret.
#[tokio::test]
async fn no_request_contains_a_known_secret() {
    const SECRET: &str = "planted-in-the-client-test-1";
    crate::secrets::learn(SECRET);
    let fake = Fake::start();
    let (client, _) = client(&fake);
    let made = client.comments().create(7, &format!("a {SECRET} b"), |_| false).await.unwrap();
    assert_eq!(made.text(), "a *** b");
    let updated = client.comments().update(made.id, &format!("{SECRET} c")).await.unwrap();
    assert_eq!(updated.text(), "*** c");
}

#[tokio::test]
async fn a_comment_is_updated_with_patch() {
    let fake = Fake::start();
    let id = fake.comment(7, ACTIONS, "old");
    let (client, _) = client(&fake);
    let updated = client.comments().update(id, "new").await.unwrap();
    assert_eq!((updated.id, updated.text(), updated.author()), (id, "new", ACTIONS));
    assert_eq!(fake.requests(), [format!("PATCH /repos/shop/app/issues/comments/{id}")]);
    client.comments().delete(id).await.unwrap();
    assert_eq!(fake.comments(), []);
}

#[tokio::test]
async fn the_files_of_a_commit_are_read() {
    let fake = Fake::start();
    let blob = "a".repeat(40);
    let entry = json!({ "path": "migrations/1 ä.sql", "mode": "100644", "type": "blob", "sha": blob, "size": 90 });
    let tree = json!({ "sha": HEAD, "truncated": false, "tree": [entry] });
    fake.state().trees.insert(HEAD.into(), tree);
    let content: Vec<u8> = (0..=255).collect();
    fake.state().blobs.insert(blob.clone(), content.clone());
    let (client, _) = client(&fake);
    let tree = client.files().tree(HEAD, true).await.unwrap();
    assert!(!tree.truncated);
    assert_eq!(tree.entries[0].path, "migrations/1 ä.sql");
    assert_eq!(client.files().blob(&tree.entries[0].sha).await.unwrap(), content);
    let nothing = client.files().blob("../../secret").await.unwrap_err();
    assert!(matches!(nothing.problem, GithubProblem::Setup { .. }), "{nothing}");
    assert_eq!(fake.count("GET"), 2, "an invalid hash is not requested");
}

#[tokio::test]
async fn transient_failures_are_tried_four_times() {
    for fault in [
        Fault::new("GET", ANY, refusal("server error")),
        Fault::new("GET", ANY, refusal("bad gateway")),
        Fault::text("GET", ANY, 503, "<html>Unicorn!</html>"),
        Fault::cut("GET", ANY),
        Fault::hang("GET", ANY),
    ] {
        let fake = Fake::start();
        fake.comment(7, "somebody", "hello");
        fake.fail(fault.clone().times(3));
        let (client, clock) = hasty_client(&fake);
        assert_eq!(client.comments().of_pull_request(7).await.unwrap().len(), 1, "{fault:?}");
        assert_eq!(clock.sleeps(), [1, 4, 16], "{fault:?}");
    }
}

#[tokio::test]
async fn there_is_no_fifth_attempt() {
    let fake = Fake::start();
    fake.fail(Fault::new("GET", ANY, refusal("bad gateway")).always());
    let (client, _) = client(&fake);
    let error = client.comments().of_pull_request(7).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot list the pull request's comments: GitHub failed (502): Bad Gateway"
    );
    assert!(error.advice().contains("githubstatus"), "{}", error.advice());
    assert_eq!(fake.count("GET"), 4);
}

#[tokio::test]
async fn the_pause_is_the_one_in_githubs_answer() {
    let reset = TestClock::START.as_secs() + 40;
    for (fault, expected) in [
        (Fault::new("GET", ANY, refusal("secondary")).header("retry-after", 30), 31),
        (Fault::new("GET", ANY, refusal("too many")).header("retry-after", 7), 8),
        (
            Fault::new("GET", ANY, refusal("primary"))
                .header("x-ratelimit-remaining", 0)
                .header("x-ratelimit-reset", reset),
            41,
        ),
        (Fault::new("GET", ANY, refusal("secondary")).header("x-ratelimit-remaining", 4000), 61),
    ] {
        let fake = Fake::start();
        fake.fail(fault);
        let (client, clock) = client(&fake);
        client.comments().of_pull_request(7).await.unwrap();
        assert_eq!(clock.sleeps(), [expected]);
    }
}

#[tokio::test]
async fn a_rate_limit_longer_than_the_budget_is_not_waited_for() {
    let fake = Fake::start();
    let reset = TestClock::START.as_secs() + 3000;
    fake.fail(
        Fault::new("GET", ANY, refusal("primary"))
            .header("x-ratelimit-remaining", 0)
            .header("x-ratelimit-reset", reset),
    );
    let (client, clock) = client(&fake);
    let error = client.comments().of_pull_request(7).await.unwrap_err();
    assert!(
        matches!(error.problem, GithubProblem::RateLimited { secondary: false, .. }),
        "{error:?}"
    );
    assert_eq!((clock.slept(), fake.count("GET")), (Duration::ZERO, 1));
}

#[tokio::test]
async fn the_total_waiting_of_a_run_is_limited() {
    let fake = Fake::start();
    fake.fail(Fault::new("GET", ANY, refusal("bad gateway")).always());
    let (client, clock) = client(&fake);
    let mut errors = Vec::new();
    for _ in 0..40 {
        errors.push(client.comments().of_pull_request(7).await.unwrap_err().problem);
    }
    assert!(clock.slept() <= CAP && clock.slept() > Duration::from_secs(80), "{:?}", clock.slept());
    assert!(matches!(errors[0], GithubProblem::Server { .. }));
    assert!(fake.count("GET") < 60, "{}", fake.count("GET"));
}

#[tokio::test]
async fn the_time_of_failed_attempts_counts_as_waiting() {
    let fake = Fake::start();
    fake.fail(Fault::hang("GET", ANY).always());
    let (client, clock) = hasty_client(&fake);
    let error = client.comments().of_pull_request(7).await.unwrap_err();
    assert!(matches!(error.problem, GithubProblem::Timeout { .. }), "{error:?}");
    let tries = client.answer_within * 4;
    assert!(client.budget.left() <= CAP - clock.slept() - tries, "{:?}", client.budget.left());
}

#[tokio::test]
async fn an_exhausted_retry_budget_sends_no_request() {
    let fake = Fake::start();
    let (client, _) = client(&fake);
    client.budget.lost(CAP);
    let error = client.comments().of_pull_request(7).await.unwrap_err();
    assert_eq!(error.problem, GithubProblem::RetryBudgetExhausted { cap: CAP });
    assert_eq!(fake.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn each_refusal_is_distinguished_and_not_retried() {
    let integration = |accepted: Option<&str>| GithubProblem::NotPermitted {
        by: TokenKind::Integration,
        accepted: accepted.map(str::to_owned),
    };
    let header = "x-accepted-github-permissions";
    for (fault, expected) in [
        (Fault::new("POST", ANY, refusal("bad credentials")), GithubProblem::BadCredentials),
        (Fault::new("POST", ANY, refusal("integration")), integration(None)),
        (
            Fault::new("POST", ANY, refusal("integration"))
                .header(header, "issues=write; pull_requests=write"),
            integration(Some("`issues: write` or `pull-requests: write`")),
        ),
        (
            Fault::new("POST", ANY, refusal("person")).header(header, "contents=read,checks=write"),
            GithubProblem::NotPermitted {
                by: TokenKind::Person,
                accepted: Some("`contents: read` and `checks: write`".into()),
            },
        ),
        (Fault::new("POST", ANY, refusal("app")), GithubProblem::NeedsApp),
        (
            Fault::new("POST", ANY, refusal("saml")),
            GithubProblem::Forbidden {
                message: "Resource protected by organization SAML enforcement.".into(),
            },
        ),
        (Fault::new("POST", ANY, refusal("not found")), GithubProblem::NotFound),
        (
            Fault::new("POST", ANY, refusal("conflict")),
            GithubProblem::Conflict { message: "Conflict".into() },
        ),
        (
            Fault::new("POST", ANY, refusal("too long")),
            GithubProblem::TooLong {
                message: "Validation Failed: Body is too long (maximum is 65536 characters)".into(),
            },
        ),
        (Fault::text("POST", ANY, 307, "").header("location", "/elsewhere"), GithubProblem::Moved),
        (
            Fault::text("POST", ANY, 407, "proxy wants\na login"),
            GithubProblem::Unexpected { status: 407, message: "proxy wants a login".into() },
        ),
    ] {
        let fake = Fake::start();
        fake.fail(fault);
        let (client, clock) = client(&fake);
        let error = client.comments().create(7, "hello", |_| false).await.unwrap_err();
        assert_eq!(error.problem, expected);
        assert_eq!((fake.requests().len(), clock.slept()), (1, Duration::ZERO), "{error}");
        assert!(!error.advice().is_empty());
        let line = format!("{error}; {}", error.advice());
        assert!(!line.contains(['\n', '\r', '\u{1b}']), "{line}");
    }
}

#[tokio::test]
async fn the_missing_permission_is_named() {
    for (operation, expected) in [
        (Operation::CreateComment, "`pull-requests: write`"),
        (Operation::UpdateCheckRun, "`checks: write`"),
        (Operation::ReadTree, "`contents: read`"),
    ] {
        let problem = GithubProblem::NotPermitted { by: TokenKind::Integration, accepted: None };
        let advice = GithubError::new(operation, problem).advice();
        assert!(advice.contains(expected) && advice.contains("`permissions:`"), "{advice}");
    }
}

#[tokio::test]
async fn a_rate_limited_post_is_retried() {
    let fake = Fake::start();
    fake.fail(Fault::new("POST", ANY, refusal("secondary")).header("retry-after", 3));
    let (client, clock) = client(&fake);
    client
        .comments()
        .create(7, "hello", |_| panic!("it is clear that there is none"))
        .await
        .unwrap();
    assert_eq!((fake.comments().len(), clock.sleeps()), (1, vec![4]));
}

#[tokio::test]
async fn a_post_with_an_unclear_result_is_looked_up_first() {
    for fault in [
        Fault::new("POST", ANY, refusal("bad gateway")).but_executed(),
        Fault::hang("POST", ANY).but_executed(),
        Fault::cut("POST", ANY),
        Fault::text("POST", ANY, 200, "<html>welcome to the proxy</html>").but_executed(),
    ] {
        let fake = Fake::start();
        fake.fail(fault.clone());
        let (client, _) = hasty_client(&fake);
        let made = client.comments().create(7, "hello", |comment| comment.text() == "hello").await;
        assert_eq!(made.unwrap().text(), "hello", "{fault:?}");
        assert_eq!(fake.comments().len(), 1, "{fault:?}");
        assert_eq!((fake.count("POST"), fake.count("GET")), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_post_without_effect_is_retried() {
    let fake = Fake::start();
    fake.fail(Fault::new("POST", ANY, refusal("bad gateway")).times(3));
    let (client, _) = client(&fake);
    client.comments().create(7, "hello", |comment| comment.text() == "hello").await.unwrap();
    assert_eq!(fake.comments().len(), 1);
    assert_eq!((fake.count("POST"), fake.count("GET")), (4, 3));
}

#[tokio::test]
async fn a_post_is_not_retried_while_its_result_is_unclear() {
    let fake = Fake::start();
    fake.fail(Fault::new("POST", ANY, refusal("bad gateway")).but_executed());
    fake.fail(Fault::new("GET", ANY, refusal("integration")));
    let (client, _) = client(&fake);
    let error = client.comments().create(7, "hello", |_| true).await.unwrap_err();
    assert_eq!(error.operation, Operation::CreateComment);
    assert_eq!((fake.count("POST"), fake.comments().len()), (1, 1));
}

#[tokio::test]
async fn an_answer_that_is_not_githubs_is_reported_as_such() {
    let fake = Fake::start();
    fake.fail(Fault::text("GET", ANY, 200, "<html>please log in</html>").always());
    let (client, _) = client(&fake);
    let error = client.comments().of_pull_request(7).await.unwrap_err();
    assert!(matches!(error.problem, GithubProblem::NotJson { .. }), "{error:?}");
    assert!(error.advice().contains("GITHUB_API_URL"), "{}", error.advice());
}

#[tokio::test]
async fn no_connection_is_distinguished_from_a_broken_one() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fake = Fake::start();
    let settings = ClientSettings { api_url: format!("http://{closed}"), ..settings(&fake) };
    let (client, clock) = client_with(settings);
    let error =
        client.comments().create(7, "hello", |_| panic!("nothing was sent")).await.unwrap_err();
    let GithubProblem::NoConnection { reason } = &error.problem else { panic!("{error:?}") };
    assert!(reason.contains("refused"), "{reason}");
    assert_eq!(clock.sleeps(), [1, 4, 16]);
}

#[tokio::test]
async fn the_token_is_sent_to_github_only_and_is_in_no_message() {
    let fake = Fake::start();
    let stranger = Fake::start();
    let link = format!("<{}/repositories/1/x>; rel=\"next\"", stranger.url());
    fake.fail(Fault::text("GET", ANY, 200, "[]").header("link", link));
    let (client, _) = client(&fake);
    let error = client.comments().of_pull_request(7).await.unwrap_err();
    assert!(error.to_string().contains("another server"), "{error}");
    assert_eq!(stranger.requests(), Vec::<String>::new());

    let echo = format!("what is {TOKEN}? {}{TOKEN}", "x".repeat(270));
    fake.fail(Fault::text("GET", ANY, 403, echo));
    let error = client.comments().of_pull_request(7).await.unwrap_err();
    let all = format!("{error} {error:?} {client:?} {}", error.advice());
    assert!(!all.contains(&TOKEN[..12]), "{all}");
}

#[tokio::test]
async fn a_circular_list_ends() {
    let fake = Fake::start();
    let link = format!("<{}/repositories/186853002/issues/7/comments>; rel=\"next\"", fake.url());
    fake.fail(Fault::text("GET", ANY, 200, "[]").header("link", link).always());
    let (client, _) = client(&fake);
    let error = client.comments().of_pull_request(7).await.unwrap_err();
    assert!(error.to_string().contains("does not end"), "{error}");
    assert_eq!(fake.count("GET"), MOST_PAGES);
}

#[tokio::test]
async fn invalid_settings_are_refused_before_anything_is_sent() {
    let fake = Fake::start();
    let refused = |settings: ClientSettings| GithubClient::new(settings).unwrap_err().to_string();
    for repository in ["app", "shop/../app", "shop/app/pulls", "shop/", "a b/c", "shop/.."] {
        let words = refused(ClientSettings { repository: repository.into(), ..settings(&fake) });
        assert!(words.contains("GITHUB_REPOSITORY"), "{words}");
    }
    for api_url in ["", "api.github.com", "ftp://x", "https://"] {
        let words = refused(ClientSettings { api_url: api_url.into(), ..settings(&fake) });
        assert!(words.contains("GITHUB_API_URL"), "{words}");
    }
    let token = SecretString::from("ghs_a\nb");
    let words = refused(ClientSettings { token, ..settings(&fake) });
    assert!(words.contains("token") && !words.contains("ghs_a"), "{words}");
}

#[tokio::test]
async fn proxies_are_used_unless_excluded() {
    let fake = Fake::start();
    let (address, seen) = connect_proxy().await;
    let variables = |no: &'static str| {
        let proxy = format!("http://me:secret@{address}");
        move |name: &str| match name {
            "http_proxy" | "HTTPS_PROXY" => Some(proxy.clone()),
            "NO_PROXY" => Some(no.to_owned()),
            _ => None,
        }
    };
    let proxies = Proxies::from(variables("example.org,10.0.0.0/8"));
    let (client, _) = client_with(ClientSettings { proxies, ..settings(&fake) });
    client.comments().of_pull_request(7).await.unwrap();
    let heads = seen.lock().unwrap().clone();
    let host = fake.url().replace("http://", "");
    assert!(heads[0].starts_with(&format!("CONNECT {host} ")), "{heads:?}");
    // me:secret
    assert!(
        heads[0].to_lowercase().contains("proxy-authorization: basic bwu6c2vjcmv0"),
        "{heads:?}"
    );
    assert!(!heads[0].contains(TOKEN));

    let proxies = Proxies::from(variables("127.0.0.1"));
    let (client, _) = client_with(ClientSettings { proxies, ..settings(&fake) });
    client.comments().of_pull_request(7).await.unwrap();
    assert_eq!((seen.lock().unwrap().len(), fake.count("GET")), (1, 2));
}

/// A proxy that supports CONNECT, and the heads of its requests.
async fn connect_proxy() -> (std::net::SocketAddr, Arc<std::sync::Mutex<Vec<String>>>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heads = Arc::clone(&seen);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let target = head.split(' ').nth(1).unwrap().to_owned();
            heads.lock().unwrap().push(head);
            let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, seen)
}

/// A recorded answer of GitHub.
fn shared_data(fake: &Fake, file: &str) -> Option<Vec<Fault>> {
    let answers: serde_json::Value = serde_json::from_str(&beside(file)?).unwrap();
    let fault = |answer: &serde_json::Value| {
        let status = answer["status"].as_u64().unwrap().try_into().unwrap();
        let method = if answer["method"] == "post" { "POST" } else { "GET" };
        let fault = Fault::new(method, ANY, (status, answer["response"].clone()));
        match answer["headers"]["link"].as_str() {
            Some(link) => fault.header("link", link.replace("https://api.github.com", &fake.url())),
            None => fault,
        }
    };
    Some(answers.as_array().unwrap().iter().map(fault).collect())
}

#[tokio::test]
async fn recorded_pages_of_github_are_read() {
    let fake = Fake::start();
    let Some(pages) = shared_data(&fake, "fixtures/paginate-issues.json") else { return };
    let number = pages.len();
    pages.into_iter().for_each(|page| fake.fail(page));
    let (client, _) = client(&fake);
    let route = "/repos/octokit-fixture-org/paginate-issues/issues?per_page=3";
    let issues: Vec<serde_json::Value> = client.list(Operation::ListComments, route).await.unwrap();
    let numbers: Vec<_> = issues.iter().map(|issue| issue["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=13).rev().collect::<Vec<_>>());
    assert_eq!(fake.requests().len(), number);
    // mig-ci itself does not read issues.
    fake.state().violations.clear();
}

#[tokio::test]
async fn recorded_refusals_of_github_are_classified() {
    let fake = Fake::start();
    let Some(mut answers) = shared_data(&fake, "fixtures/errors.json") else { return };
    fake.fail(answers.remove(0));
    let (client, _) = client(&fake);
    let error = client.comments().create(7, "hello", |_| false).await.unwrap_err();
    let GithubProblem::Invalid { message } = error.problem else { panic!("{error:?}") };
    assert!(message.starts_with("Validation Failed") && message.contains("color"), "{message}");
}

#[tokio::test]
async fn the_relation_of_commits_is_that_of_git() {
    let holder = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let mut git = std::process::Command::new("git");
        let people = ["-c", "user.name=A", "-c", "user.email=a@example.com"];
        let output = git.arg("-C").arg(holder.path()).args(people).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    for branch in ["main", "release/1.0-ä#%"] {
        git(&["checkout", "--quiet", "-B", branch]);
        git(&["commit", "--quiet", "--allow-empty", "-m", branch]);
    }
    git(&["checkout", "--quiet", "main"]);
    git(&["commit", "--quiet", "--allow-empty", "-m", "more"]);
    let fake = Fake::start();
    fake.serve_repository(holder.path());
    let (client, _) = client(&fake);

    let release = git(&["rev-parse", "release/1.0-ä#%"]);
    let first = git(&["rev-parse", "main~1"]);
    let commit = client.commits().find("release/1.0-ä#%").await.unwrap().unwrap();
    assert_eq!((commit.sha.as_str(), commit.parents[0].sha.as_str()), (&*release, &*first));
    assert_eq!(client.commits().find(&release).await.unwrap().unwrap(), commit);
    let comparison = client.commits().compare("main", &release).await.unwrap().unwrap();
    assert_eq!((comparison.merge_base_commit.sha, comparison.behind_by), (first, 1));
    assert_eq!(client.commits().default_branch().await.unwrap(), "main");
    // GitHub returns 422 for a name, and 404 for a hash.
    assert_eq!(client.commits().find("nowhere").await.unwrap(), None);
    assert_eq!(client.commits().find(&"0".repeat(40)).await.unwrap(), None);
    assert_eq!(client.commits().compare("main", &"0".repeat(40)).await.unwrap(), None);
    fake.fail(Fault::new("GET", "/commits/", refusal("integration")).always());
    let error = client.commits().find("main").await.unwrap_err();
    assert!(error.advice().contains("contents: read"), "{}", error.advice());
}
