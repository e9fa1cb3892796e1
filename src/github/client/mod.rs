//! One repository at GitHub, and how requests are repeated. The requests themselves are in a file for each kind of thing:
//! `client.comments().update(…)`, `client.pulls().open()`.
//!
//! Reading, PATCH and DELETE are retried. A POST is not: after an unclear failure the caller first checks whether it has had an
//! effect ([`GithubClient::repeat_unless_found`]).

mod check_runs;
mod comments;
mod commits;
mod files;
mod pulls;
#[cfg(test)]
mod tests;

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use octocrab::{FromResponse, Octocrab, Page};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) use self::check_runs::{
    CheckRun, CheckRunOutput, CheckUpdate, NewCheckRun, Status, WireAnnotation,
};
pub(crate) use self::check_runs::{CheckRuns, Conclusion};
pub(crate) use self::comments::{Comments, IssueComment};
pub(crate) use self::commits::RepositoryCommits;
pub(crate) use self::files::{RepositoryFiles, Tree};
pub(crate) use self::pulls::{PullResponse, Pulls};
use super::error::{GithubError, GithubProblem, Operation, classify, quoted};
use super::retry::{CAP, GithubBudget};
use super::transport::{self, Proxies};
use crate::retry::{Clock, SystemClock};
use crate::secrets;

/// Source: docs.github.com: GitHub itself terminates requests after 10 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Ends a circular list of links.
const MOST_PAGES: usize = 100;

/// The address, the repository and the token.
#[derive(Debug, Clone)]
pub(crate) struct ClientSettings {
    /// `GITHUB_API_URL`: `https://api.github.com`, or `https://HOST/api/v3` of a GitHub Enterprise Server.
    pub(crate) api_url: String,
    /// `GITHUB_GRAPHQL_URL`: `https://api.github.com/graphql`, or `https://HOST/api/graphql`.
    pub(crate) graphql_url: String,
    /// `GITHUB_REPOSITORY`: `owner/name`.
    pub(crate) repository: String,
    pub(crate) token: SecretString,
    pub(crate) proxies: Proxies,
}

#[derive(Debug)]
pub(crate) struct GithubClient {
    crab: Octocrab,
    base: Uri,
    graphql_url: String,
    repository: String,
    token: SecretString,
    proxies: Proxies,
    answer_within: Duration,
    budget: GithubBudget,
}

impl GithubClient {
    /// Requires a tokio runtime. Sends nothing.
    ///
    /// # Errors
    /// If the address, the repository, the token or a proxy is invalid.
    pub(crate) fn new(settings: ClientSettings) -> Result<Self, GithubError> {
        Self::with(settings, Arc::new(SystemClock), ANSWER_WITHIN)
    }

    pub(super) fn with(
        settings: ClientSettings,
        clock: Arc<dyn Clock>,
        answer_within: Duration,
    ) -> Result<Self, GithubError> {
        let ClientSettings { api_url, graphql_url, repository, token, proxies } = settings;
        let setup =
            |reason: String| GithubError::new(Operation::Connect, GithubProblem::Setup { reason });
        let base: Option<Uri> = api_url.trim_end_matches('/').parse().ok();
        let has_scheme = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https"));
        let base = base.filter(has_scheme).ok_or_else(|| {
            setup(format!("GITHUB_API_URL is not an address: `{}`", quoted(&api_url, "")))
        })?;
        if !is_repository(&repository) {
            let words = quoted(&repository, "");
            return Err(setup(format!(
                "GITHUB_REPOSITORY does not have the form owner/name: `{words}`"
            )));
        }
        let crab = transport::connect(&base, &token, &proxies)?;
        let budget = GithubBudget::new(clock);
        Ok(Self { crab, base, graphql_url, repository, token, proxies, answer_within, budget })
    }

    /// `owner/name`.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }

    pub(crate) fn check_runs(&self) -> CheckRuns<'_> {
        CheckRuns(self)
    }

    pub(crate) fn comments(&self) -> Comments<'_> {
        Comments(self)
    }

    pub(crate) fn commits(&self) -> RepositoryCommits<'_> {
        RepositoryCommits(self)
    }

    pub(crate) fn files(&self) -> RepositoryFiles<'_> {
        RepositoryFiles(self)
    }

    pub(crate) fn pulls(&self) -> Pulls<'_> {
        Pulls(self)
    }

    /// Whether the token belongs to a user, by the prefixes in docs.github.com, "GitHub's token formats".
    pub(super) fn is_user_token(&self) -> bool {
        let token = self.token.expose_secret();
        ["ghp_", "github_pat_", "gho_", "ghu_"].iter().any(|prefix| token.starts_with(prefix))
    }

    /// A route below this repository.
    fn route(&self, rest: &str) -> String {
        format!("/repos/{}/{rest}", self.repository)
    }

    /// The body of a request, without known secrets.
    fn outgoing(
        &self,
        operation: Operation,
        body: &impl Serialize,
    ) -> Result<serde_json::Value, GithubError> {
        secrets::masked_json(body).map_err(|error| {
            GithubError::new(operation, GithubProblem::Setup { reason: error.to_string() })
        })
    }

    /// Pauses between consecutive writes: docs.github.com, "Best practices for using the REST API". `false` if the retry budget
    /// is exhausted.
    pub(super) async fn pause_between_writes(&self) -> bool {
        self.budget.spend(Duration::from_secs(1)).await
    }

    /// One attempt.
    async fn once<T>(
        &self,
        operation: Operation,
        request: impl Future<Output = octocrab::Result<T>>,
    ) -> Result<T, GithubError> {
        let within = self.answer_within.min(self.budget.left());
        if within.is_zero() {
            return Err(GithubError::new(
                operation,
                GithubProblem::RetryBudgetExhausted { cap: CAP },
            ));
        }
        let started = Instant::now();
        let outcome = match tokio::time::timeout(within, request).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => classify(operation, &error, self.token.expose_secret()),
            Err(_) => GithubError::new(operation, GithubProblem::Timeout { within }),
        };
        self.budget.lost(started.elapsed());
        tracing::debug!("{outcome}");
        Err(outcome)
    }

    /// An idempotent request, with up to four attempts.
    async fn repeat<T, F: Future<Output = octocrab::Result<T>>>(
        &self,
        operation: Operation,
        request: impl Fn() -> F,
    ) -> Result<T, GithubError> {
        self.repeat_unless_found(operation, request, || ready(Ok(None))).await
    }

    /// A request that must not be repeated. If an attempt may have succeeded, `find` looks for its result before the next one.
    /// Not a plain retry: `find` runs after the pause, and also after the last attempt.
    pub(super) async fn repeat_unless_found<T, P, F>(
        &self,
        operation: Operation,
        request: impl Fn() -> P,
        find: impl Fn() -> F,
    ) -> Result<T, GithubError>
    where
        P: Future<Output = octocrab::Result<T>>,
        F: Future<Output = Result<Option<T>, GithubError>>,
    {
        let mut failed = 0;
        loop {
            let error = match self.once(operation, request()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            failed += 1;
            let again = self.budget.wait(&error.problem, failed).await;
            if error.problem.is_unclear() {
                match find().await {
                    Ok(Some(made)) => return Ok(made),
                    Ok(None) => {}
                    // Its existence is unknown: none is better than two.
                    Err(_) => return Err(error),
                }
            }
            if !again {
                return Err(error);
            }
        }
    }

    async fn get<T: FromResponse>(
        &self,
        operation: Operation,
        route: &str,
    ) -> Result<T, GithubError> {
        self.repeat(operation, || self.crab.get(route, None::<&()>)).await
    }

    /// All pages of a list, by the links that GitHub returns, which may differ from the first address.
    async fn list<T: DeserializeOwned>(
        &self,
        operation: Operation,
        route: &str,
    ) -> Result<Vec<T>, GithubError> {
        let unexpected = |reason: &str| {
            GithubError::new(operation, GithubProblem::NotJson { reason: reason.to_owned() })
        };
        let mut page: Page<T> = self.get(operation, route).await?;
        let mut items = page.take_items();
        for _ in 1..MOST_PAGES {
            let Some(next) = page.next.take() else { return Ok(items) };
            if next.authority() != self.base.authority() {
                return Err(unexpected("its link to the next page leads to another server"));
            }
            page = self.get(operation, &next.to_string()).await?;
            items.append(&mut page.take_items());
        }
        if page.next.is_none() { Ok(items) } else { Err(unexpected("its list does not end")) }
    }
}

/// Whether this can be part of a route: names at GitHub need no escaping, and other text must not change the route.
fn is_repository(text: &str) -> bool {
    let is_name = |name: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !name.is_empty() && !name.starts_with("..") && name.chars().all(known)
    };
    text.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// Whether this can be a commit, a tree or a blob in a route.
fn is_hash(text: &str) -> bool {
    // SHA-1, and SHA-256 in case GitHub supports it.
    matches!(text.len(), 40 | 64) && text.chars().all(|c| c.is_ascii_hexdigit())
}
