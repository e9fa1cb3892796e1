//! Converts octocrab's errors to a [`GithubProblem`].

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use octocrab::GitHubError;

use super::{GithubError, GithubProblem, Operation, TokenKind, quoted};

/// The error of a request. `secret` is the token: it is not in the text.
pub(in crate::github) fn classify(
    operation: Operation,
    error: &octocrab::Error,
    secret: &str,
) -> GithubError {
    let problem = match error {
        octocrab::Error::GitHub { source, .. } => problem_of(source, secret),
        octocrab::Error::Json { .. } | octocrab::Error::Serde { .. } => {
            GithubProblem::NotJson { reason: quoted(&chain(error), secret) }
        }
        octocrab::Error::Service { source, .. } if is_untrusted(source.as_ref()) => {
            GithubProblem::Untrusted { reason: quoted(&chain(source.as_ref()), secret) }
        }
        octocrab::Error::Service { source, .. } if never_connected(source.as_ref()) => {
            GithubProblem::NoConnection { reason: quoted(&chain(source.as_ref()), secret) }
        }
        octocrab::Error::Service { .. } | octocrab::Error::Hyper { .. } => {
            GithubProblem::Cut { reason: quoted(&chain(error), secret) }
        }
        _ => GithubProblem::Setup { reason: quoted(&chain(error), secret) },
    };
    GithubError { operation, problem }
}

fn problem_of(error: &GitHubError, secret: &str) -> GithubProblem {
    let status = error.status_code;
    let headers = error.headers.clone().unwrap_or_default();
    let message = quoted(&error.message, secret);
    match status {
        StatusCode::UNAUTHORIZED => GithubProblem::BadCredentials,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
            rate_limit(status, &headers, &message).unwrap_or_else(|| forbidden(&headers, message))
        }
        StatusCode::NOT_FOUND => GithubProblem::NotFound,
        StatusCode::CONFLICT => GithubProblem::Conflict { message },
        StatusCode::GONE => GithubProblem::Gone { message },
        StatusCode::UNPROCESSABLE_ENTITY => invalid(error, secret),
        _ if status.is_redirection() => GithubProblem::Moved,
        _ if status.is_server_error() => GithubProblem::Server { status: status.as_u16(), message },
        _ => GithubProblem::Unexpected { status: status.as_u16(), message },
    }
}

/// Source: docs.github.com, "Rate limits for the REST API": 403 or 429, with `retry-after` or with `x-ratelimit-remaining: 0`;
/// a secondary limit may have neither, and is named in the message.
fn rate_limit(status: StatusCode, headers: &HeaderMap, message: &str) -> Option<GithubProblem> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let retry_after = number("retry-after").map(Duration::from_secs);
    let used_up = number("x-ratelimit-remaining") == Some(0);
    let words = message.to_lowercase();
    let named = words.contains("rate limit") || words.contains("abuse detection");
    if status != StatusCode::TOO_MANY_REQUESTS && retry_after.is_none() && !used_up && !named {
        return None;
    }
    let secondary = words.contains("secondary") || words.contains("abuse") || !used_up;
    let resets_at = number("x-ratelimit-reset").filter(|_| used_up);
    Some(GithubProblem::RateLimited { secondary, retry_after, resets_at })
}

fn forbidden(headers: &HeaderMap, message: String) -> GithubProblem {
    let accepted = headers.get("x-accepted-github-permissions");
    let accepted = accepted.and_then(|value| value.to_str().ok()).map(in_a_workflow);
    let accepted = accepted.filter(|words| !words.is_empty());
    if message.contains("not accessible by integration") {
        GithubProblem::NotPermitted { by: TokenKind::Integration, accepted }
    } else if message.contains("not accessible by personal access token") {
        GithubProblem::NotPermitted { by: TokenKind::Person, accepted }
    } else if message.contains("authenticate via a GitHub App") {
        GithubProblem::NeedsApp
    } else {
        GithubProblem::Forbidden { message }
    }
}

fn invalid(error: &GitHubError, secret: &str) -> GithubProblem {
    let details = error.errors.iter().flatten().map(|detail| match detail["message"].as_str() {
        Some(words) => words.to_owned(),
        None => detail.to_string(),
    });
    let whole = [error.message.clone()].into_iter().chain(details).collect::<Vec<_>>().join(": ");
    let message = quoted(&whole, secret);
    if whole.to_lowercase().contains("too long") {
        GithubProblem::TooLong { message }
    } else {
        GithubProblem::Invalid { message }
    }
}

/// Converts `issues=write; pull_requests=write` to a workflow's syntax: `issues: write` or `pull-requests: write`. A comma
/// joins permissions that are both required, a semicolon separates alternatives (docs.github.com, "Troubleshooting the REST
/// API").
fn in_a_workflow(header: &str) -> String {
    let one = |name: &str| match name.trim().split_once('=') {
        Some((name, level)) => {
            format!("`{}: {}`", quoted(&name.replace('_', "-"), ""), quoted(level, ""))
        }
        None => format!("`{}`", quoted(name.trim(), "")),
    };
    let choices = header.split(';').filter(|choice| !choice.trim().is_empty());
    let choices =
        choices.map(|choice| choice.split(',').map(one).collect::<Vec<_>>().join(" and "));
    choices.collect::<Vec<_>>().join(" or ")
}

/// The message with those of its causes: hyper's own message is only "client error (Connect)".
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = vec![error.to_string()];
    let mut next = error.source();
    while let Some(reason) = next {
        let text = reason.to_string();
        // Some errors repeat the message of their cause.
        if !words.last().is_some_and(|last| last.contains(&text)) {
            words.push(text);
        }
        next = reason.source();
    }
    words.join(": ")
}

fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(reason) = next {
        if let Some(client) = reason.downcast_ref::<hyper_util::client::legacy::Error>() {
            return client.is_connect();
        }
        next = reason.source();
    }
    false
}

/// rustls's own error is below those of hyper, and inside IO errors, which do not return it as their source.
fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return matches!(tls, rustls::Error::InvalidCertificate(_));
    }
    let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match inside {
        Some(inside) => is_untrusted(inside),
        None => error.source().is_some_and(is_untrusted),
    }
}
