//! `ALTER TABLE`: which of its actions evaluate an expression, and for which rows.

use super::expression::{evaluated, stored, type_name};
use super::syntax::{after, any_of, is, list, object_name, parenthesized, top_level, without};
use super::{Evaluation, Evaluation::*};
use crate::sql::words::SqlWord;

/// The words after `ALTER TABLE`.
pub(super) fn alter(words: &[SqlWord<'_>]) -> Evaluation {
    let words = without(without(words, &["IF", "EXISTS"]), &["ONLY"]);
    // `ALL IN TABLESPACE` is a different statement.
    let Some((name, rest)) = object_name(words) else { return Code };
    if name.name == "all" && is(rest, 0, "IN") {
        return Code;
    }
    let rest = match rest.first() {
        Some(star) if star.text() == "*" => &rest[1..],
        _ => rest,
    };
    list(rest).into_iter().map(action).max().unwrap_or(Code)
}

fn action(words: &[SqlWord<'_>]) -> Evaluation {
    let rest = words.get(1..).unwrap_or_default();
    match words.first().map(SqlWord::keyword).unwrap_or_default().as_str() {
        "RENAME" | "DROP" | "OWNER" | "RESET" | "REPLICA" | "CLUSTER" => stored(rest),
        "INHERIT" | "NO" | "FORCE" | "ENABLE" | "DISABLE" => stored(rest),
        "SET" if is(rest, 0, "SCHEMA") || is(rest, 0, "WITHOUT") => Inert,
        "SET" if rest.first().is_some_and(|word| word.text() == "(") => stored(rest),
        "ADD" => add(rest),
        "ALTER" => alter_column(without(rest, &["COLUMN"])),
        _ => Code,
    }
}

fn add(words: &[SqlWord<'_>]) -> Evaluation {
    match after(words, &["CONSTRAINT"]) {
        Some(named) => constraint(named.get(1..).unwrap_or_default()),
        None if any_of(words, 0, &["CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE"]) => {
            constraint(words)
        }
        None => column(without(without(words, &["COLUMN"]), &["IF", "NOT", "EXISTS"])),
    }
}

/// A `CHECK` is evaluated for the existing rows, unless it is `NOT VALID`. Keys are checked by PostgreSQL's own code.
fn constraint(words: &[SqlWord<'_>]) -> Evaluation {
    let keeps_rows = || {
        let mut words = top_level(words);
        words.any(|(at, word)| word.is("VALID") && at > 0)
    };
    match words.first().map(SqlWord::keyword).unwrap_or_default().as_str() {
        "UNIQUE" | "PRIMARY" | "FOREIGN" | "NOT" => stored(words),
        "CHECK" if keeps_rows() => stored(words),
        "CHECK" => evaluated(words),
        _ => Code,
    }
}

/// A new column: its default is evaluated once for the existing rows. A type of the project may be a domain with a check, and a
/// default that differs between rows (`serial`, an identity) rewrites the table with its indexes.
fn column(words: &[SqlWord<'_>]) -> Evaluation {
    let Some(rest) = words.get(1..) else { return Code };
    let Some((length, _)) = type_name(rest) else { return Code };
    let mut rest = &rest[length.min(rest.len())..];
    let mut found = Inert;
    while !rest.is_empty() {
        let end = top_level(rest).find(|(_, word)| word.is("REFERENCES")).map(|(at, _)| at);
        let before = &rest[..end.unwrap_or(rest.len())];
        if before.iter().any(|word| word.is("GENERATED")) {
            return Code;
        }
        found = found.max(evaluated(before));
        let Some(at) = end else { break };
        let Some((_, behind)) = object_name(&rest[at + 1..]) else { return Code };
        rest = parenthesized(behind).1;
    }
    found
}

fn alter_column(words: &[SqlWord<'_>]) -> Evaluation {
    let rest = words.get(1..).unwrap_or_default();
    let is_one_of = |first: &str, seconds: &[&str]| is(rest, 0, first) && any_of(rest, 1, seconds);
    if is_one_of("SET", &["DEFAULT"]) {
        return stored(rest);
    }
    let keeps_rows = is_one_of("DROP", &["DEFAULT", "NOT", "IDENTITY", "EXPRESSION"])
        || is_one_of(
            "SET",
            &["NOT", "STATISTICS", "STORAGE", "COMPRESSION", "GENERATED", "CACHE", "INCREMENT"],
        )
        || is_one_of("ADD", &["GENERATED"])
        || any_of(rest, 0, &["RESTART", "RESET"])
        || (is(rest, 0, "SET") && rest.get(1).is_some_and(|word| word.text() == "("));
    if keeps_rows { stored(rest) } else { Code }
}
