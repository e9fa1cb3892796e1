//! The report: the run as versioned data, and one file (or folder) per renderer. A renderer reads only [`verify::v1::Report`],
//! returns a string, and writes nothing.
//!
//! To add a renderer: a file with a function like [`verify::terminal::render`], and a line in [`format`].
//!
//! A report may come from a file of another author (`publish REPORT`), and contains text from databases: every string in it is
//! untrusted. The text renderers pass it through [`text::visible`]; Markdown also through `markdown::escape`.

mod format;
mod json;
mod schema;
pub(crate) mod status;
pub(crate) mod tenants;
mod text;
pub(crate) mod upgrade;
pub(crate) mod verify;

pub(crate) use format::{Rendered, ReportFormat};
pub(crate) use json::json;
pub(crate) use schema::{Described, schema};
pub(crate) use text::{grouped, visible};
pub(crate) use verify::annotations::{SourceAnnotation, annotations};
pub(crate) use verify::build::{RunFacts, build};
pub(crate) use verify::comment::{COMMENT_BUDGET, comment, problem, summary};
pub(crate) use verify::environment::environment_failed;
pub(crate) use verify::foreign::{Contradiction, recompute};
pub(crate) use verify::headline::{headline, untested};
pub(crate) use verify::read::{MOST_BYTES, ReadError, claimed_partition, read};
pub(crate) use verify::reproduce::upgrade_of;

/// The form of a report. The content depends only on the report.
#[derive(Debug, Clone)]
pub(crate) struct RenderOptions {
    /// Terminal: with ANSI colours. The caller checks `NO_COLOR` and the terminal.
    pub(crate) color: bool,
    /// Terminal: columns.
    pub(crate) width: usize,
    /// Markdown: the maximum size in bytes. GitHub accepts comments of 65,536 characters; the default is below that in any
    /// unit, with space for the marker lines.
    pub(crate) budget: usize,
    /// Markdown: link targets. Without them paths are plain text.
    pub(crate) links: Links,
}

/// Link targets. Trusted: they come from the environment, not from the report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    /// `https://github.com/acme/shop`, without a trailing slash. Positions link to files at [`Links::commit`].
    pub(crate) repository_url: Option<String>,
    /// The project's folder in the repository: `services/shop/`, or empty. Paths in a report are relative to the project.
    pub(crate) folder: String,
    /// The head commit for links to files.
    pub(crate) commit: Option<String>,
    /// The page of this run.
    pub(crate) run_url: Option<String>,
    /// Markdown: a paragraph below the heading with the source of the report. Already in Markdown.
    pub(crate) origin: Option<String>,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { color: false, width: 100, budget: COMMENT_BUDGET, links: Links::default() }
    }
}
