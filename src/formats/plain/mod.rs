//! Plain SQL files, without a tool. The rules are those of mig-ci, close to `psql -1 -f`:
//!
//! - Migrations are the `*.sql` files directly in the directory. The version is the file's name without `.sql`. Their order is
//!   that of their names, by bytes (`lexical`) or with numbers by value (`natural`); if the two differ, `order` is required.
//! - Each file runs in a transaction together with its row in the ledger, unless its first line is `-- mig-ci: no-transaction`:
//!   then each of its statements is sent separately, as by psql without `-1` does. A byte-order mark is skipped, as by psql.
//! - The files contain only SQL: psql's commands, the variables that it sets itself, and the data of `COPY … FROM stdin` are
//!   refused. (psql sends a `:name` without a value unchanged.)
//! - The ledger is `mig_ci_migrations`, always addressed by its qualified name. It has the SHA-256 of the file; an applied file
//!   that was changed or removed stops the run before anything is applied. A pending file older than applied ones is applied.

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
