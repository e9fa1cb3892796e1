//! How much is risked at once, and tenants that have a database each: a crew for every one of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::done::Done;
use super::target::Target;
use crate::model::{Failure, FailureKind};

/// How much is done, and when it is enough.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Targets at work at one time.
    pub(crate) jobs: usize,
    /// The first few go first, and the others only if none of these fails.
    pub(crate) canary: Option<usize>,
    /// No more is begun once more than this have failed.
    pub(crate) max_failures: Option<usize>,
    /// How long others are waited for who work on a target.
    pub(crate) wait: Duration,
}

/// Where each target has a database to itself: a crew for each, several at a time, under the same limits.
pub(super) async fn apart(
    limits: &Limits,
    targets: usize,
    interrupted: &CancellationToken,
    run: impl AsyncFn(usize, &Limits) -> Done,
) -> Vec<Done> {
    let alone = Limits { jobs: 1, canary: None, max_failures: None, ..limits.clone() };
    let failures = AtomicUsize::new(0);
    let work = async |range: std::ops::Range<usize>, why_not: Option<String>| {
        let one = async |index: usize| {
            let failed = failures.load(Ordering::Relaxed);
            let too_many = limits.max_failures.filter(|most| failed > *most);
            let reason = why_not
                .clone()
                .or_else(|| interrupted.is_cancelled().then(|| INTERRUPTED.to_owned()))
                .or_else(|| too_many.map(after_failures));
            let done = match reason {
                Some(reason) => Done::not_run(reason),
                None => run(index, &alone).await,
            };
            failures.fetch_add(usize::from(done.is_failed()), Ordering::Relaxed);
            done
        };
        stream::iter(range.map(one)).buffered(limits.jobs.max(1)).collect::<Vec<_>>().await
    };
    let first = limits.canary.unwrap_or_default().min(targets);
    let mut done = work(0..first, None).await;
    let failed = failures.load(Ordering::Relaxed);
    let why_not = (first > 0 && failed > 0).then(|| after_canary(failed, first));
    done.extend(work(first..targets, why_not).await);
    done
}

pub(super) const INTERRUPTED: &str = "the run was interrupted";

pub(super) fn after_failures(most: usize) -> String {
    format!("more than {most} (--max-failures) failed before")
}

pub(super) fn after_canary(failed: usize, first: usize) -> String {
    format!("{failed} of the first {first} (--canary) failed")
}

/// Somebody else has been at it all the time.
pub(super) fn locked(target: &Target, wait: Duration) -> Failure {
    Failure {
        hint: Some(
            "another run of mig-ci works on it, or the server goes on with what a run that is gone has begun \
             (pg_stat_activity shows it); wait longer with --wait, or run again later"
                .to_owned(),
        ),
        ..Failure::new(
            FailureKind::Environment,
            format!(
                "somebody else has held the lock of {} for more than {} s",
                target.ledger.qualified(),
                wait.as_secs()
            ),
        )
    }
}
