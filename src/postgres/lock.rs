//! Advisory locks that keep two runs from processing one target at the same time. They are requested without waiting.
//!
//! The keys are derived from a ledger's name; PostgreSQL scopes advisory locks to a database. Each ledger has two locks. The
//! *lease* (key name `claim`) is held by a session that does nothing else and has no open transaction, so that `CREATE INDEX
//! CONCURRENTLY` does not wait for it. The *execution lock* (key name `mark`) is held by the session that executes: if its
//! client dies during a message, the backend executes the message to its end, while the lease is released at once. Therefore
//! acquiring a lease also checks the execution lock.

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::postgres::PgConnectOptions;

use super::session::Session;
use crate::formats::Ledger;
use crate::model::Failure;

/// The lock keys of one ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdvisoryLockKeys {
    lease: i64,
    execution: i64,
}

impl AdvisoryLockKeys {
    pub(crate) fn of(ledger: &Ledger) -> Self {
        let key = |kind: &str| {
            let digest = Sha256::new()
                .chain_update("mig-ci\0")
                .chain_update(kind)
                .chain_update("\0")
                .chain_update(ledger.qualified())
                .finalize();
            digest.iter().take(8).fold(0_i64, |key, byte| key << 8 | i64::from(*byte))
        };
        Self { lease: key("claim"), execution: key("mark") }
    }

    /// SQL for the session that executes on the ledger, before it reads the ledger: acquires the execution lock until the
    /// session ends or releases its locks. Returns one row with one boolean: false if another session holds the lock, or is
    /// just checking it.
    pub(crate) fn try_execution_lock(self) -> String {
        format!("SELECT pg_catalog.pg_try_advisory_lock({})", self.execution)
    }
}

/// The session that holds leases.
#[derive(Debug)]
pub(crate) struct LeaseHolder {
    session: Session,
}

impl LeaseHolder {
    pub(crate) async fn open(options: PgConnectOptions) -> Result<Self, Failure> {
        Ok(Self { session: Session::open_with_retry(&options).await? })
    }

    /// Acquires the leases of all `keys` that no other run holds, and releases those of `to_release`, in one round trip.
    /// Returns for each of `keys` whether it was acquired.
    pub(crate) async fn acquire(
        &mut self,
        keys: &[AdvisoryLockKeys],
        to_release: &[AdvisoryLockKeys],
    ) -> Result<Vec<bool>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // The execution lock is acquired and released at once; if that fails, the lease is released, too.
        let rows = keys.iter().enumerate().map(|(index, AdvisoryLockKeys { lease, execution })| {
            format!("({index}, {lease}::bigint, {execution}::bigint)")
        });
        let query = format!(
            "{}SELECT CASE WHEN NOT pg_catalog.pg_try_advisory_lock(claim) THEN false \
             WHEN pg_catalog.pg_try_advisory_lock(mark) THEN pg_catalog.pg_advisory_unlock(mark) \
             ELSE NOT pg_catalog.pg_advisory_unlock(claim) END AS mine \
             FROM (VALUES {}) AS one (index, claim, mark) ORDER BY index",
            release(to_release).map(|sql| sql + "; ").unwrap_or_default(),
            rows.collect::<Vec<_>>().join(", ")
        );
        let rows = self.session.query(&query).await?;
        let of_release = usize::from(!to_release.is_empty());
        let acquired: Result<Vec<bool>, _> =
            rows.iter().skip(of_release).map(|row| row.try_get("mine")).collect();
        acquired.map_err(|error| super::failure::of_own(&error))
    }

    /// Releases leases.
    pub(crate) async fn release(&mut self, keys: &[AdvisoryLockKeys]) -> Result<(), Failure> {
        match release(keys) {
            Some(query) => self.session.execute(query).await,
            None => Ok(()),
        }
    }

    /// Sends another statement. If that fails, so does the next lease request.
    pub(crate) async fn send(&mut self, sql: &str) {
        if let Err(failure) = self.session.query(sql).await {
            tracing::debug!(message = failure.message, "a statement was not sent");
        }
    }

    pub(crate) async fn close(self) {
        self.session.close().await;
    }
}

/// SQL that releases leases; returns one row.
fn release(keys: &[AdvisoryLockKeys]) -> Option<String> {
    let calls = keys.iter().map(|keys| format!("pg_catalog.pg_advisory_unlock({})", keys.lease));
    (!keys.is_empty()).then(|| format!("SELECT {}", calls.collect::<Vec<_>>().join(", ")))
}
