//! The report for GitHub: the comment of a pull request, and the summary of a job.

use super::markdown;
use super::v1::Report;
use crate::report::{Links, RenderOptions};

/// The maximum length of a comment in bytes. GitHub documents 65,536 characters (and accepted 262,144 bytes in a test); this is
/// below that in any unit.
pub(crate) const COMMENT_BUDGET: usize = 60_000;

/// The maximum length of a job's summary in bytes. The runner accepts 1 MiB per step, and uploads nothing if there is more.
pub(crate) const SUMMARY_BUDGET: usize = 900_000;

/// The body of a comment, within [`COMMENT_BUDGET`].
pub(crate) fn comment(report: &Report, links: &Links) -> String {
    markdown::render(report, &options(links, COMMENT_BUDGET))
}

/// The summary of a job, within [`SUMMARY_BUDGET`].
pub(crate) fn summary(report: &Report, links: &Links) -> String {
    markdown::summary(report, &options(links, SUMMARY_BUDGET))
}

/// A comment or a summary of a run without a report. `text` is the reason, and untrusted.
pub(crate) fn problem(heading: &str, text: &str, links: &Links) -> String {
    markdown::problem(heading, text, &options(links, COMMENT_BUDGET))
}

fn options(links: &Links, budget: usize) -> RenderOptions {
    RenderOptions { budget, links: links.clone(), ..RenderOptions::default() }
}
