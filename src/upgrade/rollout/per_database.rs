//! How much is risked at once, and tenants that have a database each: a crew for every one of them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::model::{Failure, FailureKind, TargetCause};
use crate::upgrade::preflight::target::Target;
use crate::upgrade::track::progress::TargetOutcome;

/// How much is done, and when it is enough.
#[derive(Debug, Clone)]
pub(crate) struct RolloutLimits {
    /// Targets at work at one time.
    pub(crate) jobs: usize,
    /// The first few go first, and the others only if none of these fails.
    pub(crate) canary: Option<usize>,
    /// No more is begun once more than this have failed.
    pub(crate) max_failures: Option<usize>,
    /// How long others are waited for who work on a target.
    pub(crate) wait: Duration,
}

/// Places for targets at work, and why no more of them are begun.
pub(crate) struct ConnectionSlots<'a> {
    limits: &'a RolloutLimits,
    interrupted: &'a CancellationToken,
    /// Fair: who comes back after a pause stands behind all that have not been begun.
    free: Semaphore,
    failures: AtomicUsize,
    /// Servers that were lost, by host and port, and why nothing more is begun there.
    lost: Mutex<BTreeMap<String, String>>,
}

impl<'a> ConnectionSlots<'a> {
    /// So many have failed already, before anything was begun.
    pub(crate) fn new(
        limits: &'a RolloutLimits,
        interrupted: &'a CancellationToken,
        failures: usize,
    ) -> Self {
        let free = Semaphore::new(limits.jobs.max(1));
        Self {
            limits,
            interrupted,
            free,
            failures: AtomicUsize::new(failures),
            lost: Mutex::default(),
        }
    }

    pub(crate) async fn enter(&self) {
        // It is never closed.
        if let Ok(place) = self.free.acquire().await {
            place.forget();
        }
    }

    pub(crate) fn leave(&self) {
        self.free.add_permits(1);
    }

    /// Why nothing more is begun.
    pub(crate) fn stop_reason(&self) -> Option<String> {
        let failed = self.failures.load(Ordering::Relaxed);
        let too_many = self.limits.max_failures.filter(|most| failed > *most);
        let is_interrupted = self.interrupted.is_cancelled().then(|| INTERRUPTED.to_owned());
        is_interrupted.or_else(|| too_many.map(after_failures))
    }

    /// Why nothing more is begun on a server.
    pub(crate) fn lost(&self, server: &str) -> Option<String> {
        self.lost.lock().ok()?.get(server).cloned()
    }

    pub(crate) fn note_lost(&self, server: String, done: &TargetOutcome) {
        let lost = done.failure().filter(|failure| failure.kind == FailureKind::ServerLost);
        if let (Some(failure), Ok(mut servers)) = (lost, self.lost.lock()) {
            servers.entry(server).or_insert_with(|| server_lost(&failure.message));
        }
    }

    fn note(&self, done: &TargetOutcome) {
        self.failures.fetch_add(usize::from(done.is_failed()), Ordering::Relaxed);
    }
}

/// Targets that have a database each: a crew for every one of them, several at a time, under the same limits.
pub(crate) struct PerDatabase<'a, Look, Run> {
    limits: &'a RolloutLimits,
    places: &'a ConnectionSlots<'a>,
    /// Gives what has become of one that has nothing to do.
    look: Look,
    /// Brings one to its end, under these limits; or leaves it alone, for a reason.
    run: Run,
}

impl<'a, Look, Run> PerDatabase<'a, Look, Run>
where
    Look: AsyncFn(usize) -> Option<TargetOutcome>,
    Run: AsyncFn(usize, Result<&RolloutLimits, String>) -> TargetOutcome,
{
    pub(crate) fn new(
        limits: &'a RolloutLimits,
        places: &'a ConnectionSlots<'a>,
        look: Look,
        run: Run,
    ) -> Self {
        Self { limits, places, look, run }
    }

    /// What has become of each of so many, in their order.
    pub(crate) async fn all(&self, targets: usize) -> Vec<TargetOutcome> {
        let mut done: Vec<Option<TargetOutcome>> = vec![None; targets];
        let mut why_not = None;
        if let Some(canary) = self.limits.canary {
            let first = self.canaries(canary, &mut done).await;
            let number = first.len();
            self.work(first.clone(), None, &mut done).await;
            let is_failed =
                |index: &&usize| done[**index].as_ref().is_some_and(TargetOutcome::is_failed);
            let failed = first.iter().filter(is_failed).count();
            why_not = (failed > 0).then(|| after_canary(failed, number));
        }
        let others = (0..targets).filter(|index| done[*index].is_none()).collect();
        self.work(others, why_not, &mut done).await;
        done.into_iter()
            .map(|done| done.unwrap_or_else(|| TargetOutcome::not_run("unknown")))
            .collect()
    }

    /// The first few that have something to do: the others show nothing of what is to be expected. They are done.
    async fn canaries(&self, canary: usize, done: &mut [Option<TargetOutcome>]) -> Vec<usize> {
        let (mut first, mut seen) = (Vec::new(), 0);
        while first.len() < canary && seen < done.len() && self.places.stop_reason().is_none() {
            let some = seen..done.len().min(seen + self.limits.jobs.max(1));
            let looks = some.clone().map(async |index| (self.look)(index).await);
            for (index, settled) in some.clone().zip(join_all(looks).await) {
                settled.iter().for_each(|done| self.places.note(done));
                match settled {
                    None if first.len() < canary => first.push(index),
                    settled => done[index] = settled,
                }
            }
            seen = some.end;
        }
        first
    }

    async fn work(
        &self,
        indices: Vec<usize>,
        why_not: Option<String>,
        done: &mut [Option<TargetOutcome>],
    ) {
        let alone =
            RolloutLimits { jobs: 1, canary: None, max_failures: None, ..self.limits.clone() };
        let one = async |index: usize| {
            self.places.enter().await;
            let reason = why_not.clone().or_else(|| self.places.stop_reason());
            // On the heap once it works: there are thousands that wait.
            let ended = Box::pin((self.run)(index, reason.map_or(Ok(&alone), Err))).await;
            self.places.note(&ended);
            self.places.leave();
            (index, ended)
        };
        for (index, ended) in join_all(indices.into_iter().map(one)).await {
            done[index] = Some(ended);
        }
    }
}

pub(crate) const INTERRUPTED: &str = "the run was interrupted";

/// The same where an index that was being built could not be dropped.
pub(crate) fn interrupted_with(invalid: &[String]) -> String {
    let drops = invalid.iter().map(|name| format!("DROP INDEX CONCURRENTLY {name};"));
    let drops = drops.collect::<Vec<_>>().join(" ");
    format!("{INTERRUPTED}, and an invalid index is left that could not be dropped: {drops}")
}

pub(crate) fn after_failures(most: usize) -> String {
    format!("more than {most} (--max-failures) failed before")
}

pub(crate) fn server_lost(why: &str) -> String {
    format!("the server was lost before: {why}")
}

pub(crate) fn after_canary(failed: usize, first: usize) -> String {
    format!("{failed} of the first {first} (--canary) failed")
}

/// Somebody else has been at it all the time.
pub(crate) fn locked(target: &Target, wait: Duration) -> Failure {
    Failure {
        hint: Some(
            "another run of mig-ci works on it, or the server goes on with what a run that is gone has begun \
             (pg_stat_activity shows it); wait longer with --wait, or run again later"
                .to_owned(),
        ),
        ..Failure::new(
            FailureKind::Target(TargetCause::LockNotAcquired),
            format!(
                "somebody else has held the lock of {} for more than {} s",
                target.ledger.qualified(),
                wait.as_secs()
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnitEnd;

    fn failed() -> TargetOutcome {
        TargetOutcome::failed(Failure::new(FailureKind::Target(TargetCause::LockNotAcquired), "no"))
    }

    fn done() -> TargetOutcome {
        TargetOutcome { end: UnitEnd::Completed, ..TargetOutcome::not_run("") }
    }

    /// What becomes of tenants that have nothing to do (`=`), have work (`+`), or fail (`x`).
    async fn run(
        tenants: &str,
        canary: Option<usize>,
        most: Option<usize>,
        before: usize,
    ) -> String {
        let limits = RolloutLimits { jobs: 2, canary, max_failures: most, wait: Duration::ZERO };
        let interrupted = CancellationToken::new();
        let kinds: Vec<char> = tenants.chars().collect();
        let look = async |index: usize| (kinds[index] == '=').then(done);
        let run = async |index: usize, limits: Result<&RolloutLimits, String>| match limits {
            Err(reason) => TargetOutcome::not_run(reason),
            Ok(_) if kinds[index] == 'x' => failed(),
            Ok(_) => done(),
        };
        let places = ConnectionSlots::new(&limits, &interrupted, before);
        let apart = PerDatabase::new(&limits, &places, look, run);
        let sign = |done: TargetOutcome| match done.end {
            UnitEnd::Completed => '.',
            UnitEnd::Failed { .. } => 'x',
            UnitEnd::NotRun { .. } => '-',
        };
        apart.all(kinds.len()).await.into_iter().map(sign).collect()
    }

    #[tokio::test]
    async fn canaries_are_the_first_that_have_work() {
        assert_eq!(
            run("==+x++", Some(1), None, 0).await,
            "...x..",
            "the one that fails comes later"
        );
        assert_eq!(run("==+x++", Some(2), None, 0).await, "...x--");
        assert_eq!(run("====", Some(2), None, 0).await, "....");
        assert_eq!(run("x=+", Some(0), None, 0).await, "x..");
        assert_eq!(run("", Some(2), None, 0).await, "");
    }

    #[tokio::test]
    async fn failures_before_count() {
        assert_eq!(run("+x++++", None, Some(1), 0).await, ".x....");
        let stopped = run("+x++++", None, Some(1), 1).await;
        assert!(stopped.starts_with(".x") && stopped.ends_with("---"), "{stopped}");
        assert_eq!(run("++", None, Some(1), 2).await, "--");
    }
}
