//! The connection to the job's repository at GitHub. One client for all requests, so that they share one retry budget.

use std::sync::Arc;

use secrecy::SecretString;

use crate::config::process_environment;
use crate::github::Proxies;
use crate::github::client::{ClientSettings, GithubClient};
use crate::github::context::JobContext;
use crate::github::error::GithubError;

/// Whether GitHub is available.
#[derive(Debug)]
pub(crate) enum Connection {
    Open(Arc<GithubClient>),
    /// The input `github-token` is empty.
    NoToken,
    Failed(GithubError),
}

impl Connection {
    /// Sends nothing. `token` is the input `github-token`.
    pub(crate) fn new(context: &JobContext, token: Option<SecretString>) -> Self {
        let Some(token) = token else { return Self::NoToken };
        match connect(context, token) {
            Ok(client) => Self::Open(Arc::new(client)),
            Err(error) => Self::Failed(error),
        }
    }

    /// The client, or the reason why there is none, as a clause.
    pub(crate) fn client(&self) -> Result<Arc<GithubClient>, String> {
        match self {
            Self::Open(client) => Ok(Arc::clone(client)),
            Self::NoToken => {
                Err("the input `github-token` is empty: leave it at its default, and give the job \
                                  `contents: read`"
                    .to_owned())
            }
            Self::Failed(error) => Err(format!("{error}; {}", error.advice())),
        }
    }
}

/// The job's repository.
pub(crate) fn connect(
    context: &JobContext,
    token: SecretString,
) -> Result<GithubClient, GithubError> {
    GithubClient::new(ClientSettings {
        api_url: context.api_url.clone(),
        graphql_url: context.graphql_url.clone(),
        repository: format!("{}/{}", context.repository.owner, context.repository.name),
        token,
        proxies: Proxies::from(process_environment),
    })
}
