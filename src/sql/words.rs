//! A statement as a row of words, for those who ask what kind of statement it is, and whom it names.

use std::borrow::Cow;
use std::ops::Range;

use squawk_lexer::TokenKind;

use super::tokens::{Token, tokens};

/// A token that is neither space nor comment.
#[derive(Debug, Clone)]
pub(crate) struct Word<'t> {
    text: &'t str,
    /// The byte of the statement that it begins at.
    at: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Quoted,
    /// `U&"…"`.
    QuotedWithEscapes,
    Other,
}

/// The words of a statement, in its order.
pub(crate) fn words(statement: &str) -> impl Iterator<Item = Word<'_>> {
    tokens(statement, 0).filter(Token::is_significant).map(|token| Word {
        text: &statement[token.range.clone()],
        at: token.range.start,
        kind: match token.kind {
            TokenKind::Ident => Kind::Plain,
            TokenKind::QuotedIdent { terminated: true, uescape: false } => Kind::Quoted,
            TokenKind::QuotedIdent { .. } => Kind::QuotedWithEscapes,
            _ => Kind::Other,
        },
    })
}

impl<'t> Word<'t> {
    /// As it stands in the statement, quotes included.
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// The bytes of the statement that it takes.
    pub(super) fn range(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// Is it this keyword (or this identifier, unquoted)? In any case.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Plain && self.text.eq_ignore_ascii_case(keyword)
    }

    /// The name that the server would take it for: folded to lower case, or what its quotes hold. `None` for anything
    /// that is no identifier, and for `U&"…"`, whose escapes are not read here.
    pub(crate) fn identifier(&self) -> Option<Cow<'t, str>> {
        match self.kind {
            Kind::Plain if self.text.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                Some(self.text.to_ascii_lowercase().into())
            }
            Kind::Plain => Some(self.text.into()),
            Kind::Quoted => {
                let inner = &self.text[1..self.text.len() - 1];
                Some(if inner.contains('"') {
                    inner.replace("\"\"", "\"").into()
                } else {
                    inner.into()
                })
            }
            Kind::QuotedWithEscapes | Kind::Other => None,
        }
    }
}

/// The words that `keywords` stand for are the first ones of the statement.
pub(crate) fn begins_with(statement: &str, keywords: &[&str]) -> bool {
    let mut words = words(statement);
    keywords.iter().all(|keyword| words.next().is_some_and(|word| word.is(keyword)))
}

/// The byte of `new` from which on it says something else than `old`; `None` if the two differ in spaces and comments at
/// most.
pub(crate) fn first_difference(old: &str, new: &str) -> Option<usize> {
    let mut before = words(old);
    for token in tokens(new, 0).filter(Token::is_significant) {
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
    fn spaces_and_comments_make_no_difference() {
        let old = "-- a\ncreate table a (id int);";
        assert_eq!(first_difference(old, "create table a(\n    id int -- b\n);\n"), None);
        assert_eq!(first_difference(old, "create table a (id bigint);"), Some(19));
        assert_eq!(first_difference(old, "create table a"), Some(14));
        assert_eq!(first_difference(old, &format!("{old} drop")), Some(old.len() + 1));
        assert_eq!(first_difference("do $$ -- a$$", "do $$ -- b$$"), Some(3));
    }

    #[test]
    fn keywords_are_found_behind_comments_and_in_any_case() {
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
