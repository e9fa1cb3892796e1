//! What is wrong with a graph: what Alembic refuses when it reads the files, and duplicates, of which it only warns.
//!
//! Rules and words from alembic 1.20.1, `script/revision.py` (`_revision_map`, `_detect_cycles`, `CycleDetected` and its
//! subclasses).

use camino::Utf8PathBuf;

use super::{GraphRevision, RevisionGraph};

/// A problem of the graph, with the place of the variable that causes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GraphProblem {
    pub(crate) kind: GraphProblemKind,
    pub(crate) revision: String,
    pub(crate) message: String,
    pub(crate) path: Utf8PathBuf,
    /// From 1.
    pub(crate) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum GraphProblemKind {
    /// `down_revision` or `depends_on` names a revision that no file has.
    Missing,
    Cycle,
    /// Two files have the same revision.
    Duplicate,
    /// Two revisions have the same branch label.
    Label,
}

impl GraphProblemKind {
    /// Whether Alembic refuses to work with the files.
    pub(super) fn is_refused(self) -> bool {
        self != Self::Duplicate
    }
}

impl RevisionGraph<'_> {
    pub(super) fn add_duplicate(&mut self, first: usize, second: usize) {
        let (first, second) = (&self.migrations[first], &self.migrations[second]);
        let line = second.node.as_ref().map_or(1, |node| node.revision_line);
        self.problems.push(GraphProblem {
            kind: GraphProblemKind::Duplicate,
            revision: second.version.clone(),
            message: format!(
                "Revision {} is present more than once: {} has it, too",
                second.version,
                first.up.path()
            ),
            path: second.up.path().to_owned(),
            line,
        });
    }

    pub(super) fn add_missing(&mut self, revision: usize, name: &str, is_dependency: bool) {
        let own = self.revisions[revision].identifier;
        let variable = if is_dependency { "depends_on" } else { "down_revision" };
        let message = format!(
            "Revision {name} referenced from {own} is not present: no file has it ({variable})"
        );
        self.add(GraphProblemKind::Missing, revision, message, is_dependency);
    }

    pub(super) fn add_loop(&mut self, revision: usize, is_dependency: bool) {
        let own = self.revisions[revision].identifier;
        let kind = if is_dependency { "Dependency self-loop" } else { "Self-loop" };
        let message = format!("{kind} is detected in revisions ({own})");
        self.add(GraphProblemKind::Cycle, revision, message, is_dependency);
    }

    pub(super) fn add_label(&mut self, revision: usize, label: &str, known: usize) {
        let own = self.revisions[revision].identifier;
        let known = self.revisions[known].identifier;
        let message =
            format!("Branch name '{label}' in revision {own} already used by revision {known}");
        self.add(GraphProblemKind::Label, revision, message, false);
    }

    fn add(
        &mut self,
        kind: GraphProblemKind,
        revision: usize,
        message: String,
        of_dependency: bool,
    ) {
        let migration = self.migration(revision);
        let line = migration.node.as_ref().map_or(1, |node| match (kind, of_dependency) {
            (GraphProblemKind::Label, _) => node.revision_line,
            (_, true) => node.depends_on_line,
            (_, false) => node.line,
        });
        self.problems.push(GraphProblem {
            kind,
            revision: migration.version.clone(),
            message,
            path: migration.up.path().to_owned(),
            line,
        });
    }

    /// `_detect_cycles`: by parents, then by parents and dependencies. Alembic misses a cycle that can be entered and left, and
    /// then never ends.
    pub(super) fn detect_cycles(&mut self) {
        for is_dependency in [false, true] {
            // A cycle of parents is one with dependencies, too.
            let is_known = |problem: &GraphProblem| problem.kind == GraphProblemKind::Cycle;
            if self.problems.iter().any(is_known) {
                return;
            }
            let cyclic = self.cyclic(is_dependency);
            let Some(first) = cyclic.first().copied() else { continue };
            let kind = if is_dependency { "Dependency cycle" } else { "Cycle" };
            let mut names: Vec<&str> =
                cyclic.iter().map(|index| self.revisions[*index].identifier).collect();
            names.sort_unstable();
            let message = format!("{kind} is detected in revisions ({})", names.join(", "));
            self.add(GraphProblemKind::Cycle, first, message, false);
        }
    }

    /// The revisions on a cycle or between two: what is left without revisions that have no edge into, or no edge out of, the
    /// rest.
    fn cyclic(&self, with_dependencies: bool) -> Vec<usize> {
        let down = |revision: &GraphRevision<'_>| {
            let dependencies: &[usize] =
                if with_dependencies { &revision.dependencies } else { &[] };
            [revision.down.as_slice(), dependencies].concat()
        };
        let up = |revision: &GraphRevision<'_>| match with_dependencies {
            true => revision.all_next.clone(),
            false => revision.next.clone(),
        };
        let below = self.peeled(down, up);
        let above = self.peeled(up, down);
        (0..self.revisions.len()).filter(|index| !below[*index] && !above[*index]).collect()
    }

    /// Which revisions are removed if those without an edge `out` are removed again and again.
    fn peeled(
        &self,
        out: impl Fn(&GraphRevision<'_>) -> Vec<usize>,
        back: impl Fn(&GraphRevision<'_>) -> Vec<usize>,
    ) -> Vec<bool> {
        let distinct = |revision: &GraphRevision<'_>| {
            let mut edges = out(revision);
            edges.sort_unstable();
            edges.dedup();
            edges.len()
        };
        let mut left: Vec<usize> = self.revisions.iter().map(distinct).collect();
        let mut removed = vec![false; left.len()];
        let mut to_do: Vec<usize> = (0..left.len()).filter(|index| left[*index] == 0).collect();
        while let Some(index) = to_do.pop() {
            removed[index] = true;
            let mut before = back(&self.revisions[index]);
            before.sort_unstable();
            before.dedup();
            for other in before {
                left[other] -= 1;
                if left[other] == 0 {
                    to_do.push(other);
                }
            }
        }
        removed
    }
}
