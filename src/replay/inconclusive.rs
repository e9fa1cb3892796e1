//! When the results of a database do not count: a failure that may come of what ran beside it. With one job there is none.
//! The database is replayed from nothing then, one unit at a time, on a fresh server, and that run alone counts.
//!
//! Nothing is tried again in place: sequences do not roll back, and a new session lacks what the old one had.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::execution::retry::{RetryDecision, RetryRule, decide};
use crate::model::{Failure, FailureKind, UnitName};

/// Said of units that are not begun, or go no further, since nothing that they do would count.
pub(crate) const REPLAYED_LATER: &str = "the database is replayed again from an empty state";

/// Whether a run may be followed by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    First,
    /// Its results count, whatever they are.
    Last,
}

impl Attempt {
    /// For the log.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::First => 1,
            Self::Last => 2,
        }
    }
}

/// Why the results of a database do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InconclusiveReason {
    /// In words: what failed where, and what that can come of.
    pub(crate) reason: String,
}

/// The doubts of a run, by database.
#[derive(Debug)]
pub(crate) struct InconclusiveResults {
    attempt: Attempt,
    /// Units run beside each other.
    concurrent: bool,
    /// What one database does can be seen in the others: a doubt about one is a doubt about all.
    linked: bool,
    found: Mutex<BTreeMap<Arc<str>, InconclusiveReason>>,
}

impl InconclusiveResults {
    pub(crate) fn new(attempt: Attempt, concurrent: bool, linked: bool) -> Self {
        Self { attempt, concurrent, linked, found: Mutex::default() }
    }

    /// Whether a second run may judge what happens in this one.
    pub(crate) fn may_follow(&self) -> bool {
        self.attempt == Attempt::First && self.concurrent
    }

    /// Looks at a failure of a unit. The first doubt about a database stays.
    pub(crate) fn consider(&self, unit: &UnitName, others_change: bool, failure: &Failure) {
        let decision = decide(RetryRule::FromNothing { others_change }, failure);
        let cause = match &failure.kind {
            _ if !self.may_follow() || decision != RetryDecision::Inconclusive => return,
            FailureKind::ConnectionLost => "the server is still there",
            _ => "concurrent units can cause this",
        };
        // Which of several units that fail alike is the first, is chance: its name would differ from run to run.
        self.add(&unit.database, format!("{}, and {cause}", told(failure)));
    }

    /// Tenants with the same start have come to different shapes.
    pub(crate) fn consider_shapes(&self, database: &Arc<str>) {
        if self.may_follow() {
            let words = "tenants with the same starting state end with different schemas, and concurrent \
                         units can cause this";
            self.add(database, words.to_owned());
        }
    }

    fn add(&self, database: &Arc<str>, reason: String) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.entry(Arc::clone(database)).or_insert(InconclusiveReason { reason });
    }

    /// Whether the results of this database count no more.
    pub(crate) fn is_about(&self, database: &str) -> bool {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if self.linked { !found.is_empty() } else { found.contains_key(database) }
    }

    /// Why this database is to be replayed again.
    pub(crate) fn about(&self, database: &str) -> Option<InconclusiveReason> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(doubt) = found.get(database) {
            return Some(doubt.clone());
        }
        let (other, _) = found.iter().next().filter(|_| self.linked)?;
        Some(InconclusiveReason {
            reason: format!(
                "database `{other}` is replayed again, and their scripts may change objects that all \
                 databases of a server share (such as roles)"
            ),
        })
    }
}

/// `SQLSTATE 23505 at m/2.sql:1`. No words of the server's: they may hold values.
fn told(failure: &Failure) -> String {
    let what = match &failure.kind {
        FailureKind::Sql { sqlstate } => format!("SQLSTATE {sqlstate}"),
        FailureKind::ConnectionLost => "the connection broke".to_owned(),
        _ => "an error".to_owned(),
    };
    match &failure.place {
        Some(place) => format!("{what} at {}:{}", place.path, place.line),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TrackKind;

    fn unit(database: &str) -> UnitName {
        UnitName { database: database.into(), track: TrackKind::Tenant, name: "acme".into() }
    }

    fn sql(sqlstate: &str) -> Failure {
        let kind = FailureKind::Sql { sqlstate: sqlstate.to_owned() };
        Failure::new(kind, "duplicate key value violates unique constraint")
    }

    fn considered(doubts: &InconclusiveResults, failure: &Failure) -> bool {
        doubts.consider(&unit("app"), false, failure);
        doubts.is_about("app")
    }

    #[test]
    fn with_one_job_no_failure_is_put_down_to_concurrency() {
        assert!(considered(&InconclusiveResults::new(Attempt::First, true, false), &sql("23505")));
        assert!(!considered(
            &InconclusiveResults::new(Attempt::First, false, false),
            &sql("23505")
        ));
        assert!(!considered(&InconclusiveResults::new(Attempt::First, true, false), &sql("42601")));
    }

    #[test]
    fn there_is_no_third_attempt() {
        assert!(!considered(&InconclusiveResults::new(Attempt::Last, true, false), &sql("23505")));
        let broken = Failure::new(FailureKind::ConnectionLost, "gone");
        assert!(!considered(&InconclusiveResults::new(Attempt::Last, false, false), &broken));
        assert!(considered(&InconclusiveResults::new(Attempt::First, true, false), &broken));
        assert!(!considered(&InconclusiveResults::new(Attempt::First, false, false), &broken));
    }

    #[test]
    fn databases_that_share_the_server_are_doubted_together() {
        let apart = InconclusiveResults::new(Attempt::First, true, false);
        assert!(considered(&apart, &sql("23505")) && !apart.is_about("users"));
        assert_eq!(apart.about("users"), None);
        let linked = InconclusiveResults::new(Attempt::First, true, true);
        assert!(considered(&linked, &sql("23505")) && linked.is_about("users"));
        assert!(
            linked.about("app").unwrap().reason.starts_with("SQLSTATE 23505, and concurrent units")
        );
        assert!(linked.about("users").unwrap().reason.contains("`app`"));
    }
}
