//! A track with a direction: decides what to do with a ledger, and creates the messages of each step.

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
use crate::upgrade::session::session_setup::ledger_literal;
use crate::upgrade::session::session_setup::need_own_session;
use crate::upgrade::target::Target;

/// The direction of a track and its target version.
#[derive(Debug, Clone)]
pub(crate) enum TrackDirection {
    /// Up to this number of the track's migrations, counted from the first.
    Up { limit: usize },
    /// Reverts migrations, the newest first.
    Down(DownTo),
    /// Reverts the migrations that a previous run applied.
    RollbackRun(Arc<AppliedRun>),
}

impl TrackDirection {
    pub(crate) fn of(direction: &Direction, migrations: &[Migration]) -> Self {
        match direction {
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

/// The cached decision for a ledger that many targets share.
#[derive(Debug)]
pub(crate) struct CachedDecision {
    /// Kept alive, since their address is the cache key.
    rows: Arc<[LedgerRow]>,
    pub(crate) decision: Decision,
    /// The rows as the literal that SQL compares.
    pub(crate) words: String,
}

/// A track, its direction, and caches that its targets share.
#[derive(Debug)]
pub(crate) struct DirectedTrack<'a> {
    pub(crate) plan: &'a TrackPlan,
    pub(crate) direction: TrackDirection,
    /// Decisions for ledgers that many targets share, by the addresses of their rows.
    decisions: RefCell<HashMap<usize, Arc<CachedDecision>>>,
    /// The versions that "the last N" resolved to, by target name.
    resolved_steps: RefCell<HashMap<Arc<str>, AppliedVersions>>,
    /// Version lists of reports, which are equal for most targets.
    interner: RefCell<Interner>,
}

impl<'a> DirectedTrack<'a> {
    pub(crate) fn new(plan: &'a TrackPlan, direction: TrackDirection) -> Self {
        let (decisions, resolved_steps, interner) = Default::default();
        Self { plan, direction, decisions, resolved_steps, interner }
    }

    /// A list of versions, stored once for all targets that have the same.
    pub(crate) fn intern<'v>(&self, versions: impl Iterator<Item = &'v str>) -> Versions {
        self.interner.borrow_mut().list(versions)
    }
}

impl DirectedTrack<'_> {
    /// The cached decision for these rows. Targets with equal ledgers share one allocation of rows.
    pub(crate) fn cached_decision(
        &self,
        target: &Target,
        rows: &Arc<[LedgerRow]>,
    ) -> Arc<CachedDecision> {
        let decide = || {
            let (rows, decision) = (Arc::clone(rows), self.decide(target, rows));
            Arc::new(CachedDecision { words: ledger_literal(&rows), rows, decision })
        };
        // Not cached: rows that only one target has, and decisions that differ by target.
        let is_one_for_all = !matches!(
            self.direction,
            TrackDirection::RollbackRun(_) | TrackDirection::Down(DownTo::Steps(_))
        );
        let is_shared = Arc::strong_count(rows) > 1 && is_one_for_all;
        if !is_shared {
            return decide();
        }
        let address = Arc::as_ptr(rows).cast::<LedgerRow>().addr();
        let mut decisions = self.decisions.borrow_mut();
        let decision = decisions.entry(address).or_insert_with(decide);
        debug_assert!(
            Arc::ptr_eq(&decision.rows, rows),
            "rows are kept as long as their address is known"
        );
        Arc::clone(decision)
    }

    /// The tool's decision for a ledger with these rows.
    pub(crate) fn decide(&self, target: &Target, rows: &[LedgerRow]) -> Decision {
        let (format, migrations) = (self.plan.detected.format, &self.plan.head);
        match &self.direction {
            TrackDirection::Up { limit } => {
                let mut decision = format.decide(rows, migrations);
                decision.apply.retain(|index| index < limit);
                decision
            }
            TrackDirection::Down(to @ DownTo::Steps(_)) => self.decide_steps(target, rows, to),
            TrackDirection::Down(to) => self.down(rows, to),
            TrackDirection::RollbackRun(applied) => self.revert_versions(rows, applied.of(target)),
        }
    }

    /// The migrations that the tool would revert. Reverts nothing if the tool would silently skip a migration, or delete the
    /// ledger row of one that remains applied.
    fn down(&self, rows: &[LedgerRow], to: &DownTo) -> Decision {
        if self.is_below(rows, to) {
            return Decision::default();
        }
        let decided = self.plan.detected.format.decide_down(rows, &self.plan.head, to);
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

    /// Whether the target is already below that version, as some of many tenants may be. A tool that runs for one target may
    /// treat that as an error.
    fn is_below(&self, rows: &[LedgerRow], to: &DownTo) -> bool {
        let DownTo::Version(version) = to else { return false };
        let position = |version: &str| {
            let mut all = self.plan.head.iter();
            all.rposition(|migration| same(&migration.version, version))
        };
        let Some(stays) = position(version) else { return false };
        rows.iter().all(|row| row.complete && position(&row.version).is_some_and(|at| at <= stays))
    }

    /// "The last N" is resolved at the first attempt: if another session reverts the same migrations meanwhile, the next
    /// older ones stay.
    fn decide_steps(&self, target: &Target, rows: &[LedgerRow], to: &DownTo) -> Decision {
        let mut resolved = self.resolved_steps.borrow_mut();
        if let Some(versions) = resolved.get(&target.name) {
            return self.revert_versions(rows, Some(versions));
        }
        let decision = self.down(rows, to);
        if decision.refusal.is_none() {
            // The first to be reverted was applied last.
            let versions =
                decision.apply.iter().rev().map(|index| self.plan.head[*index].version.clone());
            let rows_before = Some(self.history(rows).len() - decision.apply.len());
            let versions = AppliedVersions { versions: versions.collect(), rows_before };
            resolved.insert(Arc::clone(&target.name), versions);
        }
        decision
    }

    /// Reverts exactly these versions, even if others have higher numbers, unless a later migration may depend on them.
    fn revert_versions(&self, rows: &[LedgerRow], applied: Option<&AppliedVersions>) -> Decision {
        let Some(AppliedVersions { versions, rows_before }) = applied else {
            return Decision::default();
        };
        let rows = self.history(rows);
        let is_applied = |version: &&String| rows.iter().any(|row| row.version == **version);
        let present: Vec<&String> = versions.iter().filter(is_applied).collect();
        if present.is_empty() {
            return Decision::default();
        }
        let refused = |reason: String| Decision { refusal: Some(reason), ..Decision::default() };
        let is_followed = match self.plan.detected.format.keeps_one_row() {
            true => rows.last().is_some_and(|current| !present.contains(&&current.version)),
            false => rows_before.is_some_and(|before| rows.len() > before + present.len()),
        };
        if is_followed {
            let mut others =
                rows.iter().map(|row| &row.version).filter(|version| !present.contains(version));
            let last = others
                .next_back()
                .map(|version| format!(" ({version}, perhaps)"))
                .unwrap_or_default();
            return refused(format!(
                "a migration was applied{last} after those to revert: revert it first, or downgrade to a version"
            ));
        }
        // The ledger as the tool would see it without rows of higher numbers.
        let position = |version: &str| self.plan.head.iter().position(|one| one.version == version);
        let first = present.iter().filter_map(|version| position(version)).min();
        let is_seen = |row: &&LedgerRow| {
            present.contains(&&row.version)
                || position(&row.version).is_none_or(|at| Some(at) < first)
        };
        let seen: Vec<LedgerRow> = rows.iter().filter(is_seen).cloned().collect();
        let mut decision = self.down(&seen, &DownTo::Steps(present.len()));
        // In reverse order of their application.
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

    /// The remaining work after a partial run. For a downgrade these are the versions that were resolved at first, since
    /// "the last two" change once the last is reverted.
    pub(crate) fn remaining(
        &self,
        target: &Target,
        wanted: &[usize],
        rows: &[LedgerRow],
    ) -> Decision {
        match &self.direction {
            TrackDirection::Up { .. } => self.decide(target, rows),
            TrackDirection::Down(_) | TrackDirection::RollbackRun(_) => {
                let doubtful = self.plan.detected.format.in_doubt(rows, &self.plan.head);
                let rows = self.history(rows);
                let is_applied = |index: &&usize| {
                    let version = &self.plan.head[**index].version;
                    doubtful.contains(index) || rows.iter().any(|row| row.version == *version)
                };
                let apply = wanted.iter().filter(is_applied).copied().collect();
                Decision { apply, ..Decision::default() }
            }
        }
    }

    /// The ledger's history: one row for each migration.
    pub(crate) fn history<'r>(&self, rows: &'r [LedgerRow]) -> Cow<'r, [LedgerRow]> {
        self.plan.detected.format.history(rows, &self.plan.head)
    }

    /// The messages and the postcondition of the track's migration of this index.
    pub(crate) fn step(&self, index: usize, target: &Target) -> BatchStep {
        let (format, ledger) = (self.plan.detected.format, &target.ledger);
        let migration = &self.plan.head[index];
        match &self.direction {
            TrackDirection::Up { .. } => step::apply(format, migration, ledger, Deploy::MigCi),
            TrackDirection::Down(_) | TrackDirection::RollbackRun(_) => {
                let below = index.checked_sub(1).map(|below| &self.plan.head[below]);
                step::revert(format, migration, below, ledger)
            }
        }
    }

    /// The script of a migration in this direction.
    pub(crate) fn script<'m>(&self, migration: &'m Migration) -> &'m Script {
        match &self.direction {
            TrackDirection::Up { .. } => &migration.up,
            // A migration without a down script is refused by its own file.
            TrackDirection::Down(_) | TrackDirection::RollbackRun(_) => {
                migration.down.as_ref().unwrap_or(&migration.up)
            }
        }
    }

    /// Whether the pending migrations need a session of their own, because session state outlives, or may outlive, their
    /// transactions. With an unknown ledger any migration may be pending.
    pub(crate) fn may_change_session(&self, target: &Target, seen: Option<&LedgerState>) -> bool {
        let rows = match seen {
            Some(LedgerState::Rows(rows)) => rows,
            Some(LedgerState::New) => &Arc::default(),
            _ => return self.need_own_session(&(0..self.plan.head.len()).collect::<Vec<_>>()),
        };
        self.need_own_session(&self.cached_decision(target, rows).decision.apply)
    }

    /// The same for migrations by their indices.
    pub(crate) fn need_own_session(&self, indices: &[usize]) -> bool {
        need_own_session(indices.iter().map(|index| self.script(&self.plan.head[*index])))
    }

    /// The location of a migration's script in this direction.
    pub(crate) fn file_of(&self, migration: &Migration) -> Place {
        let path = self.script(migration).path().to_owned();
        Place { path, line: 1, column: None, excerpt: None }
    }

    /// The record of a step that was not run.
    pub(crate) fn unrun_step(&self, migration: &Migration) -> StepRecord {
        let path = self.script(migration).path().to_owned();
        StepRecord { path, ..StepRecord::not_run(migration, Phase::Head) }
    }

    /// The recovery hint for a ledger that shows a step as started.
    pub(crate) fn recovery_hint(&self, target: &Target, rows: &[LedgerRow]) -> Option<String> {
        self.plan.detected.format.recovery_hint(rows, &self.plan.head, &target.ledger)
    }
}
