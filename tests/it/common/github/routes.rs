//! The fake's server: from a request to a response.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::fault::{Kind, refusal};
use super::state::{REPOSITORY, REPOSITORY_ID, State, change_check_run, user};

type Shared = Arc<Mutex<State>>;
type Answer = Response<BoxBody<Bytes, io::Error>>;

/// A parsed request.
struct Asked {
    method: String,
    /// Below the prefix, with the repository's name.
    path: String,
    query: String,
    body: Value,
}

pub(super) async fn serve(listener: std::net::TcpListener, prefix: &'static str, shared: Shared) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(request, prefix, Arc::clone(&shared)));
            // A client may disconnect at any time, and a broken connection may be intended.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    prefix: &str,
    shared: Shared,
) -> Result<Answer, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let graphql = format!("{}/graphql", prefix.trim_end_matches("/v3"));
    let below = if path == graphql { Some("/graphql") } else { path.strip_prefix(prefix) };
    let Some(path) = below else {
        return Ok(whole(404, &[], &format!("no API at {path}")));
    };
    // GitHub's own links contain the repository's ID.
    let by_number = format!("/repositories/{REPOSITORY_ID}/");
    let asked = Asked {
        method: parts.method.to_string(),
        path: path.replace(&by_number, &format!("/repos/{REPOSITORY}/")),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).unwrap_or(json!("not JSON"))
        },
    };
    let fault = {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.note(&asked, &parts.headers);
        state.act(&asked);
        let found = state
            .faults
            .iter_mut()
            .find(|fault| fault.times > 0 && fault.is_for(&asked.method, &asked.path));
        found.map(|fault| {
            fault.times -= 1;
            fault.clone()
        })
    };
    let regular = || {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.respond(&asked, &parts.headers)
    };
    let Some(fault) = fault else {
        let (status, body, link) = regular();
        let headers: Vec<_> = link.map(|link| ("link", link)).into_iter().collect();
        let text = if body.is_null() { String::new() } else { body.to_string() };
        return Ok(whole(status, &headers, &text));
    };
    let done = if fault.done || matches!(fault.kind, Kind::Cut) { Some(regular()) } else { None };
    Ok(match fault.kind {
        Kind::Answer { status, headers, body } => whole(status, &headers, &body),
        Kind::Hang => std::future::pending().await,
        Kind::Cut => half(&done.map(|(_, body, _)| body.to_string()).unwrap_or_default()),
    })
}

fn whole(status: u16, headers: &[(&'static str, String)], body: &str) -> Answer {
    let mut response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    response.body(body.map_err(|never| match never {}).boxed()).unwrap()
}

/// Half of a response; then the connection breaks.
fn half(body: &str) -> Answer {
    let bytes = Bytes::copy_from_slice(&body.as_bytes()[..body.len() / 2]);
    let frames = [Ok(Frame::data(bytes)), Err(io::Error::other("cut"))];
    Response::new(BoxBody::new(StreamBody::new(stream::iter(frames))))
}

impl State {
    /// Records a request, with its violations.
    fn note(&mut self, asked: &Asked, headers: &HeaderMap) {
        let Asked { method, path, query, body } = asked;
        self.requests.push(format!("{method} {path}"));
        // The description covers only REST.
        if let Some(contract) = self.contract.as_ref().filter(|_| path != "/graphql") {
            let wrong = contract.request(method, path, query, body);
            self.violations.extend(wrong);
        }
        // Source: docs.github.com, "Getting started with the REST API": requests without it are rejected.
        if !headers.contains_key(USER_AGENT) {
            self.violations.push(format!("{method} {path}: without a User-Agent"));
        }
    }

    fn act(&mut self, asked: &Asked) {
        let is_for = |method: &str, path: &str| asked.method == method && asked.path.contains(path);
        while let Some(at) = self.hooks.iter().position(|(method, path, _)| is_for(method, path)) {
            let (_, _, act) = self.hooks.remove(at);
            act(self);
        }
    }

    /// The regular response: status, body, and the Link header of a page.
    fn respond(&mut self, asked: &Asked, headers: &HeaderMap) -> (u16, Value, Option<String>) {
        let bearer = format!("Bearer {}", self.token);
        let knows = headers.get(AUTHORIZATION).is_some_and(|value| value == bearer.as_str());
        let (status, body, link) = if knows {
            self.route(asked)
        } else {
            let (status, body) = refusal("bad credentials");
            (status, body, None)
        };
        if let Some(contract) = &self.contract {
            let wrong = contract.answer(&asked.method, &asked.path, status, &body);
            self.violations.extend(wrong);
        }
        (status, body, link)
    }

    fn route(&mut self, asked: &Asked) -> (u16, Value, Option<String>) {
        let plain = |(status, body): (u16, Value)| (status, body, None);
        if asked.path == "/user" {
            let is_a_person = !self.login.ends_with("[bot]");
            return plain(if is_a_person {
                (200, self.whole_user())
            } else {
                refusal("integration")
            });
        }
        if asked.path == "/graphql" && asked.method == "POST" {
            return plain((200, json!({ "data": { "viewer": { "login": self.login } } })));
        }
        if asked.path == format!("/repos/{REPOSITORY}") {
            return plain(self.whole_repository());
        }
        let Some(rest) = asked.path.strip_prefix(&format!("/repos/{REPOSITORY}/")) else {
            return plain(refusal("not found"));
        };
        let parts: Vec<&str> = rest.split('/').collect();
        let number = |text: &str| text.parse::<u64>().unwrap_or_default();
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["issues", issue, "comments"]) => {
                let issue = number(issue);
                let of_it = self.comments.iter().filter(|comment| comment.pull_request == issue);
                let all = of_it.map(|comment| self.comment_as_json(comment)).collect();
                self.page(asked, all)
            }
            ("POST", ["issues", issue, "comments"]) => {
                plain(self.post_comment(number(issue), asked))
            }
            ("PATCH", ["issues", "comments", id]) => plain(self.patch_comment(number(id), asked)),
            ("DELETE", ["issues", "comments", id]) => plain(self.delete_comment(number(id))),
            ("POST", ["check-runs"]) => {
                let mut run = self.add_check_run(&asked.body);
                forget(&mut run);
                plain((201, run))
            }
            ("PATCH" | "GET", ["check-runs", id]) => plain(self.one_check_run(number(id), asked)),
            ("GET", ["commits", sha, "check-runs"]) => {
                plain((200, self.list_check_runs(sha, asked)))
            }
            ("GET", ["commits", sha, "pulls"]) => {
                let at = |pull: &&Value| pull["head"]["sha"] == *sha && pull["connected"] != false;
                let all = self.pulls.iter().filter(at).cloned().collect();
                self.page(asked, all)
            }
            ("GET", ["pulls"]) => {
                let open = self.pulls.iter().filter(|pull| pull["state"] == "open");
                let all = open.cloned().collect();
                self.page(asked, all)
            }
            ("GET", ["pulls", id]) => {
                let id = number(id);
                let found = self.pulls.iter().find(|pull| pull["number"] == id).cloned();
                plain(found.map_or_else(|| refusal("not found"), |pull| (200, pull)))
            }
            ("GET", parts) => plain(self.revision(parts, asked.parameter("recursive"))),
            _ => plain(refusal("not found")),
        }
    }

    fn post_comment(&mut self, issue: u64, asked: &Asked) -> (u16, Value) {
        let body = asked.body["body"].as_str().unwrap_or_default().to_owned();
        if body.chars().count() > 65_536 {
            return refusal("too long");
        }
        let login = self.login.clone();
        let comment = self.add_comment(issue, &login, &body);
        (201, self.comment_as_json(&comment))
    }

    fn patch_comment(&mut self, id: u64, asked: &Asked) -> (u16, Value) {
        let login = self.login.clone();
        let Some(comment) = self.comments.iter_mut().find(|comment| comment.id == id) else {
            return refusal("not found");
        };
        if comment.login != login {
            self.violations.push(format!("overwrites the comment of {}", comment.login));
        }
        comment.body = asked.body["body"].as_str().unwrap_or_default().to_owned();
        let comment = comment.clone();
        (200, self.comment_as_json(&comment))
    }

    fn delete_comment(&mut self, id: u64) -> (u16, Value) {
        let Some(at) = self.comments.iter().position(|comment| comment.id == id) else {
            return refusal("not found");
        };
        let comment = self.comments.remove(at);
        if comment.login != self.login {
            self.violations.push(format!("deletes the comment of {}", comment.login));
        }
        (204, Value::Null)
    }

    fn one_check_run(&mut self, id: u64, asked: &Asked) -> (u16, Value) {
        let Some(run) = self.check_runs.iter_mut().find(|run| run["id"] == id) else {
            return refusal("not found");
        };
        if asked.method == "PATCH" {
            change_check_run(run, &asked.body);
        }
        let mut run = run.clone();
        forget(&mut run);
        (200, run)
    }

    fn list_check_runs(&self, sha: &str, asked: &Asked) -> Value {
        let name = asked.parameter("check_name").replace('+', " ");
        let name = percent_encoding::percent_decode_str(&name).decode_utf8_lossy().into_owned();
        let is_it = |run: &&Value| run["head_sha"] == sha && run["name"] == name.as_str();
        let mut found: Vec<Value> = self.check_runs.iter().filter(is_it).cloned().collect();
        found.iter_mut().for_each(forget);
        let page = asked.pages();
        let shown: Vec<&Value> = found.iter().skip(page.skip()).take(page.size).collect();
        json!({ "total_count": found.len(), "check_runs": shown })
    }

    fn whole_user(&self) -> Value {
        let mut whole = user(&self.login);
        for field in ["bio", "blog", "company", "email", "hireable", "location", "name"] {
            whole[field] = Value::Null;
        }
        for field in ["followers", "following", "public_gists", "public_repos"] {
            whole[field] = json!(0);
        }
        whole["created_at"] = json!("2026-11-22T08:40:00Z");
        whole["updated_at"] = json!("2026-11-22T08:40:00Z");
        whole
    }

    /// A page of a list, with GitHub's links to the others.
    fn page(&self, asked: &Asked, all: Vec<Value>) -> (u16, Value, Option<String>) {
        let page = asked.pages();
        let last = all.len().div_ceil(page.size).max(1);
        let shown: Vec<Value> = all.into_iter().skip(page.skip()).take(page.size).collect();
        let rest = asked.path.replace(&format!("/repos/{REPOSITORY}/"), "");
        let others = asked.query.split('&').filter(|part| !part.starts_with("page="));
        let others = others.collect::<Vec<_>>().join("&");
        let link = |number: usize, rel: &str| {
            let url = &self.url;
            format!(
                "<{url}/repositories/{REPOSITORY_ID}/{rest}?{others}&page={number}>; rel=\"{rel}\""
            )
        };
        let links = (page.number < last)
            .then(|| [link(page.number + 1, "next"), link(last, "last")].join(", "));
        (200, Value::Array(shown), links)
    }
}

struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn skip(&self) -> usize {
        (self.number - 1) * self.size
    }
}

impl Asked {
    fn parameter(&self, name: &str) -> &str {
        let mut pairs = self.query.split('&').filter_map(|part| part.split_once('='));
        pairs.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// 30 by default, 100 at most: docs.github.com, "Using pagination in the REST API".
    fn pages(&self) -> Page {
        let number = |name: &str| self.parameter(name).parse::<usize>().ok();
        let size = number("per_page").unwrap_or(30).clamp(1, 100);
        Page { number: number("page").unwrap_or(1).max(1), size }
    }
}

/// Removes the fields that GitHub does not return for a check run.
fn forget(run: &mut Value) {
    run.as_object_mut().unwrap().remove("annotations");
}
