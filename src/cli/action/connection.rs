//! The job's repository at GitHub. One client for all that is asked of it, so that all waiting for it has one cap.

use std::sync::Arc;

use secrecy::SecretString;

use super::job::Job;
use crate::config::process_environment;
use crate::github::Proxies;
use crate::github::client::{Client, Settings};
use crate::github::context::Context;
use crate::github::error::Error;

/// Whether GitHub can be asked.
#[derive(Debug)]
pub(crate) enum Connection {
    Open(Arc<Client>),
    /// The input `github-token` is empty.
    NoToken,
    Failed(Error),
}

impl Connection {
    /// Sends nothing.
    pub(crate) fn of(job: &Job) -> Self {
        let Some(token) = job.inputs.token.clone() else { return Self::NoToken };
        match connect(&job.context, token) {
            Ok(client) => Self::Open(Arc::new(client)),
            Err(error) => Self::Failed(error),
        }
    }

    /// The client, or why there is none, as a clause.
    pub(crate) fn client(&self) -> Result<Arc<Client>, String> {
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
pub(crate) fn connect(context: &Context, token: SecretString) -> Result<Client, Error> {
    Client::new(Settings {
        api_url: context.api_url.clone(),
        graphql_url: context.graphql_url.clone(),
        repository: format!("{}/{}", context.repository.owner, context.repository.name),
        token,
        proxies: Proxies::from(process_environment),
    })
}
