//! Retries of requests to GitHub, and their time limit for a run.
//!
//! The policy allows four attempts, with pauses of about 1, 4 and 16 s. A pause is longer if GitHub asks for it. All waits of a
//! run together have a limit, which includes pauses and failed attempts. When it is reached, no more requests are sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::GithubProblem;
use crate::retry::Clock;
use crate::retry::policies::GITHUB;

/// Source: docs.github.com, "Best practices for using the REST API": where a secondary limit names no time, at least a
/// minute.
const SECONDARY: Duration = Duration::from_secs(60);
/// Of all waiting of a run.
pub(super) const CAP: Duration = Duration::from_secs(90);

/// What is left of the waiting that a run may do.
#[derive(Debug)]
pub(super) struct GithubBudget {
    clock: Arc<dyn Clock>,
    left: Mutex<Duration>,
}

impl GithubBudget {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, left: Mutex::new(CAP) }
    }

    pub(super) fn left(&self) -> Duration {
        *self.lock()
    }

    /// A try that failed took this long.
    pub(super) fn lost(&self, time: Duration) {
        let mut left = self.lock();
        *left = left.saturating_sub(time);
    }

    /// Waits before the next try, after this many that failed. `false` if there should be none.
    pub(super) async fn wait(&self, problem: &GithubProblem, failed: u32) -> bool {
        let pause = pause(problem, failed, self.clock.now(), self.clock.chance());
        let Some(pause) = pause else { return false };
        // To wait a part of what GitHub asks for would be waiting for nothing.
        self.spend(pause).await
    }

    /// Waits, if there is still as much to wait with.
    pub(super) async fn spend(&self, pause: Duration) -> bool {
        {
            let mut left = self.lock();
            let Some(rest) = left.checked_sub(pause) else { return false };
            *left = rest;
        }
        self.clock.sleep(pause).await;
        true
    }

    fn lock(&self) -> MutexGuard<'_, Duration> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long to wait before the next try, if there is one.
fn pause(problem: &GithubProblem, failed: u32, now: Duration, chance: f64) -> Option<Duration> {
    if !problem.is_transient() {
        return None;
    }
    let step = GITHUB.pause_before(failed.saturating_sub(1) as usize, chance)?;
    let GithubProblem::RateLimited { secondary, retry_after, resets_at } = problem else {
        return Some(step);
    };
    let reset = resets_at.map(|at| Duration::from_secs(at).saturating_sub(now));
    let requested = retry_after.or(reset).or(secondary.then_some(SECONDARY)).unwrap_or_default();
    // Never earlier than asked for; the clocks may differ a little.
    Some(requested.saturating_add(step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::testing::TestClock;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn server() -> GithubProblem {
        GithubProblem::Server { status: 502, message: String::new() }
    }

    fn limited(secondary: bool, after: Option<u64>, resets_at: Option<u64>) -> GithubProblem {
        let retry_after = after.map(Duration::from_secs);
        GithubProblem::RateLimited { secondary, retry_after, resets_at }
    }

    fn seconds(problem: &GithubProblem, failed: u32, chance: f64) -> Option<f64> {
        pause(problem, failed, NOW, chance).map(|pause| pause.as_secs_f64())
    }

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<_> = (1..=4).map(|failed| seconds(&server(), failed, 0.5)).collect();
        assert_eq!(pauses, [Some(1.0), Some(4.0), Some(16.0), None]);
        assert_eq!(seconds(&server(), 2, 0.0), Some(3.0));
        assert_eq!(seconds(&server(), 2, 1.0), Some(5.0));
    }

    #[test]
    fn what_does_not_pass_is_not_waited_for() {
        for problem in
            [GithubProblem::NotFound, GithubProblem::BadCredentials, GithubProblem::NeedsApp]
        {
            assert_eq!(seconds(&problem, 1, 0.5), None, "{problem:?}");
        }
    }

    #[test]
    fn the_pause_is_the_one_that_github_requests() {
        assert_eq!(seconds(&limited(true, Some(20), None), 1, 0.5), Some(21.0));
        let reset = NOW.as_secs() + 30;
        assert_eq!(seconds(&limited(false, None, Some(reset)), 1, 0.5), Some(31.0));
        // A reset that is over: the usual pause.
        assert_eq!(seconds(&limited(false, None, Some(5)), 2, 0.5), Some(4.0));
        assert_eq!(seconds(&limited(true, None, None), 1, 0.5), Some(61.0));
    }

    #[tokio::test]
    async fn all_waiting_together_is_capped() {
        let clock = TestClock::new();
        let budget = GithubBudget::new(clock.clone());
        assert!(!budget.wait(&limited(true, Some(3600), None), 1).await);
        assert_eq!(
            clock.slept(),
            Duration::ZERO,
            "a reset after the end of the budget is not waited for"
        );
        let mut waits = 0;
        while budget.wait(&server(), 3).await {
            waits += 1;
        }
        assert_eq!(waits, 5);
        assert_eq!(clock.slept(), Duration::from_secs(80));
        assert!(budget.wait(&server(), 2).await, "a shorter pause still fits");
        budget.lost(Duration::from_secs(60));
        assert_eq!(budget.left(), Duration::ZERO);
        assert!(!budget.wait(&server(), 1).await);
    }
}
