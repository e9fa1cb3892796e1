//! A track and the direction in which it goes: what is to be done with a ledger, and what each step sends.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::execution::batch::BatchStep;
use crate::execution::step;
use crate::formats::{Decision, DownDecision, DownRefusal, DownTo, LedgerRow};
use crate::model::{Deploy, Migration, Phase, Place, Script, StepRecord};
use crate::replay::plan::TrackPlan;
use crate::report::upgrade::{Interner, Versions};
use crate::upgrade::direction::{AppliedRun, AppliedVersions, Direction, same};
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::session::preamble::ledger_literal;
use crate::upgrade::session::session_effects::need_own_session;
use crate::upgrade::target::Target;

/// Which way, and how far.
#[derive(Debug, Clone)]
pub(crate) enum TrackDirection {
    /// To the head, or as many of the track's migrations from the first.
    Up { limit: usize },
    /// Migrations are undone, the newest first.
    Down(DownTo),
    /// Those that a run before has applied.
    RollbackRun(Arc<AppliedRun>),
}

impl TrackDirection {
    pub(crate) fn of(way: &Direction, migrations: &[Migration]) -> Self {
        match way {
            Direction::Up(to) => Self::Up { limit: to.limit(migrations).unwrap_or(0) },
            Direction::Down(to) => Self::Down(to.clone()),
            Direction::RollbackRun(applied) => Self::RollbackRun(Arc::clone(applied)),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

impl AppliedRun {
    fn of(&self, target: &Target) -> Option<&AppliedVersions> {
        self.versions.get(&(target.track, target.name.to_string()))
    }
}

/// The decision for a ledger that many targets have.
#[derive(Debug)]
pub(crate) struct CachedDecision {
    /// Kept, so that their address stays theirs.
    rows: Arc<[LedgerRow]>,
    pub(crate) decision: Decision,
    /// The rows as SQL compares them.
    pub(crate) words: String,
}

/// A track, the direction in which it goes, and what is the same for many of its targets.
#[derive(Debug)]
pub(crate) struct DirectedTrack<'a> {
    pub(crate) plan: &'a TrackPlan,
    pub(crate) direction: TrackDirection,
    /// Decisions for ledgers that many targets share, by the addresses of their rows.
    decisions: RefCell<HashMap<usize, Arc<CachedDecision>>>,
    /// Which versions "the last N" are, by the targets' names.
    resolved_steps: RefCell<HashMap<Arc<str>, AppliedVersions>>,
    /// Version lists of reports: most targets have the same.
    interner: RefCell<Interner>,
}

impl<'a> DirectedTrack<'a> {
    pub(crate) fn new(plan: &'a TrackPlan, direction: TrackDirection) -> Self {
        let (decisions, resolved_steps, interner) = Default::default();
        Self { plan, direction, decisions, resolved_steps, interner }
    }

    /// A list of versions, kept once for all targets that have the same.
    pub(crate) fn intern<'v>(&self, versions: impl Iterator<Item = &'v str>) -> Versions {
        self.interner.borrow_mut().list(versions)
    }
}

impl DirectedTrack<'_> {
    /// What the tool would do with a ledger like this. The rows of targets that were seen together are the same ones.
    pub(crate) fn cached_decision(
        &self,
        target: &Target,
        rows: &Arc<[LedgerRow]>,
    ) -> Arc<CachedDecision> {
        let think = || {
            let (rows, decision) = (Arc::clone(rows), self.decide(target, rows));
            Arc::new(CachedDecision { words: ledger_literal(&rows), rows, decision })
        };
        // Rows that nobody else has are not kept, and neither is what differs by target.
        let is_one_for_all = !matches!(
            self.direction,
            TrackDirection::RollbackRun(_) | TrackDirection::Down(DownTo::Steps(_))
        );
        let is_shared = Arc::strong_count(rows) > 1 && is_one_for_all;
        if !is_shared {
            return think();
        }
        let address = Arc::as_ptr(rows).cast::<LedgerRow>().addr();
        let mut decisions = self.decisions.borrow_mut();
        let decision = decisions.entry(address).or_insert_with(think);
        debug_assert!(
            Arc::ptr_eq(&decision.rows, rows),
            "rows are kept as long as their address is known"
        );
        Arc::clone(decision)
    }

    /// What the tool would do with a ledger like this.
    pub(crate) fn decide(&self, target: &Target, rows: &[LedgerRow]) -> Decision {
        let (format, migrations) = (self.plan.chosen.format, &self.plan.head);
        match &self.direction {
            TrackDirection::Up { limit } => {
                let mut decision = format.decide(rows, migrations);
                decision.apply.retain(|index| index < limit);
                decision
            }
            TrackDirection::Down(to @ DownTo::Steps(_)) => self.decide_steps(target, rows, to),
            TrackDirection::Down(to) => self.down(rows, to),
            TrackDirection::RollbackRun(applied) => self.back(rows, applied.of(target)),
        }
    }

    /// What the tool would undo; and nothing at all where it would pass over a migration, or forget one that stays, without
    /// a word.
    fn down(&self, rows: &[LedgerRow], to: &DownTo) -> Decision {
        if self.is_below(rows, to) {
            return Decision::default();
        }
        let decided = self.plan.chosen.format.decide_down(rows, &self.plan.head, to);
        let DownDecision { undo, irreversible, empty, .. } = match decided {
            Ok(decision) => decision,
            Err(DownRefusal { reason, refused }) => {
                return Decision { refusal: Some(reason), refused, ..Decision::default() };
            }
        };
        let stays = |index: &usize, why: &str| {
            let version = &self.plan.head[*index].version;
            let refusal =
                Some(format!("{version} cannot be reverted: {why}. Nothing was reverted"));
            Decision { refusal, refused: Some(*index), ..Decision::default() }
        };
        match (irreversible.first(), empty.first()) {
            (Some(index), _) => stays(index, "it has no down script"),
            (None, Some(index)) => stays(
                index,
                "its down script has no statement, so its changes would remain without a ledger row",
            ),
            (None, None) => Decision { apply: undo, ..Decision::default() },
        }
    }

    /// Of many tenants some may not have come so far. A tool that is asked for one alone may call that a mistake.
    fn is_below(&self, rows: &[LedgerRow], to: &DownTo) -> bool {
        let DownTo::Version(version) = to else { return false };
        let place = |version: &str| {
            let mut all = self.plan.head.iter();
            all.rposition(|migration| same(&migration.version, version))
        };
        let Some(stays) = place(version) else { return false };
        rows.iter().all(|row| row.complete && place(&row.version).is_some_and(|at| at <= stays))
    }

    /// "The last one" is the one that was the last when it was first looked: somebody else may undo it meanwhile, and then it
    /// is undone, and not the next one, too.
    fn decide_steps(&self, target: &Target, rows: &[LedgerRow], to: &DownTo) -> Decision {
        let mut resolved = self.resolved_steps.borrow_mut();
        if let Some(versions) = resolved.get(&target.name) {
            return self.back(rows, Some(versions));
        }
        let decision = self.down(rows, to);
        if decision.refusal.is_none() {
            // The first that is undone was applied last.
            let versions =
                decision.apply.iter().rev().map(|index| self.plan.head[*index].version.clone());
            let rows_before = Some(self.history(rows).len() - decision.apply.len());
            let versions = AppliedVersions { versions: versions.collect(), rows_before };
            resolved.insert(Arc::clone(&target.name), versions);
        }
        decision
    }

    /// Exactly these, whatever else is there with a higher number; but nothing that came later is left without its ground.
    fn back(&self, rows: &[LedgerRow], applied: Option<&AppliedVersions>) -> Decision {
        let Some(AppliedVersions { versions, rows_before }) = applied else {
            return Decision::default();
        };
        let rows = self.history(rows);
        let is_there = |version: &&String| rows.iter().any(|row| row.version == **version);
        let there: Vec<&String> = versions.iter().filter(is_there).collect();
        if there.is_empty() {
            return Decision::default();
        }
        let refused = |reason: String| Decision { refusal: Some(reason), ..Decision::default() };
        let came_later = match self.plan.chosen.format.keeps_one_row() {
            true => rows.last().is_some_and(|current| !there.contains(&&current.version)),
            false => rows_before.is_some_and(|before| rows.len() > before + there.len()),
        };
        if came_later {
            let mut others =
                rows.iter().map(|row| &row.version).filter(|version| !there.contains(version));
            let last = others
                .next_back()
                .map(|version| format!(" ({version}, perhaps)"))
                .unwrap_or_default();
            return refused(format!(
                "a migration was applied{last} after those to revert: revert it first, or downgrade to a version"
            ));
        }
        // As the tool would see it if nothing had a higher number.
        let place = |version: &str| self.plan.head.iter().position(|one| one.version == version);
        let first = there.iter().filter_map(|version| place(version)).min();
        let is_seen = |row: &&LedgerRow| {
            there.contains(&&row.version) || place(&row.version).is_none_or(|at| Some(at) < first)
        };
        let seen: Vec<LedgerRow> = rows.iter().filter(is_seen).cloned().collect();
        let mut decision = self.down(&seen, &DownTo::Steps(there.len()));
        // The last that was applied first.
        let order = |index: &usize| {
            let version = &self.plan.head[*index].version;
            versions.iter().position(|one| one == version).map(std::cmp::Reverse)
        };
        decision.apply.sort_by_key(order);
        match decision.apply.iter().find(|index| order(index).is_none()) {
            Some(index) => refused(format!(
                "the tool would also revert {}, which is not selected",
                self.plan.head[*index].version
            )),
            None => decision,
        }
    }

    /// What is left of what was to be done. "The last two" are other ones once the last is undone: what is to be undone is
    /// what was meant at first.
    pub(crate) fn left(&self, target: &Target, wanted: &[usize], rows: &[LedgerRow]) -> Decision {
        match &self.direction {
            TrackDirection::Up { .. } => self.decide(target, rows),
            TrackDirection::Down(_) | TrackDirection::RollbackRun(_) => {
                let doubtful = self.plan.chosen.format.in_doubt(rows, &self.plan.head);
                let rows = self.history(rows);
                let is_there = |index: &&usize| {
                    let version = &self.plan.head[**index].version;
                    doubtful.contains(index) || rows.iter().any(|row| row.version == *version)
                };
                let apply = wanted.iter().filter(is_there).copied().collect();
                Decision { apply, ..Decision::default() }
            }
        }
    }

    /// What a ledger's rows show: one row for each migration.
    pub(crate) fn history<'r>(&self, rows: &'r [LedgerRow]) -> Cow<'r, [LedgerRow]> {
        self.plan.chosen.format.history(rows, &self.plan.head)
    }

    /// What is sent for the track's migration of this index, and what has to be true afterwards.
    pub(crate) fn step(&self, index: usize, target: &Target) -> BatchStep {
        let (format, ledger) = (self.plan.chosen.format, &target.ledger);
        let migration = &self.plan.head[index];
        match &self.direction {
            TrackDirection::Up { .. } => step::apply(format, migration, ledger, Deploy::MigCi),
            TrackDirection::Down(_) | TrackDirection::RollbackRun(_) => {
                let below = index.checked_sub(1).map(|below| &self.plan.head[below]);
                step::revert(format, migration, below, ledger)
            }
        }
    }

    /// What is run of a migration.
    pub(crate) fn script<'m>(&self, migration: &'m Migration) -> &'m Script {
        match &self.direction {
            TrackDirection::Up { .. } => &migration.up,
            // What cannot be undone is refused by its own file.
            TrackDirection::Down(_) | TrackDirection::RollbackRun(_) => {
                migration.down.as_ref().unwrap_or(&migration.up)
            }
        }
    }

    /// Whether migrations that are to be applied need a session to themselves: anything that outlives a transaction, or could
    /// as far as the text tells, would be there for the next target. With an unknown ledger they could be any.
    pub(crate) fn may_change_session(&self, target: &Target, seen: Option<&LedgerState>) -> bool {
        let rows = match seen {
            Some(LedgerState::Rows(rows)) => rows,
            Some(LedgerState::New) => &Arc::default(),
            _ => return self.need_own_session(&(0..self.plan.head.len()).collect::<Vec<_>>()),
        };
        self.need_own_session(&self.cached_decision(target, rows).decision.apply)
    }

    /// The same of migrations by their indices.
    pub(crate) fn need_own_session(&self, indices: &[usize]) -> bool {
        need_own_session(indices.iter().map(|index| self.script(&self.plan.head[*index])))
    }

    /// The file that is run of a migration, as a place.
    pub(crate) fn file_of(&self, migration: &Migration) -> Place {
        let path = self.script(migration).path().to_owned();
        Place { path, line: 1, column: None, excerpt: None }
    }

    /// The record of a step that was not run.
    pub(crate) fn unrun_step(&self, migration: &Migration) -> StepRecord {
        let path = self.script(migration).path().to_owned();
        StepRecord { path, ..StepRecord::not_run(migration, Phase::Head) }
    }

    /// What to do about a ledger that says of a step that it was begun.
    pub(crate) fn recovery_hint(&self, target: &Target, rows: &[LedgerRow]) -> Option<String> {
        self.plan.chosen.format.recovery_hint(rows, &self.plan.head, &target.ledger)
    }
}
