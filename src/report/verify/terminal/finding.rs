//! A finding in rustc's style: severity, code, message, the SQL with a caret at the position, and advice.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::report::RenderOptions;
use crate::report::text::{clip, grouped, one_line, subject_of, visible};
use crate::report::verify::v1::{Failure, Finding, Place, Severity, TrackKind};

/// The maximum number of tenant names.
const NAMES: usize = 10;
/// The maximum length of a name in characters; longer than the server's limit.
const NAME: usize = 100;
/// The maximum length in characters of one text of the server.
const TEXT: usize = 2_000;
/// The maximum number of lines of the message: after an open quote the server repeats all following text.
const LINES: usize = 6;
/// The maximum size of an excerpt in bytes; a larger one is data on one line.
const EXCERPT: usize = 20_000;
/// The label of the command.
const REPRODUCE: &str = "reproduce";

pub(crate) fn render(out: &mut String, finding: &Finding, options: &RenderOptions) {
    let level = level(finding.severity);
    let excerpt = finding.place.as_ref().and_then(source);
    let title = level
        .primary_title(shown(&beginning(&finding.message)))
        .id(visible(&finding.code).into_owned());
    let mut group = match (&finding.place, &excerpt) {
        (Some(place), Some((source, span))) => {
            let snippet = snippet(place, source, span.clone(), finding);
            match &place.excerpt {
                // The library would count the column in the cut line.
                Some(excerpt) if excerpt.shift > 0 => {
                    title.element(origin(place)).element(snippet.path(None::<&str>))
                }
                _ => title.element(snippet),
            }
        }
        (Some(place), None) => title.element(origin(place)),
        (None, _) => Group::with_title(title),
    };
    for (name, text) in notes(finding, excerpt.is_some()) {
        // The name, its colon and the rule precede the text. Commands are for copying, and are not wrapped.
        let room = match name.as_str() {
            REPRODUCE => usize::MAX,
            _ => options.width.saturating_sub(name.chars().count() + 8).max(40),
        };
        // Control characters are removed last: a line break can move a word to the start of a line.
        let text = visible(&wrap(&text, room)).into_owned();
        group = group.element(Level::NOTE.with_name(name).message(text));
    }
    let renderer = if options.color { Renderer::styled() } else { Renderer::plain() };
    let text = renderer.term_width(options.width).render(&[group]);
    for line in text.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Info => Level::INFO,
    }
}

fn snippet<'a>(
    place: &Place,
    source: &'a str,
    span: Range<usize>,
    finding: &'a Finding,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let sqlstate = finding.failure.as_ref().and_then(|failure| failure.sqlstate.as_deref());
    let label = sqlstate.map(|state| format!("SQLSTATE {}", visible(state)));
    let first_line = place.excerpt.as_ref().map_or(place.line, |excerpt| excerpt.first_line);
    Snippet::source(source)
        .line_start(first_line)
        .path(visible(&place.path).into_owned())
        .fold(false)
        .annotation(AnnotationKind::Primary.span(span).label(label))
}

/// A part of the path's text, because the library shows a line only together with a column.
fn origin(place: &Place) -> Origin<'static> {
    let column = place.column.map(|column| format!(":{column}")).unwrap_or_default();
    Origin::path(format!("{}:{}{column}", visible(&place.path), place.line))
}

/// The excerpt as one text, and the bytes below which the caret is drawn. `None` if the position is outside of it.
fn source(place: &Place) -> Option<(String, Range<usize>)> {
    let excerpt = place.excerpt.as_ref()?;
    let index = place.line.checked_sub(excerpt.first_line)?;
    let line = visible(excerpt.lines.get(index)?).into_owned();
    let lines: Vec<_> = excerpt.lines.iter().map(|line| visible(line)).collect();
    let source = lines.join("\n");
    if source.len() > EXCERPT {
        return None;
    }
    let start: usize = lines[..index].iter().map(|line| line.len() + 1).sum();
    let span = match place.column {
        Some(column) => word_at(&line, column.saturating_sub(excerpt.shift)),
        None => line.len() - line.trim_start().len()..line.trim_end().len(),
    };
    Some((source, start + span.start..start + span.end))
}

/// The bytes of the word that begins at a column (in characters, from 1); one character if there is no word.
fn word_at(line: &str, column: usize) -> Range<usize> {
    let start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let rest = &line[start..];
    let word: usize =
        rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').map(char::len_utf8).sum();
    let length = if word > 0 { word } else { rest.chars().next().map_or(0, char::len_utf8) };
    start..start + length
}

/// The notes below the excerpt, in order.
fn notes(finding: &Finding, excerpt: bool) -> Vec<(String, String)> {
    let mut notes = Vec::new();
    let mut note = |name: &str, text: Option<&str>| {
        if let Some(text) = text {
            notes.push((name.to_owned(), clip(text, TEXT).into_owned()));
        }
    };
    if let Some(Failure { sqlstate, detail, hint, context, statement, .. }) = &finding.failure {
        if !excerpt {
            note("sqlstate", sqlstate.as_deref());
            note("statement", statement.as_deref());
        }
        note("detail", detail.as_deref());
        note("hint", hint.as_deref());
        note("context", context.as_deref());
    }
    note("no location", finding.unplaced.as_deref());
    notes.push(units(finding));
    if let Some(help) = &finding.help {
        notes.push(("help".to_owned(), clip(help, TEXT).into_owned()));
    }
    if let Some(command) = &finding.reproduce {
        notes.push((REPRODUCE.to_owned(), one_line(command, TEXT)));
    }
    notes
}

fn units(finding: &Finding) -> (String, String) {
    if finding.units.is_empty() {
        return ("about".to_owned(), one_line(&subject_of(finding), NAME));
    }
    let what = match finding.track {
        TrackKind::Tenant if finding.units.len() == 1 => "tenant",
        TrackKind::Tenant => "tenants",
        TrackKind::Shared => "shared track",
    };
    (format!("{what} of {}", one_line(&finding.database, NAME)), names(&finding.units, NAMES))
}

/// The first names, and the number of others.
pub(crate) fn names(units: &[String], most: usize) -> String {
    let names: Vec<_> = units.iter().take(most).map(|name| one_line(name, NAME)).collect();
    match units.len().checked_sub(most) {
        Some(more) if more > 0 => format!("{} and {} more", names.join(", "), grouped(more)),
        _ => names.join(", "),
    }
}

/// The first lines.
fn beginning(text: &str) -> Cow<'_, str> {
    match text.match_indices('\n').nth(LINES - 1) {
        Some((at, _)) => Cow::Owned(format!("{}\n…", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

fn shown(text: &str) -> String {
    visible(&clip(text, TEXT)).into_owned()
}

/// Breaks long lines at blanks. A word that is too long is not broken: it may be a path or a command.
fn wrap(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let mut column = 0;
        for word in line.split(' ') {
            let length = word.chars().count();
            if column > 0 && column + 1 + length > width {
                out.push('\n');
                column = 0;
            } else if column > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += length;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::verify::v1::Excerpt;

    #[test]
    fn the_caret_covers_the_word_at_a_column_in_characters() {
        assert_eq!(word_at("é alter x", 3), 3..8);
        assert_eq!(word_at("a ; b", 3), 2..3);
        assert_eq!(word_at("ab", 3), 2..2);
        assert_eq!(word_at("ab", 99), 2..2);
    }

    #[test]
    fn a_place_outside_of_its_excerpt_has_no_source() {
        let excerpt = Excerpt { first_line: 5, lines: vec!["x".into()], shift: 0 };
        let place = |line| Place {
            path: "m.sql".into(),
            line,
            column: Some(1),
            excerpt: Some(excerpt.clone()),
        };
        assert!(source(&place(4)).is_none());
        assert_eq!(source(&place(5)), Some(("x".into(), 0..1)));
        assert!(source(&place(6)).is_none());
    }

    #[test]
    fn a_message_of_many_lines_is_cut() {
        assert_eq!(beginning("a\nb"), "a\nb");
        assert_eq!(beginning(&"x\n".repeat(LINES)), format!("{}…", "x\n".repeat(LINES)));
    }

    #[test]
    fn lines_are_broken_at_blanks() {
        assert_eq!(wrap("aa bb cc", 5), "aa bb\ncc");
        assert_eq!(wrap("aaaaaaaa b", 5), "aaaaaaaa\nb");
        assert_eq!(wrap("a\nb", 5), "a\nb");
    }
}
