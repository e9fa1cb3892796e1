//! Statements that begin, end or refuse a transaction, recognised by their words.

use super::concurrent::option_is_on;
use super::syntax::{mentions, parenthesized};
use crate::sql::words::{SqlWord, words};

/// The effect of a statement on the transaction that it runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionEffect {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`, `ROLLBACK`, `PREPARE TRANSACTION` and their synonyms.
    End,
    /// `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`: inside a transaction.
    Savepoint,
}

/// The kind of transaction command, if the statement is one.
pub(crate) fn transaction_control(statement: &str) -> Option<TransactionEffect> {
    control(words(statement))
}

pub(super) fn control<'t>(
    mut words: impl Iterator<Item = SqlWord<'t>>,
) -> Option<TransactionEffect> {
    let first = words.next()?;
    let is = |keywords: &[&str]| keywords.iter().any(|keyword| first.is(keyword));
    if is(&["START", "PREPARE"]) {
        let second = words.next().is_some_and(|second| second.is("TRANSACTION"));
        let kind =
            if first.is("START") { TransactionEffect::Begin } else { TransactionEffect::End };
        return second.then_some(kind);
    }
    if is(&["ROLLBACK"]) && words.any(|word| word.is("TO")) {
        return Some(TransactionEffect::Savepoint);
    }
    if is(&["BEGIN"]) {
        Some(TransactionEffect::Begin)
    } else if is(&["COMMIT", "END", "ROLLBACK", "ABORT"]) {
        Some(TransactionEffect::End)
    } else {
        is(&["SAVEPOINT", "RELEASE"]).then_some(TransactionEffect::Savepoint)
    }
}

/// Whether it begins, ends or subdivides a transaction.
pub(crate) fn is_transaction_control(statement: &str) -> bool {
    transaction_control(statement).is_some()
}

/// Whether PostgreSQL refuses it in a transaction block, and so in a message with a second statement
/// (`PreventInTransactionBlock` in its source, 15 to 18).
///
/// Some refusals depend on the catalog and not on the text: REINDEX and CLUSTER of a partitioned table.
pub(crate) fn refuses_transaction(statement: &str) -> bool {
    refuses(&words(statement).collect::<Vec<_>>())
}

pub(super) fn refuses(words: &[SqlWord<'_>]) -> bool {
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
                || (is(1, "SUBSCRIPTION") && !creates_no_slot(words))
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
        "REINDEX" => reindex_refuses(words),
        "CLUSTER" => names_no_table(&words[1..]),
        "DISCARD" => is(1, "ALL"),
        "COMMIT" | "ROLLBACK" => is(1, "PREPARED"),
        _ => false,
    }
}

/// Whether it can commit before its end if it is alone in its message, so that its effects may remain when it fails. A PL/pgSQL
/// block can do so only by `COMMIT`, `ROLLBACK` or `CALL` in its own text; dynamic SQL cannot end a transaction.
pub(super) fn commits_by_itself(words: &[SqlWord<'_>]) -> bool {
    let Some(first) = words.first() else { return false };
    if first.is("DO") {
        let language =
            words.iter().position(|word| word.is("LANGUAGE")).and_then(|at| words.get(at + 1));
        let is_foreign = language.is_some_and(|word| {
            !word
                .identifier()
                .or_else(|| word.string())
                .is_some_and(|name| name.eq_ignore_ascii_case("plpgsql"))
        });
        let ends = |words: &[SqlWord<'_>]| {
            ["COMMIT", "ROLLBACK", "CALL"].iter().any(|keyword| words[0].is(keyword))
        };
        return is_foreign || words.iter().any(SqlWord::is_unclear) || mentions(words, &ends);
    }
    first.is("CALL") || refuses(words)
}

/// `REINDEX [(options)] TABLE CONCURRENTLY …`, `REINDEX (CONCURRENTLY) TABLE …`, and everything larger than a table.
fn reindex_refuses(words: &[SqlWord<'_>]) -> bool {
    let (options, rest) = parenthesized(&words[1..]);
    let concurrently = option_is_on(options, "CONCURRENTLY");
    concurrently
        || rest
            .first()
            .is_some_and(|kind| kind.is("SCHEMA") || kind.is("DATABASE") || kind.is("SYSTEM"))
        || rest.get(1).is_some_and(|word| word.is("CONCURRENTLY"))
}

/// `CLUSTER`, `CLUSTER VERBOSE`, `CLUSTER (VERBOSE)`: all tables, each in its own transaction.
fn names_no_table(words: &[SqlWord<'_>]) -> bool {
    parenthesized(words).1.iter().all(|word| word.is("VERBOSE") || word.text() == ";")
}

/// `WITH (connect = false)` or `(create_slot = false)`: nothing is created on the other server.
fn creates_no_slot(words: &[SqlWord<'_>]) -> bool {
    words.windows(3).any(|window| {
        (window[0].is("connect") || window[0].is("create_slot"))
            && window[1].text() == "="
            && ["false", "off", "0"]
                .iter()
                .any(|no| window[2].text().trim_matches('\'').eq_ignore_ascii_case(no))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_commands() {
        use TransactionEffect::{Begin, End, Savepoint};
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
    fn statements_that_accept_a_transaction() {
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
        let commits = |statement| commits_by_itself(&words(statement).collect::<Vec<_>>());
        for statement in [
            "do $$begin commit; end$$",
            "do $$begin if true then call p(); end if; end$$",
            "do language plpython3u $$ plpy.execute('select 1') $$",
            "do E'begin null; end'",
            "call p()",
            "vacuum",
        ] {
            assert!(commits(statement), "{statement}");
        }
        for statement in [
            "do $$begin null; end$$",
            "do $$begin /* commit; */ perform 'x'; update t set commits = 1; end$$",
            "do language 'plpgsql' $$begin null; end$$",
            "insert into t select 1 on conflict do nothing",
        ] {
            assert!(!commits(statement), "{statement}");
        }
    }
}
