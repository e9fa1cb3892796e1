//! The meaning of a ledger in the terms of a report. Most tenants have equal ledgers, so summaries are cached.

use std::collections::HashMap;
use std::sync::Arc;

use crate::formats::LedgerRow;
use crate::model::{Failure, FailureKind};
use crate::replay::plan::TrackPlan;
use crate::report::status::{Standing, Unit, failure_of, track_kind};
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::target::Target;
use crate::upgrade::track::progress::newest;

/// Cached summaries of the ledgers of one track.
pub(crate) struct LedgerSummaries<'a> {
    plan: &'a TrackPlan,
    /// The versions of all migrations, shared by all summaries.
    versions: Vec<Arc<str>>,
    ledgers: HashMap<Arc<[LedgerRow]>, LedgerSummary>,
}

#[derive(Debug, Clone)]
struct LedgerSummary {
    /// The versions of all rows.
    state: Arc<[String]>,
    /// The newest version of the complete rows, and their number.
    version: Option<String>,
    applied: usize,
    pending: Arc<[Arc<str>]>,
    refusal: Option<String>,
}

impl<'a> LedgerSummaries<'a> {
    pub(crate) fn new(plan: &'a TrackPlan) -> Self {
        let versions = plan.head.iter().map(|migration| migration.version.as_str().into());
        Self { plan, versions: versions.collect(), ledgers: HashMap::new() }
    }

    pub(crate) fn unit(&mut self, target: &Target, ledger: LedgerState) -> Unit {
        let blank = Unit {
            track: track_kind(target.track),
            name: target.name.to_string(),
            target: target.target.clone(),
            standing: Standing::AtHead,
            version: None,
            applied: 0,
            pending: Arc::default(),
            failure: None,
            shape: None,
            agreement: None,
            looks_like: None,
            state: Arc::default(),
        };
        let rows = match ledger {
            LedgerState::Absent => return Unit { standing: Standing::Absent, ..blank },
            LedgerState::Unreadable(failure) => {
                let standing = match failure.is_environmental() {
                    true => Standing::EnvironmentFailed,
                    false => Standing::Unreadable,
                };
                return Unit { standing, failure: Some(failure_of(&failure)), ..blank };
            }
            LedgerState::New => Arc::default(),
            LedgerState::Rows(rows) => rows,
        };
        let LedgerSummary { state, version, applied, pending, refusal } = self.summary(&rows);
        let standing = match (&refusal, pending.is_empty()) {
            (Some(_), _) => Standing::Refused,
            (None, true) => Standing::AtHead,
            (None, false) => Standing::Behind,
        };
        let failure = refusal.map(|reason| {
            let hint =
                self.plan.detected.format.recovery_hint(&rows, &self.plan.head, &target.ledger);
            failure_of(&Failure { hint, ..Failure::new(FailureKind::Refused, reason) })
        });
        Unit { standing, version, applied, pending, failure, state, ..blank }
    }

    fn summary(&mut self, rows: &Arc<[LedgerRow]>) -> LedgerSummary {
        if let Some(cached) = self.ledgers.get(rows) {
            return cached.clone();
        }
        let decision = self.plan.detected.format.decide(rows, &self.plan.head);
        let history = self.plan.detected.format.history(rows, &self.plan.head);
        let summary = LedgerSummary {
            state: history.iter().map(|row| row.version.clone()).collect(),
            version: newest(&history),
            applied: history.iter().filter(|row| row.complete).count(),
            pending: decision
                .apply
                .iter()
                .map(|index| Arc::clone(&self.versions[*index]))
                .collect(),
            refusal: decision.refusal,
        };
        self.ledgers.insert(Arc::clone(rows), summary.clone());
        summary
    }
}
