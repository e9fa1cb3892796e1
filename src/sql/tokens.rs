//! PostgreSQL's tokens with their positions: the lexer of `squawk`, and the two things that it leaves to its caller.
//!
//! Strings are read as under `standard_conforming_strings = on`, the server's default since 9.1. An `E'…'` string that
//! continues on the next line (`E'a'`, line break, `'b'`) becomes two tokens, and backslashes in the second are not read as
//! escapes, unlike in the server.

use std::ops::Range;

use squawk_lexer::{LiteralKind, TokenKind};

/// A byte-order mark. psql removes it at the beginning of a file; the server reads it as a letter of the first word.
pub(super) const BOM: char = '\u{feff}';

/// A token and its bytes in the text.
#[derive(Debug, Clone)]
pub(super) struct SqlToken {
    pub(super) kind: TokenKind,
    pub(super) range: Range<usize>,
}

/// The tokens of `text` from byte `from` on. They cover the text without gaps.
pub(super) fn tokens(text: &str, from: usize) -> impl Iterator<Item = SqlToken> {
    let mut at = from;
    squawk_lexer::tokenize(&text[from..]).map(move |token| {
        let range = at..at + token.len as usize;
        at = range.end;
        let mark = token.kind == TokenKind::Whitespace && text[range.clone()].starts_with(BOM);
        SqlToken { kind: if mark { TokenKind::Unknown } else { token.kind }, range }
    })
}

impl SqlToken {
    /// Whether it is neither whitespace nor comment.
    pub(super) fn is_significant(&self) -> bool {
        !matches!(
            self.kind,
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. }
        )
    }

    /// False for a quote or a comment that is open at the end of the text.
    pub(super) fn is_terminated(&self) -> bool {
        match self.kind {
            TokenKind::BlockComment { terminated } | TokenKind::QuotedIdent { terminated, .. } => {
                terminated
            }
            TokenKind::Literal { kind } => match kind {
                LiteralKind::Str { terminated }
                | LiteralKind::NationalStr { terminated }
                | LiteralKind::ByteStr { terminated }
                | LiteralKind::BitStr { terminated }
                | LiteralKind::DollarQuotedString { terminated }
                | LiteralKind::UnicodeEscStr { terminated }
                | LiteralKind::EscStr { terminated } => terminated,
                LiteralKind::Int { .. } | LiteralKind::Numeric { .. } => true,
            },
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_not_whitespace() {
        let first = tokens("\u{feff} select", 0).next().unwrap();
        assert_eq!((first.kind, first.range), (TokenKind::Unknown, 0..3));
    }

    proptest! {
        #[test]
        fn tokens_cover_the_text(text in "(?s)[a-zEU&$'\"\\\\;()/*\\-\n\r\u{0}\u{feff} 0-9:é.]{0,60}") {
            let mut at = 0;
            for token in tokens(&text, 0) {
                prop_assert_eq!(token.range.start, at);
                at = token.range.end;
                prop_assert!(text.is_char_boundary(at));
            }
            prop_assert_eq!(at, text.len());
        }
    }
}
