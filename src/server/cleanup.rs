//! Taking away what runs left: at each start what belongs to nobody any more, after an interrupted start what belongs to
//! that run, and for `mig-ci clean` whatever is asked.

use std::time::Duration;

use futures::future::join_all;

use super::clean_report::{CleanReport, CleanupScope};
use super::provider::{self, Provider};
use super::run_id::RunId;
use crate::model::{PostgresSettings, ProviderChoice};

/// An interrupted process has 7.5 s from a runner; the rest of the way out needs some of them too.
const RUN_WITHIN: Duration = Duration::from_secs(4);
/// A start does not wait longer for other runs' rubbish.
const STALE_WITHIN: Duration = Duration::from_secs(5);
const CLEAN_WITHIN: Duration = Duration::from_secs(120);

/// Before a start: what runs that have ended left with this provider.
pub(crate) async fn stale(provider: &dyn Provider, settings: &PostgresSettings) -> CleanReport {
    within(STALE_WITHIN, provider.sweep(settings, &CleanupScope::Stale)).await
}

/// After the future of a start, or a server, was dropped on the way out: removes whatever exists of that run, within 4 s.
pub(crate) async fn cleanup_run(settings: &PostgresSettings, run: &RunId) -> CleanReport {
    let scope = CleanupScope::Run(run.clone());
    within(RUN_WITHIN, provider::of(settings.provider).sweep(settings, &scope)).await
}

/// `mig-ci clean`: what runs that have ended left with this provider, or (`everything`) also what running ones use. `auto`
/// is all of them, the server of `postgres.url` only if there is one.
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
    let sweeps = choices
        .into_iter()
        .map(|choice| within(CLEAN_WITHIN, provider::of(choice).sweep(settings, &scope)));
    join_all(sweeps).await.into_iter().fold(CleanReport::default(), CleanReport::join)
}

async fn within(limit: Duration, sweep: impl Future<Output = CleanReport>) -> CleanReport {
    match tokio::time::timeout(limit, sweep).await {
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
    async fn a_sweep_that_hangs_is_a_problem_not_a_hang() {
        let report = within(Duration::from_millis(20), std::future::pending()).await;
        assert_eq!(report.problems.len(), 1);
    }
}
