//! Analysis of SQL text without a server: statement boundaries, positions, quoting, effects.

mod comments;
mod do_block;
mod effects;
mod if_not_exists;
mod mention;
mod own_schema;
mod position;
mod quote;
mod split;
mod tokens;
mod variables;
mod words;

pub(crate) use comments::{Outline, SqlComment, outline};
pub(crate) use do_block::{do_block_line, do_block_offset};
pub(crate) use effects::{
    AnalysedStatement, Certainty, ConcurrentCommand, Effects, IndexChange, ObjectName,
    ObjectPlaces, Observation, ReindexKind, effects, is_before_parenthesis, known_functions,
};
pub(crate) use effects::{
    TransactionEffect, is_transaction_control, refuses_transaction, transaction_control,
};
pub(crate) use if_not_exists::{GuardedObject, Guards, guards};
pub(crate) use mention::first_mention;
pub(crate) use own_schema::{OWN_SCHEMA, without_own_schema};
pub(crate) use position::{LineIndex, excerpt_at, place_in, place_of_line};
pub(crate) use quote::{quote_bytes, quote_identifier, quote_literal};
pub(crate) use split::{CopyProblem, Dialect, Piece, Split, split};
pub(crate) use variables::first_variable;
pub(crate) use words::{SqlWord, begins_with, first_difference, words};
