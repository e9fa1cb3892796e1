//! golang-migrate: `migrate up`. Rules from `golang-migrate/migrate` v4: `source/{parse,migration}.go`, `migrate.go`,
//! `database/postgres/postgres.go`.
//!
//! - Files: `^([0-9]+)_(.*)\.(down|up)\.(.*)$`, with any last extension, directly in the directory; the version is a 64-bit
//!   number. Everything else is ignored. Two files for one version and direction are an error. A version with only a down file
//!   is also applied, without effect.
//! - The ledger is `schema_migrations`, in the first schema of the search path when the tool starts. It holds **one** row, the
//!   current version: only greater versions are applied. An older file that is added later is silently never applied.
//! - Around each migration the row is replaced (`TRUNCATE`, `INSERT`, in a transaction): first by one that is `dirty`,
//!   afterwards by one that is not. The tool refuses a dirty row, and a current version without a file.
//! - A file is sent as one message, without an explicit transaction: its statements share an implicit one, and `CREATE INDEX
//!   CONCURRENTLY` has to be the only statement of its file. An empty file is not sent.
//!
//! On real databases a step and its row share a transaction if the script allows it: see `atomic.rs`.
//! (`x-multi-statement=true`, which splits files at every semicolon, is not supported.)

mod atomic;
mod directory;
mod down;
mod execution;
mod file;
mod ledger;
mod next;
#[cfg(test)]
mod tests;
mod up;
mod version;

/// The format `golang-migrate`.
#[derive(Debug)]
pub(crate) struct GolangMigrate;
