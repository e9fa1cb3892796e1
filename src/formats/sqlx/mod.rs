//! sqlx: `sqlx migrate run` and `sqlx::migrate!()`. Rules from sqlx 0.9.0, `sqlx-core/src/migrate/` and
//! `sqlx-postgres/src/migrate.rs`.
//!
//! - Files: `<version>_<description>.sql`, in the directory itself; `.up.sql` and `.down.sql` for reversible ones. The
//!   version is an `i64`; a name with `_` and `.sql` whose first part is no integer breaks the directory. Everything else
//!   is ignored. Sorted by version alone; a version that comes twice is applied twice, and the ledger's key stops it.
//!   (Two files with the same version and kind come in the order of the file system there, by name here. A version that
//!   has a down file alone counts as present there; here it is not seen.)
//! - A file that *begins with* `-- no-transaction`, at its first byte, runs outside of a transaction: as one message, so
//!   two statements still share an implicit one.
//! - The ledger is `_sqlx_migrations`, wherever the search path leads; `sqlx.toml` may name another. The row is written in
//!   the script's transaction. Its checksum is the SHA-384 of the text, less the `ignored-chars`.
//! - It refuses a ledger with an unfinished migration, then one with a version that has no file; and when it comes to an
//!   applied file that has been changed it stops there, *after* having applied what was pending before. Older pending
//!   files are applied without a word.
//!
//! sqlx writes `execution_time = -1` and updates it after the commit. Here the row has its time (in nanoseconds) at once;
//! outside of a transaction, where SQL cannot know the beginning, it is 0.

mod directory;
mod down;
mod execution;
mod file;
mod ledger;
mod next;
mod refusal;
#[cfg(test)]
mod tests;

/// The format `sqlx`.
#[derive(Debug)]
pub(crate) struct Sqlx;
