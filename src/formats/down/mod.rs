//! What a tool reverts, and what prevents it: the parts common to all formats. The tool's own rules are in the `down.rs` of its
//! format.

#[cfg(test)]
mod differential_tests;

use crate::model::{Migration, Script};
use crate::sql::{Dialect, split};

/// The target of a downgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownTo {
    /// This number of migrations, the newest first.
    Steps(usize),
    /// Everything after this version, which remains applied.
    Version(String),
    /// Everything.
    Base,
}

/// What a tool would revert in a target with its current ledger.
///
/// A tool relies on its ledger and the scripts: it removes the row of a migration whose script does nothing, and sqlx skips a
/// migration without a down script and reverts the ones before it. Cases that the tool handles silently are listed separately,
/// so that the caller can refuse before anything has been reverted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DownDecision {
    /// Indices of the migrations that the tool reverts, in its order: the newest first, except for dbmate's files with several
    /// sections.
    pub(crate) undo: Vec<usize>,
    /// Indices of applied migrations in this range without a down script, the newest first. They are also in `undo` if the tool
    /// removes their rows, as golang-migrate does; else it leaves them as they are.
    pub(crate) irreversible: Vec<usize>,
    /// Indices of those of `undo` whose down script has no statement: the migration's changes remain, its row does not.
    pub(crate) empty: Vec<usize>,
    /// Indices of those of `undo` whose file has another checksum than the applied one, if the tool has checksums and does not
    /// check them on a downgrade.
    pub(crate) edited: Vec<usize>,
    /// The number of requested steps that do not exist. Some tools fail after having reverted the others.
    pub(crate) short: usize,
}

/// Why a tool does not start to revert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct DownRefusal {
    /// The tool's own message as far as possible.
    pub(crate) reason: String,
    /// The index of the migration that it refers to, if its file exists.
    pub(crate) refused: Option<usize>,
}

impl DownRefusal {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refused: None }
    }
}

impl DownDecision {
    /// Adds a migration to the lists.
    pub(super) fn undo(&mut self, index: usize, migration: &Migration) {
        self.undo.push(index);
        match &migration.down {
            None => self.irreversible.push(index),
            Some(down) if has_no_statement(down) => self.empty.push(index),
            Some(_) => {}
        }
    }
}

fn has_no_statement(script: &Script) -> bool {
    split(script.text(), Dialect::Server).pieces.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_of_comments_and_semicolons_has_no_statement() {
        for (text, expected) in
            [("", true), ("-- x\n/* y */\n", true), (";;", true), ("select 1", false), ("'", false)]
        {
            assert_eq!(has_no_statement(&Script::whole("1.sql", text)), expected, "{text}");
        }
    }
}
