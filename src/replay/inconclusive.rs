//! Decides when the results of a database are discarded: after a failure that concurrent units may have caused. The database
//! is then replayed from scratch, one unit at a time, on a fresh server, and only that run counts. With one job there are no
//! such failures.
//!
//! Nothing is retried in place: sequences do not roll back, and a new session lacks the state of the old one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::execution::retry::{RetryDecision, RetryRule, decide};
use crate::model::{Failure, FailureKind, UnitName};

/// The reason of units that are not started or not continued, since their results would be discarded.
pub(crate) const REPLAYED_LATER: &str = "the database is replayed again from an empty state";

/// Whether a run may be followed by a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    First,
    /// Its results are final.
    Last,
}

impl Attempt {
    /// The number for the log.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::First => 1,
            Self::Last => 2,
        }
    }
}

/// Why the results of a database are discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InconclusiveReason {
    /// Text: what failed where, and the possible cause.
    pub(crate) reason: String,
}

/// The databases of a run whose results are discarded.
#[derive(Debug)]
pub(crate) struct InconclusiveResults {
    attempt: Attempt,
    /// Units run concurrently.
    concurrent: bool,
    /// One database can affect the others: if one is inconclusive, all are.
    linked: bool,
    found: Mutex<BTreeMap<Arc<str>, InconclusiveReason>>,
}

impl InconclusiveResults {
    pub(crate) fn new(attempt: Attempt, concurrent: bool, linked: bool) -> Self {
        Self { attempt, concurrent, linked, found: Mutex::default() }
    }

    /// Whether a second run may follow this one.
    pub(crate) fn may_follow(&self) -> bool {
        self.attempt == Attempt::First && self.concurrent
    }

    /// Checks a failure of a unit. Only the first reason for a database is kept.
    pub(crate) fn consider(&self, unit: &UnitName, others_change: bool, failure: &Failure) {
        let decision = decide(RetryRule::FromNothing { others_change }, failure);
        let cause = match &failure.kind {
            _ if !self.may_follow() || decision != RetryDecision::Inconclusive => return,
            FailureKind::ConnectionLost => "the server is still there",
            _ => "concurrent units can cause this",
        };
        // The reason names no unit: which of several similar failures comes first differs from run to run.
        self.add(&unit.database, format!("{}, and {cause}", summary_of(failure)));
    }

    /// Tenants with the same starting state ended with different schemas.
    pub(crate) fn consider_shapes(&self, database: &Arc<str>) {
        if self.may_follow() {
            let words = "tenants with the same starting state end with different schemas, and concurrent \
                         units can cause this";
            self.add(database, words.to_owned());
        }
    }

    /// A forked process and a new interpreter gave different results. The second run uses new interpreters.
    pub(crate) fn consider_isolation(&self, database: &Arc<str>, reason: String) {
        if self.attempt == Attempt::First {
            self.add(database, reason);
        }
    }

    /// Whether processes may be forked. The results of a second run are final, so it uses new interpreters.
    pub(crate) fn may_fork(&self) -> bool {
        self.attempt == Attempt::First
    }

    fn add(&self, database: &Arc<str>, reason: String) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.entry(Arc::clone(database)).or_insert(InconclusiveReason { reason });
    }

    /// Whether the results of this database are discarded.
    pub(crate) fn is_inconclusive(&self, database: &str) -> bool {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if self.linked { !found.is_empty() } else { found.contains_key(database) }
    }

    /// Why this database is replayed again.
    pub(crate) fn reason_for(&self, database: &str) -> Option<InconclusiveReason> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = found.get(database) {
            return Some(reason.clone());
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

/// `SQLSTATE 23505 at m/2.sql:1`. Without the server's message, which may contain values.
fn summary_of(failure: &Failure) -> String {
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

    fn considered(inconclusive: &InconclusiveResults, failure: &Failure) -> bool {
        inconclusive.consider(&unit("app"), false, failure);
        inconclusive.is_inconclusive("app")
    }

    #[test]
    fn with_one_job_no_failure_is_inconclusive() {
        assert!(considered(&InconclusiveResults::new(Attempt::First, true, false), &sql("23505")));
        assert!(!considered(
            &InconclusiveResults::new(Attempt::First, false, false),
            &sql("23505")
        ));
        assert!(!considered(&InconclusiveResults::new(Attempt::First, true, false), &sql("42601")));
    }

    #[test]
    fn the_second_attempt_is_final() {
        assert!(!considered(&InconclusiveResults::new(Attempt::Last, true, false), &sql("23505")));
        let broken = Failure::new(FailureKind::ConnectionLost, "gone");
        assert!(!considered(&InconclusiveResults::new(Attempt::Last, false, false), &broken));
        assert!(considered(&InconclusiveResults::new(Attempt::First, true, false), &broken));
        assert!(!considered(&InconclusiveResults::new(Attempt::First, false, false), &broken));
    }

    #[test]
    fn linked_databases_are_inconclusive_together() {
        let unlinked = InconclusiveResults::new(Attempt::First, true, false);
        assert!(considered(&unlinked, &sql("23505")) && !unlinked.is_inconclusive("users"));
        assert_eq!(unlinked.reason_for("users"), None);
        let linked = InconclusiveResults::new(Attempt::First, true, true);
        assert!(considered(&linked, &sql("23505")) && linked.is_inconclusive("users"));
        assert!(
            linked
                .reason_for("app")
                .unwrap()
                .reason
                .starts_with("SQLSTATE 23505, and concurrent units")
        );
        assert!(linked.reason_for("users").unwrap().reason.contains("`app`"));
    }
}
