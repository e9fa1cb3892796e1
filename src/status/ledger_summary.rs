//! What a ledger means, in a report's terms. Most tenants have the same: that is thought of once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::formats::LedgerRow;
use crate::model::{Failure, FailureKind};
use crate::replay::plan::TrackPlan;
use crate::report::status::{Standing, Unit, failure_of, track_kind};
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::target::Target;
use crate::upgrade::track::progress::newest;

/// Ledgers of one track that have been seen.
pub(crate) struct LedgerSummaries<'a> {
    plan: &'a TrackPlan,
    /// The versions of all migrations, once.
    versions: Vec<Arc<str>>,
    ledgers: HashMap<Arc<[LedgerRow]>, LedgerSummary>,
}

/// What one ledger means.
#[derive(Debug, Clone)]
struct LedgerSummary {
    /// The versions of all rows.
    state: Arc<[String]>,
    /// Of those that are whole, the newest and the number.
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

    pub(crate) fn unit(&mut self, target: &Target, stand: LedgerState) -> Unit {
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
        let rows = match stand {
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
        let LedgerSummary { state, version, applied, pending, refusal } = self.meaning(&rows);
        let standing = match (&refusal, pending.is_empty()) {
            (Some(_), _) => Standing::Refused,
            (None, true) => Standing::AtHead,
            (None, false) => Standing::Behind,
        };
        let failure = refusal.map(|reason| {
            let hint =
                self.plan.chosen.format.recovery_hint(&rows, &self.plan.head, &target.ledger);
            failure_of(&Failure { hint, ..Failure::new(FailureKind::Refused, reason) })
        });
        Unit { standing, version, applied, pending, failure, state, ..blank }
    }

    fn meaning(&mut self, rows: &Arc<[LedgerRow]>) -> LedgerSummary {
        if let Some(known) = self.ledgers.get(rows) {
            return known.clone();
        }
        let decision = self.plan.chosen.format.decide(rows, &self.plan.head);
        let history = self.plan.chosen.format.history(rows, &self.plan.head);
        let meaning = LedgerSummary {
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
        self.ledgers.insert(Arc::clone(rows), meaning.clone());
        meaning
    }
}
