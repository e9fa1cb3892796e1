//! What a batch outside of a transaction has left: invalid indexes, which are dropped, and partitions with a pending detach.

use crate::execution::batch::Batch;
use crate::execution::batch_failure::BatchFailure;
use crate::execution::concurrent_index::{
    InvalidIndex, Leftovers, clean_up, invalid_in_schema, pending_detaches,
};
use crate::execution::race;
use crate::model::{Failure, FailureKind};
use crate::upgrade::session::worker_session::WorkerSession;
use crate::upgrade::target::Target;

/// The lock timeout of a drop once the run is interrupted.
const INTERRUPTED_LIMIT: &str = "2s";

/// After a failure: drops the invalid indexes that did not exist `before`. A command that has left nothing can be retried.
pub(super) async fn clean_up_after(
    session: &mut WorkerSession,
    target: &Target,
    batch: &Batch,
    before: Option<Vec<InvalidIndex>>,
    is_interrupted: bool,
    failed: &mut BatchFailure,
) {
    if let Some(before) = before {
        session.close().await;
        if is_interrupted {
            session.allow_new_sessions();
        }
        let limit = is_interrupted.then_some(INTERRUPTED_LIMIT);
        failed.leftovers = match session.at_target(target).await {
            Ok(session) => clean_up(session, &target.search_path, batch, &before, limit).await,
            Err(_) => Leftovers::unknown(),
        };
    }
    let Leftovers { dropped, left, is_known } = &failed.leftovers;
    if !dropped.is_empty() {
        let words = format!("the invalid index that it left was dropped: {}", dropped.join(", "));
        failed.failure.hint.get_or_insert(words);
    }
    let is_lost = failed.failure.kind == FailureKind::ConnectionLost;
    let is_clean = failed.is_index_command && left.is_empty() && *is_known;
    if is_clean && !is_lost {
        failed.had_no_effect = true;
        failed.race = race::of(&failed.failure);
    }
}

/// Adds to a failure what a step outside of a transaction has left, and how to fix it.
pub(super) async fn with_leftovers(
    session: &mut WorkerSession,
    target: &Target,
    failed: BatchFailure,
) -> Failure {
    let BatchFailure { mut failure, is_whole, race, .. } = failed;
    if let Some(race) = race {
        failure.hint.get_or_insert_with(|| race.hint().to_owned());
    }
    if is_whole {
        return failure;
    }
    let invalid = in_schema(session, target, InSchema::InvalidIndexes).await;
    if !invalid.is_empty() {
        let drops = invalid.iter().map(|name| format!("DROP INDEX CONCURRENTLY {name};"));
        failure.hint = Some(format!(
            "a failed CREATE INDEX CONCURRENTLY leaves an invalid index with this name, and the next attempt fails; drop it, \
             and run again: {}",
            drops.collect::<Vec<_>>().join(" ")
        ));
    }
    let pending = in_schema(session, target, InSchema::PendingDetaches).await;
    if !pending.is_empty() {
        failure.hint = Some(format!(
            "an interrupted DETACH PARTITION … CONCURRENTLY leaves the partition pending, and the next attempt is refused; \
             complete it, and run again without the statement, or add the ledger row: {}",
            pending.join(" ")
        ));
    }
    failure
}

#[derive(Clone, Copy)]
enum InSchema {
    InvalidIndexes,
    PendingDetaches,
}

/// Reads from the target's schema; empty if the server does not respond.
async fn in_schema(session: &mut WorkerSession, target: &Target, what: InSchema) -> Vec<String> {
    let schema = &target.search_path[0];
    let Ok(session) = session.at_target(target).await else { return Vec::new() };
    let read = match what {
        InSchema::InvalidIndexes => invalid_in_schema(session, schema).await,
        InSchema::PendingDetaches => pending_detaches(session, schema).await,
    };
    read.unwrap_or_default()
}
