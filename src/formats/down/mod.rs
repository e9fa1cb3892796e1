//! What a tool undoes, and what keeps it from it: what all formats share. A tool's own rules stand in the `down.rs` of its
//! format.

#[cfg(test)]
mod differential_tests;

use crate::model::{Migration, Script};
use crate::sql::{Dialect, split};

/// How far down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DownTo {
    /// So many migrations, the newest first.
    Steps(usize),
    /// Everything above this one, which stays.
    Version(String),
    /// Everything.
    Base,
}

/// What a tool would undo, in a target whose ledger is as it is.
///
/// A tool that goes down believes its ledger and the scripts: it takes its mark away from a migration whose script does
/// nothing, and sqlx passes over one without a script and undoes what is below it. What it does so without a word stands
/// in lists of its own, so that whoever asks can refuse before anything has been undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DownDecision {
    /// Indices of the migrations that the tool undoes, in its order: the newest first, but for dbmate's files of several
    /// sections.
    pub(crate) undo: Vec<usize>,
    /// Indices of applied migrations on that way that have no down script, the newest first. They are in `undo` as well
    /// where the tool takes its mark away from them, as golang-migrate does; else it leaves them as they are.
    pub(crate) irreversible: Vec<usize>,
    /// Indices of those of `undo` whose down script has no statement: what the migration made stays, its mark does not.
    pub(crate) empty: Vec<usize>,
    /// Indices of those of `undo` whose file has another checksum than the one that was applied, where the tool has
    /// checksums and does not look at them on the way down.
    pub(crate) edited: Vec<usize>,
    /// How many steps fewer there are than were asked for. Having gone those, some tools then fail.
    pub(crate) short: usize,
}

/// Why a tool does not begin to undo anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct DownRefusal {
    /// In its own words as far as possible.
    pub(crate) reason: String,
    /// Index of the migration that it is about, if its file is there.
    pub(crate) refused: Option<usize>,
}

impl DownRefusal {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refused: None }
    }
}

impl DownDecision {
    /// Takes a migration onto the list.
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
