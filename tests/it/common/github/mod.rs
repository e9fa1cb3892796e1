//! A fake GitHub: it stores comments, check runs and pull requests of one repository, responds in pages, fails on demand,
//! and validates each request and its own responses with GitHub's description ([`contract`]).
//!
//! It runs on its own thread, bound to the loopback address unless containers must reach it, so that it serves the binary
//! and tests within a runtime alike. When it is dropped, the test fails if any request or response was invalid.

mod contract;
mod fault;
mod revisions;
mod routes;
mod state;

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;

pub(crate) use contract::beside;
pub(crate) use fault::{Fault, refusal};
pub(crate) use state::{ACTIONS, Comment, HEAD, State, TOKEN};

/// The server. Its thread ends with the process.
#[derive(Debug)]
pub(crate) struct Fake {
    shared: Arc<Mutex<State>>,
}

impl Fake {
    /// With the paths of api.github.com.
    pub(crate) fn start() -> Self {
        Self::start_below("")
    }

    /// With the paths of a GitHub Enterprise Server: `/api/v3`.
    pub(crate) fn start_below(prefix: &'static str) -> Self {
        Self::listen(Ipv4Addr::LOCALHOST.into(), prefix)
    }

    /// At another address of this machine: the loopback address of a container is its own.
    pub(crate) fn start_at(address: IpAddr) -> Self {
        Self::listen(address, "")
    }

    fn listen(address: IpAddr, prefix: &'static str) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(State::new(format!("http://{address}{prefix}"))));
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(routes::serve(listener, prefix, state));
        });
        Self { shared }
    }

    /// The value of GITHUB_API_URL.
    pub(crate) fn url(&self) -> String {
        self.state().url.clone()
    }

    /// The address for its links: that of a proxy in front of it.
    pub(crate) fn set_public_url(&self, url: &str) {
        url.clone_into(&mut self.state().url);
    }

    /// The value of GITHUB_GRAPHQL_URL: on a GitHub Enterprise Server it is not below the REST API.
    pub(crate) fn graphql_url(&self) -> String {
        format!("{}/graphql", self.url().trim_end_matches("/v3"))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a comment of another user to a pull request. Returns its ID.
    pub(crate) fn comment(&self, pull_request: u64, login: &str, body: &str) -> u64 {
        self.state().add_comment(pull_request, login, body).id
    }

    /// The existing comments, oldest first.
    pub(crate) fn comments(&self) -> Vec<Comment> {
        self.state().comments.clone()
    }

    /// The check runs, with `annotations` as they were sent.
    pub(crate) fn check_runs(&self) -> Vec<Value> {
        self.state().check_runs.clone()
    }

    /// An open pull request within this repository.
    pub(crate) fn pull_request(&self, number: u64, head_sha: &str) {
        self.state().add_pull_request(number, head_sha, false);
    }

    /// The same from a fork.
    pub(crate) fn fork_pull_request(&self, number: u64, head_sha: &str) {
        self.state().add_pull_request(number, head_sha, true);
    }

    /// Serves the commits, trees and files of this repository.
    pub(crate) fn serve_repository(&self, folder: impl Into<PathBuf>) {
        self.state().folder = Some(folder.into());
    }

    /// Makes the next matching requests fail.
    pub(crate) fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Does something right before the next matching request is processed, as a concurrent run would.
    pub(crate) fn before(
        &self,
        method: &'static str,
        path: &'static str,
        act: impl FnOnce(&mut State) + Send + 'static,
    ) {
        self.state().before(method, path, act);
    }

    /// All requests so far: `GET /repos/shop/app/pulls/7`, without the query.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// The number of requests with this method.
    pub(crate) fn count(&self, method: &str) -> usize {
        let begin = format!("{method} ");
        self.requests().iter().filter(|request| request.starts_with(&begin)).count()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let violations = self.state().violations.join("\n");
        if !thread::panicking() {
            assert!(violations.is_empty(), "not as GitHub has it:\n{violations}");
        }
    }
}
