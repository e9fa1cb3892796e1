//! The sticky comment: one on each pull request and key, which always shows the latest run.
//!
//! A comment belongs to mig-ci if its first line is the marker **and** its author is the token's: otherwise a marker in another
//! author's comment would let mig-ci overwrite that, since the right to write issues permits it. Listing and creating are two
//! requests, so two runs can both create one: after creating, each lists again; the lowest number is kept, and the others are
//! deleted. A later run's comment is never overwritten or deleted.

#[cfg(test)]
mod tests;

use super::client::{GithubClient, IssueComment};
use super::error::{GithubError, GithubProblem};
use super::marker::{self, RunAttempt};

/// The author of comments written with GITHUB_TOKEN.
const ACTIONS: &str = "github-actions[bot]";
/// The end of an App's login; no user's login has it.
const BOT: &str = "[bot]";

/// The input `comment`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum CommentMode {
    /// One comment, rewritten in place.
    #[default]
    Update,
    /// A new one for each run.
    New,
    Off,
}

/// The input `comment-when`: when a new comment is created. Each run rewrites an existing one, so that no outdated failure is
/// shown after a successful run.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum CommentWhen {
    #[default]
    Always,
    Failure,
    /// The pull request contains migrations, or the run failed.
    Changes,
}

/// The comment of a run.
#[derive(Debug, Clone)]
pub(crate) struct WantedComment<'a> {
    pub(crate) pull_request: u64,
    pub(crate) key: &'a str,
    pub(crate) run: RunAttempt,
    pub(crate) head_sha: &'a str,
    /// Markdown, with or without the marker lines.
    pub(crate) body: &'a str,
    pub(crate) mode: CommentMode,
    /// Whether a new one may be created.
    pub(crate) may_create: bool,
}

/// The result of posting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) outcome: Outcome,
    /// The URL of the comment that is visible now.
    pub(crate) url: Option<String>,
    /// A later failure: a duplicate that could not be deleted.
    pub(crate) problem: Option<GithubError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Created,
    Updated,
    /// It was already equal, and nothing was sent.
    Unchanged,
    /// A later run's comment exists.
    LaterRun,
    NotWanted,
}

/// Updates the pull request's comment.
pub(crate) async fn post(
    client: &GithubClient,
    wanted: &WantedComment<'_>,
) -> Result<Posted, GithubError> {
    if wanted.mode == CommentMode::Off {
        return Ok(Posted::new(Outcome::NotWanted, None));
    }
    let body = marker::mark(wanted.body, wanted.key, wanted.run, wanted.head_sha);
    let sticky = Sticky { client, wanted, body };
    let own = sticky.find().await?;
    match wanted.mode {
        CommentMode::New => {
            // A run that posts twice has one comment.
            let same = own.into_iter().find(|comment| run_of(comment) == Some(wanted.run));
            match same {
                Some(comment) => sticky.rewrite(&comment).await,
                None if wanted.may_create => {
                    let made = sticky.create().await?;
                    Ok(Posted::new(Outcome::Created, Some(&made)))
                }
                None => Ok(Posted::new(Outcome::NotWanted, None)),
            }
        }
        CommentMode::Update | CommentMode::Off => sticky.update(own).await,
    }
}

/// Whether this run, or a later one, has a comment on the pull request with this key.
pub(crate) async fn has_comment(
    client: &GithubClient,
    pull_request: u64,
    key: &str,
    run: RunAttempt,
) -> Result<bool, GithubError> {
    let wanted = WantedComment {
        pull_request,
        key,
        run,
        head_sha: "",
        body: "",
        mode: CommentMode::Update,
        may_create: false,
    };
    let own = Sticky { client, wanted: &wanted, body: String::new() }.find().await?;
    Ok(own.iter().any(|comment| run_of(comment) >= Some(run)))
}

struct Sticky<'a> {
    client: &'a GithubClient,
    wanted: &'a WantedComment<'a>,
    body: String,
}

impl Sticky<'_> {
    /// The comments of mig-ci on this pull request, the oldest first.
    async fn find(&self) -> Result<Vec<IssueComment>, GithubError> {
        let author = author(self.client).await;
        let all = self.client.comments().of_pull_request(self.wanted.pull_request).await?;
        // The token may be another App's. Its login is only needed if there is a comment that may be its.
        let is_an_apps = |comment: &IssueComment| {
            comment.author().ends_with(BOT) && marker::has_key(comment.text(), self.wanted.key)
        };
        let others = all.iter().any(|comment| is_an_apps(comment) && comment.author() != ACTIONS);
        if author == ACTIONS
            && others
            && let Ok(login) = self.client.comments().app_login().await
        {
            let login = format!("{}{BOT}", login.trim_end_matches(BOT));
            return Ok(self.own(all, &login));
        }
        Ok(self.own(all, &author))
    }

    fn own(&self, all: Vec<IssueComment>, author: &str) -> Vec<IssueComment> {
        let is_ours = |comment: &IssueComment| {
            comment.author().eq_ignore_ascii_case(author)
                && marker::has_key(comment.text(), self.wanted.key)
        };
        let mut own: Vec<IssueComment> = all.into_iter().filter(is_ours).collect();
        own.sort_by_key(|comment| comment.id);
        own
    }

    async fn update(&self, own: Vec<IssueComment>) -> Result<Posted, GithubError> {
        if let Some(later) = own.iter().find(|comment| self.is_later(comment)) {
            return Ok(Posted::new(Outcome::LaterRun, Some(later)));
        }
        let Some((first, others)) = own.split_first() else {
            return match self.wanted.may_create {
                true => self.create_and_look_again().await,
                false => Ok(Posted::new(Outcome::NotWanted, None)),
            };
        };
        match self.rewrite(first).await {
            Ok(posted) => Ok(Posted { problem: self.remove(others).await, ..posted }),
            // It was deleted since it was listed, or it belongs to a token that the workflow used before.
            Err(error) if self.wanted.may_create && error.problem.is_refusal() => {
                self.create_and_look_again().await
            }
            Err(error) => Err(error),
        }
    }

    async fn rewrite(&self, comment: &IssueComment) -> Result<Posted, GithubError> {
        if as_compared(comment.text()) == as_compared(&self.body) {
            return Ok(Posted::new(Outcome::Unchanged, Some(comment)));
        }
        let updated = self.client.comments().update(comment.id, &self.body).await?;
        Ok(Posted::new(Outcome::Updated, Some(&updated)))
    }

    async fn create(&self) -> Result<IssueComment, GithubError> {
        let is_it = |comment: &IssueComment| as_compared(comment.text()) == as_compared(&self.body);
        self.client.comments().create(self.wanted.pull_request, &self.body, is_it).await
    }

    async fn create_and_look_again(&self) -> Result<Posted, GithubError> {
        let made = self.create().await?;
        // The created comment shows the author, also if the login was unknown before.
        let mut own = match self.client.comments().of_pull_request(self.wanted.pull_request).await {
            Ok(all) => self.own(all, made.author()),
            Err(error) => {
                return Ok(Posted {
                    problem: Some(error),
                    ..Posted::new(Outcome::Created, Some(&made))
                });
            }
        };
        // A list may not contain the newest comment yet.
        if own.iter().all(|comment| comment.id != made.id) {
            own.push(made.clone());
        }
        if let Some(later) = own.iter().find(|comment| self.is_later(comment)) {
            if made.id <= later.id {
                // The other run has rewritten this comment, or lists again later and will rewrite it: it must still exist.
                return Ok(Posted::new(Outcome::LaterRun, Some(&made)));
            }
            let problem = self.remove(std::slice::from_ref(&made)).await;
            return Ok(Posted { problem, ..Posted::new(Outcome::LaterRun, Some(later)) });
        }
        let first = own.first().filter(|first| first.id != made.id);
        let posted = match first {
            Some(first) => self.rewrite(first).await,
            None => Ok(Posted::new(Outcome::Created, Some(&made))),
        };
        match posted {
            Ok(posted) => {
                let others = own.get(1..).unwrap_or_default();
                Ok(Posted { problem: self.remove(others).await, ..posted })
            }
            // The new comment has the same contents: the next run removes the duplicate.
            Err(error) => {
                Ok(Posted { problem: Some(error), ..Posted::new(Outcome::Created, Some(&made)) })
            }
        }
    }

    /// Deletes duplicates; returns the first failure.
    async fn remove(&self, duplicates: &[IssueComment]) -> Option<GithubError> {
        let mut problem = None;
        for comment in duplicates {
            match self.client.comments().delete(comment.id).await {
                // The other run deleted it first.
                Ok(()) | Err(GithubError { problem: GithubProblem::NotFound, .. }) => {}
                Err(error) => problem = Some(error),
            }
        }
        problem
    }

    fn is_later(&self, comment: &IssueComment) -> bool {
        run_of(comment) > Some(self.wanted.run)
    }
}

impl Posted {
    fn new(outcome: Outcome, comment: Option<&IssueComment>) -> Self {
        let url = comment.map(|comment| comment.html_url.clone()).filter(|url| !url.is_empty());
        Self { outcome, url, problem: None }
    }
}

/// The most likely author of comments with this token.
async fn author(client: &GithubClient) -> String {
    let login =
        if client.is_user_token() { client.comments().own_login().await.ok() } else { None };
    login.filter(|login| !login.is_empty()).unwrap_or_else(|| ACTIONS.to_owned())
}

fn run_of(comment: &IssueComment) -> Option<RunAttempt> {
    marker::run_of(comment.text())
}

/// A server may change line ends.
fn as_compared(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end().to_owned()
}
