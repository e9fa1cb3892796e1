//! What a job shows on GitHub: a verdict with its texts and annotations, or that there is no result, and why.

use crate::github::check_run::annotation::CheckRunAnnotation;
use crate::github_action::ActionJob;
use crate::report::verify::v1::Verdict;
use crate::report::{self, Links};

/// The title where there is no result.
pub(crate) const NOT_VERIFIED: &str = "Migrations could not be verified";

/// What there is to be shown.
#[derive(Debug)]
pub(crate) struct ShownResult {
    pub(crate) verdict: Verdict,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) has_changes: bool,
    pub(crate) annotations: Vec<CheckRunAnnotation>,
}

impl ShownResult {
    /// That there is no result, and why.
    pub(crate) fn problem(text: &str, links: &Links) -> Self {
        Self {
            verdict: Verdict::NotRun,
            title: NOT_VERIFIED.to_owned(),
            body: report::problem(NOT_VERIFIED, text, links),
            has_changes: false,
            annotations: Vec::new(),
        }
    }

    /// That a run has no result for a commit.
    pub(crate) fn without_result(job: &ActionJob, text: &str, commit: Option<String>) -> Self {
        Self::problem(text, &Links { commit, ..links_of(job, "") })
    }
}

/// The links of a job's result. `folder` is where the project is in the repository.
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
