//! golang-migrate: `migrate up`. Rules from `golang-migrate/migrate` v4: `source/{parse,migration}.go`, `migrate.go`,
//! `database/postgres/postgres.go`.
//!
//! - Files: `^([0-9]+)_(.*)\.(down|up)\.(.*)$`, whatever their last extension, in the directory itself; the version is a
//!   64-bit number. Everything else is ignored. Two files for one version and direction are an error. A version that has
//!   a down file alone is applied too: it does nothing.
//! - The ledger is `schema_migrations`, in the session's first schema when the tool starts. It holds **one** row, the
//!   current version: only greater ones are applied, and an older file that comes late never is. Nobody says so.
//! - Around each migration the row is replaced (`TRUNCATE`, `INSERT`, in a transaction): first by one that is `dirty`,
//!   afterwards by one that is not. A dirty row stops the tool, and so does a current version that has no file.
//! - A file is sent as one message, without a transaction of its own: its statements share an implicit one, and
//!   `CREATE INDEX CONCURRENTLY` has to be alone in its file. An empty file is not sent.
//!
//! For real databases a step and its row are one transaction where the script allows that: see `atomic.rs`.
//! (`x-multi-statement=true`, which cuts files at every semicolon, is not followed.)

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
