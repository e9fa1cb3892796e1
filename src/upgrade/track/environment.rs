//! Failures of the environment while targets are worked on: how long a server that is away is waited for, and what is no
//! failure of a migration although its code alone does not tell.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::directed_track::DirectedTrack;
use super::not_applied::BatchNotApplied;
use super::progress::{TargetOutcome, TargetProgress};
use crate::execution::batch_failure::BatchFailure;
use crate::formats::{LedgerRow, LedgerRules};
use crate::model::{EnvironmentCause, Failure, FailureKind};
use crate::upgrade::reconnect::{AWAY, READ_ONLY, Reconnect, of_own_sql, read_only};
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::target::Target;

/// What the sessions of this role can write by themselves, whatever a script has set.
const IS_READ_ONLY: &str = "SELECT pg_catalog.pg_is_in_recovery() \
    OR pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool";

/// The ledger's rows, if there is one. A server that is being restarted is there again after a moment.
pub(crate) async fn read_ledger(
    format: &dyn LedgerRules,
    session: &mut WorkerSession,
    target: &Target,
    interrupted: &CancellationToken,
) -> Result<Option<Vec<LedgerRow>>, Failure> {
    let query = format.ledger_rows(&target.ledger);
    let mut reconnect = Reconnect::new(AWAY);
    loop {
        let looked = async {
            session.arrive(target).await?;
            session.ledger(target, &query).await
        };
        let failure = match looked.await {
            Ok(rows) => return Ok(rows),
            Err(failure) => failure,
        };
        let Some(pause) = reconnect.after(&failure) else { return Err(of_own_sql(failure)) };
        session.close().await;
        let pause = tokio::time::sleep(pause);
        if interrupted.run_until_cancelled(pause).await.is_none() {
            return Err(of_own_sql(failure));
        }
    }
}

/// The ledger could not be read after a batch that was not applied: `failure` says why.
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
    // What the server has said of a migration holds, whatever became of the server.
    if cause.kind != FailureKind::ConnectionLost {
        return progress.failed_at_first_missing(track, cause);
    }
    let hint = "it is unknown whether the migration was applied: run again, and the ledger decides";
    let failure = Failure { hint: Some(hint.to_owned()), ..failure };
    TargetOutcome { after: None, ..progress.failed_at_first_missing(track, failure) }
}

/// Finds out what the code of a failure leaves open: whether the server takes writes at all, and whether it was there.
pub(super) async fn find_origin(
    session: &mut WorkerSession,
    target: &Target,
    progress: &TargetProgress,
    failed: &mut BatchFailure,
) {
    let failure = &mut failed.failure;
    let is_read_only = failure.kind == FailureKind::Sql { sqlstate: READ_ONLY.to_owned() };
    if failure.origin.is_none() && is_read_only {
        if ask(session, target, IS_READ_ONLY).await == Some(true) {
            *failure = read_only(failure.clone());
        }
    } else if failure.kind == FailureKind::ConnectionLost {
        let Some(sent) = progress.sent else { return };
        if ask(session, target, &has_come_back(sent.elapsed())).await == Some(true) {
            // It is there again, and others can go on.
            failure.kind = FailureKind::Environment(EnvironmentCause::ServerRestarted);
            failure.message = format!(
                "the server was restarted, or recovered from a crash, during this run: {}",
                failure.message
            );
        }
    }
}

/// `None` where the server does not answer.
async fn ask(session: &mut WorkerSession, target: &Target, question: &str) -> Option<bool> {
    session.close().await;
    session.at(target).await.ok()?.fetch_one(question).await.ok()
}

/// Whether the server was started, or (for roles that may see it) has recovered from a crash, within this time. Every recovery
/// starts the checkpointer again.
fn has_come_back(within: Duration) -> String {
    format!(
        "SELECT GREATEST(pg_catalog.pg_postmaster_start_time(), (SELECT pg_catalog.min(a.backend_start) \
         FROM pg_catalog.pg_stat_activity AS a WHERE a.backend_type OPERATOR(pg_catalog.=) 'checkpointer')) \
         OPERATOR(pg_catalog.>) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) \
         pg_catalog.make_interval(secs => {}))",
        within.as_secs_f64()
    )
}
