//! That two runs never work on one target: advisory locks, asked for and never waited for.
//!
//! A key is of a ledger, in the database that the session is in (PostgreSQL keeps advisory locks apart by database). There
//! are two for each ledger. The *claim* is held by a session that does nothing else and is in no transaction, so that
//! `CREATE INDEX CONCURRENTLY` waits for nobody who waits for it. The *mark* is held by the session that works: when its client dies in the middle of a message, the server goes on to the message's end, without the claim.
//! Whoever claims a ledger asks for the mark, too.

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::postgres::PgConnectOptions;

use super::session::Session;
use crate::formats::Ledger;
use crate::model::Failure;

/// The keys of one ledger.
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

    /// For the session that works on the ledger, before it reads that: SQL that takes the mark until the session ends or
    /// gives up its locks; one row, one boolean, false if somebody else has it, or looks at it in this moment.
    pub(crate) fn try_execution_lock(self) -> String {
        format!("SELECT pg_catalog.pg_try_advisory_lock({})", self.execution)
    }
}

/// The session that holds claims.
#[derive(Debug)]
pub(crate) struct LeaseHolder {
    session: Session,
}

impl LeaseHolder {
    pub(crate) async fn open(options: PgConnectOptions) -> Result<Self, Failure> {
        Ok(Self { session: Session::open_patiently(&options).await? })
    }

    /// Claims all of these that nobody works on, and gives others back, in one round trip. Tells, for each of `keys`,
    /// whether it has it.
    pub(crate) async fn acquire(
        &mut self,
        keys: &[AdvisoryLockKeys],
        give_back: &[AdvisoryLockKeys],
    ) -> Result<Vec<bool>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        // The mark is asked for and given back at once; without it the claim is given back, too.
        let rows = keys.iter().enumerate().map(
            |(index, AdvisoryLockKeys { lease: claim, execution: mark })| {
                format!("({index}, {claim}::bigint, {mark}::bigint)")
            },
        );
        let query = format!(
            "{}SELECT CASE WHEN NOT pg_catalog.pg_try_advisory_lock(claim) THEN false \
             WHEN pg_catalog.pg_try_advisory_lock(mark) THEN pg_catalog.pg_advisory_unlock(mark) \
             ELSE NOT pg_catalog.pg_advisory_unlock(claim) END AS mine \
             FROM (VALUES {}) AS one (index, claim, mark) ORDER BY index",
            release(give_back).map(|sql| sql + "; ").unwrap_or_default(),
            rows.collect::<Vec<_>>().join(", ")
        );
        let rows = self.session.query(&query).await?;
        let of_release = usize::from(!give_back.is_empty());
        let mine: Result<Vec<bool>, _> =
            rows.iter().skip(of_release).map(|row| row.try_get("mine")).collect();
        mine.map_err(|error| super::failure::of_own(&error))
    }

    /// Gives claims back.
    pub(crate) async fn release(&mut self, keys: &[AdvisoryLockKeys]) -> Result<(), Failure> {
        match release(keys) {
            Some(query) => self.session.execute(query).await,
            None => Ok(()),
        }
    }

    /// Sends a statement of another kind. If that fails, so will the next claim.
    pub(crate) async fn send(&mut self, sql: &str) {
        if let Err(failure) = self.session.query(sql).await {
            tracing::debug!(message = failure.message, "a statement was not sent");
        }
    }

    pub(crate) async fn close(self) {
        self.session.close().await;
    }
}

/// SQL that gives claims back; one row.
fn release(keys: &[AdvisoryLockKeys]) -> Option<String> {
    let calls = keys.iter().map(|keys| format!("pg_catalog.pg_advisory_unlock({})", keys.lease));
    (!keys.is_empty()).then(|| format!("SELECT {}", calls.collect::<Vec<_>>().join(", ")))
}
