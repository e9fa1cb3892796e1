//! Failures of requests to GitHub: classified, each with a one-line message, and the missing permission or another advice.
//!
//! No message contains a token: text from outside is passed through [`quoted`].

mod classify;
mod words;

use std::time::Duration;

pub(super) use classify::classify;

/// The maximum length in bytes of GitHub's own message; a proxy may answer with a whole page.
const LONGEST: usize = 300;

/// A request to GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Connect,
    ListComments,
    CreateComment,
    UpdateComment,
    DeleteComment,
    CreateCheckRun,
    UpdateCheckRun,
    ReadCheckRuns,
    FindPullRequests,
    ReadPullRequest,
    ReadRepository,
    ReadCommit,
    ReadTree,
    ReadFile,
    ReadUser,
}

/// A failed request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation}: {problem}")]
pub(crate) struct GithubError {
    pub(crate) operation: Operation,
    pub(crate) problem: GithubProblem,
}

/// Why it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GithubProblem {
    /// 401.
    BadCredentials,
    /// 403 "Resource not accessible by …"; with the permissions that GitHub would accept.
    NotPermitted { by: TokenKind, accepted: Option<String> },
    /// 403 of the checks API for user tokens.
    NeedsApp,
    /// Any other 403: single sign-on, an allow list of addresses, an archived repository.
    Forbidden { message: String },
    /// 403 or 429.
    RateLimited { secondary: bool, retry_after: Option<Duration>, resets_at: Option<u64> },
    /// 404: absent, or not visible with this token.
    NotFound,
    /// 409.
    Conflict { message: String },
    /// 410: comments are disabled, or the object was deleted.
    Gone { message: String },
    /// 422 of a comment's body.
    TooLong { message: String },
    /// Any other 422.
    Invalid { message: String },
    /// A redirect: the repository was renamed or moved.
    Moved,
    /// 5xx.
    Server { status: u16, message: String },
    /// Another unsuccessful status.
    Unexpected { status: u16, message: String },
    /// No complete answer within this time.
    Timeout { within: Duration },
    /// There was no connection: nothing was sent.
    NoConnection { reason: String },
    /// The server's certificate is not trusted; nothing was sent.
    Untrusted { reason: String },
    /// The connection broke before the answer was complete.
    Cut { reason: String },
    /// An answer that does not come from GitHub.
    NotJson { reason: String },
    /// The retry budget of the run is exhausted; nothing was sent.
    RetryBudgetExhausted { cap: Duration },
    /// An invalid address, proxy or token.
    Setup { reason: String },
}

/// The kind of token that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// GITHUB_TOKEN, or an App's token.
    Integration,
    Person,
}

impl GithubProblem {
    /// Whether a later attempt may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Server { .. }
            | Self::Timeout { .. }
            | Self::NoConnection { .. }
            | Self::Cut { .. } => true,
            // Usually a page of a proxy or a load balancer.
            Self::NotJson { .. } => true,
            _ => false,
        }
    }

    /// Whether the request may still have had an effect: repeating it could duplicate that.
    pub(crate) fn is_unclear(&self) -> bool {
        matches!(
            self,
            Self::Server { .. } | Self::Timeout { .. } | Self::Cut { .. } | Self::NotJson { .. }
        )
    }

    /// Whether the token lacks a permission. GitHub returns 404 for what a token cannot see.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::BadCredentials
                | Self::NotPermitted { .. }
                | Self::NeedsApp
                | Self::Forbidden { .. }
                | Self::NotFound
        )
    }
}

/// Text from outside: one line, without the secret, and without characters that a terminal or a log would interpret.
pub(super) fn quoted(text: &str, secret: &str) -> String {
    let text = if secret.is_empty() { text.to_owned() } else { text.replace(secret, "***") };
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.len() <= LONGEST {
        return line;
    }
    format!("{} …", &line[..line.floor_char_boundary(LONGEST)])
}

impl GithubError {
    pub(in crate::github) fn new(operation: Operation, problem: GithubProblem) -> Self {
        Self { operation, problem }
    }
}
