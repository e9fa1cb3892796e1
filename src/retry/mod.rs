//! Retries and polling: the only place that repeats an operation, according to [`policies`]. The caller decides which failures
//! are retried.
//!
//! The crate `backon` makes the attempts and the pauses. This module adds time limits that include the attempts, pauses that a
//! signal ends, and attempts that borrow.

mod clock;
pub(crate) mod policies;
mod policy;

use std::fmt;
use std::time::Duration;

use backon::{
    BlockingRetryable as _, Retryable as _, RetryableWithContext as _, Sleeper, TokioSleeper,
};
use tokio_util::sync::CancellationToken;

pub(crate) use clock::{Clock, SystemClock};
pub(crate) use policy::RetryPolicy;

/// Why an interruptible operation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RetryError<E> {
    /// The last failure is not transient, or the policy allows no more attempts.
    Failed(E),
    /// A signal ended the pause after this failure.
    Interrupted(E),
}

impl<E: fmt::Display> fmt::Display for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Failed(error) | Self::Interrupted(error)) = self;
        error.fmt(f)
    }
}

impl RetryPolicy {
    /// Retries an operation while its failures are transient. Logs each retry.
    pub(crate) async fn retry<T, E: fmt::Display>(
        self,
        is_transient: impl Fn(&E) -> bool,
        attempt: impl AsyncFnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let log = |error: &E, pause| self.log(error, pause);
        self.drive(TokioSleeper, is_transient, log, attempt).await
    }

    /// As [`Self::retry`], until `interrupted`: that ends a pause at once, and no further attempt starts. It does not end an
    /// attempt.
    pub(crate) async fn retry_until<T, E: fmt::Display + Clone>(
        self,
        interrupted: &CancellationToken,
        is_transient: impl Fn(&E) -> bool,
        mut attempt: impl AsyncFnMut() -> Result<T, E>,
    ) -> Result<T, RetryError<E>> {
        let token = interrupted.clone();
        let sleep = move |pause| {
            let token = token.clone();
            async move { token.run_until_cancelled(tokio::time::sleep(pause)).await }
        };
        let mut last = None;
        let attempt = async || {
            if let Some(error) = last.take_if(|_| interrupted.is_cancelled()) {
                return Err(RetryError::Interrupted(error));
            }
            attempt().await.map_err(|error| RetryError::Failed(last.insert(error).clone()))
        };
        let is_transient = |error: &RetryError<E>| matches!(error, RetryError::Failed(error) if is_transient(error));
        let log = |error: &RetryError<E>, pause| self.log(error, pause);
        self.drive(sleep, is_transient, log, attempt).await
    }

    /// Polls until a condition is met. An error says what is still missing; the last one is returned if the policy allows no
    /// more polls. Logs nothing.
    pub(crate) async fn poll<T, E, A>(self, ask: impl FnMut() -> A) -> Result<T, E>
    where
        A: Future<Output = Result<T, E>>,
    {
        ask.retry(self.pauses()).sleep(TokioSleeper).await
    }

    /// As [`Self::poll`], with a context that each poll uses. It is passed by value from one to the next: the future of a
    /// lending closure is not `Send`.
    pub(crate) async fn poll_with<C, T, E, A>(
        self,
        context: C,
        ask: impl FnMut(C) -> A,
    ) -> Result<T, E>
    where
        A: Future<Output = (C, Result<T, E>)>,
    {
        ask.retry(self.pauses()).sleep(TokioSleeper).context(context).await.1
    }

    /// Retries a blocking operation after any failure. Logs nothing.
    pub(crate) fn retry_blocking<T, E>(
        self,
        attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        attempt.retry(self.pauses()).call()
    }

    /// Polls in a blocking thread until a condition is true. `false` if the policy allows no more polls.
    pub(crate) fn poll_blocking(self, mut condition: impl FnMut() -> bool) -> bool {
        self.retry_blocking(|| condition().then_some(()).ok_or(())).is_ok()
    }

    async fn drive<T, E, F: AsyncFnMut() -> Result<T, E>>(
        self,
        sleep: impl Sleeper,
        is_transient: impl Fn(&E) -> bool,
        log: impl Fn(&E, Duration),
        attempt: F,
    ) -> Result<T, E> {
        // Each attempt borrows the same data, so the closure is passed from one to the next.
        let once = |mut attempt: F| async move {
            let ended = attempt().await;
            (attempt, ended)
        };
        let retried = once.retry(self.pauses()).sleep(sleep).context(attempt);
        retried.when(is_transient).notify(log).await.1
    }

    fn log(self, reason: &impl fmt::Display, pause: Duration) {
        // As a string: the text format quotes it, and escapes line ends of a server's message.
        let reason = reason.to_string();
        tracing::debug!(reason, ?pause, "{}: retrying", self.situation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn every(ms: u64) -> RetryPolicy {
        RetryPolicy::every(Duration::from_millis(ms), "busy")
    }

    #[tokio::test]
    async fn transient_failures_are_retried_as_often_as_the_policy_allows() {
        let mut attempts = 0;
        let mut fail = async |until: u32, error: &'static str| {
            attempts += 1;
            if attempts < until { Err(error) } else { Ok(attempts) }
        };
        let policy = every(1).retries(3);
        let is_transient = |error: &&str| *error == "full";
        assert_eq!(policy.retry(is_transient, async || fail(4, "full").await).await, Ok(4));
        assert_eq!(policy.retry(is_transient, async || fail(9, "full").await).await, Err("full"));
        assert_eq!(
            policy.retry(is_transient, async || fail(10, "wrong").await).await,
            Err("wrong")
        );
        assert_eq!(attempts, 4 + 4 + 1);
    }

    #[tokio::test]
    async fn an_interruption_ends_a_pause_but_not_an_attempt() {
        let (token, mut attempts) = (CancellationToken::new(), 0);
        let interrupted = every(600_000).retry_until(
            &token,
            |_| true,
            async || {
                attempts += 1;
                tokio::task::yield_now().await;
                // While the attempt is made: its failure is awaited, the pause after it is not.
                token.cancel();
                tokio::task::yield_now().await;
                Err::<(), _>(attempts)
            },
        );
        assert_eq!(interrupted.await, Err(RetryError::Interrupted(1)));
        let late = every(600_000).retry_until(&token, |_| true, async || Ok::<_, u8>("made"));
        assert_eq!(late.await, Ok("made"), "the first attempt is the caller's decision");
        let failed = every(600_000).retry_until(&token, |_| false, async || Err::<(), _>("no"));
        assert_eq!(failed.await, Err(RetryError::Failed("no")));
    }

    #[tokio::test]
    async fn an_interruption_ends_a_started_pause() {
        let token = CancellationToken::new();
        let (failed, has_failed) = tokio::sync::oneshot::channel();
        let mut failed = Some(failed);
        let waits = every(600_000).retry_until(
            &token,
            |_| true,
            async || {
                let first = failed.take().map(|failed| failed.send(()));
                Err::<(), _>(format!("{first:?}"))
            },
        );
        let interrupt = async {
            has_failed.await.unwrap();
            token.cancel();
        };
        let (ended, ()) = tokio::join!(waits, interrupt);
        assert_eq!(ended, Err(RetryError::Interrupted("Some(Ok(()))".to_owned())));
    }

    #[tokio::test]
    async fn a_poll_returns_the_result_or_the_missing_condition() {
        let ask = |left: u32| async move {
            (left.saturating_sub(1), if left == 0 { Ok("ready") } else { Err(left) })
        };
        assert_eq!(every(1).retries(2).poll_with(2, ask).await, Ok("ready"));
        assert_eq!(every(1).retries(2).poll_with(9, ask).await, Err(7));
        assert_eq!(
            every(1).retries(1).poll(async || Err::<(), _>("starting")).await,
            Err("starting")
        );
    }

    #[test]
    fn blocking_polls_follow_the_policy() {
        let mut asked = 0;
        let mut third = || {
            asked += 1;
            asked == 3
        };
        assert!(every(1).retries(2).poll_blocking(&mut third));
        assert!(!every(1).retries(2).poll_blocking(third));
        assert_eq!(asked, 6);
    }
}
