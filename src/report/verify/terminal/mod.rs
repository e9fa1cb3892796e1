//! The report for a terminal or a job log: the units, then each cause, then one sentence.

mod finding;
mod table;

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::v1::{Finding, Report, Revision, Severity, Timings, Verdict};
use crate::report::text::{duration, grouped, one_line, short_commit, visible};
use crate::report::{RenderOptions, headline};

/// The maximum number of complete findings.
const FINDINGS: usize = 50;
/// The maximum number of names in a line about something that needs no attention.
const REMARK_NAMES: usize = 5;
/// The maximum length in characters of a line that contains untrusted text.
const LINE: usize = 1_000;

pub(crate) use finding::render as render_finding;

/// Each line ends with a line end; the last one is the verdict in a sentence.
pub(crate) fn render(report: &Report, options: &RenderOptions) -> String {
    let paint = Paint { color: options.color };
    let mut out = String::new();
    header(&mut out, report, paint);
    for database in &report.databases {
        out.push('\n');
        table::render(&mut out, database, paint);
    }
    let (remarks, problems): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| finding.severity == Severity::Info);
    for finding in problems.iter().take(FINDINGS) {
        out.push('\n');
        finding::render(&mut out, finding, options);
    }
    if let Some(more) = problems.len().checked_sub(FINDINGS).filter(|more| *more > 0) {
        let line = format!("… and {} more findings: see the JSON report", grouped(more));
        let _ = writeln!(out, "\n{line}");
    }
    out.push('\n');
    render_remarks(&mut out, &remarks, paint);
    notes(&mut out, report, paint);
    if let Some(timings) = &report.timings {
        render_timings(&mut out, timings);
    }
    let summary =
        if report.summary.is_empty() { headline(report) } else { one_line(&report.summary, LINE) };
    let _ = writeln!(
        out,
        "{} ({})",
        paint.verdict(report.verdict, &format!("{} {summary}", symbol(report.verdict))),
        duration(report.duration_ms)
    );
    out
}

fn header(out: &mut String, report: &Report, paint: Paint) {
    let server = &report.server;
    let locale = server.locale.as_ref().map(|locale| {
        format!("{}, locale {}, ", one_line(&locale.encoding, LINE), one_line(&locale.name, LINE))
    });
    let locale = locale.unwrap_or_default();
    let _ = writeln!(
        out,
        "{} on PostgreSQL {} ({}: {}), {}migrations run as {}",
        paint.bold(&format!("{} {}", visible(&report.tool.name), visible(&report.tool.version))),
        one_line(&server.version, LINE),
        one_line(&server.provider, LINE),
        one_line(&server.description, LINE),
        locale,
        one_line(&server.role, LINE),
    );
    let reason = one_line(&report.revisions.base_reason, LINE);
    match &report.revisions.base {
        Some(base) => {
            let _ = writeln!(out, "base: {} ({reason})", revision(base));
        }
        None => {
            let _ = writeln!(out, "base: none ({reason})");
        }
    }
    if let Some(head) = &report.revisions.head {
        let _ = writeln!(out, "head: {}", revision(head));
    }
}

fn revision(revision: &Revision) -> String {
    let dirty = if revision.dirty == Some(true) { ", with uncommitted changes" } else { "" };
    let commit = short_commit(&revision.commit);
    format!("{} at {}{dirty}", one_line(&revision.name, LINE), one_line(&commit, LINE))
}

/// They need no action, so one line each is sufficient.
fn render_remarks(out: &mut String, remarks: &[&Finding], paint: Paint) {
    let word = paint.style("info", AnsiColor::Green.on_default().bold());
    for remark in remarks.iter().take(FINDINGS) {
        let _ = writeln!(
            out,
            "{word}: {} ({}: {}) [{}]",
            one_line(&remark.message, LINE),
            one_line(&remark.database, LINE),
            finding::names(&remark.units, REMARK_NAMES),
            one_line(&remark.code, LINE),
        );
    }
    if let Some(more) = remarks.len().checked_sub(FINDINGS).filter(|more| *more > 0) {
        let _ = writeln!(out, "{word}: … and {} more: see the JSON report", grouped(more));
    }
}

fn notes(out: &mut String, report: &Report, paint: Paint) {
    for note in &report.notes {
        let word = match note.severity {
            Severity::Info => paint.style("note", AnsiColor::Green.on_default().bold()),
            Severity::Warning => paint.style("warning", AnsiColor::Yellow.on_default().bold()),
            Severity::Error => paint.style("error", AnsiColor::Red.on_default().bold()),
        };
        let _ = writeln!(out, "{word}: {}", one_line(&note.message, LINE));
    }
}

fn render_timings(out: &mut String, timings: &Timings) {
    let phases: Vec<_> = timings
        .phases
        .iter()
        .map(|phase| format!("{} {}", one_line(&phase.name, LINE), duration(phase.ms)))
        .collect();
    let _ = writeln!(out, "timings: {}", phases.join(", "));
    let _ = writeln!(
        out,
        "all units together: {} up to the base, {} from there to the head",
        duration(timings.units_to_base_ms),
        duration(timings.units_to_head_ms)
    );
    let _ = write!(
        out,
        "cpu: mig-ci {}, at most {} MiB of memory",
        duration(timings.tool_cpu_ms),
        timings.tool_peak_rss_kib / 1024
    );
    if let Some(server) = timings.server_cpu_ms {
        let _ = write!(out, "; server {}", duration(server));
    }
    out.push('\n');
}

/// The sign of a verdict, always shown together with a word.
pub(crate) fn symbol(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "✔",
        Verdict::Failed => "✘",
        Verdict::NotRun => "–",
    }
}

/// `passed`, `failed`, `not run`.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::NotRun => "not run",
    }
}

/// With or without colours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    pub(crate) color: bool,
}

impl Paint {
    fn style(self, text: &str, style: Style) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.style(text, Style::new().bold())
    }

    pub(crate) fn verdict(self, verdict: Verdict, text: &str) -> String {
        let color = match verdict {
            Verdict::Passed => AnsiColor::Green,
            Verdict::Failed => AnsiColor::Red,
            Verdict::NotRun => AnsiColor::Yellow,
        };
        self.style(text, color.on_default().bold())
    }
}
