//! Side effects of a script: on its transaction, its session and other targets, and what it can observe of how it was sent. One
//! analysis of a script's tokens computes all of them, once for each script ([`effects`]).
//!
//! Only statements on a list of harmless ones are harmless. Statements that may run code outside of the text (`DO`, `CALL`,
//! `EXECUTE`, a function of the project, a statement that changes rows and may fire triggers) are unknown, and so are
//! statements that no list contains. Comments, letter case, and words in strings and quoted names never change a result.

mod concurrent;
mod definition;
mod expression;
mod place;
mod scope;
mod session;
mod statement;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod transaction;
mod vocabulary;

use std::ops::Range;

pub(crate) use concurrent::{ConcurrentCommand, IndexChange, ReindexKind};
pub(crate) use place::ObjectPlaces;
pub(crate) use statement::AnalysedStatement;
pub(crate) use syntax::ObjectName;
pub(crate) use transaction::{
    TransactionEffect, is_transaction_control, refuses_transaction, transaction_control,
};
pub(crate) use vocabulary::{is_before_parenthesis, known_functions};

use super::split::{Dialect, split};
use crate::model::{Script, ScriptLanguage};

/// Stands for the statements of a program, of which nothing is known: code that the text does not show.
const UNKNOWN_STATEMENT: &str = "CALL unknown();";

/// Whether a script has an effect. Where the effect would be unsafe, `Unknown` counts as `Yes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// The text proves that it does not have the effect.
    No,
    /// The text does not show it.
    Unknown,
    /// The text shows that it has the effect.
    Yes,
}

/// What a script can observe of the message and the transaction that it is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Observation {
    /// Nothing: its result is the same in any message.
    Nothing,
    /// The start time of its transaction (`now()`), which differs between messages.
    TransactionTime,
    /// Possibly anything: the message's text and time, the transaction id, other sessions.
    Anything,
}

/// What a statement evaluates, in ascending order: each may do everything that the ones before it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evaluation {
    /// Only code that is known to observe nothing.
    Inert,
    /// The start time of the transaction.
    TransactionTime,
    /// Code attached to the tables whose rows it changes: triggers, defaults, checks, rules.
    Rows,
    /// Code that is called and not part of the text, or an unknown statement.
    Code,
}

/// The analysis of one script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effects {
    statements: Vec<AnalysedStatement>,
    is_closed: bool,
}

/// The effects of a script, analysed at the first call and cached with it.
pub(crate) fn effects(script: &Script) -> &Effects {
    match script.language() {
        ScriptLanguage::Sql => script.analysed(Effects::of),
        ScriptLanguage::Python => script.analysed(|_| Effects::of(UNKNOWN_STATEMENT)),
    }
}

impl Effects {
    /// Analyses a text that is sent to the server.
    pub(crate) fn of(text: &str) -> Self {
        let split = split(text, Dialect::Server);
        let pieces = split.pieces.iter();
        let statements: Vec<_> =
            pieces.map(|piece| AnalysedStatement::of(text, piece.range())).collect();
        let is_closed = split.closed && statements.iter().all(|statement| statement.is_certain);
        Self { statements, is_closed }
    }

    /// The statements, in order.
    pub(crate) fn statements(&self) -> &[AnalysedStatement] {
        &self.statements
    }

    /// Whether nothing is left open at the end, and the last statement has a semicolon: SQL appended to the text keeps its
    /// meaning.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed && self.statements.last().is_none_or(|last| last.is_terminated)
    }

    /// What it can observe of the message and the transaction that it is sent in.
    pub(crate) fn observes(&self) -> Observation {
        match self.evaluates() {
            _ if !self.is_closed => Observation::Anything,
            Evaluation::Inert => Observation::Nothing,
            Evaluation::TransactionTime => Observation::TransactionTime,
            Evaluation::Rows | Evaluation::Code => Observation::Anything,
        }
    }

    /// Whether it may run code outside of its text: a function, a block, an unknown statement. Triggers do not count here.
    pub(crate) fn may_run_code(&self) -> bool {
        !self.is_closed || self.evaluates() == Evaluation::Code
    }

    fn evaluates(&self) -> Evaluation {
        self.most(|statement| statement.evaluates).unwrap_or(Evaluation::Inert)
    }

    /// Whether it contains `BEGIN`, `COMMIT`, `SAVEPOINT` or another transaction command.
    pub(crate) fn controls_transactions(&self) -> bool {
        self.statements.iter().any(|statement| statement.control.is_some())
    }

    /// The first `BEGIN`, `COMMIT` or `ROLLBACK`, in bytes of the text.
    pub(crate) fn first_transaction_bound(&self) -> Option<Range<usize>> {
        let is_bound = |statement: &&AnalysedStatement| {
            matches!(statement.control, Some(TransactionEffect::Begin | TransactionEffect::End))
        };
        self.statements.iter().find(is_bound).map(|statement| statement.range.clone())
    }

    /// Whether something that outlives its transaction remains in the session.
    pub(crate) fn leaves_in_session(&self) -> Certainty {
        self.answer(|statement| statement.left.anything)
    }

    /// Whether it changes the session's search path.
    pub(crate) fn moves_search_path(&self) -> Certainty {
        self.answer(|statement| statement.left.search_path)
    }

    /// The last statement that changes the search path in its own text, in bytes of the text.
    pub(crate) fn search_path_command(&self) -> Option<Range<usize>> {
        let moves = |statement: &&AnalysedStatement| statement.left.search_path == Certainty::Yes;
        self.statements.iter().rfind(moves).map(|statement| statement.range.clone())
    }

    /// Whether it changes the session's role.
    pub(crate) fn moves_role(&self) -> Certainty {
        self.answer(|statement| statement.left.role)
    }

    /// Whether it may cause code to run at later statements that do not name it: an event trigger, a trigger, default or index
    /// of the table `ledger`, or a function or operator with the name of one of PostgreSQL.
    pub(crate) fn may_watch(&self, ledger: &str) -> bool {
        let ledger = syntax::cut(ledger);
        self.statements.iter().any(|statement| {
            statement.makes_hidden_code
                || statement.changed_tables.iter().any(|table| *table == ledger || table.is_empty())
        })
    }

    /// Whether it names session-level advisory locks, in its statements or in the code of a function or a block.
    pub(crate) fn names_session_lock(&self) -> bool {
        self.statements.iter().any(|statement| statement.left.session_lock)
    }

    /// Whether it sets `lock_timeout`, for the transaction or the session.
    pub(crate) fn sets_lock_timeout(&self) -> Certainty {
        self.answer(|statement| statement.left.lock_timeout)
    }

    /// The commands with `CONCURRENTLY`, in order.
    pub(crate) fn concurrent_commands(&self) -> impl Iterator<Item = &ConcurrentCommand> {
        self.statements.iter().filter_map(|statement| statement.concurrent.as_ref())
    }

    /// Its changes to indexes by name, in order.
    pub(crate) fn index_changes(&self) -> impl Iterator<Item = &IndexChange> {
        self.statements.iter().filter_map(|statement| statement.index_change.as_ref())
    }

    /// Whether it changes objects shared by all databases of a server: roles and memberships, databases, tablespaces,
    /// subscriptions, server parameters.
    pub(crate) fn changes_cluster(&self) -> Certainty {
        self.answer(|statement| statement.scope.cluster)
    }

    /// Whether it changes objects shared by all schemas of a database: schemas, extensions, publications, languages, casts,
    /// foreign servers. An object with a schema-qualified name may be shared, and is `Unknown`.
    pub(crate) fn changes_database(&self) -> Certainty {
        self.answer(|statement| statement.scope.database)
    }

    /// The schemas of the objects that it defines, changes or drops.
    pub(crate) fn places(&self) -> ObjectPlaces {
        let mut all = ObjectPlaces::default();
        self.statements.iter().for_each(|statement| all.join(&statement.places));
        all
    }

    /// Whether it may remove or change what other scripts rely on: it drops, renames or moves an object, revokes a privilege,
    /// or creates a function that does. Code that it calls may do so.
    pub(crate) fn takes_away(&self) -> Certainty {
        self.answer(|statement| statement.takes_away)
    }

    /// Whether it does the same when it is executed again after a rollback, according to its text: it calls no sequence
    /// function, passes no generated value on, and accesses no other server.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.is_closed && self.statements.iter().all(|statement| statement.is_repeatable)
    }

    /// The strongest answer of the statements; for a text that is not closed, nothing is proven.
    fn answer(&self, of: impl Fn(&AnalysedStatement) -> Certainty) -> Certainty {
        let floor = if self.is_closed { Certainty::No } else { Certainty::Unknown };
        self.most(of).unwrap_or(floor).max(floor)
    }

    fn most<T: Ord>(&self, of: impl Fn(&AnalysedStatement) -> T) -> Option<T> {
        self.statements.iter().map(of).max()
    }
}
