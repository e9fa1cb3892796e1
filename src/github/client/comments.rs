//! The comments of a pull request. GitHub treats them as comments of an issue: docs.github.com, "REST API endpoints for issue
//! comments".

use http::Uri;
use octocrab::map_github_error;
use serde::{Deserialize, Serialize};

use super::GithubClient;
use crate::github::error::{GithubError, GithubProblem, Operation};
use crate::github::transport;

/// The fields of a comment that are needed. Not octocrab's types, because these require fields that a server may omit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct IssueComment {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) body: Option<String>,
    #[serde(default)]
    pub(crate) html_url: String,
    /// `null` for a deleted account.
    #[serde(default)]
    pub(crate) user: Option<CommentAuthor>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct CommentAuthor {
    #[serde(default)]
    pub(crate) login: String,
}

impl IssueComment {
    pub(crate) fn text(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }

    pub(crate) fn author(&self) -> &str {
        self.user.as_ref().map_or("", |user| &user.login)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    body: &'a str,
}

/// Requests on comments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comments<'a>(pub(super) &'a GithubClient);

impl Comments<'_> {
    /// All of them, the oldest first.
    pub(crate) async fn of_pull_request(
        self,
        pull_request: u64,
    ) -> Result<Vec<IssueComment>, GithubError> {
        let route = self.0.route(&format!("issues/{pull_request}/comments?per_page=100"));
        self.0.list(Operation::ListComments, &route).await
    }

    /// `is_it` recognises the comment if it is unclear whether it was created.
    pub(crate) async fn create(
        self,
        pull_request: u64,
        body: &str,
        is_it: impl Fn(&IssueComment) -> bool,
    ) -> Result<IssueComment, GithubError> {
        let route = self.0.route(&format!("issues/{pull_request}/comments"));
        let body = self.0.outgoing(Operation::CreateComment, &Body { body })?;
        let post = || self.0.crab.post(&route, Some(&body));
        let find = async || Ok(self.of_pull_request(pull_request).await?.into_iter().find(&is_it));
        self.0.repeat_unless_found(Operation::CreateComment, post, find).await
    }

    pub(crate) async fn update(self, id: u64, body: &str) -> Result<IssueComment, GithubError> {
        let route = self.0.route(&format!("issues/comments/{id}"));
        // octocrab's own update_comment sends POST, where GitHub's description requires PATCH.
        let body = self.0.outgoing(Operation::UpdateComment, &Body { body })?;
        let patch = || self.0.crab.patch(&route, Some(&body));
        self.0.repeat(Operation::UpdateComment, patch).await
    }

    pub(crate) async fn delete(self, id: u64) -> Result<(), GithubError> {
        let route = self.0.route(&format!("issues/comments/{id}"));
        let delete = async || {
            let answer = self.0.crab._delete(route.as_str(), None::<&()>).await?;
            map_github_error(answer).await.map(drop)
        };
        self.0.repeat(Operation::DeleteComment, delete).await
    }

    /// The login of the token's user. GitHub supports this only for user tokens.
    pub(crate) async fn own_login(self) -> Result<String, GithubError> {
        let user: CommentAuthor = self.0.get(Operation::ReadUser, "/user").await?;
        Ok(user.login)
    }

    /// The login of the token's App, which only GraphQL returns.
    pub(crate) async fn app_login(self) -> Result<String, GithubError> {
        let operation = Operation::ReadUser;
        let base = self.0.graphql_url.strip_suffix("/graphql").and_then(|base| base.parse().ok());
        let no_base = || {
            let reason = "GITHUB_GRAPHQL_URL is not an address that ends with /graphql".to_owned();
            GithubError::new(operation, GithubProblem::Setup { reason })
        };
        // On a GitHub Enterprise Server it is next to the REST API and not below, where octocrab would expect it.
        let base: Uri = base.ok_or_else(no_base)?;
        let crab = transport::connect(&base, &self.0.token, &self.0.proxies)?;
        let query = serde_json::json!({ "query": "{ viewer { login } }" });
        // A query, although it is a POST.
        let data: Data = self.0.repeat(operation, || crab.graphql(&query)).await?;
        Ok(data.viewer.login)
    }
}

#[derive(Deserialize)]
struct Data {
    viewer: CommentAuthor,
}
