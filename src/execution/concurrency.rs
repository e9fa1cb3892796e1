//! Which failures concurrent units may have caused.
//!
//! In production the tool processes one tenant after the other. A failure that concurrent units may have caused is
//! conclusive only if it also occurs without them, so this list prefers false positives. The server detects the failures
//! that are not listed from the text of a statement alone, or from the rows of a table while it scans them.

use crate::model::{Failure, FailureKind, ProgramCause};
use crate::sql::{SqlWord, words};

/// Whether concurrent units can have caused a failure. `others_change`: these may drop, rename or revoke shared objects, or
/// add objects that others depend on.
///
/// Source of the codes: PostgreSQL, Appendix A.
pub(crate) fn can_come_of_concurrency(failure: &Failure, others_change: bool) -> bool {
    match &failure.kind {
        FailureKind::Sql { sqlstate } if is_value_error(sqlstate) => !reads_own_rows(failure),
        FailureKind::Sql { sqlstate } => {
            code_can_come_of_concurrency(sqlstate, &failure.message, others_change)
        }
        // Another unit terminated the session, dropped the schema, or changed the ledger.
        FailureKind::ConnectionLost | FailureKind::SearchPath | FailureKind::Ledger => true,
        FailureKind::Refused
        | FailureKind::File
        | FailureKind::Environment(_)
        | FailureKind::Target(_)
        | FailureKind::ServerLost => false,
        // Its process may have been ended by another one, and its ledger row removed.
        FailureKind::Program(cause) => {
            matches!(cause, ProgramCause::Ended | ProgramCause::LedgerNotMoved)
        }
    }
}

/// A value was unsuitable: `1 / (SELECT …)`, a cast, a `LIMIT`. It may depend on rows that others wrote, or on a lock that
/// they hold. Class 22: data exceptions; 44000: a view's check option; 55000: object not in prerequisite state.
fn is_value_error(sqlstate: &str) -> bool {
    sqlstate.starts_with("22") || matches!(sqlstate, "44000" | "55000")
}

/// `ALTER TABLE … TYPE int USING …`, `CREATE INDEX … ((a / b))`: values of rows that existed before.
fn reads_own_rows(failure: &Failure) -> bool {
    let statement = failure.statement.as_deref().unwrap_or_default();
    let mut words = words(statement);
    let Some(first) = words.next() else { return false };
    let of_index = |word: &SqlWord<'_>| word.is("INDEX") || word.is("UNIQUE");
    first.is("ALTER") || (first.is("CREATE") && words.next().as_ref().is_some_and(of_index))
}

fn code_can_come_of_concurrency(sqlstate: &str, message: &str, others_change: bool) -> bool {
    match sqlstate {
        // A time limit, or the lock table, which is shared by the whole server.
        "55P03" | "57014" | "53200" => true,
        // Another session uses the object, or has added a dependency on it.
        "55006" | "2BP01" => true,
        // `INSERT … WHERE NOT EXISTS` into a shared table, a counter, a marker row: all can conflict with a concurrent
        // tenant. Rows that fail the table scan of `ALTER TABLE` existed before.
        "23502" => !message.contains("contains null values"),
        "23514" => !message.contains("is violated by some row"),
        // `CREATE … IF NOT EXISTS`, or a check before it, takes no lock.
        "42P04" | "42P06" | "42P07" | "42701" | "42710" | "42723" => true,
        // Depends on the text alone.
        "42601" => false,
        "0A000" => message.contains("cached plan"),
        // Several rows where a check before an INSERT should have left one.
        "21000" => true,
        // Class 23: constraints; 40: deadlocks and serialization; P0: raised by a script; XX: "tuple concurrently updated",
        // "cache lookup failed", "could not open relation".
        state if ["23", "40", "P0", "XX"].iter().any(|class| state.starts_with(class)) => true,
        // Names, kinds and privileges. If the message contains an OID or "concurrently", the object existed and disappeared.
        state if ["3D", "3F", "42", "55"].iter().any(|class| state.starts_with(class)) => {
            others_change || message.contains("OID") || message.contains("concurrently")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can(sqlstate: &str, message: &str, others_change: bool) -> bool {
        let kind = FailureKind::Sql { sqlstate: sqlstate.to_owned() };
        can_come_of_concurrency(&Failure::new(kind, message), others_change)
    }

    #[test]
    fn conflicts_between_sessions_can_come_of_concurrency() {
        for (sqlstate, message) in [
            ("40P01", "deadlock detected"),
            ("40001", "could not serialize access due to concurrent update"),
            ("55P03", "canceling statement due to lock timeout"),
            ("57014", "canceling statement due to statement timeout"),
            ("55006", "database \"x\" is being accessed by other users"),
            ("53200", "out of shared memory"),
            ("XX000", "tuple concurrently updated"),
            ("XX000", "tuple concurrently deleted"),
            ("XX000", "cache lookup failed for relation 16385"),
            ("XX000", "could not open relation with OID 16385"),
            ("23503", "insert or update on table \"a\" violates foreign key constraint \"b\""),
            (
                "23505",
                "duplicate key value violates unique constraint \"pg_type_typname_nsp_index\"",
            ),
            ("23P01", "conflicting key value violates exclusion constraint"),
            ("23514", "new row for relation \"counter\" violates check constraint \"one\""),
            ("23502", "null value in column \"n\" of relation \"t\" violates not-null constraint"),
            ("42P07", "relation \"x\" already exists"),
            ("42710", "role \"x\" already exists"),
            ("42P06", "schema \"x\" already exists"),
            ("42P04", "database \"x\" already exists"),
            ("42723", "function \"x\" already exists with same argument types"),
            ("42701", "column \"x\" of relation \"y\" already exists"),
            ("42P01", "relation with OID 16385 does not exist"),
            ("42704", "role 16385 was concurrently dropped"),
            ("P0001", "another migration is running"),
            ("P0003", "query returned more than one row"),
            ("21000", "more than one row returned by a subquery used as an expression"),
            ("0A000", "cached plan must not change result type"),
            ("2200H", "nextval: reached maximum value of sequence \"s\" (3)"),
            ("2BP01", "cannot drop table x because other objects depend on it"),
        ] {
            assert!(can(sqlstate, message, false), "{sqlstate} {message}");
        }
        for kind in [FailureKind::ConnectionLost, FailureKind::SearchPath, FailureKind::Ledger] {
            assert!(can_come_of_concurrency(&Failure::new(kind, ""), false));
        }
    }

    #[test]
    fn errors_in_the_text_or_in_old_rows_cannot_come_of_concurrency() {
        for (sqlstate, message) in [
            ("42601", "syntax error at or near \"creat\""),
            ("42804", "column \"x\" cannot be cast automatically to type integer"),
            ("23502", "column \"x\" of relation \"y\" contains null values"),
            ("23514", "check constraint \"x\" of relation \"y\" is violated by some row"),
            ("25001", "CREATE INDEX CONCURRENTLY cannot run inside a transaction block"),
            ("42P01", "relation \"x\" does not exist"),
            ("0A000", "extension \"vector\" is not available"),
        ] {
            assert!(!can(sqlstate, message, false), "{sqlstate} {message}");
        }
        for kind in [FailureKind::Refused, FailureKind::File, FailureKind::ServerLost] {
            assert!(!can_come_of_concurrency(&Failure::new(kind, ""), false));
        }
    }

    #[test]
    fn bad_values_can_come_of_concurrency_unless_from_own_rows() {
        let can = |sqlstate: &str, statement: Option<&str>| {
            let kind = FailureKind::Sql { sqlstate: sqlstate.to_owned() };
            let failure = Failure::new(kind, "division by zero");
            let failure = Failure { statement: statement.map(str::to_owned), ..failure };
            can_come_of_concurrency(&failure, false)
        };
        assert!(can("22012", Some("SELECT 1 / pg_try_advisory_lock(7)::int")));
        assert!(can("22P02", Some("-- alter\nINSERT INTO t SELECT x::int FROM shared.y")));
        assert!(can("55000", Some("DO $$ BEGIN NULL; END $$")));
        assert!(can("22012", None));
        assert!(!can("22P02", Some("alter table t alter column a type int using a::int")));
        assert!(!can("22012", Some("/* x */ CREATE UNIQUE INDEX ON t ((1 / a))")));
        assert!(!can("42601", Some("SELECT 1 / 0")));
    }

    #[test]
    fn missing_objects_count_only_if_other_units_change_objects() {
        for (sqlstate, message) in [
            ("42P01", "relation \"public.countries\" does not exist"),
            ("42883", "function public.f() does not exist"),
            ("3F000", "schema \"common\" does not exist"),
            ("42501", "permission denied for table countries"),
            ("42809", "\"countries\" is not a table"),
            ("42804", "column \"a\" is of type integer but expression is of type text"),
        ] {
            assert!(can(sqlstate, message, true), "{sqlstate} {message}");
            assert!(!can(sqlstate, message, false), "{sqlstate} {message}");
        }
        assert!(!can("42601", "syntax error at or near \"concurrently\"", true));
    }
}
