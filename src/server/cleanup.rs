//! Removes what runs left: at each start the leftovers of ended runs, after an interrupted start those of that run, and for
//! `mig-ci clean` those that were requested.

use std::time::Duration;

use futures::future::join_all;

use super::clean_report::{CleanReport, CleanupScope};
use super::provider::{self, Provider};
use super::run_id::RunId;
use crate::model::{PostgresSettings, ProviderChoice};

/// A CI runner gives an interrupted process 7.5 s, of which the rest of the shutdown needs a part.
const RUN_WITHIN: Duration = Duration::from_secs(4);
/// The maximum delay of a start by leftovers of other runs.
const STALE_WITHIN: Duration = Duration::from_secs(5);
const CLEAN_WITHIN: Duration = Duration::from_secs(120);

/// Before a start: removes what ended runs left with this provider.
pub(crate) async fn stale(provider: &dyn Provider, settings: &PostgresSettings) -> CleanReport {
    within(STALE_WITHIN, provider.clean_up(settings, &CleanupScope::Stale)).await
}

/// After the future of a start, or a server, was dropped: removes everything of that run, within 4 s.
pub(crate) async fn cleanup_run(settings: &PostgresSettings, run: &RunId) -> CleanReport {
    let scope = CleanupScope::Run(run.clone());
    within(RUN_WITHIN, provider::of(settings.provider).clean_up(settings, &scope)).await
}

/// `mig-ci clean`: removes what ended runs left with this provider, and with `everything` also what running ones use. `auto`
/// covers all providers, the server of `postgres.url` only if it is set.
pub(crate) async fn clean(
    settings: &PostgresSettings,
    with: ProviderChoice,
    everything: bool,
) -> CleanReport {
    let scope = if everything { CleanupScope::Everything } else { CleanupScope::Stale };
    let choices = match with {
        ProviderChoice::Auto => {
            let url = settings.url.as_ref().map(|_| ProviderChoice::Url);
            [ProviderChoice::Docker, ProviderChoice::Local].into_iter().chain(url).collect()
        }
        one => vec![one],
    };
    let cleanups = choices
        .into_iter()
        .map(|choice| within(CLEAN_WITHIN, provider::of(choice).clean_up(settings, &scope)));
    join_all(cleanups).await.into_iter().fold(CleanReport::default(), CleanReport::join)
}

async fn within(limit: Duration, clean_up: impl Future<Output = CleanReport>) -> CleanReport {
    match tokio::time::timeout(limit, clean_up).await {
        Ok(report) => report,
        Err(_) => CleanReport {
            problems: vec![format!(
                "the search for leftovers took more than {} s",
                limit.as_secs()
            )],
            ..CleanReport::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cleanup_that_hangs_is_reported_as_a_problem() {
        let report = within(Duration::from_millis(20), std::future::pending()).await;
        assert_eq!(report.problems.len(), 1);
    }
}
