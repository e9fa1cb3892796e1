//! Tracks which migrations the targets of this run execute and commit, and when. A failure because an object exists can be a
//! race if another target executed the same migration concurrently: run one after the other, the check would have found the
//! object. A failure with another cause recurs when the migration is retried alone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Instant;

use crate::execution::batch_failure::BatchFailure;
use crate::execution::race::{Race, may_be_of_same_migration};
use crate::model::Script;

/// Executions by the migration's index in its track.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    migrations: RefCell<HashMap<usize, Executions>>,
}

#[derive(Debug, Default)]
struct Executions {
    in_flight: usize,
    last_commit: Option<Instant>,
}

/// Migrations of one target that are in flight until this is dropped.
pub(crate) struct InFlight<'a> {
    commits: &'a Commits,
    indices: &'a [usize],
    started: Instant,
}

impl Commits {
    pub(crate) fn begin<'a>(&'a self, indices: &'a [usize]) -> InFlight<'a> {
        self.each(indices, |one| one.in_flight += 1);
        InFlight { commits: self, indices, started: Instant::now() }
    }

    fn each(&self, indices: &[usize], mut change: impl FnMut(&mut Executions)) {
        let mut migrations = self.migrations.borrow_mut();
        indices.iter().for_each(|index| change(migrations.entry(*index).or_default()));
    }
}

impl InFlight<'_> {
    pub(crate) fn committed(&self) {
        self.commits.each(self.indices, |one| one.last_commit = Some(Instant::now()));
    }

    /// Classifies a failure without effect as a race if a concurrent target can have caused it.
    pub(crate) fn judge<'s>(
        &self,
        stopped: &mut BatchFailure,
        scripts: impl Iterator<Item = &'s Script>,
    ) {
        let is_open = stopped.had_no_effect && stopped.race.is_none();
        if is_open && may_be_of_same_migration(&stopped.failure, scripts) && self.was_beside() {
            stopped.race = Some(Race::SameMigration);
        }
    }

    /// Whether another target executed the same migration concurrently. It may have committed although its response has not
    /// been read yet.
    fn was_beside(&self) -> bool {
        let mut was_beside = false;
        self.commits.each(self.indices, |one| {
            was_beside |= one.in_flight > 1 || one.last_commit >= Some(self.started);
        });
        was_beside
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.commits.each(self.indices, |one| one.in_flight -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::concurrent_index::Leftovers;
    use crate::model::{Failure, FailureKind};

    fn judged(of: &InFlight<'_>, had_no_effect: bool) -> Option<Race> {
        let kind = FailureKind::Sql { sqlstate: "42710".to_owned() };
        let failure = Failure::new(kind, "type \"a\" already exists");
        let mut stopped = BatchFailure {
            failure,
            is_whole: true,
            race: None,
            had_no_effect,
            at: None,
            is_partly_applied: false,
            is_index_command: false,
            leftovers: Leftovers::default(),
            first_of_several: None,
        };
        let script = Script::whole("1.sql", "CREATE TYPE a");
        of.judge(&mut stopped, [&script].into_iter());
        stopped.race
    }

    #[test]
    fn only_a_concurrent_execution_of_the_same_migration_is_a_race() {
        let commits = Commits::default();
        commits.begin(&[3]).committed();
        std::thread::sleep(std::time::Duration::from_millis(1));
        let ours = commits.begin(&[3, 4]);
        commits.begin(&[5]).committed();
        assert_eq!(judged(&ours, true), None, "before it, and another migration");
        let other = commits.begin(&[4]);
        assert_eq!(judged(&ours, true), Some(Race::SameMigration));
        assert_eq!(judged(&ours, false), None, "something may stay");
        drop(other);
        assert_eq!(judged(&ours, true), None, "it has failed");
        commits.begin(&[4]).committed();
        assert_eq!(judged(&ours, true), Some(Race::SameMigration));
    }
}
