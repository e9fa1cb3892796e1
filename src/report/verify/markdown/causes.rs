//! One cause: the server's message, the position, the tenants, advice, and the command.

use std::fmt::Write as _;

use super::escape::{code, fence, html_code, prose, url_path};
use super::{Detail, NAME, Shape, listed, sign};
use crate::report::Links;
use crate::report::text::{clip, count, grouped, is_of_project, one_line, subject_of, visible};
use crate::report::verify::v1::{Failure, Finding, Place, Report, Severity, TrackKind};

/// The maximum length of a message in characters: the rest of a longer one is counted.
const MESSAGE: usize = 1_000;
const MESSAGE_SHORT: usize = 200;
/// The maximum length of a detail, hint, context or statement in characters. A longer one is omitted.
const TEXT: usize = 4_000;
/// The maximum length in characters of a message in a heading, and of a line of SQL with a caret.
const TITLE: usize = 200;

pub(crate) fn render(
    out: &mut String,
    report: &Report,
    index: usize,
    finding: &Finding,
    shape: Shape,
    links: &Links,
) {
    let open = if index == 0 { " open" } else { "" };
    let title = title(report, index, finding);
    let _ = write!(out, "\n<details{open}><summary><b>{title}</b></summary>\n\n");
    let place = match (&finding.place, &finding.unplaced) {
        (Some(place), _) => format!("{} · ", linked(place, links)),
        (None, Some(why)) => format!("No location: {} · ", prose(why)),
        (None, None) => String::new(),
    };
    let _ = write!(out, "{place}{}\n\n", code(&finding.code));
    let limit = if shape.detail == Detail::Full { MESSAGE } else { MESSAGE_SHORT };
    let (error, left_out) = error(finding, limit, shape.detail);
    out.push_str(&fence("", &error));
    if shape.detail == Detail::Full {
        statement(out, finding);
    }
    for what in left_out {
        let _ = write!(out, "\n{what}\n");
    }
    let _ = write!(out, "\n{}\n", units(finding, shape.names));
    if let Some(help) = finding.help.as_deref().filter(|_| shape.detail == Detail::Full) {
        let _ = write!(out, "\nHelp: {}\n", prose(help));
    }
    if let Some(command) = &finding.reproduce {
        let _ = write!(out, "\nReproduce: {}\n", code(command));
    }
    out.push_str("\n</details>\n");
}

/// Inside an HTML block, where Markdown is not interpreted.
fn title(report: &Report, index: usize, finding: &Finding) -> String {
    let number = if report.findings.len() > 1 { format!("{}. ", index + 1) } else { String::new() };
    let sign = match finding.severity {
        Severity::Error => String::new(),
        other => format!("{} ", sign(other)),
    };
    let tenants = count(finding.units.len(), "tenant");
    let database = html_code(&finding.database);
    let subject = match finding.track {
        _ if finding.units.is_empty() => format!("{}: ", html_code(&subject_of(finding))),
        TrackKind::Tenant if report.databases.len() == 1 => format!("{tenants}: "),
        TrackKind::Tenant => format!("{tenants} of {database}: "),
        TrackKind::Shared => format!("Shared track of {database}: "),
    };
    format!("{number}{sign}{subject}{}", html_code(&one_line(&finding.message, TITLE)))
}

fn linked(place: &Place, links: &Links) -> String {
    let path = code(&place.path);
    match (&links.repository_url, &links.commit) {
        (Some(url), Some(commit)) if is_of_project(&place.path) => {
            let file = url_path(&format!("{}{}", links.folder, place.path));
            format!("[{path} line {line}]({url}/blob/{commit}/{file}#L{line})", line = place.line)
        }
        _ => format!("{path} line {}", place.line),
    }
}

/// The server's message in psql's format, and sentences about parts that are too long.
fn error(finding: &Finding, limit: usize, detail: Detail) -> (String, Vec<String>) {
    let message = clip(&finding.message, limit);
    let Some(failure) = &finding.failure else { return (message.into_owned(), Vec::new()) };
    let state = failure.sqlstate.as_deref().map(|state| format!("{}: ", one_line(state, 10)));
    let mut text = format!("ERROR:  {}{message}", state.unwrap_or_default());
    if let Some(line) = finding.place.as_ref().and_then(pointed_line) {
        let _ = write!(text, "\n{line}");
    }
    let mut left_out = Vec::new();
    if detail == Detail::Full {
        let Failure { detail, hint, context, .. } = failure;
        for (name, part) in [("DETAIL", detail), ("HINT", hint), ("CONTEXT", context)] {
            match part.as_deref().map(|part| (part, part.chars().count())) {
                Some((_, length)) if length > TEXT => left_out.push(too_long(name, length)),
                Some((part, _)) => {
                    let _ = write!(text, "\n{name}:  {part}");
                }
                None => {}
            }
        }
    }
    (text, left_out)
}

/// `LINE 3:   REFERENCES plan (id)`, with a caret below it if the column is known.
fn pointed_line(place: &Place) -> Option<String> {
    let excerpt = place.excerpt.as_ref()?;
    let line = excerpt.lines.get(place.line.checked_sub(excerpt.first_line)?)?;
    if line.chars().count() > TITLE {
        return None;
    }
    let label = format!("LINE {}: ", place.line);
    let mut text = format!("{label}{}", visible(line));
    if let Some(column) = place.column {
        let blanks = line.chars().take(column.saturating_sub(excerpt.shift + 1));
        let indent: String = blanks.map(|char| if char == '\t' { '\t' } else { ' ' }).collect();
        let _ = write!(text, "\n{}{indent}^", " ".repeat(label.len()));
    }
    Some(text)
}

fn statement(out: &mut String, finding: &Finding) {
    let Some(statement) = finding.failure.as_ref().and_then(|failure| failure.statement.as_deref())
    else {
        return;
    };
    match statement.chars().count() {
        0..=TEXT => {
            let _ = write!(out, "\nStatement:\n\n{}", fence("sql", statement));
        }
        length => {
            let _ = write!(out, "\n{}\n", too_long("Statement", length));
        }
    }
}

fn too_long(what: &str, length: usize) -> String {
    format!("{what} omitted ({} characters); see the JSON report.", grouped(length))
}

fn units(finding: &Finding, limit: usize) -> String {
    if finding.units.is_empty() {
        return format!("About: {}", code(&one_line(&subject_of(finding), NAME)));
    }
    let names = finding.units.iter().take(limit).map(|name| code(&one_line(name, NAME)));
    let list = listed(names.collect(), finding.units.len());
    match finding.track {
        TrackKind::Tenant => format!("Tenants: {list}"),
        TrackKind::Shared => format!("Starting states: {list}"),
    }
}
