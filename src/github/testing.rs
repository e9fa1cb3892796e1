//! A client of the fake GitHub, with a clock that does not wait.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use secrecy::SecretString;

use super::client::{ClientSettings, GithubClient};
use super::fake::{Fake, TOKEN};
use super::transport::Proxies;
use crate::retry::Clock;

/// Far longer than an answer takes, also on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// For answers that do not arrive.
const HASTE: Duration = Duration::from_millis(700);

/// Records sleeps; time advances only by them.
#[derive(Debug)]
pub(crate) struct TestClock {
    slept: Mutex<Vec<Duration>>,
}

impl TestClock {
    /// The time of the tests.
    pub(crate) const START: Duration = Duration::from_secs(1_800_000_000);

    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { slept: Mutex::default() })
    }

    pub(crate) fn slept(&self) -> Duration {
        self.slept.lock().unwrap().iter().sum()
    }

    /// Each sleep, in whole seconds.
    pub(crate) fn sleeps(&self) -> Vec<u64> {
        self.slept.lock().unwrap().iter().map(Duration::as_secs).collect()
    }
}

impl Clock for TestClock {
    fn now(&self) -> Duration {
        Self::START + self.slept()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.slept.lock().unwrap().push(duration);
        std::future::ready(()).boxed()
    }

    /// The middle, so that pauses have their nominal length.
    fn chance(&self) -> f64 {
        0.5
    }
}

pub(crate) fn settings(fake: &Fake) -> ClientSettings {
    ClientSettings {
        api_url: fake.url(),
        graphql_url: fake.graphql_url(),
        repository: "shop/app".to_owned(),
        token: SecretString::from(TOKEN),
        proxies: Proxies::default(),
    }
}

pub(crate) fn client(fake: &Fake) -> (GithubClient, Arc<TestClock>) {
    client_with(settings(fake))
}

pub(crate) fn client_with(settings: ClientSettings) -> (GithubClient, Arc<TestClock>) {
    build(settings, ANSWER_WITHIN)
}

/// A client with a short timeout.
pub(crate) fn hasty_client(fake: &Fake) -> (GithubClient, Arc<TestClock>) {
    build(settings(fake), HASTE)
}

fn build(settings: ClientSettings, answer_within: Duration) -> (GithubClient, Arc<TestClock>) {
    let clock = TestClock::new();
    let client = GithubClient::with(settings, clock.clone(), answer_within).unwrap();
    (client, clock)
}
