//! Migration formats: one folder each, and one line in [`FORMATS`].
//!
//! A format knows everything about one tool: which directories are its own, how it names, orders and splits files, what
//! it sends to the server in which transaction, and what it writes into its ledger. It holds no connection: it answers
//! with data ([`QueryBatch`]s, SQL texts, decisions), and `replay` sends them. The rules of each tool, with their sources,
//! stand in the files of its format.
//!
//! To add a format: a folder here with a type that implements [`Format`], a line in [`FORMATS`], a section in
//! `docs/formats.md`, cases in `tests/it/differential/` if the real tool can be had.

mod client;
mod dbmate;
mod detect;
mod direction;
mod directory;
mod down;
mod golang_migrate;
mod known_ledgers;
mod ledger;
mod next;
mod plain;
mod query_batch;
mod sqlx;
mod sqlx_toml;
mod step;
#[cfg(test)]
mod testing;
mod unsupported;

use std::borrow::Cow;
use std::time::SystemTime;

use camino::Utf8PathBuf;

pub(crate) use client::ClientLibrary;
pub(crate) use detect::detect_format;
pub(crate) use direction::{AllowedDirection, LoadedDirectory, load, unknown_names};
pub(crate) use directory::Directory;
pub(crate) use down::{DownDecision, DownRefusal, DownTo};
pub(crate) use known_ledgers::{
    LEDGER_COLUMNS, LEDGERS, TOOL_SCHEMAS, ledger_names, ledger_owner, ledger_shape,
};
pub(crate) use ledger::{Ledger, LedgerRow};
pub(crate) use next::{MigrationName, NewFile, NextError, next_files};
pub(crate) use query_batch::{Fragment, IN_TRANSACTION, Located, QueryBatch};
pub(crate) use step::{
    is_one_transaction, keeps_the_session, leaves_something, rolls_back_whole, scripts,
    search_path_command, separated, transaction_command, transaction_warnings,
};

use crate::model::{FilesError, Migration};

/// All formats, in the order in which they are named to the user.
pub(crate) static FORMATS: &[&dyn Format] =
    &[&self::sqlx::Sqlx, &dbmate::Dbmate, &golang_migrate::GolangMigrate, &plain::Plain];

/// A ledger's mark that a step was begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BegunMark<'a> {
    /// The ledger's rows.
    pub(crate) rows: &'a [LedgerRow],
    /// The version of the mark; none below the first one.
    pub(crate) version: Option<&'a str>,
    /// The version that the ledger had before.
    pub(crate) before: Option<&'a str>,
}

/// One migration tool's directory layout, execution rules and ledger.
pub(crate) trait Format: Sync + std::fmt::Debug {
    /// The name in `format = "…"` and in reports.
    fn name(&self) -> &'static str;

    /// The tool's way to connect: `lib/pq`, which most tools in Go have, unless a format says otherwise.
    fn client(&self) -> ClientLibrary {
        ClientLibrary::LibPq
    }

    /// Is this directory of this format? Only ever a look at names, texts and the project's own files.
    fn detect(&self, directory: &Directory<'_>) -> Result<Detection, FormatError>;

    /// A file's name without what the format reads as its ending: of `1_a.up.sql`, `1_a` where the tool has up files, and
    /// else `1_a.up`.
    fn stem<'n>(&self, name: &'n str) -> Option<&'n str> {
        Some(name.rsplit_once('.').map_or(name, |(stem, _)| stem))
    }

    /// Reads all migrations, in the order in which the tool goes through them.
    ///
    /// [`FormatError::NoMigrations`] if there are none: for a base that has no such directory yet that is no error.
    fn load(&self, directory: &Directory<'_>) -> Result<Vec<Migration>, FormatError>;

    /// The ledger that the tool uses where the search path begins with `schema`.
    fn ledger(&self, directory: &Directory<'_>, schema: &str) -> Result<Ledger, FormatError>;

    /// What the tool sends before its first migration: makes its ledger if it is not there.
    fn ensure_ledger(&self, ledger: &Ledger) -> Vec<QueryBatch>;

    /// A query for all of the ledger's rows: columns `version text`, `checksum bytea` (or null), `complete boolean`.
    /// It names the ledger by its qualified name, and orders the rows from the oldest version to the newest.
    fn ledger_rows(&self, ledger: &Ledger) -> String;

    /// The rows as one for each migration that they show, the oldest first. A ledger of one row, the current version, stands
    /// for all files below it.
    fn history<'r>(
        &self,
        rows: &'r [LedgerRow],
        _migrations: &[Migration],
    ) -> Cow<'r, [LedgerRow]> {
        Cow::Borrowed(rows)
    }

    /// What the tool would do now: the part of its algorithm between reading the ledger and the first script.
    fn decide(&self, rows: &[LedgerRow], migrations: &[Migration]) -> Decision;

    /// What the tool sends to apply one migration, ledger row included, in as few messages as its semantics allow.
    /// Before each message its [`QueryBatch::demand`] has to be met, else the tool stops there, in those words.
    fn apply(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch>;

    /// As [`Format::apply`], for a database that matters: where the tool marks a step as begun and as ended in transactions
    /// of their own, the step and its row are one, if its script allows that. Whoever is killed in between has done nothing
    /// then, and what the tool finds in the end is the same.
    fn apply_atomic(&self, migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
        self.apply(migration, ledger)
    }

    /// Takes back the ledger's mark that a step was begun, which had no effect. `None` where the rows are not exactly that.
    fn clear_begun_mark(&self, _mark: &BegunMark<'_>, _ledger: &Ledger) -> Option<QueryBatch> {
        None
    }

    /// What the tool would undo, and what keeps it from it.
    ///
    /// # Errors
    /// The tool does not begin, or there is no such target.
    fn decide_down(
        &self,
        rows: &[LedgerRow],
        migrations: &[Migration],
        to: &DownTo,
    ) -> Result<DownDecision, DownRefusal>;

    /// What the tool sends to undo one migration, the end of its ledger row included; as for [`Format::apply`]. `below` is
    /// the migration before it in the tool's order, which a ledger of one row goes back to. Nothing where the tool leaves
    /// a migration as it is, having no down script.
    fn revert(
        &self,
        migration: &Migration,
        below: Option<&Migration>,
        ledger: &Ledger,
    ) -> Vec<QueryBatch>;

    /// As [`Format::revert`], in the way of [`Format::apply_atomic`].
    fn revert_atomic(
        &self,
        migration: &Migration,
        below: Option<&Migration>,
        ledger: &Ledger,
    ) -> Vec<QueryBatch> {
        self.revert(migration, below, ledger)
    }

    /// Whether the ledger holds the current version alone, and nothing of how it came there.
    fn keeps_one_row(&self) -> bool {
        false
    }

    /// Indices of migrations of which the rows do not tell whether they are there: a step to or from them was begun, and has
    /// not ended.
    fn in_doubt(&self, _rows: &[LedgerRow], _migrations: &[Migration]) -> Vec<usize> {
        Vec::new()
    }

    /// What to do about such rows, for a person who can look at what is there.
    fn recovery_hint(
        &self,
        _rows: &[LedgerRow],
        _migrations: &[Migration],
        _ledger: &Ledger,
    ) -> Option<String> {
        None
    }

    /// The files of its next migration, as the tool itself would make them: named, numbered and begun. `slug` is what it is
    /// about. They are not looked at yet: that is [`next_files`].
    fn next_files(
        &self,
        directory: &Directory<'_>,
        slug: &MigrationName,
        now: SystemTime,
    ) -> Result<Vec<NewFile>, FormatError>;

    /// An SQL expression, true if the ledger (by its qualified name) shows the migration as applied.
    fn is_applied_expr(&self, migration: &Migration, ledger: &Ledger) -> String;

    /// SQL that makes the ledger say "stands after the last of these, with all of them applied", without running them.
    /// For samples that come without a ledger, once [`Format::ensure_ledger`] has made one. Qualified names only; empty
    /// where there is nothing to say.
    fn stamp(&self, migrations: &[&Migration], ledger: &Ledger) -> String;
}

/// A format's claim on a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detection {
    /// Not of this format.
    No,
    /// Any tool's: only if nobody else claims it. The reason reads after "because".
    Fallback(String),
    /// The names fit, but they fit other formats too. The reason reads after "because".
    Possible(String),
    /// Something in it, or beside it, that only this tool has. The reason reads after "because".
    Certain(String),
}

/// What a tool would do with a directory and a ledger as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Indices of the migrations that it applies, in its order.
    pub(crate) apply: Vec<usize>,
    /// Why it stops after those, in its own words as far as possible.
    pub(crate) refusal: Option<String>,
    /// Index of the migration that the refusal is about, if its file is there.
    pub(crate) refused: Option<usize>,
    /// Indices of migrations that the ledger does not show and that the tool will never apply, without saying so.
    ///
    /// A ledger of one row (golang-migrate) shows the current version alone: here are all that lie below it, and the
    /// caller, who knows the base, drops those that were there before.
    pub(crate) passed_over: Vec<usize>,
}

impl Decision {
    /// Writes to the log what was read of the ledger, and what follows from it.
    pub(crate) fn log(&self, rows: &[LedgerRow], migrations: &[Migration]) {
        let newest = rows.last().map(|row| row.version.as_str());
        tracing::debug!(rows = rows.len(), newest, "ledger read");
        let versions = || self.apply.iter().map(|index| &*migrations[*index].version);
        let refusal = self.refusal.as_deref();
        tracing::debug!(apply = ?versions().collect::<Vec<_>>(), refusal, "decision");
    }
}

/// A directory that the tool itself could not use, or that mig-ci does not understand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormatError {
    #[error(transparent)]
    Files(#[from] FilesError),
    /// One file is at fault.
    #[error("{path}{}: {problem}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
    File { path: Utf8PathBuf, line: Option<usize>, problem: String, help: Option<String> },
    /// The directory as a whole is.
    #[error("{path}: {problem}")]
    Directory { path: Utf8PathBuf, problem: String, help: Option<String> },
    /// A part of it would run in the wrong direction, or so it seems.
    #[error("{path}{}: {problem}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
    Direction { path: Utf8PathBuf, line: Option<usize>, problem: String, help: String },
    /// There is nothing in it to run.
    #[error("no migrations found in {path}: {found}")]
    NoMigrations { path: Utf8PathBuf, found: String },
}

impl FormatError {
    /// What to do about it, where that is not plain from the message.
    pub(crate) fn help(&self) -> Option<&str> {
        match self {
            Self::Files(_) | Self::NoMigrations { .. } => None,
            Self::Direction { help, .. } => Some(help),
            Self::File { help, .. } | Self::Directory { help, .. } => help.as_deref(),
        }
    }
}

/// The format of a directory, and how it was found out.
#[derive(Debug, Clone)]
pub(crate) struct DetectedFormat {
    pub(crate) format: &'static dyn Format,
    /// Reads after "because".
    pub(crate) reason: String,
}
