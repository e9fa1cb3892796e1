//! psql's variables: `:name`, `:'name'`, `:"name"`, `:{?name}`. psql substitutes variables that have a value before it sends
//! the text, and leaves everything else unchanged, such as `JSON_OBJECT('a':'b')`.

use squawk_lexer::{LiteralKind, TokenKind};

use super::tokens::{SqlToken, tokens};

/// The variables that psql sets itself (psql's manual, "Variables"; 15 to 18). Case-sensitive.
const SET_BY_PSQL: &[&str] = &[
    "AUTOCOMMIT",
    "COMP_KEYWORD_CASE",
    "DBNAME",
    "ECHO",
    "ECHO_HIDDEN",
    "ENCODING",
    "ERROR",
    "FETCH_COUNT",
    "HIDE_TABLEAM",
    "HIDE_TOAST_COMPRESSION",
    "HISTCONTROL",
    "HISTSIZE",
    "HOST",
    "IGNOREEOF",
    "LASTOID",
    "LAST_ERROR_MESSAGE",
    "LAST_ERROR_SQLSTATE",
    "ON_ERROR_ROLLBACK",
    "ON_ERROR_STOP",
    "PORT",
    "PROMPT1",
    "PROMPT2",
    "PROMPT3",
    "QUIET",
    "ROW_COUNT",
    "SERVER_VERSION_NAME",
    "SERVER_VERSION_NUM",
    "SERVICE",
    "SHOW_ALL_RESULTS",
    "SHOW_CONTEXT",
    "SINGLELINE",
    "SINGLESTEP",
    "SQLSTATE",
    "USER",
    "VERBOSITY",
    "VERSION",
    "VERSION_NAME",
    "VERSION_NUM",
    "WATCH_INTERVAL",
];

/// The offset of the first variable that psql would substitute without being given a value: one that it sets itself, or
/// `:{?name}`. A colon in brackets, as in `a[1:n]`, is an array slice.
pub(crate) fn first_variable(text: &str) -> Option<usize> {
    let mut brackets = 0usize;
    let mut before: [Option<SqlToken>; 2] = [None, None];
    for token in tokens(text, 0) {
        match token.kind {
            TokenKind::OpenBracket => brackets += 1,
            TokenKind::CloseBracket => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        let [earlier, last] = &before;
        let is_colon = |token: &Option<SqlToken>| {
            token.as_ref().is_some_and(|token| token.kind == TokenKind::Colon)
        };
        if is_colon(last)
            && !is_colon(earlier)
            && names_variable(token.kind, &text[token.range.clone()], brackets > 0)
        {
            return last.as_ref().map(|colon| colon.range.start);
        }
        before = [before[1].take(), Some(token)];
    }
    None
}

fn names_variable(behind_colon: TokenKind, text: &str, in_brackets: bool) -> bool {
    match behind_colon {
        TokenKind::OpenCurly => true,
        TokenKind::QuotedIdent { .. } | TokenKind::Literal { kind: LiteralKind::Str { .. } } => {
            SET_BY_PSQL.contains(&text.trim_matches(['"', '\'']))
        }
        TokenKind::Ident => !in_brackets && SET_BY_PSQL.contains(&text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found() {
        for text in [
            "select :USER",
            "select :'USER'",
            "select :\"USER\"",
            "select :{?a}",
            "select x[:'USER']",
        ] {
            assert_eq!(first_variable(text), text.find(':'), "{text}");
        }
    }

    #[test]
    fn other_colons_are_not_variables() {
        for text in [
            "select a::int",
            "a := 1",
            "x[1:n]",
            "x[:n]",
            "':a'",
            "$$ :USER $$",
            "-- :USER",
            "a : b",
        ] {
            assert_eq!(first_variable(text), None, "{text}");
        }
    }

    #[test]
    fn names_without_a_value_are_unchanged() {
        for text in
            ["json_object('a':'b')", "json_object('a':b, 'c':1)", "select :a", ":user", ":1"]
        {
            assert_eq!(first_variable(text), None, "{text}");
        }
    }
}
