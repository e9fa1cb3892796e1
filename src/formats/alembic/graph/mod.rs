//! The graph of revisions: parents, dependencies, heads, labels, and what is wrong with it.
//!
//! Rules from alembic 1.20.1, `script/revision.py` (`RevisionMap`); 1.8.0 has the same. Files are read in their order by name,
//! and where Alembic is free to choose between revisions, that order decides. (Alembic keeps several dependencies of one revision
//! in a set, so their order is Python's.) `order.rs` has the order of an upgrade, `labels.rs` the branch labels, `problems.rs` what
//! Alembic refuses.

mod labels;
mod order;
mod problems;

use std::collections::{BTreeSet, HashMap};

use labels::{map_labels, propagate_labels};
use problems::{add_duplicate, add_loop, add_missing, detect_cycles};

use crate::model::{GraphProblem, Migration, RevisionNode};

/// The revisions of a directory with the edges between them. Revisions are identified by their index in the files' order.
#[derive(Debug)]
pub(crate) struct RevisionGraph<'m> {
    migrations: &'m [Migration],
    revisions: Vec<GraphRevision<'m>>,
    /// Identifiers and labels, as in `RevisionMap._revision_map`.
    names: HashMap<&'m str, usize>,
    /// Revisions that two files define. Alembic lists the first file's as a head for ever.
    duplicates: Vec<usize>,
    problems: Vec<GraphProblem>,
}

/// A revision; the edges are indices.
#[derive(Debug)]
struct GraphRevision<'m> {
    /// Its index in the migrations.
    migration: usize,
    identifier: &'m str,
    /// `down_revision`.
    down: Vec<usize>,
    /// `depends_on`.
    dependencies: Vec<usize>,
    /// `down`, and the dependencies that no ancestor has: `Revision._normalized_down_revisions`.
    normalized: Vec<usize>,
    /// Whether `normalized` contains a dependency.
    has_normalized_dependencies: bool,
    /// The revisions whose `down` it is in.
    next: Vec<usize>,
    /// The revisions whose `down` or `dependencies` it is in.
    all_next: Vec<usize>,
    labels: BTreeSet<&'m str>,
}

impl<'m> RevisionGraph<'m> {
    /// The graph of these migrations. Edges to missing revisions are problems, and are left out.
    pub(crate) fn new(migrations: &'m [Migration]) -> Self {
        let mut graph = Self {
            migrations,
            revisions: Vec::with_capacity(migrations.len()),
            names: HashMap::with_capacity(migrations.len()),
            duplicates: Vec::new(),
            problems: Vec::new(),
        };
        graph.add_revisions();
        map_labels(&mut graph);
        graph.link();
        graph.normalize_dependencies();
        detect_cycles(&mut graph);
        propagate_labels(&mut graph);
        graph
    }

    /// What is wrong with it, in the order in which Alembic notices it.
    pub(crate) fn problems(&self) -> &[GraphProblem] {
        &self.problems
    }

    /// The number of revisions.
    pub(crate) fn len(&self) -> usize {
        self.revisions.len()
    }

    /// The index of a revision in the migrations.
    pub(crate) fn index(&self, revision: usize) -> usize {
        self.revisions[revision].migration
    }

    /// The migration of a revision.
    pub(crate) fn migration(&self, revision: usize) -> &'m Migration {
        &self.migrations[self.revisions[revision].migration]
    }

    /// `heads`: revisions that are no other's parent.
    pub(crate) fn heads(&self) -> Vec<usize> {
        self.where_is(|revision| revision.next.is_empty())
    }

    /// `_real_heads`: revisions that are neither another's parent nor its dependency. These have a row after `upgrade heads`.
    pub(crate) fn effective_heads(&self) -> Vec<usize> {
        self.where_is(|revision| revision.all_next.is_empty())
    }

    /// Revisions without a parent.
    pub(crate) fn bases(&self) -> Vec<usize> {
        self.where_is(|revision| revision.down.is_empty())
    }

    /// The labels of the branch that a revision is in.
    pub(crate) fn labels(&self, revision: usize) -> impl Iterator<Item = &'m str> {
        self.revisions[revision].labels.iter().copied()
    }

    /// The revisions that follow each one directly, by parents and dependencies.
    pub(crate) fn followers(&self) -> impl Iterator<Item = (&'m str, Vec<&'m str>)> {
        let identifier = |index: &usize| self.revisions[*index].identifier;
        self.revisions
            .iter()
            .map(move |one| (one.identifier, one.all_next.iter().map(identifier).collect()))
    }

    fn where_is(&self, is: impl Fn(&GraphRevision<'_>) -> bool) -> Vec<usize> {
        let duplicates = |index: &usize| self.duplicates.contains(index);
        (0..self.revisions.len())
            .filter(|index| is(&self.revisions[*index]) || duplicates(index))
            .collect()
    }

    /// Adds the revisions in the order of the files. Of two files with the same revision, the last one counts, in the place of
    /// the first one.
    fn add_revisions(&mut self) {
        let mut order: Vec<usize> = (0..self.migrations.len()).collect();
        order.sort_by_key(|index| self.migrations[*index].node.as_ref().map(|node| node.order));
        for migration in order {
            let identifier = self.migrations[migration].version.as_str();
            let known = self.names.get(identifier).copied();
            let index = known.unwrap_or(self.revisions.len());
            if let Some(known) = known {
                add_duplicate(self, self.revisions[known].migration, migration);
                self.duplicates.push(known);
                self.revisions[known].migration = migration;
            } else {
                self.names.insert(identifier, index);
                self.revisions.push(GraphRevision {
                    migration,
                    identifier,
                    down: Vec::new(),
                    dependencies: Vec::new(),
                    normalized: Vec::new(),
                    has_normalized_dependencies: false,
                    next: Vec::new(),
                    all_next: Vec::new(),
                    labels: BTreeSet::new(),
                });
            }
        }
    }

    /// `_add_depends_on`, and the edges of `_revision_map`.
    fn link(&mut self) {
        for index in 0..self.revisions.len() {
            let Some(node) = self.node(index) else { continue };
            for dependency in &node.depends_on {
                match self.names.get(dependency.as_str()) {
                    Some(found) if *found == index => add_loop(self, index, true),
                    Some(found) => push_new(&mut self.revisions[index].dependencies, *found),
                    None => add_missing(self, index, dependency, true),
                }
            }
        }
        for index in 0..self.revisions.len() {
            let Some(node) = self.node(index) else { continue };
            for parent in &node.down_revisions {
                match self.names.get(parent.as_str()) {
                    Some(found) if *found == index => add_loop(self, index, false),
                    // A label is no identifier, although Alembic's map has both.
                    Some(found) if self.revisions[*found].identifier == parent => {
                        push_new(&mut self.revisions[index].down, *found);
                    }
                    _ => add_missing(self, index, parent, false),
                }
            }
        }
        for index in 0..self.revisions.len() {
            for parent in self.revisions[index].down.clone() {
                push_new(&mut self.revisions[parent].next, index);
                push_new(&mut self.revisions[parent].all_next, index);
            }
            for dependency in self.revisions[index].dependencies.clone() {
                push_new(&mut self.revisions[dependency].all_next, index);
            }
        }
    }

    /// `_normalize_depends_on`: dependencies that an ancestor has are left out.
    fn normalize_dependencies(&mut self) {
        for index in 0..self.revisions.len() {
            let own = &self.revisions[index];
            let mut normalized = own.down.clone();
            if !own.dependencies.is_empty() {
                let ancestors = self.reachable(&[index], |revision| &revision.down);
                let inherited: BTreeSet<usize> = ancestors
                    .iter()
                    .filter(|ancestor| **ancestor != index)
                    .flat_map(|ancestor| self.revisions[*ancestor].dependencies.iter().copied())
                    .collect();
                let own = &self.revisions[index];
                let kept: Vec<_> =
                    own.dependencies.iter().filter(|one| !inherited.contains(one)).collect();
                for dependency in &kept {
                    push_new(&mut normalized, **dependency);
                }
                self.revisions[index].has_normalized_dependencies = !kept.is_empty();
            }
            self.revisions[index].normalized = normalized;
        }
    }

    /// The targets and everything that can be reached from them, each once, as `_iterate_related_revisions` yields them.
    fn reachable(
        &self,
        targets: &[usize],
        edges: impl for<'g> Fn(&'g GraphRevision<'m>) -> &'g [usize],
    ) -> Vec<usize> {
        let mut seen = vec![false; self.revisions.len()];
        let mut found = Vec::new();
        for target in targets {
            let mut to_do = vec![*target];
            while let Some(revision) = to_do.pop() {
                if std::mem::replace(&mut seen[revision], true) {
                    continue;
                }
                to_do.extend_from_slice(edges(&self.revisions[revision]));
                found.push(revision);
            }
        }
        found
    }

    fn node(&self, revision: usize) -> Option<&'m RevisionNode> {
        self.migration(revision).node.as_deref()
    }
}

fn push_new(list: &mut Vec<usize>, value: usize) {
    if !list.contains(&value) {
        list.push(value);
    }
}
