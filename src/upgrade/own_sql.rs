//! Failures of SQL that mig-ci sends itself, independent of migrations.

use crate::model::{EnvironmentCause, Failure, FailureKind, FailureOrigin};

/// PostgreSQL's Appendix A: read_only_sql_transaction.
pub(crate) const READ_ONLY: &str = "25006";

/// The server refuses connections, or has closed one: it may be available again soon.
pub(crate) fn is_away(failure: &Failure) -> bool {
    failure.kind == FailureKind::ConnectionLost
}

/// The failure, classified as one of the environment.
pub(crate) fn of_own_sql(failure: Failure) -> Failure {
    match &failure.kind {
        FailureKind::ConnectionLost => Failure { kind: FailureKind::ServerLost, ..failure },
        FailureKind::Sql { sqlstate } if sqlstate == READ_ONLY => read_only(failure),
        _ => failure,
    }
}

/// The server accepts no writes.
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
    fn only_a_lost_connection_means_an_unreachable_server() {
        assert!(is_away(&lost()));
        assert!(!is_away(&Failure::new(FailureKind::Ledger, "no")));
    }

    #[test]
    fn failures_of_own_sql_belong_to_the_environment() {
        assert_eq!(of_own_sql(lost()).kind, FailureKind::ServerLost);
        let sql = |sqlstate: &str| {
            let kind = FailureKind::Sql { sqlstate: sqlstate.to_owned() };
            of_own_sql(Failure::new(kind, "no")).is_environmental()
        };
        assert!(sql(READ_ONLY) && sql("53100") && !sql("42501"));
    }
}
