//! The order of an upgrade, and what rows of the ledger mean.
//!
//! Rules and words from alembic 1.20.1, `script/revision.py` (`_revision_for_ident`, `_iterate_related_revisions`,
//! `_collect_upgrade_revisions`, `_topological_sort`) and `script/base.py` (`_catch_revision_errors`, `_upgrade_revs`).

use std::collections::BTreeSet;

use super::RevisionGraph;

/// Why Alembic refuses an upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GraphRefusal {
    /// In Alembic's words.
    pub(crate) message: String,
    /// The revision that it is about, if a file has it.
    pub(crate) revision: Option<usize>,
}

impl RevisionGraph<'_> {
    /// The revision of a row: an identifier, or the beginning of one. `None` if there is none, or more than one.
    pub(crate) fn resolve(&self, row: &str) -> Option<usize> {
        if let Some(found) = self.names.get(row) {
            return Some(*found);
        }
        let mut starting =
            self.names.iter().filter(|(name, _)| name.starts_with(row) && name.chars().count() > 3);
        let (_, only) = starting.next()?;
        starting.next().is_none().then_some(*only)
    }

    /// Which revisions the rows show as applied: their own and everything before them, by parents and dependencies.
    pub(crate) fn applied<'r>(&self, rows: impl IntoIterator<Item = &'r str>) -> Vec<bool> {
        let rows: Vec<usize> = rows.into_iter().filter_map(|row| self.resolve(row)).collect();
        let mut applied = vec![false; self.revisions.len()];
        for revision in self.reachable(&rows, |revision| &revision.normalized) {
            applied[revision] = true;
        }
        applied
    }

    /// The rows of a ledger that shows these revisions as applied: those that no other of them is built on.
    pub(crate) fn rows_of(&self, applied: &[bool]) -> Vec<usize> {
        let is_row = |index: &usize| {
            applied[*index] && !self.revisions[*index].all_next.iter().any(|next| applied[*next])
        };
        (0..self.revisions.len()).filter(is_row).collect()
    }

    /// The revisions that `upgrade heads` runs, in its order.
    pub(crate) fn upgrade<'r>(
        &self,
        rows: impl IntoIterator<Item = &'r str>,
    ) -> Result<Vec<usize>, GraphRefusal> {
        if let Some(problem) = self.problems.iter().find(|problem| problem.kind.is_refused()) {
            return Err(GraphRefusal {
                message: problem.message.clone(),
                revision: self.names.get(problem.revision.as_str()).copied(),
            });
        }
        let targets = self.effective_heads();
        self.refuse_overlap(&targets)?;
        let mut current = Vec::new();
        for row in rows {
            current.push(self.resolve(row).ok_or_else(|| GraphRefusal {
                message: format!("Can't locate revision identified by '{row}'"),
                revision: None,
            })?);
        }
        self.refuse_overlap(&current)?;
        let mut needed = vec![false; self.revisions.len()];
        for revision in self.reachable(&targets, |revision| &revision.normalized) {
            needed[revision] = true;
        }
        for revision in self.reachable(&current, |revision| &revision.normalized) {
            needed[revision] = false;
        }
        let mut order = self.topological(needed, &targets);
        order.reverse();
        Ok(order)
    }

    /// `_get_ancestor_nodes(…, check=True)`.
    fn refuse_overlap(&self, targets: &[usize]) -> Result<(), GraphRefusal> {
        let requested: BTreeSet<usize> = targets.iter().copied().collect();
        let mut seen = vec![false; self.revisions.len()];
        for target in targets {
            let mut overlaps = BTreeSet::new();
            let mut to_do = vec![*target];
            while let Some(revision) = to_do.pop() {
                if revision != *target && requested.contains(&revision) {
                    overlaps.insert(revision);
                }
                if !std::mem::replace(&mut seen[revision], true) {
                    to_do.extend_from_slice(&self.revisions[revision].normalized);
                }
            }
            if !overlaps.is_empty() {
                let names: Vec<_> =
                    overlaps.iter().map(|index| self.revisions[*index].identifier).collect();
                return Err(GraphRefusal {
                    message: format!(
                        "Requested revision {} overlaps with other requested revisions {}",
                        self.revisions[*target].identifier,
                        names.join(", ")
                    ),
                    revision: Some(*target),
                });
            }
        }
        Ok(())
    }

    /// `_topological_sort`: from the heads down, one branch after the other. The steps are Alembic's: another valid order would
    /// run branches in another order.
    fn topological(&self, mut to_do: Vec<bool>, heads: &[usize]) -> Vec<usize> {
        let mut current: Vec<usize> = heads.iter().copied().filter(|head| to_do[*head]).collect();
        current.sort_unstable();
        current.dedup();
        let mut ancestors: Vec<RevisionSet> =
            current.iter().map(|head| self.ancestors(*head)).collect();
        let mut output = Vec::new();
        let mut at = 0;
        while !current.is_empty() {
            let candidate = current[at];
            let dependent = (0..ancestors.len())
                .find(|index| *index != at && ancestors[*index].contains(candidate));
            if let Some(index) = dependent {
                at = index;
                continue;
            }
            if std::mem::replace(&mut to_do[candidate], false) {
                output.push(candidate);
            }
            let revision = &self.revisions[candidate];
            let add = |one: &&usize| to_do[**one] && !current.contains(one);
            let to_add: Vec<usize> = revision.normalized.iter().filter(add).copied().collect();
            let Some((first, others)) = to_add.split_first() else {
                current.remove(at);
                ancestors.remove(at);
                at = at.saturating_sub(1);
                continue;
            };
            current[at] = *first;
            if !revision.has_normalized_dependencies && revision.down.len() == 1 {
                ancestors[at].remove(candidate);
            } else {
                current.extend_from_slice(others);
                ancestors[at] = self.ancestors(*first);
                ancestors.extend(others.iter().map(|head| self.ancestors(*head)));
            }
        }
        output
    }

    fn ancestors(&self, revision: usize) -> RevisionSet {
        let mut set = RevisionSet(vec![0; self.revisions.len().div_ceil(64)]);
        for one in self.reachable(&[revision], |revision| &revision.normalized) {
            set.0[one / 64] |= 1 << (one % 64);
        }
        set
    }
}

/// A set of revisions, one bit for each: a history with many merges has many of them.
#[derive(Debug)]
struct RevisionSet(Vec<u64>);

impl RevisionSet {
    fn contains(&self, revision: usize) -> bool {
        self.0[revision / 64] & (1 << (revision % 64)) != 0
    }

    fn remove(&mut self, revision: usize) {
        self.0[revision / 64] &= !(1 << (revision % 64));
    }
}
