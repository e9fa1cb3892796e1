//! Log events of a target, in addition to those of its migrations. docs/logging.md describes the complete log of one target.

use std::time::Duration;

use crate::model::UnitEnd;
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::target::Target;
use crate::upgrade::track::progress::TargetOutcome;

/// All ledgers of a database are read together, before any lease.
pub(crate) fn scanned(target: &Target, state: &LedgerState) {
    target.span().in_scope(|| match state {
        LedgerState::Absent => tracing::debug!("scanned: no schema"),
        LedgerState::New => tracing::debug!("scanned: no ledger"),
        LedgerState::Rows(rows) => {
            let newest = rows.last().map(|row| row.version.as_str());
            tracing::debug!(rows = rows.len(), newest, "scanned: ledger read");
        }
        LedgerState::Unreadable(failure) => {
            tracing::debug!(reason = failure.message, "scanned: ledger unreadable");
        }
    });
}

pub(crate) fn lease(target: &Target, is_acquired: bool) {
    target.span().in_scope(|| match is_acquired {
        true => tracing::debug!("lease acquired"),
        false => tracing::debug!("lease not acquired: another run holds it"),
    });
}

pub(crate) fn finished(target: &Target, outcome: &TargetOutcome, took: Duration) {
    let reason = match &outcome.end {
        UnitEnd::NotRun { reason } => Some(reason.as_str()),
        UnitEnd::Completed | UnitEnd::Failed { .. } => None,
    };
    let reason = reason.or_else(|| Some(&*outcome.failure()?.message));
    let (before, after) = (outcome.before.as_deref(), outcome.after.as_deref());
    let (verdict, retries) = (outcome.verdict(), outcome.retries);
    target.span().in_scope(|| {
        tracing::debug!(%verdict, before, after, retries, reason, duration = ?took, "finished");
    });
}
