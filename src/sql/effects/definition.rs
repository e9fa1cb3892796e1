//! Statements that define objects, and the project's code that they evaluate.
//!
//! The lists contain statements that are known to evaluate nothing. A statement that is not listed counts as one that runs
//! code.

use super::expression::{evaluated, stored};
use super::syntax::{
    after, any_of, is, object_name, parenthesized, top_level, top_level_keyword, without,
};
use super::{Evaluation, Evaluation::*, table};
use crate::sql::words::SqlWord;

/// Kinds of objects that `DROP` removes without calling code.
const DROPPED: &[&str] = &[
    "AGGREGATE",
    "COLLATION",
    "DOMAIN",
    "FUNCTION",
    "INDEX",
    "MATERIALIZED",
    "POLICY",
    "PROCEDURE",
    "ROUTINE",
    "RULE",
    "SCHEMA",
    "SEQUENCE",
    "STATISTICS",
    "TABLE",
    "TRIGGER",
    "TYPE",
    "VIEW",
];
/// Settings that only the server reads, and not SQL code.
const LIMITS: &[&str] = &[
    "lock_timeout",
    "statement_timeout",
    "idle_in_transaction_session_timeout",
    "maintenance_work_mem",
];

/// A statement that begins with `CREATE`.
pub(super) fn create(words: &[SqlWord<'_>]) -> Evaluation {
    let words = without(&words[1..], &["OR", "REPLACE"]);
    let words = without(words, &["UNLOGGED"]);
    let rest = words.get(1..).unwrap_or_default();
    match words.first().map(SqlWord::keyword).unwrap_or_default().as_str() {
        "TABLE" => create_table(rest),
        "UNIQUE" | "INDEX" => create_index(without(words, &["UNIQUE"])),
        "VIEW" | "SEQUENCE" | "DOMAIN" | "POLICY" | "STATISTICS" | "RULE" | "TRIGGER" => {
            stored(rest)
        }
        "CONSTRAINT" if is(rest, 0, "TRIGGER") => stored(rest),
        "FUNCTION" | "PROCEDURE" => create_routine(rest),
        "TYPE" => create_type(rest),
        "SCHEMA" => create_schema(rest),
        _ => Code,
    }
}

/// `AS` fills the table from a query, `OF` and `PARTITION OF` check rows of other tables.
fn create_table(words: &[SqlWord<'_>]) -> Evaluation {
    let words = without(words, &["IF", "NOT", "EXISTS"]);
    let fills = top_level(words)
        .any(|(at, word)| word.is("AS") || word.is("OF") || is(words, at, "EXECUTE"));
    let is_plain = object_name(words)
        .is_some_and(|(_, rest)| rest.first().is_some_and(|open| open.text() == "("));
    if fills || !is_plain { Code } else { stored(words) }
}

/// Expressions and predicates are evaluated for the rows.
fn create_index(words: &[SqlWord<'_>]) -> Evaluation {
    let Some(on) = top_level_keyword(words, "ON") else { return Code };
    let Some((_, rest)) = object_name(without(&words[on + 1..], &["ONLY"])) else { return Code };
    evaluated(if is(rest, 0, "USING") { rest.get(2..).unwrap_or_default() } else { rest })
}

/// The body is validated and not run. The validators of other languages are unknown.
fn create_routine(words: &[SqlWord<'_>]) -> Evaluation {
    let languages: Vec<_> = top_level(words).filter(|(_, word)| word.is("LANGUAGE")).collect();
    let is_atomic = top_level_keyword(words, "ATOMIC").is_some()
        || top_level_keyword(words, "RETURN").is_some();
    let is_known = |at: usize| {
        let name = words.get(at + 1).and_then(|word| word.identifier().or_else(|| word.string()));
        name.is_some_and(|name| {
            name.eq_ignore_ascii_case("sql") || name.eq_ignore_ascii_case("plpgsql")
        })
    };
    match languages.as_slice() {
        [(at, _)] if is_known(*at) => {}
        [] if is_atomic => {}
        _ => return Code,
    }
    // A quoted body is not evaluated.
    let body = top_level(words)
        .find(|(at, word)| word.is("AS") && words.get(at + 1).is_some_and(SqlWord::is_string));
    match body {
        Some((at, _)) => stored(&words[..at]).max(stored(&words[at + 2..])),
        None => stored(words),
    }
}

/// Enumerations and composites. A range may name functions, and a base type does.
fn create_type(words: &[SqlWord<'_>]) -> Evaluation {
    let Some((_, rest)) = object_name(words) else { return Code };
    match after(rest, &["AS"]) {
        Some(labels) if is(labels, 0, "ENUM") => Inert,
        Some(fields) if fields.first().is_some_and(|open| open.text() == "(") => stored(fields),
        _ => Code,
    }
}

/// Without schema elements, which are separate statements.
fn create_schema(words: &[SqlWord<'_>]) -> Evaluation {
    let words = without(words, &["IF", "NOT", "EXISTS"]);
    let rest =
        if is(words, 0, "AUTHORIZATION") { words } else { words.get(1..).unwrap_or_default() };
    let rest = if is(rest, 0, "AUTHORIZATION") { rest.get(2..).unwrap_or_default() } else { rest };
    if is_end(rest) { Inert } else { Code }
}

/// A statement that begins with `ALTER`.
pub(super) fn alter(words: &[SqlWord<'_>]) -> Evaluation {
    let rest = words.get(2..).unwrap_or_default();
    match words.get(1).map(SqlWord::keyword).unwrap_or_default().as_str() {
        "TABLE" => table::alter(rest),
        "SEQUENCE" | "VIEW" | "POLICY" | "TRIGGER" | "STATISTICS" | "RULE" => stored(rest),
        "FUNCTION" | "PROCEDURE" | "ROUTINE" => stored(rest),
        "INDEX" if top_level_keyword(rest, "TABLESPACE").is_none() => stored(rest),
        "DEFAULT" if is(rest, 0, "PRIVILEGES") => Inert,
        "TYPE" => match object_name(rest) {
            Some((_, action)) if is(action, 0, "ADD") && is(action, 1, "VALUE") => Inert,
            Some((_, action)) if any_of(action, 0, &["RENAME", "OWNER"]) => Inert,
            _ => Code,
        },
        _ => Code,
    }
}

pub(super) fn drop(words: &[SqlWord<'_>]) -> Evaluation {
    if DROPPED.iter().any(|kind| is(words, 1, kind)) { Inert } else { Code }
}

/// `SET`: only limits, which SQL of a migration does not read, and settings local to the transaction.
pub(super) fn set(words: &[SqlWord<'_>]) -> Evaluation {
    let rest = words.get(1..).unwrap_or_default();
    let name = if any_of(rest, 0, &["LOCAL", "SESSION"]) { 1 } else { 0 };
    let is_limit =
        rest.get(name).and_then(SqlWord::identifier).is_some_and(|name| LIMITS.contains(&&*name));
    let is_set =
        is(rest, name + 1, "TO") || rest.get(name + 1).is_some_and(|word| word.text() == "=");
    if is_limit && is_set { stored(rest) } else { Code }
}

/// `SELECT` of constants and known functions, without `FROM`.
pub(super) fn select(words: &[SqlWord<'_>]) -> Evaluation {
    let rest = words.get(1..).unwrap_or_default();
    if reads_rows(rest) { Code } else { evaluated(rest) }
}

/// Whether it reads from tables, or from views that contain code, or creates a table.
fn reads_rows(words: &[SqlWord<'_>]) -> bool {
    const SOURCES: &[&str] = &["FROM", "INTO", "JOIN", "USING"];
    top_level(words).any(|(_, word)| SOURCES.iter().any(|keyword| word.is(keyword)))
}

/// Statements that change rows: triggers, defaults, checks and rules of the table may run any code.
pub(super) fn rows(words: &[SqlWord<'_>]) -> Evaluation {
    let target = ["INTO", "FROM", "ONLY"];
    let mut rest = words.get(1..).unwrap_or_default();
    while rest.first().is_some_and(|word| target.iter().any(|keyword| word.is(keyword))) {
        rest = &rest[1..];
    }
    let Some((_, rest)) = object_name(rest) else { return Code };
    // The columns of an INSERT.
    let (_, rest) = parenthesized(rest);
    if reads_rows(rest) { Code } else { evaluated(rest).max(Rows) }
}

/// Whether only the semicolon is left.
pub(super) fn is_end(words: &[SqlWord<'_>]) -> bool {
    words.iter().all(|word| word.text() == ";")
}
