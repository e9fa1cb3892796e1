//! The published result of a job: a verdict with its texts and annotations, or that there is no result, and why.

use crate::github::check_run::annotation::CheckRunAnnotation;
use crate::github_action::ActionJob;
use crate::report::verify::v1::Verdict;
use crate::report::{self, Links};

/// The title if there is no result.
pub(crate) const NOT_VERIFIED: &str = "Migrations could not be verified";

/// The data to be published.
#[derive(Debug)]
pub(crate) struct ShownResult {
    pub(crate) verdict: Verdict,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) has_changes: bool,
    pub(crate) annotations: Vec<CheckRunAnnotation>,
}

impl ShownResult {
    /// There is no result, for this reason.
    pub(crate) fn problem(text: &str, links: &Links) -> Self {
        Self {
            verdict: Verdict::NotRun,
            title: NOT_VERIFIED.to_owned(),
            body: report::problem(NOT_VERIFIED, text, links),
            has_changes: false,
            annotations: Vec::new(),
        }
    }

    /// A run has no result for a commit.
    pub(crate) fn without_result(job: &ActionJob, text: &str, commit: Option<String>) -> Self {
        Self::problem(text, &Links { commit, ..links_of(job, "") })
    }
}

/// The links of a job's result. `folder` is the project's folder in the repository.
pub(crate) fn links_of(job: &ActionJob, folder: &str) -> Links {
    let ActionJob { context, event, .. } = job;
    Links {
        repository_url: Some(context.repository_url()),
        folder: folder.to_owned(),
        commit: event.head_sha.clone().or_else(|| context.sha.clone()),
        run_url: Some(context.run_url()),
        origin: None,
    }
}
