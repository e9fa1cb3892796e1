//! What a script does besides what it is for: to its transaction, its session, other targets, and what it can see of how it
//! was sent. One analysis of a script's tokens answers all of that; it is made once for each script ([`effects`]).
//!
//! Only what is on a list of harmless things is harmless. What may run code that the text does not show (`DO`, `CALL`,
//! `EXECUTE`, a function of the project's, a statement that changes rows and so may fire triggers) is unknown, and so is a
//! statement that no list has. Comments, letter case, and words in strings and quoted names never change an answer.

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
pub(crate) use vocabulary::known_functions;

use super::split::{Dialect, split};
use crate::model::Script;

/// Whether a script has an effect. Whoever cannot afford the effect treats `Unknown` as `Yes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// The text proves that it has not.
    No,
    /// The text does not tell.
    Unknown,
    /// The text says so.
    Yes,
}

/// What a script can see of the message and the transaction that it is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Observation {
    /// Nothing: it does the same in any message.
    Nothing,
    /// The time at which its transaction began (`now()`), which is another one for each message.
    TransactionTime,
    /// Anything, as far as the text tells: the message's text and time, the transaction's number, other sessions.
    Anything,
}

/// What of expressions and code a statement evaluates. In their order: each may do what those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evaluation {
    /// Nothing but what is known not to look around.
    Inert,
    /// The time at which the transaction began.
    TransactionTime,
    /// What the tables whose rows it changes bring with them: triggers, defaults, checks, rules.
    Rows,
    /// Code that the text calls and does not show, or a statement that is not known.
    Code,
}

/// The analysis of one script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effects {
    statements: Vec<AnalysedStatement>,
    is_closed: bool,
}

/// The effects of a script, analysed at the first call and kept with it.
pub(crate) fn effects(script: &Script) -> &Effects {
    script.analysed(Effects::of)
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

    /// The statements, in their order.
    pub(crate) fn statements(&self) -> &[AnalysedStatement] {
        &self.statements
    }

    /// Nothing is left open at the end, and the last statement has its semicolon: SQL behind the text keeps its meaning.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed && self.statements.last().is_none_or(|last| last.is_terminated)
    }

    /// What it can see of the message and the transaction that it is sent in.
    pub(crate) fn observes(&self) -> Observation {
        match self.evaluates() {
            _ if !self.is_closed => Observation::Anything,
            Evaluation::Inert => Observation::Nothing,
            Evaluation::TransactionTime => Observation::TransactionTime,
            Evaluation::Rows | Evaluation::Code => Observation::Anything,
        }
    }

    /// It may run code that its text does not show: a function, a block, a statement that is not known. Triggers do not
    /// count here.
    pub(crate) fn may_run_code(&self) -> bool {
        !self.is_closed || self.evaluates() == Evaluation::Code
    }

    fn evaluates(&self) -> Evaluation {
        self.most(|statement| statement.evaluates).unwrap_or(Evaluation::Inert)
    }

    /// It has `BEGIN`, `COMMIT`, `SAVEPOINT` or another transaction command.
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

    /// Something that outlives its transaction stays in the session.
    pub(crate) fn leaves_in_session(&self) -> Certainty {
        self.answer(|statement| statement.left.anything)
    }

    /// The session's search path is another one afterwards.
    pub(crate) fn moves_search_path(&self) -> Certainty {
        self.answer(|statement| statement.left.search_path)
    }

    /// The last statement that moves the search path by its own text, in bytes of the text.
    pub(crate) fn search_path_command(&self) -> Option<Range<usize>> {
        let moves = |statement: &&AnalysedStatement| statement.left.search_path == Certainty::Yes;
        self.statements.iter().rfind(moves).map(|statement| statement.range.clone())
    }

    /// The session's role is another one afterwards.
    pub(crate) fn moves_role(&self) -> Certainty {
        self.answer(|statement| statement.left.role)
    }

    /// It may make code run at later statements that do not name it: an event trigger, what belongs to the rows of the table
    /// `ledger`, or a namesake of a function or an operator of PostgreSQL's own.
    pub(crate) fn may_watch(&self, ledger: &str) -> bool {
        let ledger = syntax::cut(ledger);
        self.statements.iter().any(|statement| {
            statement.makes_hidden_code
                || statement.changed_tables.iter().any(|table| *table == ledger || table.is_empty())
        })
    }

    /// It names advisory locks of the session, in its statements or in the code of a function or a block.
    pub(crate) fn names_session_lock(&self) -> bool {
        self.statements.iter().any(|statement| statement.left.session_lock)
    }

    /// It sets `lock_timeout`, for the transaction or the session.
    pub(crate) fn sets_lock_timeout(&self) -> Certainty {
        self.answer(|statement| statement.left.lock_timeout)
    }

    /// The commands with `CONCURRENTLY`, in their order.
    pub(crate) fn concurrent_commands(&self) -> impl Iterator<Item = &ConcurrentCommand> {
        self.statements.iter().filter_map(|statement| statement.concurrent.as_ref())
    }

    /// What it does to indexes by their names, in its order.
    pub(crate) fn index_changes(&self) -> impl Iterator<Item = &IndexChange> {
        self.statements.iter().filter_map(|statement| statement.index_change.as_ref())
    }

    /// It changes what all databases of a server share: roles and memberships, databases, tablespaces, subscriptions,
    /// parameters of the server.
    pub(crate) fn changes_cluster(&self) -> Certainty {
        self.answer(|statement| statement.scope.cluster)
    }

    /// It changes what all schemas of a database share: schemas, extensions, publications, languages, casts, servers. An
    /// object that is named with its schema may be one of those, and is `Unknown`.
    pub(crate) fn changes_database(&self) -> Certainty {
        self.answer(|statement| statement.scope.database)
    }

    /// Where the objects are that it defines, changes or drops.
    pub(crate) fn places(&self) -> ObjectPlaces {
        let mut all = ObjectPlaces::default();
        self.statements.iter().for_each(|statement| all.join(&statement.places));
        all
    }

    /// What others may rely on is gone or another one afterwards: it drops, renames or moves an object or takes a right away,
    /// or it brings a function that does. Code that it calls and does not show may do so.
    pub(crate) fn takes_away(&self) -> Certainty {
        self.answer(|statement| statement.takes_away)
    }

    /// It does the same when it is executed again after it was rolled back, as far as its text tells: it uses no sequence by
    /// a function, hands no generated value on, and reaches no other server.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.is_closed && self.statements.iter().all(|statement| statement.is_repeatable)
    }

    /// The strongest answer of the statements; of a text that is not closed, nothing is proven.
    fn answer(&self, of: impl Fn(&AnalysedStatement) -> Certainty) -> Certainty {
        let floor = if self.is_closed { Certainty::No } else { Certainty::Unknown };
        self.most(of).unwrap_or(floor).max(floor)
    }

    fn most<T: Ord>(&self, of: impl Fn(&AnalysedStatement) -> T) -> Option<T> {
        self.statements.iter().map(of).max()
    }
}
