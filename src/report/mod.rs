//! The report: the run as versioned data, and one file (or folder) a renderer. A renderer reads [`verify::v1::Report`] and nothing
//! else, returns a string, and writes nowhere.
//!
//! To add a renderer: a file with a function like [`verify::terminal::render`], and a line in [`format`].
//!
//! A report may come from a file that somebody else wrote (`publish REPORT`), and holds text out of databases: every string
//! in it is hostile. The text renderers show it through [`text::visible`]; Markdown through `markdown::escape` besides.

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

/// What the caller decides about the form of a report. The content is the report's alone.
#[derive(Debug, Clone)]
pub(crate) struct RenderOptions {
    /// Terminal: with ANSI colours. The caller knows of `NO_COLOR` and of terminals.
    pub(crate) color: bool,
    /// Terminal: columns.
    pub(crate) width: usize,
    /// Markdown: the largest size in bytes. GitHub takes comments of 65,536 characters; the default lies under that by any
    /// way of counting, with room for the lines that come around it.
    pub(crate) budget: usize,
    /// Markdown: what to link to. Without them paths are plain.
    pub(crate) links: Links,
}

/// Where things can be looked up. Trusted: these come from the environment, not from the report.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    /// `https://github.com/acme/shop`, without a slash at its end. Places link to files at [`Links::commit`].
    pub(crate) repository_url: Option<String>,
    /// Where the project is in the repository: `services/shop/`, or nothing. Paths in a report are the project's.
    pub(crate) folder: String,
    /// The head commit that files are linked at.
    pub(crate) commit: Option<String>,
    /// The page of this run.
    pub(crate) run_url: Option<String>,
    /// Markdown: a paragraph below the heading that says where the report comes from. Markdown already.
    pub(crate) origin: Option<String>,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { color: false, width: 100, budget: COMMENT_BUDGET, links: Links::default() }
    }
}
