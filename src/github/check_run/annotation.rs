//! Converts an annotation of mig-ci to one within the limits of the checks API.

use super::cut;
use crate::github::client::WireAnnotation;
use crate::report;
use crate::report::verify::v1::Severity;

/// The maximum length of a message in bytes, below the 64 KB of GitHub's description.
const TEXT: usize = 60_000;
const TITLE: usize = 255;

/// A message for lines of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckRunAnnotation {
    /// From the repository's root.
    pub(crate) path: String,
    /// From 1.
    pub(crate) start_line: u64,
    pub(crate) end_line: u64,
    /// From 1; used only if both lines are equal.
    pub(crate) start_column: Option<u64>,
    pub(crate) end_column: Option<u64>,
    pub(crate) level: Level,
    pub(crate) title: String,
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Notice,
    Warning,
    Failure,
}

impl CheckRunAnnotation {
    /// `None` for an annotation without a position, which the checks API does not accept.
    pub(crate) fn of(annotation: &report::SourceAnnotation) -> Option<Self> {
        let place = annotation.place.as_ref()?;
        let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let column = place.column.map(number);
        Some(Self {
            path: place.path.clone(),
            start_line: number(place.line),
            end_line: number(place.line),
            start_column: column,
            end_column: column,
            level: match annotation.severity {
                Severity::Info => Level::Notice,
                Severity::Warning => Level::Warning,
                Severity::Error => Level::Failure,
            },
            title: annotation.title.clone(),
            message: annotation.message.clone(),
        })
    }

    /// `None` for an annotation that GitHub would refuse, together with all others in its request.
    pub(super) fn on_the_wire(&self) -> Option<WireAnnotation> {
        let is_inside = !self.path.is_empty()
            && !self.path.starts_with('/')
            && !self.path.split('/').any(|part| part == "..");
        let message = text(&self.message, TEXT);
        if !is_inside || message.trim().is_empty() {
            return None;
        }
        let start_line = self.start_line.max(1);
        let end_line = self.end_line.max(start_line);
        let column = |column: Option<u64>| column.filter(|_| start_line == end_line);
        Some(WireAnnotation {
            path: self.path.clone(),
            start_line,
            end_line,
            start_column: column(self.start_column),
            end_column: column(self.end_column),
            annotation_level: match self.level {
                Level::Notice => "notice",
                Level::Warning => "warning",
                Level::Failure => "failure",
            },
            message,
            title: cut(&text(&self.title, TEXT), TITLE),
        })
    }
}

/// Text that the checks API accepts: no control characters, and characters outside of the basic multilingual plane escaped.
/// Source: `restrict_unicode` of EnricoMi/publish-unit-test-result-action, written after refusals by GitHub.
fn text(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let part = match c {
            '\n' | '\t' => c.to_string(),
            c if c.is_control() => continue,
            c if u32::from(c) > 0xFFFF => c.escape_unicode().to_string(),
            c => c.to_string(),
        };
        if out.len() + part.len() > most {
            out.push('…');
            break;
        }
        out.push_str(&part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation() -> CheckRunAnnotation {
        CheckRunAnnotation {
            path: "migrations/tenant/2_b.sql".into(),
            start_line: 3,
            end_line: 3,
            start_column: Some(1),
            end_column: Some(9),
            level: Level::Failure,
            title: "migration-failed".into(),
            message: "relation \"a\" does not exist".into(),
        }
    }

    #[test]
    fn columns_need_a_single_line() {
        assert_eq!(annotation().on_the_wire().unwrap().start_column, Some(1));
        let longer = CheckRunAnnotation { end_line: 4, ..annotation() }.on_the_wire().unwrap();
        assert_eq!((longer.start_column, longer.end_column), (None, None));
        let upside_down = CheckRunAnnotation { start_line: 0, end_line: 0, ..annotation() };
        let upside_down = upside_down.on_the_wire().unwrap();
        assert_eq!((upside_down.start_line, upside_down.end_line), (1, 1));
    }

    #[test]
    fn levels_match_githubs() {
        let levels = [Level::Notice, Level::Warning, Level::Failure].map(|level| {
            CheckRunAnnotation { level, ..annotation() }.on_the_wire().unwrap().annotation_level
        });
        assert_eq!(levels, ["notice", "warning", "failure"]);
    }

    #[test]
    fn unacceptable_characters_are_replaced() {
        let hostile = CheckRunAnnotation {
            title: "é".repeat(300),
            message: format!("a\u{0}b\u{1b}[31m\r\n😀{}", "ß".repeat(100_000)),
            ..annotation()
        };
        let wire = hostile.on_the_wire().unwrap();
        assert!(wire.message.starts_with("ab[31m\n\\u{1f600}ßß"), "{:?}", &wire.message[..40]);
        assert!(wire.message.len() <= TEXT + '…'.len_utf8() && wire.message.ends_with("ß…"));
        assert_eq!(wire.title.chars().count(), TITLE);
    }

    #[test]
    fn annotations_that_github_would_refuse_are_omitted() {
        for path in ["", "/etc/passwd", "../x.sql", "a/../../x.sql"] {
            let outside = CheckRunAnnotation { path: path.into(), ..annotation() };
            assert_eq!(outside.on_the_wire(), None, "{path}");
        }
        assert_eq!(
            CheckRunAnnotation { message: " \u{0}".into(), ..annotation() }.on_the_wire(),
            None
        );
    }
}
