//! The registry of renderers: for each report its formats, each with the name and the help text that the command line shows.

use std::fmt;

use super::{RenderOptions, json, status, tenants, upgrade, verify};

/// The format in which a report is printed if no other is asked for.
const TERMINAL: &str = "terminal";
const TERMINAL_HELP: &str = "Text for terminals and job logs";

/// A format of the report `R`.
pub(crate) struct ReportFormat<R> {
    pub(crate) name: &'static str,
    /// For `--help`.
    pub(crate) help: &'static str,
    render: fn(&R, &RenderOptions) -> String,
}

/// A report, and its formats.
pub(crate) trait Rendered: Sized + 'static {
    const FORMATS: &'static [ReportFormat<Self>];
}

impl Rendered for verify::v1::Report {
    const FORMATS: &'static [ReportFormat<Self>] = &[
        ReportFormat::new(TERMINAL, TERMINAL_HELP, verify::terminal::render),
        ReportFormat::new("json", "JSON, schema mig-ci.report/1", |report, _| json(report)),
        ReportFormat::new(
            "markdown",
            "Markdown for comments and job summaries",
            verify::markdown::render,
        ),
        ReportFormat::new("junit", "JUnit XML for test reporters", verify::junit::render),
    ];
}

impl Rendered for upgrade::Report {
    const FORMATS: &'static [ReportFormat<Self>] = &[
        ReportFormat::new(TERMINAL, TERMINAL_HELP, upgrade::terminal::render),
        ReportFormat::new("json", "JSON, schema mig-ci.upgrade/1", |report, _| json(report)),
        ReportFormat::new("junit", "JUnit XML for test reporters", upgrade::junit::render),
    ];
}

impl Rendered for status::Report {
    const FORMATS: &'static [ReportFormat<Self>] = &[
        ReportFormat::new(TERMINAL, TERMINAL_HELP, status::terminal::render),
        ReportFormat::new("json", "JSON, schema mig-ci.status/1", |report, _| json(report)),
    ];
}

impl Rendered for tenants::Report {
    const FORMATS: &'static [ReportFormat<Self>] = &[
        ReportFormat::new(TERMINAL, TERMINAL_HELP, tenants::terminal::render),
        ReportFormat::new("json", "JSON, schema mig-ci.tenants/1", |report, _| json(report)),
    ];
}

impl<R> ReportFormat<R> {
    const fn new(
        name: &'static str,
        help: &'static str,
        render: fn(&R, &RenderOptions) -> String,
    ) -> Self {
        Self { name, help, render }
    }

    /// The complete document, with a line end at its end.
    pub(crate) fn render(self, report: &R, options: &RenderOptions) -> String {
        (self.render)(report, options)
    }

    /// Whether it is text for people, and not a document of its own.
    pub(crate) fn is_terminal(self) -> bool {
        self.name == TERMINAL
    }
}

// Not derived: that would ask the same of the report.
impl<R> Clone for ReportFormat<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for ReportFormat<R> {}

impl<R> fmt::Debug for ReportFormat<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Options default to `terminal`, saved reports are `json`, and a name means one format.
    fn check<R: Rendered>(schema: &str) {
        let names: BTreeSet<&str> = R::FORMATS.iter().map(|format| format.name).collect();
        assert_eq!(names.len(), R::FORMATS.len(), "{:?}", R::FORMATS);
        assert!(R::FORMATS[0].is_terminal());
        let json = R::FORMATS.iter().find(|format| format.name == "json").unwrap();
        assert!(json.help.ends_with(schema), "{}", json.help);
    }

    #[test]
    fn each_report_has_text_and_json_of_its_schema() {
        check::<verify::v1::Report>(verify::v1::SCHEMA);
        check::<upgrade::Report>(upgrade::SCHEMA);
        check::<status::Report>(status::SCHEMA);
        check::<tenants::Report>(tenants::SCHEMA);
    }
}
