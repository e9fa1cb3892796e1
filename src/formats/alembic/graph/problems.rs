//! What is wrong with a graph: what Alembic refuses when it reads the files, and duplicates, of which it only warns.
//!
//! Rules and words from alembic 1.20.1, `script/revision.py` (`_revision_map`, `_detect_cycles`, `CycleDetected` and its
//! subclasses).

use super::{GraphRevision, RevisionGraph};
use crate::model::{GraphProblem, GraphProblemKind};

pub(super) fn add_duplicate(graph: &mut RevisionGraph<'_>, first: usize, second: usize) {
    let (first, second) = (&graph.migrations[first], &graph.migrations[second]);
    let line = second.node.as_ref().map_or(1, |node| node.revision_line);
    graph.problems.push(GraphProblem {
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

pub(super) fn add_missing(
    graph: &mut RevisionGraph<'_>,
    revision: usize,
    name: &str,
    is_dependency: bool,
) {
    let own = graph.revisions[revision].identifier;
    let variable = if is_dependency { "depends_on" } else { "down_revision" };
    let message = format!(
        "Revision {name} referenced from {own} is not present: no file has it ({variable})"
    );
    add(graph, GraphProblemKind::Missing, revision, message, is_dependency);
}

pub(super) fn add_loop(graph: &mut RevisionGraph<'_>, revision: usize, is_dependency: bool) {
    let own = graph.revisions[revision].identifier;
    let kind = if is_dependency { "Dependency graph-loop" } else { "Self-loop" };
    let message = format!("{kind} is detected in revisions ({own})");
    add(graph, GraphProblemKind::Cycle, revision, message, is_dependency);
}

pub(super) fn add_label(graph: &mut RevisionGraph<'_>, revision: usize, label: &str, known: usize) {
    let own = graph.revisions[revision].identifier;
    let known = graph.revisions[known].identifier;
    let message =
        format!("Branch name '{label}' in revision {own} already used by revision {known}");
    add(graph, GraphProblemKind::Label, revision, message, false);
}

fn add(
    graph: &mut RevisionGraph<'_>,
    kind: GraphProblemKind,
    revision: usize,
    message: String,
    of_dependency: bool,
) {
    let migration = graph.migration(revision);
    let line = migration.node.as_ref().map_or(1, |node| match (kind, of_dependency) {
        (GraphProblemKind::Label, _) => node.revision_line,
        (_, true) => node.depends_on_line,
        (_, false) => node.line,
    });
    graph.problems.push(GraphProblem {
        kind,
        revision: migration.version.clone(),
        message,
        path: migration.up.path().to_owned(),
        line,
    });
}

/// `_detect_cycles`: by parents, then by parents and dependencies. Alembic misses a cycle that can be entered and left, and
/// then never ends.
pub(super) fn detect_cycles(graph: &mut RevisionGraph<'_>) {
    for is_dependency in [false, true] {
        // A cycle of parents is one with dependencies, too.
        let is_known = |problem: &GraphProblem| problem.kind == GraphProblemKind::Cycle;
        if graph.problems.iter().any(is_known) {
            return;
        }
        let cyclic = cyclic(graph, is_dependency);
        let Some(first) = cyclic.first().copied() else { continue };
        let kind = if is_dependency { "Dependency cycle" } else { "Cycle" };
        let mut names: Vec<&str> =
            cyclic.iter().map(|index| graph.revisions[*index].identifier).collect();
        names.sort_unstable();
        let message = format!("{kind} is detected in revisions ({})", names.join(", "));
        add(graph, GraphProblemKind::Cycle, first, message, false);
    }
}

/// The revisions on a cycle or between two: what is left without revisions that have no edge into, or no edge out of, the
/// rest.
fn cyclic(graph: &RevisionGraph<'_>, with_dependencies: bool) -> Vec<usize> {
    let down = |revision: &GraphRevision<'_>| {
        let dependencies: &[usize] = if with_dependencies { &revision.dependencies } else { &[] };
        [revision.down.as_slice(), dependencies].concat()
    };
    let up = |revision: &GraphRevision<'_>| match with_dependencies {
        true => revision.all_next.clone(),
        false => revision.next.clone(),
    };
    let below = peeled(graph, down, up);
    let above = peeled(graph, up, down);
    (0..graph.revisions.len()).filter(|index| !below[*index] && !above[*index]).collect()
}

/// Which revisions are removed if those without an edge `out` are removed again and again.
fn peeled(
    graph: &RevisionGraph<'_>,
    out: impl Fn(&GraphRevision<'_>) -> Vec<usize>,
    back: impl Fn(&GraphRevision<'_>) -> Vec<usize>,
) -> Vec<bool> {
    let distinct = |revision: &GraphRevision<'_>| {
        let mut edges = out(revision);
        edges.sort_unstable();
        edges.dedup();
        edges.len()
    };
    let mut left: Vec<usize> = graph.revisions.iter().map(distinct).collect();
    let mut removed = vec![false; left.len()];
    let mut to_do: Vec<usize> = (0..left.len()).filter(|index| left[*index] == 0).collect();
    while let Some(index) = to_do.pop() {
        removed[index] = true;
        let mut before = back(&graph.revisions[index]);
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
