//! Kinds of statements that decide how a script can be sent, told from their first words.

use super::words::{Word, begins_with, words};

/// What a statement does to the transaction that it is run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionControl {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `ROLLBACK`, `PREPARE TRANSACTION` and their other names.
    End,
    /// `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`: within one.
    Savepoint,
}

/// The transaction command that a statement is, if it is one.
pub(crate) fn transaction_control(statement: &str) -> Option<TransactionControl> {
    let mut words = words(statement);
    let first = words.next()?;
    let is = |keywords: &[&str]| keywords.iter().any(|keyword| first.is(keyword));
    if is(&["START", "PREPARE"]) {
        let second = words.next().is_some_and(|second| second.is("TRANSACTION"));
        let kind =
            if first.is("START") { TransactionControl::Begin } else { TransactionControl::End };
        return second.then_some(kind);
    }
    if is(&["ROLLBACK"]) && words.any(|word| word.is("TO")) {
        return Some(TransactionControl::Savepoint);
    }
    if is(&["BEGIN"]) {
        Some(TransactionControl::Begin)
    } else if is(&["COMMIT", "END", "ROLLBACK", "ABORT"]) {
        Some(TransactionControl::End)
    } else {
        is(&["SAVEPOINT", "RELEASE"]).then_some(TransactionControl::Savepoint)
    }
}

/// It begins, ends or divides a transaction.
pub(crate) fn is_transaction_control(statement: &str) -> bool {
    transaction_control(statement).is_some()
}

/// PostgreSQL refuses it in a transaction block, and so in a message with a second statement
/// (`PreventInTransactionBlock` in its source, 15 to 18).
///
/// Some refusals depend on the catalog and cannot be told from the text: REINDEX and CLUSTER of a partitioned table.
pub(crate) fn refuses_transaction(statement: &str) -> bool {
    let words: Vec<_> = words(statement).collect();
    let Some(first) = words.first() else { return false };
    let is = |at: usize, keyword: &str| words.get(at).is_some_and(|word| word.is(keyword));
    let has = |keyword: &str| words.iter().any(|word| word.is(keyword));
    let database_wide = is(1, "DATABASE") || is(1, "TABLESPACE");
    match first.text().to_ascii_uppercase().as_str() {
        "VACUUM" => true,
        "CREATE" => {
            let index = if is(1, "UNIQUE") { 2 } else { 1 };
            database_wide
                || (is(index, "INDEX") && is(index + 1, "CONCURRENTLY"))
                || (is(1, "SUBSCRIPTION") && !creates_no_slot(&words))
        }
        "DROP" => {
            database_wide || is(1, "SUBSCRIPTION") || (is(1, "INDEX") && is(2, "CONCURRENTLY"))
        }
        "ALTER" => {
            is(1, "SYSTEM")
                || (is(1, "DATABASE") && is(3, "SET") && is(4, "TABLESPACE"))
                || (is(1, "SUBSCRIPTION") && (has("REFRESH") || has("PUBLICATION")))
                || (is(1, "TABLE") && has("DETACH") && has("CONCURRENTLY"))
        }
        "REINDEX" => reindex_refuses(&words),
        "CLUSTER" => names_no_table(&words[1..]),
        "DISCARD" => is(1, "ALL"),
        "COMMIT" | "ROLLBACK" => is(1, "PREPARED"),
        _ => false,
    }
}

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

/// `REINDEX [(options)] TABLE CONCURRENTLY …`, `REINDEX (CONCURRENTLY) TABLE …`, and all that is more than a table.
fn reindex_refuses(words: &[Word<'_>]) -> bool {
    let (options, rest) = parenthesized(&words[1..]);
    let concurrently = options.iter().position(|word| word.is("CONCURRENTLY")).is_some_and(|at| {
        !options.get(at + 1).is_some_and(|value| {
            ["FALSE", "OFF", "0"].iter().any(|no| value.text().eq_ignore_ascii_case(no))
        })
    });
    concurrently
        || rest
            .first()
            .is_some_and(|kind| kind.is("SCHEMA") || kind.is("DATABASE") || kind.is("SYSTEM"))
        || rest.get(1).is_some_and(|word| word.is("CONCURRENTLY"))
}

/// `CLUSTER`, `CLUSTER VERBOSE`, `CLUSTER (VERBOSE)`: all tables, each in a transaction of its own.
fn names_no_table(words: &[Word<'_>]) -> bool {
    parenthesized(words).1.iter().all(|word| word.is("VERBOSE") || word.text() == ";")
}

/// `WITH (connect = false)` or `(create_slot = false)`: nothing is made on the other server.
fn creates_no_slot(words: &[Word<'_>]) -> bool {
    words.windows(3).any(|window| {
        (window[0].is("connect") || window[0].is("create_slot"))
            && window[1].text() == "="
            && ["false", "off", "0"]
                .iter()
                .any(|no| window[2].text().trim_matches('\'').eq_ignore_ascii_case(no))
    })
}

/// The words in the parentheses at the beginning, if there are any, and those behind.
fn parenthesized<'w, 't>(words: &'w [Word<'t>]) -> (&'w [Word<'t>], &'w [Word<'t>]) {
    match words.first() {
        Some(first) if first.text() == "(" => {
            let end = words.iter().position(|word| word.text() == ")").unwrap_or(words.len() - 1);
            (&words[1..end.max(1)], &words[end + 1..])
        }
        _ => (&[], words),
    }
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

    #[test]
    fn transaction_commands() {
        use TransactionControl::{Begin, End, Savepoint};
        for (statement, kind) in [
            ("begin", Begin),
            ("-- x\nBEGIN isolation level serializable;", Begin),
            ("start transaction", Begin),
            ("commit and chain", End),
            ("END WORK", End),
            ("rollback;", End),
            ("abort", End),
            ("prepare transaction 'a'", End),
            ("commit prepared 'a'", End),
            ("rollback to savepoint a", Savepoint),
            ("rollback work to a", Savepoint),
            ("savepoint a", Savepoint),
            ("release a", Savepoint),
        ] {
            assert_eq!(transaction_control(statement), Some(kind), "{statement}");
        }
        for other in [
            "prepare p as select 1",
            "set transaction read only",
            "\"begin\"",
            "",
            "select 'commit'",
        ] {
            assert!(!is_transaction_control(other), "{other}");
        }
    }

    #[test]
    fn statements_that_refuse_a_transaction() {
        for statement in [
            "create index concurrently i on t(a)",
            "create unique index concurrently if not exists i on t(a)",
            "drop index concurrently i",
            "reindex table concurrently t",
            "reindex (verbose, concurrently) index i",
            "reindex (concurrently on) index i",
            "reindex schema s",
            "reindex (verbose) database d",
            "vacuum analyze t",
            "create database d",
            "drop database d",
            "alter database d set tablespace t",
            "create tablespace t location '/x'",
            "drop tablespace t",
            "alter system set a = 1",
            "alter table t detach partition p concurrently",
            "cluster",
            "cluster (verbose);",
            "create subscription s connection '' publication p",
            "drop subscription s",
            "alter subscription s refresh publication",
            "discard all",
            "commit prepared 'x'",
        ] {
            assert!(refuses_transaction(statement), "{statement}");
        }
    }

    #[test]
    fn statements_that_do_not_mind() {
        for statement in [
            "",
            "create index i on t(a)",
            "create index \"concurrently\" on t(a)",
            "reindex table t",
            "reindex (concurrently false) table t",
            "reindex index \"concurrently\"",
            "refresh materialized view concurrently v",
            "alter database d set search_path = a",
            "alter table t detach partition p",
            "cluster t using i",
            "create subscription s connection '' publication p with (connect = false)",
            "alter subscription s disable",
            "commit",
            "discard temp",
            "alter type t add value 'a'",
        ] {
            assert!(!refuses_transaction(statement), "{statement}");
        }
    }

    #[test]
    fn blocks_and_procedures_can_commit() {
        assert!(commits_by_itself("do $$begin commit; end$$"));
        assert!(commits_by_itself("call p()"));
        assert!(commits_by_itself("vacuum"));
        assert!(!commits_by_itself("insert into t select 1 on conflict do nothing"));
    }
}
