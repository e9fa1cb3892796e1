//! dbmate: `dbmate up`, `dbmate migrate`. Rules from its source (`pkg/dbmate/{db,migration}.go`,
//! `pkg/driver/postgres/postgres.go`), and from the behaviour of dbmate 2.36.0 on PostgreSQL 15:
//!
//! | migration | dbmate |
//! |---|---|
//! | files `10_a.sql` and `9_a.sql` | `10_a.sql` first: sorted by name |
//! | `1.sql`, `2foo.sql` | migrations; the version is the leading digits unchanged (`1` is not `01`) |
//! | two files with one version, or two sections in one file | the second fails on the ledger's key, the first stays |
//! | no `-- migrate:up`, no `-- migrate:down`, two downs in a row, a statement before the first up | refused with dbmate's own message, but only when that file is reached |
//! | a byte-order mark before the first marker | as without a marker |
//! | an empty section | applied |
//! | its own `COMMIT` or `ROLLBACK` | the rest runs, the ledger's row is written, then "unexpected transaction status idle": stops, with the row in the ledger |
//! | its own `BEGIN` | a warning |
//! | `COMMIT; BEGIN;` | applied |
//! | `transaction:false` with two statements, one of them `CREATE INDEX CONCURRENTLY` | the server refuses: one message, one implicit transaction |
//! | `transaction:false` with `BEGIN` and no `COMMIT` | "applied", then the next one: "unexpected transaction status idle in transaction"; without a next one exit code 0, and nothing has happened |
//! | `Transaction:false` | no effect: options are case-sensitive |
//! | `set_config('search_path', '', false)` | its row is written (see below); the next migration has no schema to create in |
//! | a version in the ledger without a file | ignored |
//! | a pending version older than an applied one | applied (refused with `--strict`) |
//!
//! A file that dbmate would refuse when it reaches it is refused here with its line, before anything runs.
//!
//! The section is sent unchanged, with its marker line. `BEGIN READ WRITE` is what `lib/pq` sends.
//!
//! The ledger is `schema_migrations` in the first schema of the URL's `search_path`; this selects a tenant's schema. Without
//! one in the URL, dbmate reads `current_schema()` *each time*, so a script that changes the session's search path makes it
//! write to another schema; if the path is empty, to `public`. Targets named `public` are treated as databases whose URL has
//! none.

mod directory;
mod down;
mod execution;
mod file;
mod ledger;
mod next;
mod sections;
#[cfg(test)]
mod tests;

pub(super) use directory::marked;

/// The format `dbmate`.
#[derive(Debug)]
pub(crate) struct Dbmate;
