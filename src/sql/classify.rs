//! Questions about one statement that the analysis of a script ([`super::effects`]) answers for its callers one day.

use super::effects::refuses_transaction;
use super::words::{begins_with, words};

/// Alone in its message it can commit in its middle: what it does may outlast its own failure.
pub(crate) fn commits_by_itself(statement: &str) -> bool {
    refuses_transaction(statement)
        || begins_with(statement, &["CALL"])
        || begins_with(statement, &["DO"])
}

/// It sets the session's search path, as far as the text tells: `SET LOCAL` does not, nor does a function's own `SET`.
pub(crate) fn moves_search_path(statement: &str) -> bool {
    let words: Vec<_> = words(statement).collect();
    let Some(first) = words.first() else { return false };
    let has = |keyword: &str| words.iter().any(|word| word.is(keyword));
    if first.is("SET") {
        let local = words.get(1).is_some_and(|second| second.is("LOCAL"));
        return !local && (has("search_path") || has("SCHEMA"));
    }
    if first.is("RESET") || first.is("DISCARD") {
        return has("search_path") || has("ALL");
    }
    if first.is("DO") {
        return statement.to_ascii_lowercase().contains("search_path");
    }
    let named = words.iter().any(|word| word.text().eq_ignore_ascii_case("'search_path'"));
    first.is("SELECT") && has("set_config") && named && !has("true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_move_the_search_path() {
        for (statement, moves) in [
            ("set search_path = a, b", true),
            ("SET SESSION search_path TO a", true),
            ("set schema 'a'", true),
            ("reset all", true),
            ("select pg_catalog.set_config('search_path', '', false)", true),
            ("do $$ begin set search_path to a; end $$", true),
            ("set local search_path = a", false),
            ("select set_config('search_path', '', true)", false),
            ("alter role a set search_path = b", false),
            ("create function f() returns int set search_path = a return 1", false),
            ("set lock_timeout = 1", false),
        ] {
            assert_eq!(moves_search_path(statement), moves, "{statement}");
        }
    }
}
