//! What has to be known about SQL text without a server: where statements begin and end, positions, quoting.

mod classify;
mod do_block;
mod own_schema;
mod position;
mod quote;
mod split;
mod tokens;
mod variables;
mod words;

pub(crate) use classify::{
    TransactionControl, commits_by_itself, is_transaction_control, moves_search_path,
    refuses_transaction, transaction_control,
};
pub(crate) use do_block::{do_block_line, do_block_offset};
pub(crate) use own_schema::{OWN_SCHEMA, without_own_schema};
pub(crate) use position::{LineIndex, excerpt_at, place_in};
pub(crate) use quote::{quote_bytes, quote_identifier, quote_literal};
pub(crate) use split::{CopyProblem, Dialect, Piece, Split, split};
pub(crate) use variables::first_variable;
pub(crate) use words::{Word, begins_with, first_difference, words};
