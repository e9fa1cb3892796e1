//! Reads each kind of event, in one function per kind.

use super::super::RunAttempt;
use super::super::payload::{
    Branch, Issue, MergeGroup, Payload, PullRequest, Repository, WorkflowRun,
};
use super::{EventError, JobEvent, PullRequestLookup, Subject};

/// GitHub's base for a new branch, and its head for a deleted one.
const ZEROS: &str = "0000000000000000000000000000000000000000";

const WORKFLOW_RUN: &str = "the workspace of `workflow_run` contains the default branch and not the pull request, so a \
                            result would not be about it; and untrusted code must not run with this job's permissions. \
                            Verify in `on: pull_request`, and only publish its report here";

impl JobEvent {
    pub(super) fn of_pull_request(
        mut self,
        payload: Option<PullRequest>,
    ) -> Result<Self, EventError> {
        let payload = payload.ok_or_else(|| self.missing("pull_request"))?;
        let number = payload.number.ok_or_else(|| self.missing("pull_request.number"))?;
        let (head, base) = (payload.head.unwrap_or_default(), payload.base.unwrap_or_default());
        self.is_fork = is_fork(&head, &base);
        self.head_sha = commit("pull_request.head.sha", head.sha)?;
        self.base_sha = commit("pull_request.base.sha", base.sha)?;
        self.base_ref = base.name;
        if self.head_sha.is_none() {
            return Err(self.missing("pull_request.head.sha"));
        }
        self.subject = Subject::Known { number, head_sha: self.head_sha.clone() };
        Ok(self)
    }

    pub(super) fn of_merge_group(
        mut self,
        payload: Option<MergeGroup>,
    ) -> Result<Self, EventError> {
        let group = payload.ok_or_else(|| self.missing("merge_group"))?;
        self.head_sha = commit("merge_group.head_sha", group.head_sha)?;
        self.base_sha = commit("merge_group.base_sha", group.base_sha)?;
        self.base_ref = group.base_ref.map(|name| branch(&name).to_owned());
        self.subject = match group.head_ref.as_deref().and_then(number_in_queue) {
            // The head of the group is a commit of the queue, not of the pull request.
            Some(number) => Subject::Known { number, head_sha: None },
            None => Subject::None("the merge queue's branch names no pull request"),
        };
        Ok(self)
    }

    pub(super) fn of_push(mut self, payload: &Payload) -> Result<Self, EventError> {
        if payload.deleted == Some(true) {
            self.nothing_to_do = Some("a branch or tag was deleted");
            self.subject = Subject::None("a branch or tag was deleted");
            return Ok(self);
        }
        let git_ref = payload.git_ref.as_deref().unwrap_or_default();
        self.head_sha = commit("after", payload.after.clone())?;
        let default = payload.repository.as_ref().and_then(|repo| repo.default_branch.as_deref());
        // On the default branch, the base is its previous commit. On any other branch, earlier pushes belong to the same
        // change: git finds the commit where it left the default branch.
        if default == git_ref.strip_prefix("refs/heads/") {
            self.base_sha = commit("before", payload.before.clone())?;
        }
        self.subject = match &self.head_sha {
            _ if git_ref.starts_with("refs/tags/") => Subject::None("a tag was pushed"),
            Some(_) if payload.created == Some(true) => {
                Subject::None("the branch is new and has no pull request yet")
            }
            Some(sha) => Subject::Lookup(PullRequestLookup::PullsOfCommit { sha: sha.clone() }),
            None => return Err(self.missing("after")),
        };
        Ok(self)
    }

    pub(super) fn of_workflow_run(
        mut self,
        payload: Option<WorkflowRun>,
        repository: Option<Repository>,
    ) -> Result<Self, EventError> {
        let run = payload.ok_or_else(|| self.missing("workflow_run"))?;
        self.follows = run.id.map(|id| RunAttempt { id, attempt: run.run_attempt.unwrap_or(1) });
        let here = repository.unwrap_or_default().id;
        self.head_sha = commit("workflow_run.head_sha", run.head_sha)?;
        let sha = self.head_sha.clone().ok_or_else(|| self.missing("workflow_run.head_sha"))?;
        self.is_fork = run.head_repository.as_ref().is_none_or(|head| head.id != here);
        // Both are displayed: only a name and a word are accepted.
        let name = run.head_repository.and_then(|head| head.full_name);
        self.head_repository = name.filter(|name| is_plain(name, "/._-"));
        self.conclusion = run.conclusion.filter(|word| is_plain(word, "_"));
        // The list can contain pull requests of other repositories with the same commit.
        let ours = |pull: &PullRequest| {
            let base = pull.base.as_ref().and_then(|base| base.repo.as_ref());
            base.is_some_and(|base| base.id.is_some() && base.id == here)
        };
        let found = run.pull_requests.unwrap_or_default().into_iter().find(ours);
        self.subject = match found {
            Some(PullRequest { number: Some(number), head, base }) => {
                let base = base.unwrap_or_default();
                self.base_sha = commit("workflow_run.pull_requests[].base.sha", base.sha)?;
                self.base_ref = base.name;
                let head_sha = head.and_then(|head| head.sha);
                let head_sha = commit("workflow_run.pull_requests[].head.sha", head_sha)?;
                Subject::Known { number, head_sha }
            }
            _ => Subject::Lookup(PullRequestLookup::PullsOfCommit { sha }),
        };
        if run.event.as_deref().is_some_and(|event| event.starts_with("pull_request")) {
            self.refusal = Some(WORKFLOW_RUN);
        }
        Ok(self)
    }

    pub(super) fn of_issue(mut self, payload: Option<Issue>) -> Result<Self, EventError> {
        let issue = payload.ok_or_else(|| self.missing("issue"))?;
        self.subject = match (issue.pull_request, issue.number) {
            (Some(_), Some(number)) => Subject::Lookup(PullRequestLookup::Pull { number }),
            (Some(_), None) => return Err(self.missing("issue.number")),
            (None, _) => Subject::None("the comment is on an issue"),
        };
        Ok(self)
    }
}

/// A full hash, SHA-1 or SHA-256; zeros do not count. It is used in URLs and in comments: nothing else is accepted.
fn commit(field: &'static str, value: Option<String>) -> Result<Option<String>, EventError> {
    let Some(value) = value.filter(|value| value != ZEROS) else { return Ok(None) };
    if is_commit(&value) {
        Ok(Some(value))
    } else {
        Err(EventError::NotAHash { field, value: value.chars().take(100).collect() })
    }
}

pub(super) fn is_commit(value: &str) -> bool {
    let is_hex = value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_hex && matches!(value.len(), 40 | 64)
}

fn is_plain(text: &str, others: &str) -> bool {
    text.len() <= 200 && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn is_fork(head: &Branch, base: &Branch) -> bool {
    match (&head.repo, &base.repo) {
        (Some(head), Some(base)) => head.id != base.id,
        // The fork has been deleted since.
        (None, _) => true,
        (Some(_), None) => false,
    }
}

fn branch(git_ref: &str) -> &str {
    git_ref.strip_prefix("refs/heads/").unwrap_or(git_ref)
}

/// `…gh-readonly-queue/main/pr-104-<sha>`. A group can contain several pull requests; its branch names the last one.
fn number_in_queue(git_ref: &str) -> Option<u64> {
    let (queue, last) = git_ref.rsplit_once('/')?;
    let (number, _) = last.strip_prefix("pr-")?.split_once('-')?;
    queue.contains("gh-readonly-queue/").then(|| number.parse().ok()).flatten()
}
