//! sqlx: `sqlx migrate run` and `sqlx::migrate!()`. Rules from sqlx 0.9.0, `sqlx-core/src/migrate/` and
//! `sqlx-postgres/src/migrate.rs`.
//!
//! - Files: `<version>_<description>.sql`, directly in the directory; `.up.sql` and `.down.sql` for reversible ones. The
//!   version is an `i64`; a name with `_` and `.sql` whose first part is not an integer is an error. Everything else is
//!   ignored. Sorted by version only; a duplicate version is applied twice, and fails on the ledger's key. (Two files with the
//!   same version and kind are in the order of the file system there, sorted by name here. A version with only a down file
//!   counts as present there; here it is ignored.)
//! - A file that *begins with* `-- no-transaction`, at its first byte, runs without an explicit transaction, as one message:
//!   two statements still share an implicit one.
//! - The ledger is `_sqlx_migrations`, in the first schema of the search path; `sqlx.toml` can set another name. The row is
//!   written in the script's transaction. Its checksum is the SHA-384 of the text, less the `ignored-chars`.
//! - It refuses a ledger with an unfinished migration, then one with a version that has no file; and when it reaches an applied
//!   file that was changed it stops there, *after* having applied the pending files before it. Older pending files are silently
//!   applied.
//!
//! sqlx writes `execution_time = -1` and updates it after the commit. Here the row contains its time (in nanoseconds)
//! immediately; outside of a transaction, where SQL cannot read the start time, it is 0.

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
