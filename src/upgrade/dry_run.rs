//! A dry run: prints the SQL that would be sent. It leases nothing, and sends only queries.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::preflight::ledger_state::LedgerState;
use super::rollout::outcomes::Outcomes;
use super::rollout::pool_scan::{LedgerScan, PoolScan};
use super::session::session_setup::set_search_path;
use super::target::Target;
use super::track::executor::TrackExecutor;
use super::track::progress::{TargetOutcome, TargetProgress};
use crate::formats::QueryBatch;
use crate::model::{Failure, TrackKind, UnitEnd};
use crate::report::visible;

/// Receives the SQL of each target as a separate text.
#[derive(Clone)]
pub(crate) struct DryRun(Arc<dyn Fn(&str) + Send + Sync>);

impl std::fmt::Debug for DryRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DryRun")
    }
}

impl DryRun {
    pub(crate) fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl DryRun {
    /// Replaces a pool's run: the planned steps of each target, recorded as not run.
    ///
    /// # Errors
    /// The server is unreachable.
    pub(crate) async fn run(&self, scan: &PoolScan<'_>) -> Result<Vec<TargetOutcome>, Failure> {
        let LedgerScan { outcomes, waiting, seen } = scan.run().await?;
        let mut outcomes = Outcomes::from(outcomes);
        for index in waiting {
            let target = &scan.targets[index];
            let planned = match &seen[index] {
                Some(state) => self.target(scan.executor, target, state),
                None => TargetOutcome::not_run("it was not processed"),
            };
            scan.executor.announce(target, &planned, Duration::ZERO);
            outcomes.set(index, planned);
        }
        Ok(outcomes.finish("it was not processed"))
    }

    fn target(
        &self,
        executor: &TrackExecutor<'_>,
        target: &Target,
        state: &LedgerState,
    ) -> TargetOutcome {
        if let Some(outcome) = executor.outcome_without_session(target, state) {
            return outcome;
        }
        let track = &executor.track;
        let none = Arc::default();
        let rows = if let LedgerState::Rows(rows) = state { rows } else { &none };
        let decision = track.decide(target, rows);
        let wanted = decision.apply.iter().map(|index| &track.plan.head[*index]);
        let steps: Vec<_> = wanted.map(|migration| track.unrun_step(migration)).collect();
        let mut messages = Vec::new();
        if matches!(state, LedgerState::New) && track.direction.is_up() {
            messages.extend(track.plan.detected.format.ensure_ledger(&target.ledger));
        }
        let apply = decision.apply.iter();
        apply.for_each(|index| messages.extend(track.step(*index, target).messages));
        (self.0)(&script(target, steps.len(), &messages));
        let progress = TargetProgress::new(track, rows, &decision);
        let outcome = progress.ended(track, target, rows, decision);
        match outcome.end {
            UnitEnd::Completed | UnitEnd::Failed { .. } => TargetOutcome { steps, ..outcome },
            UnitEnd::NotRun { .. } => outcome,
        }
    }
}

/// A script for `psql`, which sends each statement separately, with the same effect.
fn script(target: &Target, steps: usize, messages: &[QueryBatch]) -> String {
    let whose = match target.track {
        TrackKind::Shared => format!("{}, shared track", target.name),
        TrackKind::Tenant => {
            format!("{}, tenant {} ({})", target.database, target.name, target.target)
        }
    };
    let whose = visible(&whose).replace('\n', "␊");
    let number = if steps == 1 { "1 migration".to_owned() } else { format!("{steps} migrations") };
    let mut text = format!("-- {whose}: {number}\n{};\n", set_search_path(target));
    for message in messages {
        let sql = message.text();
        let end = if sql.trim_end().ends_with(';') { "" } else { "\n;" };
        let _ = writeln!(text, "{}{end}", sql.trim_end());
    }
    text.push('\n');
    text
}
