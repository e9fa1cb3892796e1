//! The scope and the result of a cleanup.

use super::note::Note;
use super::run_id::RunId;

/// Whose leftovers are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CleanupScope {
    /// Those of runs that are known to have ended.
    Stale,
    /// Those of one run, whether or not it has ended.
    Run(RunId),
    /// Those of all runs, including running ones.
    Everything,
}

/// The kind of a removed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum RemovedKind {
    Container,
    /// Of containers in which programs of the project run.
    Network,
    /// A cluster's data directory, with a server that still ran in it.
    Directory,
    Database,
    Role,
}

/// One removed object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) kind: RemovedKind,
    pub(crate) name: String,
    /// The run that created it.
    pub(crate) run: String,
}

/// The result of a cleanup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CleanReport {
    pub(crate) removed: Vec<Removed>,
    /// Objects that remain, because their run still lives, or its state is unknown.
    pub(crate) kept: usize,
    /// What could not be removed or checked, as text.
    pub(crate) problems: Vec<String>,
    /// Sources that did not respond and may have leftovers, for example without a running Docker engine.
    pub(crate) unasked: Vec<String>,
}

impl CleanReport {
    pub(crate) fn removed(&mut self, kind: RemovedKind, name: &str, run: &str) {
        self.removed.push(Removed { kind, name: name.to_owned(), run: run.to_owned() });
    }

    pub(crate) fn join(mut self, other: Self) -> Self {
        self.removed.extend(other.removed);
        self.kept += other.kept;
        self.problems.extend(other.problems);
        self.unasked.extend(other.unasked);
        self
    }

    /// One line for the report of the run that cleaned up, if there is something to report.
    pub(crate) fn note(&self) -> Option<Note> {
        if let Some(problem) = self.problems.first() {
            return Some(Note::warning(format!(
                "could not remove leftovers of an earlier run: {problem}; `mig-ci clean` tries again"
            )));
        }
        let first = self.removed.first()?;
        let more = match self.removed.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        Some(Note::info(format!(
            "removed leftovers of an earlier run: the {} {}{more}",
            first.kind, first.name
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Severity;

    #[test]
    fn the_note_counts_objects_and_prefers_problems() {
        let mut report = CleanReport::default();
        assert_eq!(report.note(), None);
        report.removed(RemovedKind::Directory, "/dev/shm/mig-ci-x", "x");
        report.removed(RemovedKind::Container, "y", "y");
        assert_eq!(
            report.note().unwrap().message,
            "removed leftovers of an earlier run: the directory /dev/shm/mig-ci-x and 1 more"
        );
        report.problems.push("it is stuck".to_owned());
        assert_eq!(report.note().unwrap().severity, Severity::Warning);
    }
}
