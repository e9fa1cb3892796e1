//! A retry policy: the number of retries, and the pauses between attempts.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

/// The rules for retrying one operation. All policies are in [`super::policies`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// The reason of the retries, for the log: `the server is unavailable`.
    pub(super) situation: &'static str,
    backoff: ExponentialBuilder,
    /// The maximum random deviation of a pause, as a fraction of it.
    jitter: f64,
    budget: Option<RetryBudget>,
}

/// The time limit of all attempts. No pause starts that would end after it.
#[derive(Debug, Clone, Copy)]
enum RetryBudget {
    /// All attempts and pauses, from the start of the first attempt.
    FromStart(Duration),
    /// From the first failure, regardless of the duration of the first attempt.
    FromFirstFailure(Duration),
}

impl RetryPolicy {
    /// Equal pauses, without a limit.
    pub(super) const fn every(pause: Duration, situation: &'static str) -> Self {
        let backoff = ExponentialBuilder::new()
            .with_min_delay(pause)
            .with_max_delay(pause)
            .with_factor(1.0)
            .without_max_times();
        Self { situation, backoff, jitter: 0.0, budget: None }
    }

    /// No pauses: for an operation that waits itself, or whose retry succeeds immediately.
    pub(super) const fn at_once(situation: &'static str) -> Self {
        Self::every(Duration::ZERO, situation)
    }

    /// Each pause is `factor` times the previous one, up to `longest`.
    pub(super) const fn growing(self, factor: f32, longest: Duration) -> Self {
        let backoff = self.backoff.with_factor(factor).with_max_delay(longest);
        Self { backoff, ..self }
    }

    /// Spreads clients that failed at the same time: with 0.5, a pause lasts from 50 % to 150 % of its length.
    pub(super) const fn jitter(self, jitter: f64) -> Self {
        Self { jitter, ..self }
    }

    /// The maximum number of attempts after the first one.
    pub(super) const fn retries(self, retries: usize) -> Self {
        Self { backoff: self.backoff.with_max_times(retries), ..self }
    }

    /// The time limit from the start of the first attempt.
    pub(crate) const fn within(self, total: Duration) -> Self {
        Self { budget: Some(RetryBudget::FromStart(total)), ..self }
    }

    /// The time limit from the first failure.
    pub(super) const fn within_of_failure(self, total: Duration) -> Self {
        Self { budget: Some(RetryBudget::FromFirstFailure(total)), ..self }
    }

    /// The time limit; [`Duration::MAX`] without one.
    pub(crate) const fn total(&self) -> Duration {
        match self.budget {
            Some(RetryBudget::FromStart(total) | RetryBudget::FromFirstFailure(total)) => total,
            None => Duration::MAX,
        }
    }

    /// The pause before retry number `retry`, counted from 0, for callers that do other work meanwhile. `None` if there is no
    /// such retry. `chance`: random, from 0 to 1.
    pub(crate) fn pause_before(&self, retry: usize, chance: f64) -> Option<Duration> {
        self.backoff.build().nth(retry).map(|pause| self.jittered(pause, chance))
    }

    /// The pauses of one operation, whose first attempt starts now.
    pub(super) fn pauses(self) -> Pauses {
        self.pauses_from(Instant::now())
    }

    fn pauses_from(self, start: Instant) -> Pauses {
        let deadline = match self.budget {
            // No limit if it is beyond the range of the clock.
            Some(RetryBudget::FromStart(total)) => start.checked_add(total),
            Some(RetryBudget::FromFirstFailure(_)) | None => None,
        };
        Pauses { policy: self, backoff: self.backoff.build(), deadline }
    }

    fn jittered(&self, pause: Duration, chance: f64) -> Duration {
        let part = 1.0 + self.jitter * (2.0 * chance - 1.0);
        // The crate calculates in `f32`: rounded, 200 ms are not 200.000003 ms.
        Duration::from_micros((pause.as_secs_f64() * part * 1e6).round() as u64)
    }
}

/// The pauses of one operation: a backoff for the crate `backon`, with its own jitter and time limit. The crate's jitter only
/// lengthens pauses, and its limit does not include the duration of attempts.
#[derive(Debug)]
pub(super) struct Pauses {
    policy: RetryPolicy,
    backoff: ExponentialBackoff,
    deadline: Option<Instant>,
}

impl Pauses {
    fn next_at(&mut self, now: Instant) -> Option<Duration> {
        if self.deadline.is_none()
            && let Some(RetryBudget::FromFirstFailure(total)) = self.policy.budget
        {
            self.deadline = now.checked_add(total);
        }
        let pause = self.policy.jittered(self.backoff.next()?, fastrand::f64());
        self.deadline.is_none_or(|deadline| now + pause <= deadline).then_some(pause)
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.next_at(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const GROWING: RetryPolicy = RetryPolicy::every(ms(100), "busy").growing(2.0, ms(800));

    #[test]
    fn pauses_grow_up_to_the_longest_and_end_with_the_retries() {
        let pauses = GROWING.retries(6).pauses();
        assert_eq!(pauses.collect::<Vec<_>>(), [100, 200, 400, 800, 800, 800].map(ms));
        let equal = RetryPolicy::every(ms(50), "busy").retries(3).pauses();
        assert_eq!(equal.collect::<Vec<_>>(), [ms(50); 3]);
        assert_eq!(RetryPolicy::at_once("busy").retries(2).pauses().sum::<Duration>(), ms(0));
    }

    #[test]
    fn jitter_shortens_and_lengthens_pauses() {
        let policy = GROWING.jitter(0.5).retries(2);
        let pause = |retry, chance| policy.pause_before(retry, chance);
        assert_eq!([0.0, 0.5, 1.0].map(|it| pause(0, it)), [ms(50), ms(100), ms(150)].map(Some));
        assert_eq!((pause(1, 0.5), pause(2, 0.5)), (Some(ms(200)), None));
        let all: Vec<_> = (0..100).filter_map(|_| policy.pauses().next()).collect();
        assert!(all.iter().all(|it| (ms(50)..=ms(150)).contains(it)), "{all:?}");
        assert!(all.iter().any(|it| *it < ms(100)) && all.iter().any(|it| *it > ms(100)));
    }

    #[test]
    fn a_budget_counts_from_the_start_or_from_the_first_failure() {
        let policy = RetryPolicy::every(ms(100), "busy");
        let start = Instant::now();
        let (mut of_start, mut of_failure) = (
            policy.within(ms(1000)).pauses_from(start),
            policy.within_of_failure(ms(1000)).pauses_from(start),
        );
        let mut next = |after| {
            let now = start + ms(after);
            (of_start.next_at(now).is_some(), of_failure.next_at(now).is_some())
        };
        assert_eq!(next(900), (true, true), "the first attempt has taken long");
        assert_eq!(next(901), (false, true));
        assert_eq!(next(1800), (false, true), "the pause ends with the budget");
        assert_eq!(next(1801), (false, false), "it would end after it");
    }
}
