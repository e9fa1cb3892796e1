//! The comments of a script and the positions of its SQL: for checks that read what an author wrote for people or for a tool.

use squawk_lexer::TokenKind;

use super::split::{Dialect, split};
use super::tokens::tokens;

/// A comment. Lines that begin with `#` or `//` also count as comments: other tools write them, and the server rejects them as
/// syntax errors.
#[derive(Debug, Clone)]
pub(crate) struct SqlComment<'t> {
    /// The text with its delimiters.
    pub(crate) text: &'t str,
    /// The offset of its first byte in the script.
    pub(crate) at: usize,
    /// Its lines contain nothing else except whitespace.
    pub(crate) is_alone_on_its_lines: bool,
    /// It is part of a statement: tokens of the same statement precede and follow it.
    pub(crate) in_statement: bool,
}

/// The comments and the code of a script.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outline<'t> {
    /// In the order of the script.
    pub(crate) comments: Vec<SqlComment<'t>>,
    /// The offset of each token that is neither whitespace, comment nor semicolon.
    pub(crate) code: Vec<usize>,
}

impl SqlComment<'_> {
    /// The offset after its last byte.
    pub(crate) fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// The text between the delimiters.
    pub(crate) fn content(&self) -> &str {
        let text = self.text;
        if let Some(block) = text.strip_prefix("/*") {
            return block.strip_suffix("*/").unwrap_or(block);
        }
        text.strip_prefix("--").unwrap_or(text)
    }
}

impl Outline<'_> {
    /// Whether these bytes contain code.
    pub(crate) fn has_code(&self, from: usize, to: usize) -> bool {
        let first = self.code.partition_point(|at| *at < from);
        self.code.get(first).is_some_and(|at| *at < to)
    }
}

/// Parses a script.
pub(crate) fn outline(text: &str) -> Outline<'_> {
    let mut outline = Outline::default();
    let mut from = 0;
    while let Some(next) = run(text, from, &mut outline) {
        from = next;
    }
    let pieces = split(text, Dialect::Server).pieces;
    for comment in &mut outline.comments {
        let piece = pieces.partition_point(|piece| piece.range().end <= comment.at);
        let around = pieces.get(piece).map(super::Piece::range);
        comment.in_statement = around.is_some_and(|range| {
            let begins_with_sql = !is_line_comment(&text[range.start..]);
            range.start < comment.at && comment.end() < range.end && begins_with_sql
        });
    }
    outline
}

/// Parses from a byte until the end (`None`) or the end of a line that only other tools treat as a comment.
fn run<'t>(text: &'t str, from: usize, outline: &mut Outline<'t>) -> Option<usize> {
    for token in tokens(text, from) {
        let (start, end) = (token.range.start, token.range.end);
        let push = |end: usize, outline: &mut Outline<'t>| {
            outline.comments.push(SqlComment {
                text: text[start..end].trim_end_matches(['\r', '\n']),
                at: start,
                is_alone_on_its_lines: is_alone_on_its_lines(text, start, end),
                in_statement: false,
            });
        };
        match token.kind {
            TokenKind::LineComment | TokenKind::BlockComment { .. } => push(end, outline),
            TokenKind::Whitespace | TokenKind::Semi => {}
            _ if begins_line(text, start) && is_line_comment(&text[start..]) => {
                let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
                push(end, outline);
                return Some(end);
            }
            _ => outline.code.push(start),
        }
    }
    None
}

/// Line comments of MySQL, Play or MyBatis.
fn is_line_comment(rest: &str) -> bool {
    rest.starts_with('#') || rest.starts_with("//")
}

fn begins_line(text: &str, at: usize) -> bool {
    text[..at].rsplit('\n').next().is_none_or(|before| before.trim().is_empty())
}

fn is_alone_on_its_lines(text: &str, start: usize, end: usize) -> bool {
    let behind = text[end..].split('\n').next().is_none_or(|behind| behind.trim().is_empty());
    let is_line = !text[start..end].starts_with("/*");
    (is_line || behind) && begins_line(text, start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(text: &str) -> Vec<(&str, bool)> {
        let comments =
            outline(text).comments.into_iter().filter(|comment| comment.is_alone_on_its_lines);
        comments.map(|comment| (comment.text, comment.in_statement)).collect()
    }

    #[test]
    fn comments_are_distinguished_from_strings_and_from_comments_after_code() {
        assert_eq!(
            alone("-- a\nselect '-- b' -- c\n, $$\n-- d\n$$;\r\n/* e */\r\n/* f */ select 1;"),
            [("-- a", false), ("/* e */", false)]
        );
    }

    #[test]
    fn a_comment_between_the_tokens_of_a_statement_is_part_of_it() {
        assert_eq!(
            alone("create type d as enum (\n  -- up\n  'up'\n);\n-- down\ndrop type d;\n-- end"),
            [("-- up", true), ("-- down", false), ("-- end", false)]
        );
    }

    #[test]
    fn comments_of_other_tools_are_comments() {
        let text = "# --- !Ups\nselect 1;\n  //@UNDO it's\nselect '2';\n-- x\n";
        assert_eq!(alone(text), [("# --- !Ups", false), ("//@UNDO it's", false), ("-- x", false)]);
        let outline = outline(text);
        let undo = text.find("//").unwrap();
        assert!(outline.has_code(0, undo) && outline.has_code(undo, text.len()));
        assert!(!outline.has_code(0, 10) && !outline.has_code(text.len() - 6, text.len()));
    }

    #[test]
    fn operators_are_not_comments() {
        assert_eq!(outline("select 5 # 3, 4 // 2;").comments.len(), 0);
    }
}
