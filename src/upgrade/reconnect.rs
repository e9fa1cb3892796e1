//! How long a server that is away is waited for, and failures of SQL that mig-ci sends itself.

use std::time::{Duration, Instant};

use crate::model::{EnvironmentCause, Failure, FailureKind, FailureOrigin};

/// How long a server that takes no connection is waited for, once work on it has begun.
pub(crate) const AWAY: Duration = Duration::from_secs(10);
/// The same before anything was begun.
pub(crate) const FIRST_CONTACT: Duration = Duration::from_secs(2);
/// Between two tries, at first and at most.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// PostgreSQL's Appendix A: read_only_sql_transaction.
pub(crate) const READ_ONLY: &str = "25006";

/// Tries to reach a server that is away.
#[derive(Debug)]
pub(crate) struct Reconnect {
    patience: Duration,
    pause: Duration,
    since: Option<Instant>,
}

impl Reconnect {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, pause: PAUSE, since: None }
    }

    /// How long to wait before the next try, where there is one.
    pub(crate) fn after(&mut self, failure: &Failure) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let is_over = since.elapsed() + self.pause > self.patience;
        if failure.kind != FailureKind::ConnectionLost || is_over {
            return None;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        tracing::debug!(reason = failure.message, ?pause, "the server is away: trying again");
        Some(pause)
    }
}

/// A failure of what mig-ci sends itself, where no migration has a part in it.
pub(crate) fn of_own_sql(failure: Failure) -> Failure {
    match &failure.kind {
        FailureKind::ConnectionLost => Failure { kind: FailureKind::ServerLost, ..failure },
        FailureKind::Sql { sqlstate } if sqlstate == READ_ONLY => read_only(failure),
        _ => failure,
    }
}

/// The server takes no writes.
pub(crate) fn read_only(failure: Failure) -> Failure {
    let hint = "the server accepts no writes from this role: it is a standby, or default_transaction_read_only is on";
    let hint = Some(hint.to_owned());
    Failure {
        origin: Some(FailureOrigin::Environment(EnvironmentCause::ReadOnly)),
        hint,
        ..failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> Failure {
        Failure::new(FailureKind::ConnectionLost, "refused")
    }

    #[test]
    fn a_server_is_waited_for_and_nothing_else_is() {
        let mut reconnect = Reconnect::new(AWAY);
        let pauses: Vec<_> = (0..6).filter_map(|_| reconnect.after(&lost())).collect();
        assert_eq!(pauses.len(), 6);
        assert!(pauses.is_sorted() && pauses[5] == LONGEST_PAUSE, "{pauses:?}");
        assert_eq!(Reconnect::new(Duration::ZERO).after(&lost()), None);
        let other = Failure::new(FailureKind::Ledger, "no");
        assert_eq!(Reconnect::new(AWAY).after(&other), None);
    }

    #[test]
    fn what_breaks_without_a_migration_is_the_environments() {
        assert_eq!(of_own_sql(lost()).kind, FailureKind::ServerLost);
        let sql = |sqlstate: &str| {
            let kind = FailureKind::Sql { sqlstate: sqlstate.to_owned() };
            of_own_sql(Failure::new(kind, "no")).is_environmental()
        };
        assert!(sql(READ_ONLY) && sql("53100") && !sql("42501"));
    }
}
