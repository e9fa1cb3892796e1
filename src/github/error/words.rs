//! Messages for errors: what happened in one line, and advice.

use std::fmt;

use super::{GithubError, GithubProblem, Operation, TokenKind};

impl Operation {
    /// The permission that the token needs, in the syntax of a workflow's `permissions:`, if GitHub does not return it. Source:
    /// docs.github.com, "Permissions required for fine-grained personal access tokens".
    fn permission(self) -> Option<&'static str> {
        match self {
            Self::CreateComment | Self::UpdateComment | Self::DeleteComment => {
                Some("pull-requests: write")
            }
            Self::CreateCheckRun | Self::UpdateCheckRun => Some("checks: write"),
            Self::ReadCheckRuns => Some("checks: read"),
            Self::ListComments | Self::FindPullRequests | Self::ReadPullRequest => {
                Some("pull-requests: read")
            }
            Self::ReadRepository | Self::ReadCommit | Self::ReadTree | Self::ReadFile => {
                Some("contents: read")
            }
            Self::Connect | Self::ReadUser => None,
        }
    }
}

impl GithubError {
    /// What the user can do about it.
    pub(crate) fn advice(&self) -> String {
        let needs = |accepted: &Option<String>| {
            let known = self.operation.permission().map(|permission| format!("`{permission}`"));
            accepted.clone().or(known).unwrap_or_else(|| "more permissions".to_owned())
        };
        match &self.problem {
            GithubProblem::BadCredentials => {
                "the token is invalid or has expired: use the default of the input `github-token`, or renew the secret"
                    .to_owned()
            }
            GithubProblem::NotPermitted { by: TokenKind::Integration, accepted } => format!(
                "add {} to `permissions:` of the workflow's job; for pull requests from forks the token is always \
                 read-only: publish from a second workflow, on: workflow_run (`mig-ci publish`)",
                needs(accepted)
            ),
            GithubProblem::NotPermitted { by: TokenKind::Person, accepted } => {
                format!("give the personal access token {} on this repository", needs(accepted))
            }
            GithubProblem::NeedsApp => "only GITHUB_TOKEN and tokens of GitHub Apps may create check runs: use the default \
                                        of the input `github-token`, or set `check-run: never`"
                .to_owned(),
            GithubProblem::Forbidden { message } if message.contains("locked") => {
                "unlock the pull request's conversation".to_owned()
            }
            GithubProblem::Forbidden { .. } => format!(
                "the token needs {} and access to this repository (single sign-on, allowed addresses, archived?)",
                needs(&None)
            ),
            GithubProblem::NotFound => format!(
                "it was deleted, or the token cannot see it: check the number, and that the token has {}",
                needs(&None)
            ),
            GithubProblem::RateLimited { .. } => {
                "run the job again later, or run fewer jobs at a time with one token".to_owned()
            }
            GithubProblem::Gone { .. } => "the conversation is locked or deleted: unlock it".to_owned(),
            GithubProblem::TooLong { .. } => "this is a bug in mig-ci: please report it".to_owned(),
            GithubProblem::Invalid { .. } | GithubProblem::Unexpected { .. } | GithubProblem::Conflict { .. } => {
                "run the job again; if it fails again, please report it".to_owned()
            }
            GithubProblem::Moved => {
                "the repository has been renamed or moved: start a new run under the new name".to_owned()
            }
            GithubProblem::Server { .. } | GithubProblem::Timeout { .. } | GithubProblem::Cut { .. } => {
                "run the job again later; see https://www.githubstatus.com for incidents".to_owned()
            }
            GithubProblem::Untrusted { .. } => "for a private CA, set `env: SSL_CERT_FILE:` of the step to a file in the \
                                                workspace"
                .to_owned(),
            GithubProblem::RetryBudgetExhausted { .. } => "run the job again later".to_owned(),
            GithubProblem::NoConnection { .. } | GithubProblem::NotJson { .. } | GithubProblem::Setup { .. } => {
                "check GITHUB_API_URL and the proxy variables (HTTPS_PROXY, NO_PROXY)".to_owned()
            }
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect to GitHub",
            Self::ListComments => "list the pull request's comments",
            Self::CreateComment => "create the comment",
            Self::UpdateComment => "update the comment",
            Self::DeleteComment => "delete a duplicate of the comment",
            Self::CreateCheckRun => "create the check run",
            Self::UpdateCheckRun => "update the check run",
            Self::ReadCheckRuns => "read the commit's check runs",
            Self::FindPullRequests => "find the commit's pull request",
            Self::ReadPullRequest => "read the pull request",
            Self::ReadRepository => "read the default branch",
            Self::ReadCommit => "read a commit",
            Self::ReadTree => "list the files of a commit",
            Self::ReadFile => "read a file of a commit",
            Self::ReadUser => "read the owner of the token",
        })
    }
}

impl fmt::Display for GithubProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCredentials => f.write_str("GitHub rejects this token (401)"),
            Self::NotPermitted { by, accepted } => {
                let token = match by {
                    TokenKind::Integration => "the job's token",
                    TokenKind::Person => "the personal access token",
                };
                write!(f, "{token} lacks the permission (403)")?;
                accepted.as_ref().map_or(Ok(()), |accepted| write!(f, "; it needs {accepted}"))
            }
            Self::NeedsApp => f.write_str("a personal token lacks the permission (403)"),
            Self::Forbidden { message } => write!(f, "GitHub refuses (403): {message}"),
            Self::RateLimited { secondary, .. } => {
                let kind = if *secondary { "secondary" } else { "primary" };
                write!(f, "GitHub's {kind} rate limit is used up")
            }
            Self::NotFound => f.write_str("GitHub finds nothing there (404)"),
            Self::Conflict { message } => write!(f, "GitHub reports a conflict (409): {message}"),
            Self::Gone { message } => write!(f, "it was deleted (410): {message}"),
            Self::TooLong { message } => write!(f, "the text is too long (422): {message}"),
            Self::Invalid { message } => write!(f, "GitHub rejects it as invalid (422): {message}"),
            Self::Moved => f.write_str("GitHub redirects to another repository"),
            Self::Server { status, message } => write!(f, "GitHub failed ({status}): {message}"),
            Self::Unexpected { status, message } => {
                write!(f, "GitHub answered {status}: {message}")
            }
            Self::Timeout { within } => {
                write!(f, "no answer within {:.0} s", within.as_secs_f64().ceil())
            }
            Self::NoConnection { reason } => write!(f, "no connection: {reason}"),
            Self::Untrusted { reason } => write!(f, "the server is not trusted: {reason}"),
            Self::Cut { reason } => write!(f, "the connection broke: {reason}"),
            Self::NotJson { reason } => write!(f, "the answer is not from GitHub: {reason}"),
            Self::RetryBudgetExhausted { cap } => {
                write!(f, "GitHub did not recover within {} s", cap.as_secs())
            }
            Self::Setup { reason } => f.write_str(reason),
        }
    }
}
