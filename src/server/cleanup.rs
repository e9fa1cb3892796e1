//! Taking away what runs left: at each start what belongs to nobody any more, after an interrupted start what belongs to
//! that run, and for `mig-ci clean` whatever is asked.

use std::time::Duration;

use futures::future::join_all;

use super::instance::Note;
use super::provider::{self, Provider};
use super::run_id::RunId;
use crate::model::{PostgresSettings, ProviderChoice};

/// An interrupted process has 7.5 s from a runner; the rest of the way out needs some of them too.
const RUN_WITHIN: Duration = Duration::from_secs(4);
/// A start does not wait longer for other runs' rubbish.
const STALE_WITHIN: Duration = Duration::from_secs(5);
const CLEAN_WITHIN: Duration = Duration::from_secs(120);

/// Whose things are to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CleanupScope {
    /// Those of runs that are known to have ended.
    Stale,
    /// Those of one run, whether it has ended or not.
    Run(RunId),
    /// Those of all runs, also of running ones.
    Everything,
}

/// What kind of thing was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum RemovedKind {
    Container,
    /// A cluster's folder, with the server that still ran in it.
    Directory,
    Database,
    Role,
}

/// One thing that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) kind: RemovedKind,
    pub(crate) name: String,
    /// The run that had made it.
    pub(crate) run: String,
}

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CleanReport {
    pub(crate) removed: Vec<Removed>,
    /// Things of runs that still live, or of which nothing can be known yet; they stay.
    pub(crate) kept: usize,
    /// What could not be removed, or looked at, in words.
    pub(crate) problems: Vec<String>,
    /// Who did not answer, and may have something: no Docker engine runs, for one.
    pub(crate) unasked: Vec<String>,
}

/// The name that providers know it by.
pub(crate) type Swept = CleanReport;

impl CleanReport {
    pub(crate) fn removed(&mut self, kind: RemovedKind, name: &str, run: &str) {
        self.removed.push(Removed { kind, name: name.to_owned(), run: run.to_owned() });
    }

    pub(crate) fn join(mut self, other: Self) -> Self {
        self.removed.extend(other.removed);
        self.kept += other.kept;
        self.problems.extend(other.problems);
        self.unasked.extend(other.unasked);
        self
    }

    /// One line for the report of the run that swept, if there is something to tell.
    pub(crate) fn note(&self) -> Option<Note> {
        if let Some(problem) = self.problems.first() {
            return Some(Note::warning(format!(
                "could not remove leftovers of an earlier run: {problem}; `mig-ci clean` tries again"
            )));
        }
        let first = self.removed.first()?;
        let more = match self.removed.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        Some(Note::info(format!(
            "removed leftovers of an earlier run: the {} {}{more}",
            first.kind, first.name
        )))
    }
}

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
    use crate::model::Severity;

    #[test]
    fn the_note_counts_and_prefers_problems() {
        let mut report = CleanReport::default();
        assert_eq!(report.note(), None);
        report.removed(RemovedKind::Directory, "/dev/shm/mig-ci-x", "x");
        report.removed(RemovedKind::Container, "y", "y");
        assert_eq!(
            report.note().unwrap().message,
            "removed leftovers of an earlier run: the directory /dev/shm/mig-ci-x and 1 more"
        );
        report.problems.push("it is stuck".to_owned());
        assert_eq!(report.note().unwrap().severity, Severity::Warning);
    }

    #[tokio::test]
    async fn a_sweep_that_hangs_is_a_problem_not_a_hang() {
        let report = within(Duration::from_millis(20), std::future::pending()).await;
        assert_eq!(report.problems.len(), 1);
    }
}
