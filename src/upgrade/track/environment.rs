//! Failures of the environment while targets are processed: how long an unreachable server is waited for, and which failures
//! are not a migration's although their code does not tell.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::attempt::BatchNotApplied;
use super::directed_track::DirectedTrack;
use super::progress::{TargetOutcome, TargetProgress};
use crate::execution::batch_failure::BatchFailure;
use crate::formats::{LedgerRow, LedgerRules};
use crate::model::{EnvironmentCause, Failure, FailureKind};
use crate::retry::RetryError;
use crate::retry::policies::SERVER_AWAY;
use crate::upgrade::own_sql::{READ_ONLY, is_away, of_own_sql, read_only};
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::target::Target;

/// Whether sessions of this role are read-only by default, regardless of settings in a script.
const IS_READ_ONLY: &str = "SELECT pg_catalog.pg_is_in_recovery() \
    OR pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool";

/// The ledger's rows, if there is a ledger. Waits while the server restarts.
pub(crate) async fn read_ledger(
    format: &dyn LedgerRules,
    session: &mut WorkerSession,
    target: &Target,
    interrupted: &CancellationToken,
) -> Result<Option<Vec<LedgerRow>>, Failure> {
    let query = format.ledger_rows(&target.ledger);
    let attempt = async || {
        let rows = read_once(session, target, &query).await;
        if rows.as_ref().is_err_and(is_away) {
            session.close().await;
        }
        rows
    };
    let rows = SERVER_AWAY.retry_until(interrupted, is_away, attempt).await;
    rows.map_err(|(RetryError::Failed(failure) | RetryError::Interrupted(failure))| {
        of_own_sql(failure)
    })
}

async fn read_once(
    session: &mut WorkerSession,
    target: &Target,
    query: &str,
) -> Result<Option<Vec<LedgerRow>>, Failure> {
    session.set_up(target).await?;
    session.ledger(target, query).await
}

/// The outcome if the ledger could not be read after a batch that was not applied, because of `failure`.
pub(super) fn unknown_outcome(
    track: &DirectedTrack<'_>,
    progress: TargetProgress,
    failed: BatchNotApplied,
    failure: Failure,
) -> TargetOutcome {
    let cause = match failed {
        BatchNotApplied::Failed(failed) => failed.failure,
        BatchNotApplied::TargetChanged | BatchNotApplied::Interrupted => {
            return progress.failed_at_first_missing(track, failure);
        }
    };
    // An error that the server reported for a migration is conclusive, even if the server was lost afterwards.
    if cause.kind != FailureKind::ConnectionLost {
        return progress.failed_at_first_missing(track, cause);
    }
    let hint = "it is unknown whether the migration was applied; run the command again: mig-ci reads the ledger, and applies what is missing";
    let failure = Failure { hint: Some(hint.to_owned()), ..failure };
    TargetOutcome { after: None, ..progress.failed_at_first_missing(track, failure) }
}

/// Determines what the code of a failure leaves open: whether the server accepts writes, and whether it was restarted.
pub(super) async fn find_origin(
    session: &mut WorkerSession,
    target: &Target,
    progress: &TargetProgress,
    failed: &mut BatchFailure,
) {
    let failure = &mut failed.failure;
    let is_read_only = failure.kind == FailureKind::Sql { sqlstate: READ_ONLY.to_owned() };
    if failure.origin.is_none() && is_read_only {
        if query_anew(session, target, IS_READ_ONLY).await == Some(true) {
            *failure = read_only(failure.clone());
        }
    } else if failure.kind == FailureKind::ConnectionLost {
        let Some(sent) = progress.sent else { return };
        if query_anew(session, target, &has_come_back(sent.elapsed())).await == Some(true) {
            // It is reachable again, and other targets can continue.
            failure.kind = FailureKind::Environment(EnvironmentCause::ServerRestarted);
            failure.message = format!(
                "the server was restarted, or recovered from a crash, during this run: {}",
                failure.message
            );
        }
    }
}

/// The result of a query; `None` if the server does not respond.
async fn query_anew(session: &mut WorkerSession, target: &Target, query: &str) -> Option<bool> {
    session.close().await;
    session.at_target(target).await.ok()?.fetch_one(query).await.ok()
}

/// A query: was the server started, or (for roles that may see it) recovered from a crash, within this time? Every recovery
/// restarts the checkpointer.
fn has_come_back(within: Duration) -> String {
    format!(
        "SELECT GREATEST(pg_catalog.pg_postmaster_start_time(), (SELECT pg_catalog.min(a.backend_start) \
         FROM pg_catalog.pg_stat_activity AS a WHERE a.backend_type OPERATOR(pg_catalog.=) 'checkpointer')) \
         OPERATOR(pg_catalog.>) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) \
         pg_catalog.make_interval(secs => {}))",
        within.as_secs_f64()
    )
}
