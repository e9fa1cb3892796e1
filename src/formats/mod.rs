//! Migration formats: one folder each, and one line in [`FORMATS`].
//!
//! A format implements the rules of one tool: which directories belong to it, how it names, orders and splits files, what it
//! sends to the server in which transaction, and what it writes to its ledger. It has no connection: it returns data
//! ([`QueryBatch`]s, SQL texts, decisions), and `replay` sends them. The rules of each tool, with their sources, are documented
//! in the files of its format.
//!
//! A format is three sets of rules: [`DirectoryRules`] (reading a directory), [`LedgerRules`] (the tool's version table) and
//! [`ExecutionRules`] (running migrations up and down). A caller takes the narrowest trait that it needs.
//!
//! To add a format: a folder here with a type that implements these three traits (in its files `directory.rs`, `ledger.rs` and
//! `execution.rs`), a line in [`FORMATS`], a section in `docs/formats.md`, cases in `tests/it/differential/` if the real tool
//! is available.

mod alembic;
mod client;
mod dbmate;
mod detect;
mod direction;
mod directory;
mod directory_rules;
mod down;
mod execution_rules;
mod format_error;
mod golang_migrate;
mod known_ledgers;
mod ledger;
mod ledger_rules;
mod next;
mod plain;
mod query_batch;
mod sqlx;
mod sqlx_toml;
mod step;
#[cfg(test)]
mod testing;
mod unsupported;

pub(crate) use alembic::{
    AlembicEnvironment, EnvironmentReads, IniSection, NamedRead, RevisionGraph,
    first_python_difference, sections as alembic_sections, suggest_argument, suggest_value,
    tool_table as alembic_tool_table,
};
pub(crate) use client::ClientLibrary;
pub(crate) use detect::{DetectedFormat, detect_format};
pub(crate) use direction::{AllowedDirection, LoadedDirectory, load, unknown_names};
pub(crate) use directory::Directory;
pub(crate) use directory_rules::{Detection, DirectoryRules};
pub(crate) use down::{DownDecision, DownRefusal, DownTo};
pub(crate) use execution_rules::{Decision, ExecutionRules};
pub(crate) use format_error::FormatError;
pub(crate) use known_ledgers::{
    LEDGER_COLUMNS, LEDGERS, TOOL_SCHEMAS, ledger_names, ledger_owner, ledger_shape,
};
pub(crate) use ledger::{Ledger, LedgerRow};
pub(crate) use ledger_rules::{DirtyRow, LedgerRules};
pub(crate) use next::{MigrationName, NewFile, NextError, next_files};
pub(crate) use query_batch::{Fragment, IN_TRANSACTION, Located, QueryBatch};
pub(crate) use step::{
    is_one_transaction, keeps_the_session, leaves_changes, rolls_back_completely, scripts,
    search_path_command, separated, transaction_command, transaction_warnings,
};

/// All formats, in the order in which messages list them.
pub(crate) static FORMATS: &[&dyn Format] = &[
    &self::sqlx::Sqlx,
    &dbmate::Dbmate,
    &golang_migrate::GolangMigrate,
    &alembic::Alembic,
    &plain::Plain,
];

/// All rules of one migration tool.
pub(crate) trait Format: DirectoryRules + LedgerRules + ExecutionRules {}

impl<T: DirectoryRules + LedgerRules + ExecutionRules> Format for T {}
