//! Targets that have a database each: a worker pool for each of them, several at a time, under the same limits.

use futures::future::join_all;

use super::limits::{ConnectionSlots, RolloutLimits, StopRule};
use super::outcomes::Outcomes;
use crate::upgrade::track::progress::TargetOutcome;

/// See the file's head.
pub(crate) struct PerDatabase<'a, Look, Run> {
    limits: &'a RolloutLimits,
    slots: &'a ConnectionSlots,
    stop: &'a StopRule<'a>,
    /// Gives the outcome of a target that has nothing to do.
    look: Look,
    /// Brings one to its end, or skips it for a reason.
    run: Run,
}

impl<'a, Look, Run> PerDatabase<'a, Look, Run>
where
    Look: AsyncFn(usize) -> Option<TargetOutcome>,
    Run: AsyncFn(usize, Option<String>) -> TargetOutcome,
{
    pub(crate) fn new(
        limits: &'a RolloutLimits,
        slots: &'a ConnectionSlots,
        stop: &'a StopRule<'a>,
        look: Look,
        run: Run,
    ) -> Self {
        Self { limits, slots, stop, look, run }
    }

    /// What has become of each of so many, in their order.
    pub(crate) async fn all(&self, targets: usize) -> Vec<TargetOutcome> {
        let mut outcomes = Outcomes::new(targets);
        let mut skip = None;
        if let Some(canary) = self.limits.canary {
            let first = self.canaries(canary, &mut outcomes).await;
            let before = self.stop.failures();
            self.work(&first, None, &mut outcomes).await;
            skip = self.limits.after_canary(self.stop.failures() - before, first.len());
        }
        let others: Vec<usize> = outcomes.missing().collect();
        self.work(&others, skip, &mut outcomes).await;
        outcomes.finish("it was not reached")
    }

    /// The first few that have something to do: the others show nothing of what is to be expected. They are done.
    async fn canaries(&self, canary: usize, outcomes: &mut Outcomes) -> Vec<usize> {
        let (mut first, mut seen) = (Vec::new(), 0);
        while first.len() < canary && seen < outcomes.len() && self.stop.reason().is_none() {
            let some = seen..outcomes.len().min(seen + self.limits.jobs.max(1));
            let looks = some.clone().map(async |index| (self.look)(index).await);
            for (index, settled) in some.clone().zip(join_all(looks).await) {
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

    async fn work(&self, indices: &[usize], skip: Option<String>, outcomes: &mut Outcomes) {
        let one = async |index: usize| {
            self.slots.enter().await;
            let skip = skip.clone().or_else(|| self.stop.reason());
            // On the heap once it works: there are thousands that wait.
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
        let run = async |index: usize, skip: Option<String>| match skip {
            Some(reason) => TargetOutcome::not_run(reason),
            None if kinds[index] == 'x' => failed(),
            None => done(),
        };
        let slots = ConnectionSlots::new(&limits);
        let stop = StopRule::new(&limits, &interrupted, before);
        let all = PerDatabase::new(&limits, &slots, &stop, look, run);
        let sign = |done: TargetOutcome| match done.end {
            UnitEnd::Completed => '.',
            UnitEnd::Failed { .. } => 'x',
            UnitEnd::NotRun { .. } => '-',
        };
        all.all(kinds.len()).await.into_iter().map(sign).collect()
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
