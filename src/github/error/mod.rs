//! What can go wrong at GitHub: told apart, in one line each, with the permission that is missing or what else to do.
//!
//! No message holds a token: whatever somebody else wrote goes through [`quoted`].

mod classify;
mod words;

use std::time::Duration;

pub(super) use classify::classify;

/// Bytes of GitHub's own words; a proxy answers with whole pages.
const LONGEST: usize = 300;

/// What was asked of GitHub.
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

/// A request that did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation}: {problem}")]
pub(crate) struct GithubError {
    pub(crate) operation: Operation,
    pub(crate) problem: GithubProblem,
}

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GithubProblem {
    /// 401.
    BadCredentials,
    /// 403 "Resource not accessible by …"; with what GitHub says would be accepted.
    NotPermitted { by: TokenKind, accepted: Option<String> },
    /// 403 of the checks API for tokens of persons.
    NeedsApp,
    /// Any other 403: single sign-on, an allow list of addresses, an archived repository.
    Forbidden { message: String },
    /// 403 or 429.
    RateLimited { secondary: bool, retry_after: Option<Duration>, resets_at: Option<u64> },
    /// 404: absent, or not to be seen with this token.
    NotFound,
    /// 409.
    Conflict { message: String },
    /// 410: comments are off, or the thing was removed.
    Gone { message: String },
    /// 422 of a comment's body.
    TooLong { message: String },
    /// 422, else.
    Invalid { message: String },
    /// A redirection: the repository was renamed or moved.
    Moved,
    /// 5xx.
    Server { status: u16, message: String },
    /// Another status that is no success.
    Unexpected { status: u16, message: String },
    /// No whole answer within this time.
    Timeout { within: Duration },
    /// There was no connection: nothing has been sent.
    NoConnection { reason: String },
    /// The server's certificate is nobody's that we trust; nothing has been sent.
    Untrusted { reason: String },
    /// The connection broke before the whole answer was there.
    Cut { reason: String },
    /// An answer that is none of GitHub's.
    NotJson { reason: String },
    /// The time that a run may spend on waiting for GitHub is used up; nothing has been sent.
    OutOfPatience { cap: Duration },
    /// An address, a proxy, a token that cannot be one.
    Setup { reason: String },
}

/// Whose token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// GITHUB_TOKEN, or an App's.
    Integration,
    Person,
}

impl GithubProblem {
    /// Whether asking again later can help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Server { .. }
            | Self::Timeout { .. }
            | Self::NoConnection { .. }
            | Self::Cut { .. } => true,
            // A proxy's or a load balancer's page, most of the time.
            Self::NotJson { .. } => true,
            _ => false,
        }
    }

    /// Whether it may have happened all the same: asking again could do it twice.
    pub(crate) fn is_unclear(&self) -> bool {
        matches!(
            self,
            Self::Server { .. } | Self::Timeout { .. } | Self::Cut { .. } | Self::NotJson { .. }
        )
    }

    /// Whether it is the token that may not. GitHub says 404 for what a token cannot see.
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

/// Somebody else's words: one line of them, without the secret, and without what a terminal or a log would take for a
/// command.
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
