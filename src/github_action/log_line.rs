//! Log lines about a result that is not shown on GitHub.

use crate::github::error::GithubError;

/// A line of the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogLine {
    /// Expected.
    Plain(String),
    Notice(String),
}

impl LogLine {
    pub(crate) fn of(error: &GithubError) -> Self {
        let advice = error.advice();
        Self::Notice(format!(
            "no comment on the pull request, the result is in the job summary: {error}; {advice}"
        ))
    }
}
