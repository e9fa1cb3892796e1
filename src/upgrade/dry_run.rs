//! What would be done, and in which words to the server: nothing is claimed, and nothing is sent but questions.

use std::fmt::Write as _;
use std::sync::Arc;

use super::preflight::ledger_scan::LedgerState;
use super::preflight::pool_scan::LedgerScan;
use super::preflight::target::Target;
use super::rollout::worker_pool::WorkerPool;
use super::session::session_setup::set_path;
use super::track::executor::TrackExecutor;
use super::track::progress::TargetOutcome;
use crate::formats::QueryBatch;
use crate::model::{Failure, TrackKind, UnitEnd};
use crate::report::visible;

/// Takes the SQL of a target, as a text by itself.
#[derive(Clone)]
pub(crate) struct DryRun(Arc<dyn Fn(&str) + Send + Sync>);

impl std::fmt::Debug for DryRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rehearsal")
    }
}

impl DryRun {
    pub(crate) fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl WorkerPool<'_> {
    /// In place of a run.
    pub(crate) async fn dry_run(&self, rehearsal: &DryRun) -> Result<Vec<TargetOutcome>, Failure> {
        let LedgerScan { mut done, waiting, seen } = self.patient_survey().await?;
        for index in waiting {
            let target = &self.targets[index];
            let planned = match &seen[index] {
                Some(stand) => self.work.dry_run_target(target, stand, rehearsal),
                None => TargetOutcome::not_run("it was not seen"),
            };
            self.announce(index, &planned, std::time::Duration::ZERO);
            done[index] = Some(planned);
        }
        Ok(done
            .into_iter()
            .map(|done| done.unwrap_or_else(|| TargetOutcome::not_run("unknown")))
            .collect())
    }
}

impl TrackExecutor<'_> {
    /// With every step that would be run as one that has not been.
    fn dry_run_target(
        &self,
        target: &Target,
        stand: &LedgerState,
        rehearsal: &DryRun,
    ) -> TargetOutcome {
        if let Some(done) = self.done_without_session(target, stand) {
            return done;
        }
        let none = Arc::default();
        let rows = if let LedgerState::Rows(rows) = stand { rows } else { &none };
        let decision = self.decide(target, rows);
        let wanted = decision.apply.iter().map(|index| &self.track.head[*index]);
        let steps: Vec<_> = wanted.map(|migration| self.unrun_step(migration)).collect();
        let mut messages = Vec::new();
        if matches!(stand, LedgerState::New) && self.direction.is_up() {
            messages.extend(self.track.chosen.format.ensure_ledger(&target.ledger));
        }
        decision.apply.iter().for_each(|index| messages.extend(self.step(*index, target).messages));
        (rehearsal.0)(&script(target, steps.len(), &messages));
        let begun = self.begin(rows, &decision);
        let done = self.end_of(target, begun, rows, decision);
        match done.end {
            UnitEnd::Completed | UnitEnd::Failed { .. } => TargetOutcome { steps, ..done },
            UnitEnd::NotRun { .. } => done,
        }
    }
}

/// A script for `psql`, which sends each statement by itself, as good as what is sent.
fn script(target: &Target, steps: usize, messages: &[QueryBatch]) -> String {
    let whose = match target.track {
        TrackKind::Shared => format!("{}, shared track", target.name),
        TrackKind::Tenant => {
            format!("{}, tenant {} ({})", target.database, target.name, target.target)
        }
    };
    let whose = visible(&whose).replace('\n', "␊");
    let number = if steps == 1 { "1 migration".to_owned() } else { format!("{steps} migrations") };
    let mut text = format!("-- {whose}: {number}\n{};\n", set_path(target));
    for message in messages {
        let sql = message.text();
        let end = if sql.trim_end().ends_with(';') { "" } else { "\n;" };
        let _ = writeln!(text, "{}{end}", sql.trim_end());
    }
    text.push('\n');
    text
}
