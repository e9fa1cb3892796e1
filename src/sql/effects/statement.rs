//! The analysis of one statement.

use std::ops::Range;

use super::concurrent::{ConcurrentCommand, IndexChange, concurrent, index_change};
use super::place::ObjectPlaces;
use super::scope::{EffectScope, scope};
use super::session::{SessionChange, left, runs_now};
use super::syntax::{
    after, any_of, is, mentions, object_name, statements_in_code, to_semicolon, top_level_keyword,
    without,
};
use super::transaction::{TransactionEffect, commits_by_itself, control, refuses};
use super::vocabulary::known_functions;
use super::{Certainty, Evaluation, Evaluation::*, definition};
use crate::sql::words::{SqlWord, words};

/// One statement of a script, and its effects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AnalysedStatement {
    /// In bytes of the script's text.
    pub(crate) range: Range<usize>,
    /// Whether the ends of all its words are certain, and therefore its own end.
    pub(super) is_certain: bool,
    /// Whether it ends with a semicolon.
    pub(super) is_terminated: bool,
    /// The kind of transaction command, if it is one.
    pub(crate) control: Option<TransactionEffect>,
    /// `COMMIT AND CHAIN`: the next transaction block begins immediately.
    pub(crate) chains: bool,
    /// Whether PostgreSQL refuses it in a transaction block.
    pub(crate) refuses_transaction: bool,
    /// Whether it can commit before its end if it is alone in its message.
    pub(crate) commits_by_itself: bool,
    /// Its first word, in capitals; empty if that is not a keyword.
    pub(crate) verb: String,
    /// Whether its effect ends with the transaction: `SET LOCAL`, `SET TRANSACTION`, `SET CONSTRAINTS`, `set_config`.
    pub(crate) is_local_to_transaction: bool,
    /// Tables that it changes, or on which it creates a trigger, a rule or an index. Empty if a name cannot be read.
    pub(super) changed_tables: Vec<String>,
    /// Whether it names event triggers, creates an extension, which may contain some, or creates objects that are called
    /// without being named.
    pub(super) makes_hidden_code: bool,
    pub(crate) concurrent: Option<ConcurrentCommand>,
    pub(crate) index_change: Option<IndexChange>,
    pub(super) evaluates: Evaluation,
    pub(super) left: SessionChange,
    pub(super) scope: EffectScope,
    pub(super) places: ObjectPlaces,
    /// Whether it drops, renames or moves an object, or revokes a privilege.
    pub(super) takes_away: Certainty,
    /// Whether a rollback undoes everything in its text.
    pub(super) is_repeatable: bool,
}

impl AnalysedStatement {
    pub(super) fn of(text: &str, range: Range<usize>) -> Self {
        let words: Vec<_> = words(&text[range.clone()]).collect();
        let evaluates = evaluates(&words);
        let left = left(&words, evaluates);
        Self {
            range,
            is_certain: !words.iter().any(SqlWord::has_no_certain_end),
            is_terminated: words.last().is_some_and(|last| last.text() == ";"),
            control: control(words.iter().cloned()),
            chains: words.windows(2).any(|pair| pair[0].is("AND") && pair[1].is("CHAIN")),
            refuses_transaction: refuses(&words),
            commits_by_itself: commits_by_itself(&words),
            verb: words.first().map(SqlWord::keyword).unwrap_or_default(),
            is_local_to_transaction: is_local(&words),
            changed_tables: changed_tables(&words),
            makes_hidden_code: makes_hidden_code(&words),
            concurrent: concurrent(&words),
            index_change: index_change(&words),
            evaluates,
            left,
            scope: scope(&words, evaluates),
            places: ObjectPlaces::of(&words),
            takes_away: takes_away(&words, evaluates),
            is_repeatable: !outlasts_rollback(&words),
        }
    }
}

/// What code and expressions a statement evaluates.
fn evaluates(words: &[SqlWord<'_>]) -> Evaluation {
    let Some(first) = words.first() else { return Inert };
    // An unterminated quote, or a name with escapes, may be anything.
    if words.iter().any(|word| word.has_no_certain_end() || word.is_unclear() && !word.is_string())
    {
        return Code;
    }
    match first.keyword().as_str() {
        "CREATE" => definition::create(words),
        "ALTER" => definition::alter(words),
        "DROP" => definition::drop(words),
        "SET" => definition::set(words),
        "SELECT" => definition::select(words),
        "INSERT" | "UPDATE" | "DELETE" => definition::rows(words),
        // The description of an object is text, and a query of `COPY` is not read.
        "COMMENT" | "GRANT" | "REVOKE" | "LOCK" => Inert,
        _ => Code,
    }
}

fn is_local(words: &[SqlWord<'_>]) -> bool {
    is(words, 0, "SET") && any_of(words, 1, &["LOCAL", "TRANSACTION", "CONSTRAINTS"])
        || mentions(words, &|words| words[0].is("set_config"))
}

/// In its own text, or in the code of a block or a function.
fn takes_away(words: &[SqlWord<'_>], evaluates: Evaluation) -> Certainty {
    const CALLS: [&str; 6] = ["CALL", "DO", "EXECUTE", "SELECT", "VALUES", "WITH"];
    let says = mentions(words, &|words| {
        any_of(words, 0, &["DETACH", "DROP", "OWNED", "OWNER", "RENAME", "REVOKE"])
            || is(words, 0, "SET") && is(words, 1, "SCHEMA")
    });
    match says {
        true => Certainty::Yes,
        false if evaluates == Code && any_of(words, 0, &CALLS) => Certainty::Unknown,
        false => Certainty::No,
    }
}

/// Whether a rollback does not undo it: a sequence has advanced, another server has committed. A value passed on by `RETURNING`
/// may come from a sequence.
fn outlasts_rollback(words: &[SqlWord<'_>]) -> bool {
    runs_now(words)
        && mentions(words, &|words| {
            let calls = words.get(1).is_some_and(|open| open.text() == "(");
            words[0].is("RETURNING")
                || words[0].is("PROGRAM")
                || calls && words[0].identifier().is_some_and(|name| is_lasting(&name))
        })
}

/// Functions of sequences, and those that send data to another server.
fn is_lasting(function: &str) -> bool {
    ["currval", "lastval", "nextval", "setval"].contains(&function)
        || function.starts_with("dblink")
}

fn makes_hidden_code(words: &[SqlWord<'_>]) -> bool {
    mentions(words, &|words| {
        let made = after(words, &["CREATE"]).map(|rest| without(rest, &["OR", "REPLACE"]));
        let is_namesake = |rest: &[SqlWord<'_>]| {
            object_name(&rest[1..])
                .is_some_and(|(function, _)| known_functions().any(|name| name == function.name))
        };
        let is_called_unnamed = made.is_some_and(|rest| {
            any_of(rest, 0, &["CAST", "OPERATOR"]) || is(rest, 0, "FUNCTION") && is_namesake(rest)
        });
        is_called_unnamed
            || is(words, 0, "EVENT") && is(words, 1, "TRIGGER")
            || any_of(words, 0, &["CREATE", "ALTER"]) && is(words, 1, "EXTENSION")
            || is(words, 0, "ALTER")
                && any_of(words, 1, &["FUNCTION", "ROUTINE"])
                && top_level_keyword(words, "RENAME").is_some()
    })
}

/// `CREATE [OR REPLACE] [CONSTRAINT] TRIGGER … ON t`, `CREATE RULE … TO t`, `CREATE INDEX … ON t`, `ALTER TABLE t …`; of a
/// block, those in its code.
fn changed_tables(words: &[SqlWord<'_>]) -> Vec<String> {
    let mut tables = Vec::new();
    statements_in_code(words, &mut |words| tables.extend(changed_table(to_semicolon(words))));
    tables
}

fn changed_table(words: &[SqlWord<'_>]) -> Option<String> {
    let table =
        |words| object_name(words).map(|(table, _)| table.name).or_else(|| Some(String::new()));
    let name_behind = |keyword| {
        let at = top_level_keyword(words, keyword)?;
        table(without(&words[at + 1..], &["ONLY"]))
    };
    if is(words, 0, "CREATE") {
        const SKIPPED: [&str; 4] = ["OR", "REPLACE", "CONSTRAINT", "UNIQUE"];
        let is_skipped = |word: &SqlWord<'_>| SKIPPED.iter().any(|skipped| word.is(skipped));
        let kind = words.iter().skip(1).find(|word| !is_skipped(word))?;
        return match kind.keyword().as_str() {
            "TRIGGER" | "INDEX" => name_behind("ON"),
            "RULE" => name_behind("TO"),
            _ => None,
        };
    }
    let rest = after(words, &["ALTER", "TABLE"])?;
    table(without(without(rest, &["IF", "EXISTS"]), &["ONLY"]))
}
