//! Branch labels: which revisions have them. Rules from alembic 1.20.1, `script/revision.py` (`_map_branch_labels`,
//! `_add_branches`).

use super::RevisionGraph;
use super::problems::add_label;

/// Makes labels names of their revisions. A label that another revision has is an error.
pub(super) fn map_labels(graph: &mut RevisionGraph<'_>) {
    for index in 0..graph.revisions.len() {
        let Some(node) = graph.node(index) else { continue };
        for label in &node.branch_labels {
            match graph.names.get(label.as_str()) {
                Some(known) => add_label(graph, index, label, *known),
                None => {
                    graph.names.insert(label, index);
                    graph.revisions[index].labels.insert(label);
                }
            }
        }
    }
}

/// Gives the labels of a revision to all revisions after it, and to those before it back to a branch point or a merge.
pub(super) fn propagate_labels(graph: &mut RevisionGraph<'_>) {
    // Where edges form a cycle, Alembic refuses the graph, and the walk back would not end.
    if graph.problems.iter().any(|problem| problem.kind.is_refused()) {
        return;
    }
    let labelled: Vec<usize> = (0..graph.revisions.len())
        .filter(|index| graph.node(*index).is_some_and(|node| !node.branch_labels.is_empty()))
        .collect();
    for index in labelled {
        let labels = graph.revisions[index].labels.clone();
        let after = graph.reachable(&[index], |revision| &revision.next);
        for revision in &after {
            graph.revisions[*revision].labels.extend(&labels);
        }
        let mut parent = after.last().copied();
        while let Some(revision) = parent {
            let own = &mut graph.revisions[revision];
            if own.all_next.len() > 1 || own.down.len() > 1 {
                break;
            }
            own.labels.extend(&labels);
            parent = own.down.first().copied();
        }
    }
}
