//! Prism between the action and the fake GitHub: it rejects requests and responses that GitHub's description does not allow.
//! The fake validates both itself ([`crate::common::github`]); Prism is an independent implementation of the same
//! description.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command as Process;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::pull_request::{PullRequest, shop};
use crate::common::github::{ACTIONS, Fake, Fault, HEAD, TOKEN, beside};
use crate::common::{Command, Job, Project, Running, peer, project, until};

const DESCRIPTION: &str = "github-openapi-subset.prism.json";

/// Prism in front of a fake.
struct Prism {
    fake: Fake,
    url: String,
    /// Served by the fake: GitHub's description covers only REST.
    graphql: String,
    running: Option<Running>,
    _folder: TempDir,
}

impl Prism {
    fn start() -> Option<Self> {
        let (program, description) = (peer("prism")?, beside(DESCRIPTION)?);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(DESCRIPTION);
        fs::write(&file, with_pages(&description)).unwrap();
        let fake = Fake::start();
        let (upstream, graphql) = (fake.url(), fake.graphql_url());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        fake.set_public_url(&url);
        let mut prism = Process::new(program);
        prism.arg("proxy").arg(file).args([&upstream, "--errors", "--port", &port.to_string()]);
        let running = Some(Command::of(prism).start());
        let prism = Self { fake, url, graphql, running, _folder: folder };
        until("Prism", || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(prism)
    }

    /// A step of the job, for which Prism is GitHub.
    fn step(&self, job: &Job, project: &Project) -> Command {
        let step = job.step_at(&self.fake, project).env("GITHUB_GRAPHQL_URL", &self.graphql);
        step.env("GITHUB_API_URL", &self.url)
    }

    /// Stops it, and returns the violations that it found.
    fn violations(mut self) -> Vec<String> {
        let running = self.running.take().unwrap();
        running.signal(Signal::SIGTERM);
        let log = running.wait().stdout;
        assert!(log.contains("Forwarding"), "no request arrived: {log}");
        log.lines().filter(|line| line.contains(['✖', '⚠'])).map(str::to_owned).collect()
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.try_signal(Signal::SIGKILL);
            running.wait();
        }
    }
}

/// GitHub's links to further pages contain the repository's ID, and its description lacks those routes.
fn with_pages(description: &str) -> String {
    let mut whole: Value = serde_json::from_str(description).unwrap();
    let paths = whole["paths"].as_object_mut().unwrap();
    let repository = |parameter: &Value| {
        let name = parameter["$ref"].as_str().or(parameter["name"].as_str()).unwrap_or_default();
        name.ends_with("owner") || name.ends_with("repo")
    };
    let number =
        json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } });
    for (path, item) in paths.clone() {
        let (Some(rest), Some(get)) =
            (path.strip_prefix("/repos/{owner}/{repo}/"), item.get("get"))
        else {
            continue;
        };
        let mut get = get.clone();
        let parameters = get["parameters"].as_array_mut().unwrap();
        parameters.retain(|parameter| !repository(parameter));
        parameters.push(number.clone());
        get.as_object_mut().unwrap().remove("operationId");
        paths.insert(format!("/repositories/{{id}}/{rest}"), json!({ "get": get }));
    }
    whole.to_string()
}

/// This number of broken databases with different causes.
fn broken(count: usize) -> Project {
    let name = |number| format!("d{number:02}");
    (0..count)
        .fold(project(), |project, number| {
            let file = format!("{}/1_a.sql", name(number));
            project.file(&file, format!("SELECT * FROM nothing_{};\n", name(number)))
        })
        .file(
            "mig-ci.toml",
            (0..count)
                .map(|number| format!("[databases.{0}]\nmigrations = \"{0}\"\n", name(number)))
                .collect::<String>(),
        )
        .git_commit("head")
}

#[test]
fn requests_that_publish_match_the_description() {
    // More than fit into one request.
    const CAUSES: usize = 60;
    let Some(prism) = Prism::start() else { return };
    let fake = &prism.fake;
    for _ in 0..130 {
        fake.comment(2, "octocat", "Looks good to me");
    }
    let (first, second) = (broken(CAUSES), broken(1));
    let head = second.git(&["rev-parse", "HEAD"]);
    fake.pull_request(2, &head);
    let push = json!({ "ref": "refs/heads/feature", "after": head, "before": HEAD });
    // The pull request is in the payload; found by its head; or given by its number.
    let jobs = [
        (&first, CAUSES, Job::of_event("pull_request.opened.json")),
        (&second, 1, Job::of_payload("push", &push.to_string())),
        (&second, 1, Job::of_event("workflow_dispatch.json")),
    ];
    for ((shop, causes, job), attempt) in jobs.iter().zip(1..) {
        let step = prism.step(job, shop).arg("--no-base").env("INPUT_PULL-REQUEST", "2");
        let step = step.env("GITHUB_RUN_ATTEMPT", attempt.to_string());
        let step = job.read(&step.run().exit(1));
        assert_eq!(step.commands("notice"), [""; 0]);
        assert!(step.outputs["comment-url"].contains("#issuecomment-"));
        let check = &fake.check_runs()[attempt - 1];
        assert_eq!(check["annotations"].as_array().unwrap().len(), *causes);
        assert_eq!(check["conclusion"], "failure");
        let own = fake.comments().into_iter().filter(|comment| comment.login == ACTIONS);
        let own: Vec<_> = own.map(|comment| comment.body).collect();
        assert_eq!(own.len(), 1, "{own:?}");
        assert!(own[0].contains(&format!("attempt={attempt} ")), "{}", own[0]);
    }
    let count = |request: &str| fake.requests().iter().filter(|each| *each == request).count();
    // Two pages each time: existing objects are listed before and after a new one is created.
    assert!(count("GET /repos/shop/app/issues/2/comments") >= 2 * jobs.len());
    assert_eq!(count("POST /repos/shop/app/issues/2/comments"), 1);
    assert_eq!(fake.count("POST"), 1 + jobs.len(), "comments and check runs");
    assert_eq!(prism.violations(), [""; 0]);
}

/// The base without git: the merge commit, its parent's listing, and the one file that differs.
#[test]
fn requests_that_read_match_the_description() {
    let Some(prism) = Prism::start() else { return };
    let changed = "ALTER TABLE members ADD remark text;\n";
    let pull_request = PullRequest::of(shop(), |head| head.file("migrations/2_note.sql", changed));
    prism.fake.serve_repository(pull_request.origin.path());
    let workspace = project();
    pull_request.check_out(workspace.path());
    let run = |job: &Job| {
        let step = prism.step(job, &workspace).env("MIG_CI_GIT", "/nowhere/git");
        job.read(&step.run().exit(1)).report()
    };
    let base = |report: &Value| report["revisions"]["base"]["commit"].clone();
    let opened = Job::of_payload("pull_request", &pull_request.event());
    assert_eq!(base(&run(&opened)), pull_request.base);
    // The event does not show a merge: the default branch and the merge base are requested.
    workspace.git(&["update-ref", "-d", "refs/remotes/pull/2/merge"]);
    assert_eq!(base(&run(&Job::of_event("workflow_dispatch.json"))), pull_request.base);
    let blob = pull_request.blob_of_base("migrations/2_note.sql");
    let compared = format!("compare/main...{}", pull_request.merge);
    let requests = prism.fake.requests();
    for route in [&format!("git/blobs/{blob}"), &compared] {
        let request = format!("GET /repos/shop/app/{route}");
        assert!(requests.contains(&request), "no {request} in {requests:#?}");
    }
    assert_eq!(prism.violations(), [""; 0]);
}

/// The head of an HTTP response.
fn ask(prism: &Prism, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(prism.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: github\r\nUser-Agent: test\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Violations are detected, so their absence is meaningful.
#[test]
fn violations_of_the_description_are_detected() {
    let Some(prism) = Prism::start() else { return };
    prism.fake.pull_request(2, HEAD);
    let pull = "GET /repos/shop/app/pulls/2";
    assert!(ask(&prism, pull, "").contains(" 200 "));
    let comment = ask(&prism, "POST /repos/shop/app/issues/2/comments", "{}");
    assert!(comment.contains(" 422 "), "{comment}");
    prism.fake.fail(Fault::new("GET", "/pulls/2", (200, json!({ "number": "two" }))));
    assert!(ask(&prism, pull, "").contains(" 500 "));
    assert_eq!(prism.fake.count("POST"), 0, "it has not come through");
    let violations = prism.violations();
    assert_eq!(violations.len(), 2, "{violations:?}");
}
