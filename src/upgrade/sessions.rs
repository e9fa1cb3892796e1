//! What a migration leaves behind in the session that it ran in: where there is such a thing, no two targets share a session.

use crate::sql::{Dialect, begins_with, split};

/// Statements after which a session is another one than before.
const OF_SESSIONS: [&[&str]; 10] = [
    &["RESET"],
    &["DISCARD"],
    &["SET"],
    &["PREPARE"],
    &["LISTEN"],
    &["DECLARE"],
    &["LOAD"],
    &["CREATE", "TEMP"],
    &["CREATE", "TEMPORARY"],
    &["CREATE", "LOCAL"],
];
/// What begins like one of these, and ends with the transaction.
const OF_TRANSACTIONS: [&[&str]; 3] =
    [&["SET", "LOCAL"], &["SET", "CONSTRAINTS"], &["SET", "TRANSACTION"]];
/// Anywhere, in a function's body as well.
const WORDS: [&str; 5] =
    ["set_config", "advisory_lock", "temp table", "temporary table", "lastval"];

/// Whether migrations need a session to themselves for each target: anything that outlives a transaction would be there for
/// the next one.
pub(super) fn speaks_of_sessions<'t>(mut texts: impl Iterator<Item = &'t str>) -> bool {
    let is_any = |statement: &str, kinds: &[&[&str]]| {
        kinds.iter().any(|words| begins_with(statement, words))
    };
    texts.any(|text| {
        let pieces = split(text, Dialect::Server).pieces;
        let mut statements = pieces.iter().map(|piece| &text[piece.range()]);
        let lower = text.to_ascii_lowercase();
        WORDS.iter().any(|word| lower.contains(word))
            || statements.any(|one| is_any(one, &OF_SESSIONS) && !is_any(one, &OF_TRANSACTIONS))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaks(text: &str) -> bool {
        speaks_of_sessions([text].into_iter())
    }

    #[test]
    fn what_outlives_a_transaction_keeps_a_session_apart() {
        for text in [
            "select 1; set statement_timeout = 1;",
            "RESET ALL",
            "create temp table a ();",
            "create function f() returns void language plpgsql as $$begin create temp table x(); end$$",
            "select set_config('a.b', 'c', false)",
            "select pg_try_advisory_lock(1)",
            "prepare p as select 1",
        ] {
            assert!(speaks(text), "{text}");
        }
        for text in [
            "create table sessions (reset_at date, template text, upload text);",
            "set local statement_timeout = 1;",
            "do $$ declare x int; begin null; end $$;",
            "alter table a alter b set not null;",
        ] {
            assert!(!speaks(text), "{text}");
        }
    }
}
