//! Directions in the comments of a script: signs that a down migration starts.
//!
//! Most comments are prose. Three kinds count:
//!
//! - **Marks**: a sign or a name that only tools read (`-- +goose Down`, `-- migrate:down`, `--//@UNDO`, `# --- !Downs`), at
//!   any position.
//! - **Headings**: a comment alone on its line, between statements, that consists of a direction and of neutral words (`-- Down
//!   Migration`, `/* ROLLBACK SECTION */`), followed by SQL. A section with only comments is not run.
//! - **Pairs**: `-- UP: adds the column`, SQL, `-- DOWN: removes it`, SQL.

use std::sync::LazyLock;

use regex::Regex;

use super::words::{self, Heading};
use crate::sql::{Outline, SqlComment, outline};

/// The text that indicates a direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    /// The offset of its first byte in the script.
    pub(super) at: usize,
    /// Its line, unchanged.
    pub(super) line: String,
    pub(super) kind: MarkerKind,
}

/// The consequence of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MarkerKind {
    /// A part of an up script is a down migration, or the other way round.
    OppositeDirection,
    /// Liquibase decides for each changeset whether it runs.
    Changeset,
}

/// A cheap first test: most scripts contain none of these.
static POSSIBLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)down|undo|un-do|unmigrate|unapply|revert|revers|roll[ \t_-]*back|back[ \t_-]*(ward|out)|drop|remove|uninstall|liquibase|changeset",
    )
});

const UP_WORDS: &str = "ups?|upgrade|do|apply|deploy|forwards?";
const DOWN_WORDS: &str =
    "downs?|downgrade|undo|rollback|revert|reverse|backwards?|unmigrate|unapply";

/// Marks of tools: the text before the direction, the direction, and options after it.
static MARKS: LazyLock<[(Heading, Regex); 2]> = LazyLock::new(|| {
    [(Heading::Down, DOWN_WORDS), (Heading::Up, UP_WORDS)].map(|(heading, words)| {
        let decoration = r"[\s\-=*/~<>\[\](){}|_.;]*";
        let sign = r"[+@!#%$&]+\s*(?:[a-z][a-z0-9_-]*[ \t:.]+)?";
        let name = "[a-z][a-z0-9_-]*:";
        let options = r"(?:\s+[a-z_-]+[:=]\S+|\s+(?:migration|script|section|part|sql))*";
        let text = format!(
            r"(?i)^{decoration}(?P<before>{sign}|{name})(?:{words}){options}[\s:!+@#%$&\-=*/~<>\[\](){{}}|_.]*$"
        );
        (heading, pattern(&text))
    })
});

/// Notes to readers, which look like marks.
static NOTES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\W*(todo|fixme|xxx|hack|note|nb|see|warning|default|status|state|param|returns?|deprecated|example|e\.g\.)\b",
    )
});

/// tern's separator, and similar ones.
static ABOVE_BELOW: LazyLock<Regex> = LazyLock::new(|| {
    let text = format!(
        r"(?i)\b(create|add|install|{UP_WORDS})\s+above\b.{{0,20}}\b(drop|remove|uninstall|{DOWN_WORDS})\s+below\b"
    );
    pattern(&text)
});

/// Liquibase's own lines, exactly: `--changeset`, `--rollback` followed by SQL.
static CHANGESET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^--\s*(liquibase\s+formatted\s+sql\b|changeset\s+\S+:\S+)|^--rollback\s+(drop|delete|alter|truncate|update|insert|create|revoke|grant|changesetid:|not\s+required|empty)\b|^/\*\s*liquibase\s+rollback\b",
    )
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("internal error: a pattern for directions")
}

/// The first sign in a script of direction `heading` that a part of it has the other direction.
pub(super) fn opposite_marker(text: &str, heading: Heading) -> Option<Marker> {
    if heading == Heading::Down {
        let outline = outline(text);
        return first(text, &outline, |comment| reads_as(comment, Heading::Up));
    }
    if !POSSIBLE.is_match(text) {
        return None;
    }
    let outline = outline(text);
    if let Some(comment) = outline.comments.iter().find(|comment| CHANGESET.is_match(comment.text))
    {
        return Some(marker(text, comment, MarkerKind::Changeset));
    }
    let marks = first(text, &outline, |comment| mark_of(comment.content()) == Some(Heading::Down));
    let headings = || first(text, &outline, |comment| heads_a_section(text, &outline, comment));
    marks.or_else(headings).or_else(|| pair(text, &outline))
}

fn first(
    text: &str,
    outline: &Outline<'_>,
    is_one: impl Fn(&SqlComment<'_>) -> bool,
) -> Option<Marker> {
    let found = outline.comments.iter().find(|comment| is_one(comment));
    found.map(|comment| marker(text, comment, MarkerKind::OppositeDirection))
}

fn marker(text: &str, comment: &SqlComment<'_>, kind: MarkerKind) -> Marker {
    // The word of a block comment may be below its first line.
    let inner = comment.text.find(|c: char| c.is_alphanumeric()).unwrap_or(0);
    let at = comment.at + inner;
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = text[start..].lines().next().unwrap_or_default().trim().to_owned();
    Marker { at: start, line, kind }
}

/// The direction of a tool's mark.
fn mark_of(content: &str) -> Option<Heading> {
    let line = single_line(content)?;
    if NOTES.is_match(line) {
        return None;
    }
    if ABOVE_BELOW.is_match(line) {
        return Some(Heading::Down);
    }
    MARKS.iter().find(|(_, pattern)| pattern.is_match(line)).map(|(heading, _)| *heading)
}

/// The only line of a comment with letters. Commented-out statements have none.
fn single_line(content: &str) -> Option<&str> {
    let mut lines = content.lines().filter(|line| line.contains(char::is_alphanumeric));
    let line = lines.next()?;
    (lines.next().is_none() && !line.trim_end().ends_with(';')).then_some(line)
}

/// The first line of a comment, if its other lines are explanations and not commented-out statements.
fn headline(content: &str) -> Option<&str> {
    let line = content.lines().find(|line| line.contains(char::is_alphanumeric))?;
    (!content.lines().any(|line| line.trim_end().ends_with(';'))).then_some(line)
}

/// The direction of a comment, if it is at a position where a section can begin.
fn heading_of(comment: &SqlComment<'_>) -> Option<Heading> {
    if !comment.is_alone_on_its_lines || comment.in_statement {
        return None;
    }
    let line = headline(comment.content())?;
    if NOTES.is_match(line) {
        return None;
    }
    words::heading(&words::words(line))
}

fn reads_as(comment: &SqlComment<'_>, heading: Heading) -> bool {
    mark_of(comment.content()) == Some(heading) || heading_of(comment) == Some(heading)
}

/// Whether a comment is the heading of a down section that would run.
fn heads_a_section(text: &str, outline: &Outline<'_>, comment: &SqlComment<'_>) -> bool {
    if heading_of(comment) != Some(Heading::Down) || continues_a_sentence(text, outline, comment) {
        return false;
    }
    let behind = outline.comments.iter().filter(|other| other.at > comment.at);
    let next_up = behind.clone().find(|other| reads_as(other, Heading::Up));
    let end = next_up.map_or(text.len(), |other| other.at);
    if !outline.has_code(comment.end(), end) || is_commented_out(text, outline, comment) {
        return false;
    }
    // A migration that begins with "-- Revert" may be an up migration that reverts an earlier one.
    let words = words::words(comment.content());
    words.iter().any(|word| words::is_surely_down(word) || word.starts_with("down"))
        || next_up.is_some()
        || outline.has_code(0, comment.at)
}

/// Whether a word alone on its line ends a sentence from the line above.
fn continues_a_sentence(text: &str, outline: &Outline<'_>, comment: &SqlComment<'_>) -> bool {
    let first = comment.content().chars().find(|c| c.is_alphanumeric());
    if !first.is_some_and(char::is_lowercase) || comment.text.starts_with("/*") {
        return false;
    }
    let above = outline.comments.iter().rev().find(|other| other.at < comment.at);
    above.is_some_and(|above| {
        let between = &text[above.end()..comment.at];
        let line = above.content().trim_end();
        between.trim().is_empty()
            && between.matches('\n').count() == 1
            && above.is_alone_on_its_lines
            && line.ends_with(|c: char| c.is_alphanumeric() || c == ',')
            && words::heading(&words::words(line)).is_none()
    })
}

/// Whether the section is commented out, directly after its heading, and the SQL after it removes nothing.
fn is_commented_out(text: &str, outline: &Outline<'_>, comment: &SqlComment<'_>) -> bool {
    const TAKES_AWAY: [&str; 7] =
        ["drop", "delete", "truncate", "alter", "update", "revoke", "begin"];
    let mut end = comment.end();
    let mut has_statement = false;
    for next in outline.comments.iter().filter(|other| other.at > comment.at) {
        let between = &text[end..next.at];
        if !between.trim().is_empty() || between.matches('\n').count() > 1 {
            break;
        }
        has_statement |= next.text.trim_end().trim_end_matches("*/").trim_end().ends_with(';');
        end = next.end();
    }
    let first = outline.code.iter().find(|at| **at >= end);
    let word = first.map(|at| {
        let rest = &text[*at..];
        rest[..rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len())].to_lowercase()
    });
    has_statement && !word.is_some_and(|word| TAKES_AWAY.contains(&word.as_str()))
}

/// The second of two comments of the same form with SQL after each, if no SQL precedes the first.
fn pair(text: &str, outline: &Outline<'_>) -> Option<Marker> {
    let alone = |comment: &&SqlComment<'_>| comment.is_alone_on_its_lines && !comment.in_statement;
    let mut ups: Vec<(&SqlComment<'_>, LeadingWord)> = Vec::new();
    for comment in outline.comments.iter().filter(alone) {
        let Some(leading) = leading_word(comment.content()) else { continue };
        let fits = |(above, up): &&(&SqlComment<'_>, LeadingWord)| {
            let known = PAIR_WORDS.iter().any(|(one, two)| *one == up.word && *two == leading.word);
            // `-- create x` and `-- drop x` describe the next statement.
            let says_more =
                words::counterpart(&up.word).is_some() && !(up.is_alone && leading.is_alone);
            known && !says_more && outline.has_code(above.end(), comment.at)
        };
        if ups.iter().any(|up| fits(&up)) && outline.has_code(comment.end(), text.len()) {
            return Some(marker(text, comment, MarkerKind::OppositeDirection));
        }
        if !outline.has_code(0, comment.at) {
            ups.push((comment, leading));
        }
    }
    None
}

/// Words that are directions if both occur.
const PAIR_WORDS: &[(&str, &str)] = &[
    ("up", "down"),
    ("ups", "downs"),
    ("upgrade", "downgrade"),
    ("do", "undo"),
    ("apply", "undo"),
    ("apply", "revert"),
    ("apply", "rollback"),
    ("apply", "unapply"),
    ("deploy", "revert"),
    ("deploy", "rollback"),
    ("forward", "backward"),
    ("forward", "reverse"),
    ("forward", "rollback"),
    ("forwards", "backwards"),
    ("migrate", "rollback"),
    ("migrate", "revert"),
    ("migrate", "undo"),
    ("migration", "rollback"),
    ("up", "rollback"),
    ("create", "drop"),
    ("add", "remove"),
    ("install", "uninstall"),
    ("setup", "teardown"),
];

/// The first word of a comment, if a sign separates it from the rest or only neutral words follow.
struct LeadingWord {
    word: String,
    is_alone: bool,
}

fn leading_word(content: &str) -> Option<LeadingWord> {
    let line = headline(content)?;
    let trimmed = line.trim_start_matches(|c: char| !c.is_alphanumeric());
    let words = words::words(trimmed);
    let word = words.first()?.clone();
    let length = trimmed.find(|c: char| !c.is_alphanumeric()).unwrap_or(trimmed.len());
    let rest = trimmed[length..].trim_start();
    let is_alone = words[1..].iter().all(|word| words::is_neutral(word));
    let is_divided = rest.starts_with([':', '-', '–', '—', '(', '=', '/']);
    (is_alone || is_divided).then_some(LeadingWord { word, is_alone })
}
