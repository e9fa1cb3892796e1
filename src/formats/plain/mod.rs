//! Plain SQL files, without a tool. The rules are our own, close to `psql -1 -f`:
//!
//! - Migrations are the `*.sql` files in the directory itself. The version is the file's name without `.sql`. Their order
//!   is that of their names, by bytes (`lexical`) or with numbers by value (`natural`); where the two differ, `order` has
//!   to say which.
//! - Each file runs in a transaction, together with its row in the ledger; unless its first line is
//!   `-- mig-ci: no-transaction`: then each of its statements is sent on its own, as psql without `-1` does. A byte-order
//!   mark is skipped, as psql does.
//! - The files are SQL alone: psql's commands, the variables that it sets itself, and the data of `COPY … FROM stdin` are
//!   refused. (Of `:name` psql leaves alone what has no value, and so the server gets it.)
//! - The ledger is `mig_ci_migrations`, always addressed by its qualified name. It has the SHA-256 of the file; an applied
//!   file that was changed, or that is gone, stops the run before anything is applied. A pending file older than applied
//!   ones is applied.

mod directory;
mod down;
mod execution;
mod ledger;
mod next;
mod order;
mod refusal;
#[cfg(test)]
mod tests;

/// The format `plain`.
#[derive(Debug)]
pub(crate) struct Plain;
