//! Derives the pull request and the commits of a run from the event that started its job.
//!
//! The rules are those of the events' documentation (docs.github.com, "Events that trigger workflows" and "Webhook events and
//! payloads"). Missing information is returned as a [`PullRequestLookup`] for GitHub's API; no request is sent here.

use serde_json::Value;

use super::RunAttempt;
use super::payload::Payload;

mod kinds;

/// The event of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobEvent {
    pub(crate) kind: EventKind,
    /// As GitHub writes it, also for unknown events.
    pub(crate) name: String,
    pub(crate) subject: Subject,
    /// The commit that results and check runs belong to: never GitHub's merge commit, on which they are not visible. `None` if
    /// only the API knows it, and for a deleted branch.
    pub(crate) head_sha: Option<String>,
    /// The tip of the base branch at the time of the event; for a push, the branch's previous commit. Not the base of a pull
    /// request: it can contain commits that the pull request does not have.
    pub(crate) base_sha: Option<String>,
    /// The target branch, without `refs/heads/`.
    pub(crate) base_ref: Option<String>,
    /// The head is in another repository than the base, or in a deleted one.
    pub(crate) is_fork: bool,
    /// Whether the job's token can write if the workflow's `permissions:` allow it. For forks and Dependabot it usually cannot,
    /// unless an administrator has allowed it. This is a prediction: a refusal must still be handled.
    pub(crate) token_can_write: bool,
    /// The run that a `workflow_run` follows.
    pub(crate) follows: Option<RunAttempt>,
    /// The repository that this run's code comes from, `owner/name`; `None` once it is deleted.
    pub(crate) head_repository: Option<String>,
    /// The conclusion of that run: `failure`.
    pub(crate) conclusion: Option<String>,
    /// Why there is nothing to verify: a branch was deleted.
    pub(crate) nothing_to_do: Option<&'static str>,
    /// Why verifying would be wrong here, and what to do instead.
    pub(crate) refusal: Option<&'static str>,
}

/// The supported events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum EventKind {
    PullRequest,
    PullRequestTarget,
    MergeGroup,
    Push,
    WorkflowRun,
    WorkflowDispatch,
    Schedule,
    IssueComment,
    #[default]
    Other,
}

/// The pull request of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Known {
        number: u64,
        /// The pull request's head in the payload; a `workflow_run` can belong to an older one.
        head_sha: Option<String>,
    },
    Lookup(PullRequestLookup),
    /// There is none, with the reason.
    None(&'static str),
}

/// Information that is not in the payload, but in GitHub's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PullRequestLookup {
    /// `GET commits/{sha}/pulls`: the open one that targets this repository and has this commit as its head.
    PullsOfCommit { sha: String },
    /// `GET pulls/{number}`: its head and its base.
    Pull { number: u64 },
}

/// Why a payload is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventError {
    #[error("the event's payload is invalid: {reason}")]
    NotAPayload { reason: String },
    #[error("the payload of a `{event}` event has no `{field}`")]
    Missing { event: String, field: &'static str },
    #[error("`{field}` of the event's payload is not a commit hash: {value:?}")]
    NotAHash { field: &'static str, value: String },
}

const TARGET: &str = "`pull_request_target` runs with the permissions and secrets of the base repository, and migrations \
                      are untrusted code: mig-ci does not run a pull request's migrations there. Also, the workspace \
                      contains the default branch, so a result would not be about the pull request. Use `on: pull_request`; \
                      to comment on pull requests from forks, publish the report from a second workflow, on: workflow_run";

impl JobEvent {
    /// Reads a payload. `actor` is `GITHUB_ACTOR`, whose permissions apply.
    ///
    /// # Errors
    /// If a field is missing that GitHub always sends with this event, or if a commit field contains something else.
    pub(crate) fn read(name: &str, payload: &str, actor: Option<&str>) -> Result<Self, EventError> {
        let not = |error: serde_json::Error| EventError::NotAPayload { reason: error.to_string() };
        let value: Value = serde_json::from_str(payload).map_err(not)?;
        let kind = name.parse().unwrap_or_default();
        // The same fields can have other meanings in unsupported events.
        let payload: Payload = match kind {
            EventKind::Other | EventKind::Schedule | EventKind::WorkflowDispatch => {
                Payload::default()
            }
            _ => serde_json::from_value(value).map_err(not)?,
        };
        let blank = Self::blank(kind, name);
        let mut event = match kind {
            EventKind::PullRequest => blank.of_pull_request(payload.pull_request)?,
            EventKind::PullRequestTarget => {
                Self { refusal: Some(TARGET), ..blank.of_pull_request(payload.pull_request)? }
            }
            EventKind::MergeGroup => blank.of_merge_group(payload.merge_group)?,
            EventKind::Push => blank.of_push(&payload)?,
            EventKind::WorkflowRun => {
                blank.of_workflow_run(payload.workflow_run, payload.repository)?
            }
            EventKind::IssueComment => blank.of_issue(payload.issue)?,
            EventKind::WorkflowDispatch | EventKind::Schedule | EventKind::Other => blank,
        };
        let actor = actor.or(payload.sender.as_ref().and_then(|sender| sender.login.as_deref()));
        // docs.github.com, "Dependabot on GitHub Actions": its runs are treated as if they came from a fork. Those with
        // `pull_request_target` and `workflow_run` run in the base's context.
        let from_outside = event.is_fork || actor == Some("dependabot[bot]");
        let own_context = matches!(kind, EventKind::PullRequestTarget | EventKind::WorkflowRun);
        event.token_can_write = own_context || !from_outside;
        Ok(event)
    }

    /// Derived from the job's environment if the payload cannot be read: sufficient to show that there is no result.
    /// `GITHUB_REF` of a pull request is `refs/pull/7/merge`.
    pub(crate) fn of_environment(name: &str, git_ref: Option<&str>, sha: Option<&str>) -> Self {
        let kind = name.parse().unwrap_or_default();
        let mut event = Self::blank(kind, name);
        let number = git_ref.and_then(|name| name.strip_prefix("refs/pull/"));
        let number = number.and_then(|rest| rest.split('/').next()?.parse().ok());
        let is_branch = git_ref.is_some_and(|name| name.starts_with("refs/heads/"));
        let sha = sha.filter(|sha| kinds::is_commit(sha)).map(str::to_owned);
        match (kind, number, sha) {
            (EventKind::PullRequest, Some(number), _) => {
                event.subject = Subject::Lookup(PullRequestLookup::Pull { number });
            }
            (EventKind::PullRequestTarget, ..) => event.refusal = Some(TARGET),
            (EventKind::Push, _, Some(sha)) if is_branch => {
                event.head_sha = Some(sha.clone());
                event.subject = Subject::Lookup(PullRequestLookup::PullsOfCommit { sha });
            }
            (EventKind::MergeGroup, _, sha) => event.head_sha = sha,
            _ => {}
        }
        event
    }

    /// The pull request in the input `pull-request`, if the event names none.
    pub(crate) fn or_pull_request(self, number: Option<u64>) -> Self {
        match (number, &self.subject) {
            (
                Some(number),
                Subject::None(_) | Subject::Lookup(PullRequestLookup::PullsOfCommit { .. }),
            ) => Self { subject: Subject::Lookup(PullRequestLookup::Pull { number }), ..self },
            _ => self,
        }
    }

    /// The number of the pull request, if it is known without a request.
    pub(crate) fn number(&self) -> Option<u64> {
        match &self.subject {
            Subject::Known { number, .. } | Subject::Lookup(PullRequestLookup::Pull { number }) => {
                Some(*number)
            }
            Subject::Lookup(PullRequestLookup::PullsOfCommit { .. }) | Subject::None(_) => None,
        }
    }

    /// Whether a verdict on this commit is valid for the event. If the payload does not contain the commit, it is assumed.
    pub(crate) fn applies_to(&self, checked_out: &str, sha: Option<&str>) -> bool {
        let head = self.head_sha.as_deref();
        match self.kind {
            EventKind::PullRequest | EventKind::MergeGroup | EventKind::Push => {
                head == Some(checked_out) || sha == Some(checked_out)
            }
            _ => true,
        }
    }

    fn blank(kind: EventKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            subject: Subject::None("this event has no pull request; set the input `pull-request`"),
            head_sha: None,
            base_sha: None,
            base_ref: None,
            is_fork: false,
            token_can_write: true,
            follows: None,
            head_repository: None,
            conclusion: None,
            nothing_to_do: None,
            refusal: None,
        }
    }

    fn missing(&self, field: &'static str) -> EventError {
        EventError::Missing { event: self.name.clone(), field }
    }
}

#[cfg(test)]
mod tests;
