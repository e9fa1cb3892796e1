//! Targets with a database each: a worker pool for each target, several at a time, under common limits.

use futures::future::join_all;

use super::limits::{ConnectionSlots, RolloutLimits, StopRule};
use super::outcomes::Outcomes;
use crate::upgrade::track::progress::TargetOutcome;

pub(crate) struct PerDatabase<'a, Scan, Run> {
    limits: &'a RolloutLimits,
    slots: &'a ConnectionSlots,
    stop: &'a StopRule<'a>,
    /// Returns the outcome of a target that has no pending work.
    scan: Scan,
    /// Runs a target to completion, or skips it for a reason.
    run: Run,
}

impl<'a, Scan, Run> PerDatabase<'a, Scan, Run>
where
    Scan: AsyncFn(usize) -> Option<TargetOutcome>,
    Run: AsyncFn(usize, Option<String>) -> TargetOutcome,
{
    pub(crate) fn new(
        limits: &'a RolloutLimits,
        slots: &'a ConnectionSlots,
        stop: &'a StopRule<'a>,
        scan: Scan,
        run: Run,
    ) -> Self {
        Self { limits, slots, stop, scan, run }
    }

    /// The outcomes of `targets` targets, in their order.
    pub(crate) async fn all(&self, targets: usize) -> Vec<TargetOutcome> {
        let mut outcomes = Outcomes::new(targets);
        let mut skip = None;
        if let Some(canary) = self.limits.canary {
            let first = self.canaries(canary, &mut outcomes).await;
            let before = self.stop.failures();
            self.run_all(&first, None, &mut outcomes).await;
            skip = self.limits.after_canary(self.stop.failures() - before, first.len());
        }
        let others: Vec<usize> = outcomes.missing().collect();
        self.run_all(&others, skip, &mut outcomes).await;
        outcomes.finish("it was not reached")
    }

    /// The first `canary` targets that have pending work; the others give no evidence. Targets without pending work get
    /// their outcome.
    async fn canaries(&self, canary: usize, outcomes: &mut Outcomes) -> Vec<usize> {
        let (mut first, mut seen) = (Vec::new(), 0);
        while first.len() < canary && seen < outcomes.len() && self.stop.reason().is_none() {
            let some = seen..outcomes.len().min(seen + self.limits.jobs.max(1));
            let scans = some.clone().map(async |index| (self.scan)(index).await);
            for (index, settled) in some.clone().zip(join_all(scans).await) {
                match settled {
                    Some(outcome) => {
                        self.stop.note_of_part(&outcome);
                        outcomes.set(index, outcome);
                    }
                    None if first.len() < canary => first.push(index),
                    None => {}
                }
            }
            seen = some.end;
        }
        first
    }

    async fn run_all(&self, indices: &[usize], skip: Option<String>, outcomes: &mut Outcomes) {
        let one = async |index: usize| {
            self.slots.enter().await;
            let skip = skip.clone().or_else(|| self.stop.reason());
            // On the heap only while it runs: thousands may be waiting.
            let outcome = Box::pin((self.run)(index, skip)).await;
            self.stop.note_of_part(&outcome);
            self.slots.leave();
            (index, outcome)
        };
        for (index, outcome) in join_all(indices.iter().map(async |index| one(*index).await)).await
        {
            outcomes.set(index, outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::model::{Failure, FailureKind, TargetCause, UnitEnd};

    fn failed() -> TargetOutcome {
        TargetOutcome::failed(Failure::new(FailureKind::Target(TargetCause::LockNotAcquired), "no"))
    }

    fn done() -> TargetOutcome {
        TargetOutcome { end: UnitEnd::Completed, ..TargetOutcome::not_run("") }
    }

    /// The outcomes of tenants that have no pending work (`=`), have pending work (`+`), or fail (`x`).
    async fn run(
        tenants: &str,
        canary: Option<usize>,
        most: Option<usize>,
        before: usize,
    ) -> String {
        let limits = RolloutLimits { jobs: 2, canary, max_failures: most, wait: Duration::ZERO };
        let interrupted = CancellationToken::new();
        let kinds: Vec<char> = tenants.chars().collect();
        let scan = async |index: usize| (kinds[index] == '=').then(done);
        let run = async |index: usize, skip: Option<String>| match skip {
            Some(reason) => TargetOutcome::not_run(reason),
            None if kinds[index] == 'x' => failed(),
            None => done(),
        };
        let slots = ConnectionSlots::new(&limits);
        let stop = StopRule::new(&limits, &interrupted, before);
        let all = PerDatabase::new(&limits, &slots, &stop, scan, run);
        let sign = |done: TargetOutcome| match done.end {
            UnitEnd::Completed => '.',
            UnitEnd::Failed { .. } => 'x',
            UnitEnd::NotRun { .. } => '-',
        };
        all.all(kinds.len()).await.into_iter().map(sign).collect()
    }

    #[tokio::test]
    async fn canaries_are_the_first_targets_with_pending_work() {
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
    async fn previous_failures_count_towards_the_limit() {
        assert_eq!(run("+x++++", None, Some(1), 0).await, ".x....");
        let stopped = run("+x++++", None, Some(1), 1).await;
        assert!(stopped.starts_with(".x") && stopped.ends_with("---"), "{stopped}");
        assert_eq!(run("++", None, Some(1), 2).await, "--");
    }
}
