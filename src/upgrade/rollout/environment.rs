//! Failures of the environment while targets are worked on: how long a server that is away is waited for, and what is no
//! failure of a migration although its code alone does not tell.

use std::time::{Duration, Instant};

use crate::formats::LedgerRow;
use crate::model::{EnvironmentCause, Failure, FailureKind, FailureOrigin};
use crate::upgrade::log;
use crate::upgrade::preflight::target::Target;
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::track::apply::BatchNotApplied;
use crate::upgrade::track::executor::TrackExecutor;
use crate::upgrade::track::postcondition::BatchFailure;
use crate::upgrade::track::progress::{TargetOutcome, TargetProgress};

/// How long a server that takes no connection is waited for, once work on it has begun.
pub(crate) const AWAY: Duration = Duration::from_secs(10);
/// The same before anything was begun.
pub(crate) const FIRST_CONTACT: Duration = Duration::from_secs(2);
/// Between two tries, at first and at most.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// PostgreSQL's Appendix A: read_only_sql_transaction.
const READ_ONLY: &str = "25006";
/// What the sessions of this role can write by themselves, whatever a script has set.
const IS_READ_ONLY: &str = "SELECT pg_catalog.pg_is_in_recovery() \
    OR pg_catalog.current_setting('default_transaction_read_only')::pg_catalog.bool";

/// Tries to reach a server that is away.
#[derive(Debug)]
pub(crate) struct Reconnect {
    patience: Duration,
    pause: Duration,
    since: Option<Instant>,
}

impl Reconnect {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, pause: PAUSE, since: None }
    }

    /// How long to wait before the next try, where there is one.
    pub(crate) fn after(&mut self, failure: &Failure) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let is_over = since.elapsed() + self.pause > self.patience;
        if failure.kind != FailureKind::ConnectionLost || is_over {
            return None;
        }
        let pause = self.pause;
        tracing::debug!(?pause, "the server is away: trying again");
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        log::reconnect(failure, pause);
        Some(pause)
    }
}

/// A failure of what mig-ci sends itself, where no migration has a part in it.
pub(crate) fn of_own_sql(failure: Failure) -> Failure {
    match &failure.kind {
        FailureKind::ConnectionLost => Failure { kind: FailureKind::ServerLost, ..failure },
        FailureKind::Sql { sqlstate } if sqlstate == READ_ONLY => read_only(failure),
        _ => failure,
    }
}

fn read_only(failure: Failure) -> Failure {
    let hint = "the server takes no writes from this role: it is a standby, or default_transaction_read_only is on";
    let hint = Some(hint.to_owned());
    Failure {
        origin: Some(FailureOrigin::Environment(EnvironmentCause::ReadOnly)),
        hint,
        ..failure
    }
}

impl TrackExecutor<'_> {
    /// The ledger's rows, if there is one. A server that is being restarted is there again after a moment.
    pub(crate) async fn look(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
    ) -> Result<Option<Vec<LedgerRow>>, Failure> {
        let query = self.track.chosen.format.ledger_rows(&target.ledger);
        let mut reconnect = Reconnect::new(AWAY);
        loop {
            let looked = async {
                lane.arrive(target).await?;
                lane.ledger(target, &query).await
            };
            let failure = match looked.await {
                Ok(rows) => return Ok(rows),
                Err(failure) => failure,
            };
            let Some(pause) = reconnect.after(&failure) else { return Err(of_own_sql(failure)) };
            lane.close().await;
            let pause = tokio::time::sleep(pause);
            if self.interruption.requested.run_until_cancelled(pause).await.is_none() {
                return Err(of_own_sql(failure));
            }
        }
    }

    /// After a batch that was not applied, its ledger could not be read: `failure` says why.
    pub(crate) fn unseen(
        &self,
        begun: TargetProgress,
        failed: BatchNotApplied,
        failure: Failure,
    ) -> TargetOutcome {
        let cause = match failed {
            BatchNotApplied::Stopped(stopped) => stopped.failure,
            BatchNotApplied::AsSeen | BatchNotApplied::Interrupted => {
                return self.failed_at_first_missing(begun, failure);
            }
        };
        // What the server has said of a migration holds, whatever became of the server.
        if cause.kind != FailureKind::ConnectionLost {
            return self.failed_at_first_missing(begun, cause);
        }
        let hint =
            "whether the migration was applied is not known: run it again, and the ledger tells";
        let failure = Failure { hint: Some(hint.to_owned()), ..failure };
        TargetOutcome { after: None, ..self.failed_at_first_missing(begun, failure) }
    }

    /// Finds out what the code of a failure leaves open: whether the server takes writes at all, and whether it was there.
    pub(crate) async fn find_origin(
        &self,
        lane: &mut WorkerSession,
        target: &Target,
        begun: &TargetProgress,
        stopped: &mut BatchFailure,
    ) {
        let failure = &mut stopped.failure;
        let is_read_only = failure.kind == FailureKind::Sql { sqlstate: READ_ONLY.to_owned() };
        if failure.origin.is_none() && is_read_only {
            if lane.ask(target, IS_READ_ONLY).await == Some(true) {
                *failure = read_only(failure.clone());
            }
        } else if failure.kind == FailureKind::ConnectionLost {
            let Some(sent) = begun.sent else { return };
            if lane.ask(target, &has_come_back(sent.elapsed())).await == Some(true) {
                // It is there again, and others can go on.
                failure.kind = FailureKind::Environment(EnvironmentCause::ServerRestarted);
                failure.message = format!(
                    "the server was restarted, or recovered from a crash, while this ran: {}",
                    failure.message
                );
            }
        }
    }
}

impl WorkerSession {
    /// `None` where the server does not answer.
    async fn ask(&mut self, target: &Target, question: &str) -> Option<bool> {
        self.close().await;
        self.at(target).await.ok()?.fetch_one(question).await.ok()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Failure {
        Failure::new(FailureKind::ConnectionLost, "refused")
    }

    #[test]
    fn a_server_is_waited_for_and_nothing_else_is() {
        let mut reconnect = Reconnect::new(AWAY);
        let pauses: Vec<_> = (0..6).filter_map(|_| reconnect.after(&lost())).collect();
        assert_eq!(pauses.len(), 6);
        assert!(pauses.is_sorted() && pauses[5] == LONGEST_PAUSE, "{pauses:?}");
        assert_eq!(Reconnect::new(Duration::ZERO).after(&lost()), None);
        let other = Failure::new(FailureKind::Ledger, "no");
        assert_eq!(Reconnect::new(AWAY).after(&other), None);
    }

    #[test]
    fn what_breaks_without_a_migration_is_the_environments() {
        assert_eq!(of_own_sql(lost()).kind, FailureKind::ServerLost);
        let sql = |sqlstate: &str| {
            let kind = FailureKind::Sql { sqlstate: sqlstate.to_owned() };
            of_own_sql(Failure::new(kind, "no")).is_environmental()
        };
        assert!(sql(READ_ONLY) && sql("53100") && !sql("42501"));
    }
}
