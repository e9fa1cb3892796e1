//! The state of the fake GitHub, and the JSON of its objects.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::contract::Contract;
use super::fault::Fault;

/// The user of GITHUB_TOKEN.
pub(crate) const ACTIONS: &str = "github-actions[bot]";
/// The only valid token.
pub(crate) const TOKEN: &str = "ghs_aTokenThatNobodyMaySee";
/// A commit.
pub(crate) const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
/// The repository.
pub(super) const REPOSITORY: &str = "shop/app";
/// The repository's ID: GitHub's own links contain it instead of the name.
pub(super) const REPOSITORY_ID: u64 = 186_853_002;

pub(super) const PULL_REQUEST: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/github/api/pull_request.json"
));

type Hook = Box<dyn FnOnce(&mut State) + Send>;

pub(crate) struct State {
    pub(super) url: String,
    pub(crate) comments: Vec<Comment>,
    pub(crate) check_runs: Vec<Value>,
    pub(crate) pulls: Vec<Value>,
    /// A repository with more commits, trees and files than those below.
    pub(super) folder: Option<PathBuf>,
    pub(crate) trees: BTreeMap<String, Value>,
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    /// The user of the token, which `GET /user` returns.
    pub(crate) login: String,
    pub(crate) token: String,
    pub(crate) faults: Vec<Fault>,
    pub(super) hooks: Vec<(&'static str, &'static str, Hook)>,
    pub(crate) requests: Vec<String>,
    pub(crate) violations: Vec<String>,
    pub(super) contract: Option<Contract>,
    last: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) pull_request: u64,
    pub(crate) login: String,
    pub(crate) body: String,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl State {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            comments: Vec::new(),
            check_runs: Vec::new(),
            pulls: Vec::new(),
            folder: None,
            trees: BTreeMap::new(),
            blobs: BTreeMap::new(),
            login: ACTIONS.to_owned(),
            token: TOKEN.to_owned(),
            faults: Vec::new(),
            hooks: Vec::new(),
            requests: Vec::new(),
            violations: Vec::new(),
            contract: Contract::load(),
            last: 1000,
        }
    }

    /// Whether requests and responses are validated with GitHub's description.
    pub(crate) fn has_description(&self) -> bool {
        self.contract.is_some()
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(crate) fn add_comment(&mut self, pull_request: u64, login: &str, body: &str) -> Comment {
        let id = self.next();
        let comment = Comment { id, pull_request, login: login.to_owned(), body: body.to_owned() };
        self.comments.push(comment.clone());
        comment
    }

    pub(crate) fn add_pull_request(&mut self, number: u64, head_sha: &str, fork: bool) {
        let mut pull: Value = serde_json::from_str(PULL_REQUEST).unwrap();
        pull["number"] = json!(number);
        pull["html_url"] = json!(format!("https://github.com/{REPOSITORY}/pull/{number}"));
        pull["head"]["sha"] = json!(head_sha);
        pull["base"]["repo"]["full_name"] = json!(REPOSITORY);
        pull["base"]["repo"]["id"] = json!(REPOSITORY_ID);
        let head_id = if fork { REPOSITORY_ID + 1 } else { REPOSITORY_ID };
        pull["head"]["repo"]["id"] = json!(head_id);
        let head_name = if fork { "somebody/app" } else { REPOSITORY };
        pull["head"]["repo"]["full_name"] = json!(head_name);
        self.pulls.push(pull);
    }

    /// Adds a check run of another app.
    pub(crate) fn check_run(&mut self, request: &Value) {
        self.add_check_run(request);
    }

    /// Does something right before the next matching request is processed.
    pub(crate) fn before(
        &mut self,
        method: &'static str,
        path: &'static str,
        act: impl FnOnce(&mut Self) + Send + 'static,
    ) {
        self.hooks.push((method, path, Box::new(act)));
    }

    pub(super) fn add_check_run(&mut self, request: &Value) -> Value {
        let id = self.next();
        let mut run = json!({
            "id": id,
            "node_id": format!("node-{id}"),
            "head_sha": request["head_sha"],
            "name": request["name"],
            "url": format!("{}/repos/{REPOSITORY}/check-runs/{id}", self.url),
            "html_url": format!("https://github.com/{REPOSITORY}/runs/{id}"),
            "details_url": null,
            "status": "queued",
            "conclusion": null,
            "started_at": "2026-11-22T08:40:00Z",
            "completed_at": null,
            "external_id": request["external_id"],
            "check_suite": { "id": 5 },
            "output": {
                "title": null, "summary": null, "text": null, "annotations_count": 0,
                "annotations_url": format!("{}/repos/{REPOSITORY}/check-runs/{id}/annotations", self.url),
            },
            "app": null,
            "pull_requests": [],
            // Not part of GitHub's response: the data that were sent.
            "annotations": [],
        });
        change_check_run(&mut run, request);
        self.check_runs.push(run.clone());
        run
    }

    pub(crate) fn comment_as_json(&self, comment: &Comment) -> Value {
        let Comment { id, pull_request, login, body } = comment;
        let page = format!("https://github.com/{REPOSITORY}/pull/{pull_request}");
        json!({
            "id": id,
            "node_id": format!("node-{id}"),
            "url": format!("{}/repos/{REPOSITORY}/issues/comments/{id}", self.url),
            "html_url": format!("{page}#issuecomment-{id}"),
            "issue_url": format!("{}/repos/{REPOSITORY}/issues/{pull_request}", self.url),
            "user": user(login),
            "created_at": "2026-11-22T08:40:00Z",
            "updated_at": "2026-11-22T08:40:00Z",
            "author_association": "NONE",
            "body": body,
        })
    }
}

/// An update as on GitHub: omitted fields stay, and annotations are appended.
pub(super) fn change_check_run(run: &mut Value, request: &Value) {
    for field in ["status", "conclusion"] {
        if !request[field].is_null() {
            run[field] = request[field].clone();
        }
    }
    if run["status"] == "completed" {
        run["completed_at"] = json!("2026-11-22T08:41:00Z");
    }
    for field in ["title", "summary"] {
        if !request["output"][field].is_null() {
            run["output"][field] = request["output"][field].clone();
        }
    }
    let new = request["output"]["annotations"].as_array().cloned().unwrap_or_default();
    let all = run["annotations"].as_array_mut().unwrap();
    all.extend(new);
    run["output"]["annotations_count"] = json!(all.len());
}

pub(super) fn user(login: &str) -> Value {
    // `github-actions%5Bbot%5D`, as on GitHub: brackets are not allowed in a path.
    let name = login.replace('[', "%5B").replace(']', "%5D");
    let page = |rest: &str| format!("https://api.github.com/users/{name}{rest}");
    let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
    json!({
        "login": login, "id": 41_898_282, "node_id": "MDM6Qm90NDE4OTgyODI=", "type": kind,
        "site_admin": false, "gravatar_id": "", "user_view_type": "public",
        "avatar_url": "https://avatars.githubusercontent.com/in/15368?v=4",
        "url": page(""), "html_url": format!("https://github.com/{name}"),
        "followers_url": page("/followers"), "following_url": page("/following{/other_user}"),
        "gists_url": page("/gists{/gist_id}"), "starred_url": page("/starred{/owner}{/repo}"),
        "subscriptions_url": page("/subscriptions"), "organizations_url": page("/orgs"),
        "repos_url": page("/repos"), "events_url": page("/events{/privacy}"),
        "received_events_url": page("/received_events"),
    })
}
