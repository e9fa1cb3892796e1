//! The report as GitHub shows it: the comment of a pull request, and the summary of a job.

use super::markdown;
use super::v1::Report;
use crate::report::{Links, RenderOptions};

/// Bytes of a comment. GitHub says that it takes 65,536 characters (and was measured to take 262,144 bytes); this lies
/// under that by any way of counting.
pub(crate) const COMMENT_BUDGET: usize = 60_000;

/// Bytes of a job's summary. The runner takes 1 MiB for a step, and uploads nothing of more.
pub(crate) const SUMMARY_BUDGET: usize = 900_000;

/// The body of a comment, within [`COMMENT_BUDGET`].
pub(crate) fn comment(report: &Report, links: &Links) -> String {
    markdown::render(report, &options(links, COMMENT_BUDGET))
}

/// The summary of a job, within [`SUMMARY_BUDGET`].
pub(crate) fn summary(report: &Report, links: &Links) -> String {
    markdown::summary(report, &options(links, SUMMARY_BUDGET))
}

/// A comment or a summary of a run that has no report. `text` says why there is none; it is not ours.
pub(crate) fn problem(heading: &str, text: &str, links: &Links) -> String {
    markdown::problem(heading, text, &options(links, COMMENT_BUDGET))
}

fn options(links: &Links, budget: usize) -> RenderOptions {
    RenderOptions { budget, links: links.clone(), ..RenderOptions::default() }
}
