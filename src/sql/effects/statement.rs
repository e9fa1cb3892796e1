//! The analysis of one statement.

use std::ops::Range;

use super::concurrent::{ConcurrentCommand, IndexChange, concurrent, index_change};
use super::scope::{Scope, scope};
use super::session::{Left, left};
use super::syntax::{any_of, is, mentions, object_name, top_level_keyword, without};
use super::transaction::{TransactionControl, commits_by_itself, control, refuses};
use super::{Evaluation, Evaluation::*, definition};
use crate::sql::words::{Word, words};

/// One statement of a script, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    /// In bytes of the script's text.
    pub(crate) range: Range<usize>,
    /// All its words have a certain end, so that the statement has one.
    pub(super) is_certain: bool,
    /// It ends with a semicolon.
    pub(super) is_terminated: bool,
    /// The transaction command that it is.
    pub(crate) control: Option<TransactionControl>,
    /// `COMMIT AND CHAIN`: the next transaction block begins at once.
    pub(crate) chains: bool,
    /// PostgreSQL refuses it in a transaction block.
    pub(crate) refuses_transaction: bool,
    /// Alone in its message it can commit in its middle.
    pub(crate) commits_by_itself: bool,
    /// Its first word, in capitals; empty if that is no keyword.
    pub(crate) verb: String,
    /// What lasts as long as a transaction: `SET LOCAL`, `SET TRANSACTION`, `SET CONSTRAINTS`, `set_config`.
    pub(crate) is_local_to_transaction: bool,
    /// The table that a trigger or a rule is made on, or whose triggers it changes.
    pub(super) trigger_on: Option<String>,
    /// It names event triggers, or brings an extension, which may have some.
    pub(super) makes_event_trigger: bool,
    pub(crate) concurrent: Option<ConcurrentCommand>,
    pub(crate) index_change: Option<IndexChange>,
    pub(super) evaluates: Evaluation,
    pub(super) left: Left,
    pub(super) scope: Scope,
}

impl Statement {
    pub(super) fn of(text: &str, range: Range<usize>) -> Self {
        let words: Vec<_> = words(&text[range.clone()]).collect();
        let evaluates = evaluates(&words);
        let left = left(&words, evaluates);
        Self {
            range,
            is_certain: !words.iter().any(Word::has_no_certain_end),
            is_terminated: words.last().is_some_and(|last| last.text() == ";"),
            control: control(words.iter().cloned()),
            chains: words.windows(2).any(|pair| pair[0].is("AND") && pair[1].is("CHAIN")),
            refuses_transaction: refuses(&words),
            commits_by_itself: commits_by_itself(&words),
            verb: words.first().map(Word::keyword).unwrap_or_default(),
            is_local_to_transaction: is_local(&words),
            trigger_on: trigger_on(&words),
            makes_event_trigger: makes_event_trigger(&words),
            concurrent: concurrent(&words),
            index_change: index_change(&words),
            evaluates,
            left,
            scope: scope(&words, evaluates),
        }
    }
}

/// What of code and expressions a statement evaluates.
fn evaluates(words: &[Word<'_>]) -> Evaluation {
    let Some(first) = words.first() else { return Inert };
    // A quote that nothing closes, or a name in escapes, may be anything.
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
        // The description of an object is text, whatever it says; and a query of `COPY` is not read.
        "COMMENT" | "GRANT" | "REVOKE" | "LOCK" => Inert,
        _ => Code,
    }
}

fn is_local(words: &[Word<'_>]) -> bool {
    is(words, 0, "SET") && any_of(words, 1, &["LOCAL", "TRANSACTION", "CONSTRAINTS"])
        || mentions(words, &|words| words[0].is("set_config"))
}

fn makes_event_trigger(words: &[Word<'_>]) -> bool {
    mentions(words, &|words| {
        is(words, 0, "EVENT") && is(words, 1, "TRIGGER")
            || any_of(words, 0, &["CREATE", "ALTER"]) && is(words, 1, "EXTENSION")
    })
}

/// `CREATE [OR REPLACE] [CONSTRAINT] TRIGGER … ON t`, `CREATE RULE … TO t`, `ALTER TABLE t ENABLE …`.
fn trigger_on(words: &[Word<'_>]) -> Option<String> {
    let table =
        |words| object_name(words).map(|(table, _)| table.name).or_else(|| Some(String::new()));
    let name_behind = |keyword| {
        let at = top_level_keyword(words, keyword)?;
        table(without(&words[at + 1..], &["ONLY"]))
    };
    if is(words, 0, "CREATE") {
        let kind = words
            .iter()
            .skip(1)
            .find(|word| !["OR", "REPLACE", "CONSTRAINT"].iter().any(|skipped| word.is(skipped)))?;
        return match kind.keyword().as_str() {
            "TRIGGER" => name_behind("ON"),
            "RULE" => name_behind("TO"),
            _ => None,
        };
    }
    if is(words, 0, "ALTER")
        && is(words, 1, "TABLE")
        && top_level_keyword(words, "ENABLE").is_some()
    {
        return table(without(without(&words[2..], &["IF", "EXISTS"]), &["ONLY"]));
    }
    None
}
