//! The report for GitHub: a pull request's comment, a job's summary.
//!
//! The heading is the whole verdict. One block for each cause, the largest first and open. The document respects a budget in
//! bytes by omitting complete blocks, step by step along a [`LADDER`], and states what it omitted; no construct is cut in the
//! middle.

mod causes;
mod counts;
mod escape;
mod tenants;

use std::fmt::Write as _;

use super::headline::total;
use super::v1::{Report, Severity, TrackKind, Unit, Verdict};
use crate::report::text::{clip, count, duration, grouped, one_line, short_commit};
use crate::report::{Links, RenderOptions, headline};
use escape::{code, fence, prose};

/// How much is shown.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// The number of causes with a block.
    causes: usize,
    /// The number of names in each of them.
    names: usize,
    detail: Detail,
    /// The number of names of passed tenants; `None` if a table contains them.
    passed: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// With detail, hint, context, statement and help.
    Full,
    /// Message, position, names and command.
    Short,
}

/// From everything to almost nothing: the first level that fits is used. The least important parts are omitted first.
const LADDER: &[Shape] = &[
    Shape { causes: 50, names: 50, detail: Detail::Full, passed: Some(200) },
    Shape { causes: 50, names: 20, detail: Detail::Full, passed: Some(50) },
    Shape { causes: 50, names: 10, detail: Detail::Full, passed: Some(0) },
    Shape { causes: 20, names: 10, detail: Detail::Full, passed: Some(0) },
    Shape { causes: 50, names: 10, detail: Detail::Short, passed: Some(0) },
    Shape { causes: 20, names: 10, detail: Detail::Short, passed: Some(0) },
    Shape { causes: 10, names: 5, detail: Detail::Short, passed: Some(0) },
    Shape { causes: 3, names: 3, detail: Detail::Short, passed: Some(0) },
    Shape { causes: 1, names: 1, detail: Detail::Short, passed: Some(0) },
    Shape { causes: 0, names: 0, detail: Detail::Short, passed: Some(0) },
];

/// The same for larger documents, such as a job's summary, in which a separate table contains all tenants.
const WIDE: &[Shape] = &[
    Shape { causes: 500, names: 1_000, detail: Detail::Full, passed: None },
    Shape { causes: 200, names: 200, detail: Detail::Full, passed: None },
    Shape { causes: 100, names: 50, detail: Detail::Full, passed: None },
];

/// The maximum length of a tenant's name in characters; longer than the server's limit.
const NAME: usize = 100;
/// The maximum length in characters of how the base was found.
const REASON: usize = 500;
/// The maximum number of notes.
const NOTES: usize = 10;

pub(crate) fn render(report: &Report, options: &RenderOptions) -> String {
    LADDER
        .iter()
        .map(|shape| body(report, options, *shape) + &end(report))
        .find(|text| text.len() <= options.budget)
        // No real budget is below this.
        .unwrap_or_else(|| heading(report) + &origin(options))
}

/// For a job's summary: the causes, and then a table of all tenants in the remaining space.
pub(crate) fn summary(report: &Report, options: &RenderOptions) -> String {
    let narrow = LADDER.iter().map(|shape| Shape { passed: None, ..*shape });
    let causes = WIDE
        .iter()
        .copied()
        .chain(narrow)
        .map(|shape| body(report, options, shape))
        .find(|text| text.len() <= options.budget / 2)
        .unwrap_or_else(|| heading(report) + &origin(options));
    let end = end(report);
    let room = options.budget.saturating_sub(causes.len() + end.len());
    causes + &tenants::table(report, room) + &end
}

/// A run without a report, and the reason. The text is untrusted: it comes from a file or a server.
pub(crate) fn problem(heading: &str, text: &str, options: &RenderOptions) -> String {
    const SHOWN: usize = 10_000;
    let mut out = format!("### ❌ {}\n", prose(heading));
    out.push_str(&origin(options));
    let _ = write!(out, "\n{}", fence("", &clip(text, SHOWN)));
    if let Some(url) = &options.links.run_url {
        let _ = write!(out, "\n[workflow run]({url})\n");
    }
    out.push_str("\nNo tenant has a result.\n");
    out
}

fn body(report: &Report, options: &RenderOptions, shape: Shape) -> String {
    let mut out = heading(report);
    out.push_str(&origin(options));
    let _ = write!(out, "\n{}\n", context(report, &options.links));
    counts::render(&mut out, report);
    let shown = report.findings.len().min(shape.causes);
    for (index, finding) in report.findings.iter().take(shown).enumerate() {
        causes::render(&mut out, report, index, finding, shape, &options.links);
    }
    if shown < report.findings.len() {
        let more = count(report.findings.len() - shown, "cause");
        let kind = if shown == 0 { "" } else { "further " };
        let more = more.replacen(' ', &format!(" {kind}"), 1);
        let all = match &options.links.run_url {
            Some(url) => format!("see the JSON report of [this run]({url})"),
            None => "see the JSON report".to_owned(),
        };
        let _ = write!(out, "\n**{more} omitted**: {all}.\n");
    }
    notes(&mut out, report);
    if let Some(names) = shape.passed {
        passed(&mut out, report, names);
    }
    if shape.detail == Detail::Short && shown > 0 {
        let budget = count(options.budget, "byte");
        let _ = write!(
            out,
            "\nStatements, details and help are omitted because of the limit of {budget}: see the JSON report.\n"
        );
    }
    out
}

fn end(report: &Report) -> String {
    let tool = format!("{} {}", report.tool.name, report.tool.version);
    let base = report.revisions.base.as_ref();
    let base = base.map_or_else(
        || "no base".to_owned(),
        |base| format!("base {}", code(&short_commit(&base.commit))),
    );
    let reason = match report.revisions.base_reason.as_str() {
        "" => String::new(),
        reason => format!(": {}", prose(&one_line(reason, REASON))),
    };
    format!(
        "\n<sub>{base}{reason}</sub>\n<sub>{} · {}</sub>\n",
        prose(&tool),
        prose(&report.started_at)
    )
}

fn heading(report: &Report) -> String {
    let computed;
    let summary = if report.summary.is_empty() {
        computed = headline(report);
        &computed
    } else {
        &report.summary
    };
    format!("### {} {}\n", icon(report.verdict), prose(summary))
}

/// The source of the report, if it is not this run.
fn origin(options: &RenderOptions) -> String {
    let origin = options.links.origin.as_ref();
    origin.map(|origin| format!("\n{origin}\n")).unwrap_or_default()
}

/// One line: the revisions, the server, the duration, and a link.
fn context(report: &Report, links: &Links) -> String {
    let revisions = &report.revisions;
    let mut parts = Vec::new();
    let base = revisions.base.as_ref().map(|base| code(&base.name));
    let head = revisions.head.as_ref().map(|head| code(&short_commit(&head.commit)));
    match (head, base) {
        (Some(head), Some(base)) => parts.push(format!("{head} on {base}")),
        (Some(head), None) => parts.push(format!("{head}, no base")),
        (None, Some(base)) => parts.push(format!("on {base}")),
        (None, None) => parts.push("no base".to_owned()),
    }
    parts.push(format!("PostgreSQL {}", prose(&report.server.version)));
    let tenants = report.counts.tenants;
    let took = duration(report.duration_ms);
    parts.push(match total(tenants) {
        0 => took,
        all if all == tenants.not_run => format!("stopped after {took}"),
        all => format!("{} in {took}", count(all, "tenant")),
    });
    if let Some(url) = &links.run_url {
        parts.push(format!("[workflow run]({url})"));
    }
    parts.join(" · ")
}

fn notes(out: &mut String, report: &Report) {
    for (index, note) in report.notes.iter().take(NOTES).enumerate() {
        let gap = if index == 0 { "\n" } else { "" };
        let _ = writeln!(out, "{gap}- {} {}", sign(note.severity), prose(&note.message));
    }
    if let Some(more) = report.notes.len().checked_sub(NOTES).filter(|more| *more > 0) {
        let _ = writeln!(out, "- … and {} more notes: see the JSON report", grouped(more));
    }
}

/// The names of passed tenants, folded, as many as fit.
fn passed(out: &mut String, report: &Report, shown: usize) {
    let several = report.databases.len() > 1;
    let passed = || {
        let units = report.databases.iter().flat_map(|database| {
            database.units.iter().map(move |unit| (database.name.as_str(), unit))
        });
        units.filter(|(_, unit): &(&str, &Unit)| {
            unit.track == TrackKind::Tenant
                && unit.verdict == Verdict::Passed
                && !unit.is_untested()
        })
    };
    let number = passed().count();
    if number == 0 {
        return;
    }
    let words = grouped(number);
    if shown == 0 {
        let _ = write!(out, "\n{words} passed (names omitted).\n");
        return;
    }
    let names = passed().take(shown).map(|(database, unit)| match several {
        true => code(&one_line(&format!("{database}/{}", unit.name), NAME)),
        false => code(&one_line(&unit.name, NAME)),
    });
    let list = listed(names.collect(), number);
    let _ = write!(out, "\n<details><summary>{words} passed</summary>\n\n{list}\n\n</details>\n");
}

/// The first of `all` names, which are already Markdown, and the number of others in words.
fn listed(names: Vec<String>, all: usize) -> String {
    match all - names.len() {
        0 => names.join(", "),
        more => format!("{} and {} more", names.join(", "), grouped(more)),
    }
}

fn icon(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "✅",
        Verdict::Failed => "❌",
        Verdict::NotRun => "⏭️",
    }
}

fn sign(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "❌",
        Severity::Warning => "⚠️",
        Severity::Info => "ℹ️",
    }
}
