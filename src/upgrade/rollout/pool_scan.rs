//! The first look at all targets of a worker pool: those that have nothing to do are done with that.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::model::{EnvironmentCause, Failure, FailureKind};
use crate::postgres::Session;
use crate::upgrade::log;
use crate::upgrade::preflight::ledger_scan;
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::reconnect::Reconnect;
use crate::upgrade::target::Target;
use crate::upgrade::track::executor::TrackExecutor;
use crate::upgrade::track::progress::TargetOutcome;

/// A setting that every session of a run brings along. Where it has not arrived, neither have the time limits, and whoever
/// keeps them back pools sessions (PgBouncer: `ignore_startup_parameters = options`).
pub(crate) const SESSION_MARKER: (&str, &str) = ("mig_ci.session", "direct");
/// The second column makes the server look from time to time whether we are there still, also where it waits for a lock:
/// nothing is left of a look that is interrupted. Older servers, and such as do not run on Linux, have no such setting.
pub(crate) const SESSION_MARKER_ARRIVED: &str = "SELECT COALESCE(pg_catalog.current_setting('mig_ci.session', true), '') \
    OPERATOR(pg_catalog.=) 'direct', (SELECT pg_catalog.set_config(s.name, '500', false) FROM pg_catalog.pg_settings AS s \
    WHERE s.name OPERATOR(pg_catalog.=) 'client_connection_check_interval' \
    AND pg_catalog.version() OPERATOR(pg_catalog.~) 'linux')";
const BEHIND_A_POOLER: &str = "the session's settings have no effect: there is a pooler such as PgBouncer in front of the \
                               server. Connect to PostgreSQL directly, because search paths and locks do not persist with \
                               transaction pooling";

/// What has been seen of them.
pub(crate) struct LedgerScan {
    pub(crate) done: Vec<Option<TargetOutcome>>,
    /// Indices of those that have something to do.
    pub(crate) waiting: Vec<usize>,
    /// Where those stand.
    pub(crate) seen: Vec<Option<LedgerState>>,
}

/// The first look at all targets of a pool.
pub(crate) struct PoolScan<'a> {
    pub(crate) executor: &'a TrackExecutor<'a>,
    pub(crate) targets: &'a [Target],
    pub(crate) options: &'a PgConnectOptions,
    /// How long a server that is away is waited for.
    pub(crate) patience: Duration,
}

impl PoolScan<'_> {
    /// Reads the ledgers of all targets: those that have nothing to do are done.
    ///
    /// # Errors
    /// The server cannot be reached, or its ledgers cannot be read together.
    pub(crate) async fn run(&self) -> Result<LedgerScan, Failure> {
        let mut reconnect = Reconnect::new(self.patience);
        loop {
            let failure = match self.scan().await {
                Ok(scan) => return Ok(scan),
                Err(failure) => failure,
            };
            let Some(pause) = reconnect.after(&failure) else { return Err(failure) };
            tokio::time::sleep(pause).await;
        }
    }

    async fn scan(&self) -> Result<LedgerScan, Failure> {
        let mut session = Session::open_patiently(self.options).await?;
        if !session.fetch_one::<bool>(SESSION_MARKER_ARRIVED).await? {
            return Err(Failure::new(
                FailureKind::Environment(EnvironmentCause::Pooler),
                BEHIND_A_POOLER,
            ));
        }
        let format = self.executor.track.plan.chosen.format;
        let mut done: Vec<Option<TargetOutcome>> = vec![None; self.targets.len()];
        let mut waiting = Vec::new();
        let mut seen = vec![None; self.targets.len()];
        let scanned = ledger_scan::scan(&mut session, format, self.targets, |index, state| {
            log::scanned(&self.targets[index], &state);
            // What the tool refuses may be the work of another run: it is looked at again with the lease.
            let settled = self.executor.done_without_session(&self.targets[index], &state);
            let is_final = matches!(state, LedgerState::Absent | LedgerState::Unreadable(_));
            done[index] = settled.filter(|done| is_final || !done.is_failed());
            if done[index].is_none() {
                waiting.push(index);
                seen[index] = Some(state);
            }
        });
        scanned.await?;
        session.close().await;
        waiting.sort_unstable();
        for (target, outcome) in self.targets.iter().zip(&done) {
            if let Some(outcome) = outcome {
                self.executor.announce(target, outcome, Duration::ZERO);
            }
        }
        Ok(LedgerScan { done, waiting, seen })
    }
}
