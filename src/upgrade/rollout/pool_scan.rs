//! The first scan of all targets of a worker pool. Targets without pending work are finished by it.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::model::{EnvironmentCause, Failure, FailureKind};
use crate::postgres::Session;
use crate::retry::RetryPolicy;
use crate::upgrade::log;
use crate::upgrade::own_sql::is_away;
use crate::upgrade::preflight::ledger_scan;
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::target::Target;
use crate::upgrade::track::executor::TrackExecutor;
use crate::upgrade::track::progress::TargetOutcome;

/// A setting that every session of a run sends at its start. If it is missing, the time limits are missing too, because a
/// pooler drops startup options (PgBouncer: `ignore_startup_parameters = options`).
pub(crate) const SESSION_MARKER: (&str, &str) = ("mig_ci.session", "direct");
/// The second column sets `client_connection_check_interval`, so that the server detects a closed client connection even
/// while it waits for a lock, and an interrupted read leaves no backend. Older servers, and servers that do not run on
/// Linux, do not have this setting.
pub(crate) const SESSION_MARKER_ARRIVED: &str = "SELECT COALESCE(pg_catalog.current_setting('mig_ci.session', true), '') \
    OPERATOR(pg_catalog.=) 'direct', (SELECT pg_catalog.set_config(s.name, '500', false) FROM pg_catalog.pg_settings AS s \
    WHERE s.name OPERATOR(pg_catalog.=) 'client_connection_check_interval' \
    AND pg_catalog.version() OPERATOR(pg_catalog.~) 'linux')";
const BEHIND_A_POOLER: &str = "the session's settings have no effect: there is a pooler such as PgBouncer in front of the \
                               server. Connect to PostgreSQL directly, because search paths and locks do not persist with \
                               transaction pooling";

/// The result of scanning the ledgers.
pub(crate) struct LedgerScan {
    pub(crate) outcomes: Vec<Option<TargetOutcome>>,
    /// Indices of targets that have pending work.
    pub(crate) waiting: Vec<usize>,
    /// The ledger states of those targets.
    pub(crate) seen: Vec<Option<LedgerState>>,
}

/// The first scan of all targets of a pool.
pub(crate) struct PoolScan<'a> {
    pub(crate) executor: &'a TrackExecutor<'a>,
    pub(crate) targets: &'a [Target],
    pub(crate) options: &'a PgConnectOptions,
    /// How long an unreachable server is waited for.
    pub(crate) reconnect: RetryPolicy,
}

impl PoolScan<'_> {
    /// Reads the ledgers of all targets. Targets without pending work are finished.
    ///
    /// # Errors
    /// The server is unreachable, or its ledgers cannot be read together.
    pub(crate) async fn run(&self) -> Result<LedgerScan, Failure> {
        self.reconnect.retry(is_away, async || self.scan().await).await
    }

    async fn scan(&self) -> Result<LedgerScan, Failure> {
        let mut session = Session::open_with_retry(self.options).await?;
        if !session.fetch_one::<bool>(SESSION_MARKER_ARRIVED).await? {
            return Err(Failure::new(
                FailureKind::Environment(EnvironmentCause::Pooler),
                BEHIND_A_POOLER,
            ));
        }
        let format = self.executor.track.plan.detected.format;
        let mut outcomes: Vec<Option<TargetOutcome>> = vec![None; self.targets.len()];
        let mut waiting = Vec::new();
        let mut seen = vec![None; self.targets.len()];
        let scanned = ledger_scan::scan(&mut session, format, self.targets, |index, state| {
            log::scanned(&self.targets[index], &state);
            // A refused ledger may be in use by another run: it is read again with the lease.
            let settled = self.executor.outcome_without_session(&self.targets[index], &state);
            let is_final = matches!(state, LedgerState::Absent | LedgerState::Unreadable(_));
            outcomes[index] = settled.filter(|outcome| is_final || !outcome.is_failed());
            if outcomes[index].is_none() {
                waiting.push(index);
                seen[index] = Some(state);
            }
        });
        scanned.await?;
        session.close().await;
        waiting.sort_unstable();
        for (target, outcome) in self.targets.iter().zip(&outcomes) {
            if let Some(outcome) = outcome {
                self.executor.announce(target, outcome, Duration::ZERO);
            }
        }
        Ok(LedgerScan { outcomes, waiting, seen })
    }
}
