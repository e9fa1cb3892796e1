//! Time and chance of retries whose tests cannot pause tokio's time, because they talk over sockets.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::FutureExt as _;
use futures::future::BoxFuture;

/// Time and chance.
pub(crate) trait Clock: Send + Sync + fmt::Debug {
    /// Since 1970, as HTTP headers count.
    fn now(&self) -> Duration;
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
    /// From 0 to 1.
    fn chance(&self) -> f64;
}

/// The system's.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }

    fn chance(&self) -> f64 {
        fastrand::f64()
    }
}
