//! A statement as a sequence of words, for code that needs its kind and the names in it.

use std::borrow::Cow;
use std::ops::Range;

use squawk_lexer::{LiteralKind, TokenKind};

use super::tokens::{SqlToken, tokens};

/// A token that is neither whitespace nor comment.
#[derive(Debug, Clone)]
pub(crate) struct SqlWord<'t> {
    text: &'t str,
    /// The offset of its first byte in the statement.
    at: usize,
    kind: WordKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WordKind {
    Plain,
    Quoted,
    /// `U&"…"`.
    QuotedWithEscapes,
    /// `'…'`, `N'…'`, `$$…$$`.
    String,
    /// `E'…'`, `U&'…'`.
    StringWithEscapes,
    Other,
    /// Not a token of SQL, or an unterminated quote.
    Broken,
}

/// The words of a statement, in order.
pub(crate) fn words(statement: &str) -> impl Iterator<Item = SqlWord<'_>> {
    tokens(statement, 0).filter(SqlToken::is_significant).map(|token| SqlWord {
        text: &statement[token.range.clone()],
        at: token.range.start,
        kind: match token.kind {
            TokenKind::Ident => WordKind::Plain,
            TokenKind::QuotedIdent { terminated: true, uescape: false } => WordKind::Quoted,
            TokenKind::QuotedIdent { terminated: true, .. } => WordKind::QuotedWithEscapes,
            TokenKind::Unknown | TokenKind::Backtick => WordKind::Broken,
            _ if !token.is_terminated() => WordKind::Broken,
            TokenKind::Literal { kind } => match kind {
                LiteralKind::Str { .. }
                | LiteralKind::NationalStr { .. }
                | LiteralKind::DollarQuotedString { .. } => WordKind::String,
                LiteralKind::EscStr { .. } | LiteralKind::UnicodeEscStr { .. } => {
                    WordKind::StringWithEscapes
                }
                _ => WordKind::Other,
            },
            _ => WordKind::Other,
        },
    })
}

impl<'t> SqlWord<'t> {
    /// The text in the statement, quotes included.
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// Its bytes in the statement.
    pub(super) fn range(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// Whether it follows the previous word directly.
    pub(super) fn follows(&self, before: &SqlWord<'_>) -> bool {
        before.range().end == self.at
    }

    /// Whether it is this keyword or unquoted identifier, ignoring case.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.kind == WordKind::Plain && self.text.eq_ignore_ascii_case(keyword)
    }

    /// The name that the server reads: folded to lower case, or the contents of its quotes. `None` if it is not an identifier,
    /// and for `U&"…"`, whose escapes are not read here.
    pub(crate) fn identifier(&self) -> Option<Cow<'t, str>> {
        match self.kind {
            WordKind::Plain if self.text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                Some(self.text.to_ascii_lowercase().into())
            }
            WordKind::Plain => Some(self.text.into()),
            WordKind::Quoted => {
                let inner = &self.text[1..self.text.len() - 1];
                Some(if inner.contains('"') {
                    inner.replace("\"\"", "\"").into()
                } else {
                    inner.into()
                })
            }
            _ => None,
        }
    }

    /// Whether it is a keyword or an identifier, quoted or not.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.kind, WordKind::Plain | WordKind::Quoted | WordKind::QuotedWithEscapes)
    }

    /// An unquoted word in capitals; empty for everything else.
    pub(super) fn keyword(&self) -> String {
        if self.kind == WordKind::Plain { self.text.to_ascii_uppercase() } else { String::new() }
    }

    /// Whether it is a string constant, with any kind of quotes.
    pub(super) fn is_string(&self) -> bool {
        matches!(self.kind, WordKind::String | WordKind::StringWithEscapes)
    }

    /// The contents of a string constant; `None` for other words, and for strings with escapes.
    pub(super) fn string(&self) -> Option<Cow<'t, str>> {
        if self.kind != WordKind::String {
            return None;
        }
        if self.text.starts_with('$') {
            let tag = self.text[1..].find('$')? + 2;
            return self.text.get(tag..self.text.len() - tag).map(Cow::from);
        }
        let inner = self.text.get(self.text.find('\'')? + 1..self.text.len() - 1)?;
        Some(if inner.contains('\'') { inner.replace("''", "'").into() } else { inner.into() })
    }

    /// Whether its end is uncertain: an unterminated quote, or a backslash before a quote, whose meaning depends on
    /// `standard_conforming_strings`.
    pub(super) fn has_no_certain_end(&self) -> bool {
        match self.kind {
            WordKind::Broken => true,
            WordKind::String => !self.text.starts_with('$') && self.text.contains("\\'"),
            _ => false,
        }
    }

    /// Whether its contents are unknown, because it has escapes, which are not read here.
    pub(super) fn is_unclear(&self) -> bool {
        let escapes = |(at, _): (usize, &str)| {
            let next: u8 = self.text.as_bytes().get(at + 1).copied().unwrap_or_default();
            next.is_ascii_digit() || matches!(next, b'x' | b'u' | b'U')
        };
        let has_escapes = match self.kind {
            WordKind::QuotedWithEscapes | WordKind::StringWithEscapes => true,
            WordKind::String if !self.text.starts_with('$') => {
                self.text.match_indices('\\').any(escapes)
            }
            _ => false,
        };
        has_escapes || self.has_no_certain_end()
    }
}

/// Whether the statement begins with the words in `keywords`.
pub(crate) fn begins_with(statement: &str, keywords: &[&str]) -> bool {
    let mut words = words(statement);
    keywords.iter().all(|keyword| words.next().is_some_and(|word| word.is(keyword)))
}

/// The byte of `new` at which it starts to differ from `old`; `None` if the two differ only in whitespace and comments.
pub(crate) fn first_difference(old: &str, new: &str) -> Option<usize> {
    let mut before = words(old);
    for token in tokens(new, 0).filter(SqlToken::is_significant) {
        if before.next().is_none_or(|word| word.text() != &new[token.range.clone()]) {
            return Some(token.range.start);
        }
    }
    before.next().map(|_| new.trim_end().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_and_comments_make_no_difference() {
        let old = "-- a\ncreate table a (id int);";
        assert_eq!(first_difference(old, "create table a(\n    id int -- b\n);\n"), None);
        assert_eq!(first_difference(old, "create table a (id bigint);"), Some(19));
        assert_eq!(first_difference(old, "create table a"), Some(14));
        assert_eq!(first_difference(old, &format!("{old} drop")), Some(old.len() + 1));
        assert_eq!(first_difference("do $$ -- a$$", "do $$ -- b$$"), Some(3));
    }

    #[test]
    fn keywords_are_found_after_comments_and_in_any_case() {
        assert!(begins_with(
            "/* x */ create -- y\n Index CONCURRENTLY i on t(a)",
            &["CREATE", "INDEX", "CONCURRENTLY"]
        ));
        assert!(!begins_with("create \"index\"", &["CREATE", "INDEX"]), "a quoted word is a name");
        assert!(!begins_with("create", &["CREATE", "INDEX"]));
    }

    #[test]
    fn names_are_read_as_the_server_reads_them() {
        let names = |statement| words(statement).map(|word| word.identifier()).collect::<Vec<_>>();
        assert_eq!(
            names("Owner \"My \"\"Role\" U&\"\\0041\" 'x' Été"),
            [
                Some("owner".into()),
                Some("My \"Role".into()),
                None,
                None,
                Some("Été".to_ascii_lowercase().into()),
            ]
        );
    }
}
