//! Which failures of a rolled-back migration were caused by a concurrent session, so that a retry can succeed.
//!
//! Sequences advance even in transactions that are rolled back. Therefore only failures that *are* a race are retried: a
//! lock, a deadlock, or a row of a system catalog that two sessions wrote. A duplicate key in a user's table is not one.

use crate::model::{Failure, FailureKind, FailureOrigin, Script};
use crate::sql::effects;

/// The cause of a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Race {
    /// Another session held a lock for longer than `lock_timeout`.
    Lock,
    /// The connection broke.
    Connection,
    /// Another session wrote the same row of a system catalog, or the server chose this transaction as the deadlock victim.
    Catalog,
    /// The object already exists, or no longer exists, because another target of this run executed the same migration
    /// concurrently.
    SameMigration,
}

impl Race {
    /// What to do when all attempts have failed.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Lock => {
                "another session held a lock at each attempt (see pg_locks): run again later, or increase --lock-timeout"
            }
            Self::Connection => {
                "the connection broke at each attempt: run again when the server is available"
            }
            Self::Catalog | Self::SameMigration => {
                "another session changed the same objects at each attempt, although the last one ran without other \
                 migrations of this run: run again when nothing else changes them"
            }
        }
    }
}

/// The object already exists, or does not exist. After a check (`IF NOT EXISTS (SELECT …)`) only a race can cause this, but
/// so can an ordinary mistake in the migration.
const CHECKED_BEFORE: [&str; 11] = [
    "42701", "42704", "42710", "42723", "42883", "42P01", "42P04", "42P06", "42P07", "3F000",
    "42703",
];

/// PostgreSQL's internal messages (`elog`), which are never translated. Sources: `heapam.c`, `indexing.c`, `syscache.c`,
/// `lsyscache.c`.
const INTERNAL: [&str; 5] = [
    "tuple concurrently updated",
    "tuple concurrently deleted",
    "cache lookup failed for ",
    "could not find tuple for ",
    "could not open relation with OID ",
];

/// Classifies a failure that only another session can cause. Source of the codes: PostgreSQL, Appendix A.
pub(crate) fn of(failure: &Failure) -> Option<Race> {
    if is_raised(failure) {
        return None;
    }
    let sqlstate = match &failure.kind {
        FailureKind::ConnectionLost => return Some(Race::Connection),
        FailureKind::Sql { sqlstate } => sqlstate.as_str(),
        _ => return None,
    };
    match sqlstate {
        "55P03" => Some(Race::Lock),
        "40P01" | "40001" => Some(Race::Catalog),
        "XX000" if INTERNAL.iter().any(|text| failure.message.starts_with(text)) => {
            Some(Race::Catalog)
        }
        // The server names the schema of the index's table; a user's index can have the same name.
        "23505" if failure.in_catalog => Some(Race::Catalog),
        _ => None,
    }
}

/// A script that raises a code itself (`RAISE … USING ERRCODE`) does so without a concurrent session. A retry could even
/// succeed, because sequences have advanced.
fn is_raised(failure: &Failure) -> bool {
    failure.origin == Some(FailureOrigin::Script)
}

/// Whether another target can have caused a failure by executing the same migration after this one had checked for its
/// objects. A migration that advances a sequence or uses another server is not the same at the next attempt.
pub(crate) fn may_be_of_same_migration<'s>(
    failure: &Failure,
    mut scripts: impl Iterator<Item = &'s Script>,
) -> bool {
    let FailureKind::Sql { sqlstate } = &failure.kind else { return false };
    !is_raised(failure)
        && CHECKED_BEFORE.contains(&sqlstate.as_str())
        && scripts.all(|script| effects(script).is_repeatable())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(sqlstate: &str, message: &str) -> Failure {
        Failure::new(FailureKind::Sql { sqlstate: sqlstate.to_owned() }, message)
    }

    #[test]
    fn races_are_classified_by_code_and_internal_message() {
        assert_eq!(of(&sql("55P03", "Sperre")), Some(Race::Lock));
        for (code, message) in [
            ("40P01", "Verklemmung"),
            ("40001", "could not serialize access"),
            ("XX000", "tuple concurrently updated"),
            ("XX000", "tuple concurrently deleted"),
            ("XX000", "cache lookup failed for function 4711"),
        ] {
            assert_eq!(of(&sql(code, message)), Some(Race::Catalog), "{code} {message}");
        }
        let lost = Failure::new(FailureKind::ConnectionLost, "broke");
        assert_eq!(of(&lost), Some(Race::Connection));
    }

    #[test]
    fn mistakes_in_a_migration_are_not_races() {
        let words = "duplicate key value violates unique constraint \"pg_type_typname_nsp_index\"";
        for failure in [
            sql("23505", words),
            sql("42P07", "relation \"a\" already exists"),
            sql("42710", "type \"a\" already exists"),
            sql("XX000", "tuple already updated by self"),
            sql("XX000", "missing chunk number 0"),
            sql("P0001", "tuple concurrently updated"),
            sql("57014", "canceling statement due to statement timeout"),
            Failure::new(FailureKind::Ledger, "tuple concurrently updated"),
        ] {
            assert_eq!(of(&failure), None, "{failure:?}");
        }
        let of_catalog = Failure { in_catalog: true, ..sql("23505", words) };
        assert_eq!(of(&of_catalog), Some(Race::Catalog));
    }

    #[test]
    fn migrations_that_depend_on_a_sequence_are_not_retried() {
        let exists = sql("42P07", "relation \"a1\" already exists");
        let may = |failure: &Failure, text: &str| {
            may_be_of_same_migration(failure, [&Script::whole("1.sql", text)].into_iter())
        };
        for text in [
            "DO $$ BEGIN CREATE TABLE a1 (); END $$",
            "-- without nextval('s')\nCREATE TABLE IF NOT EXISTS a1 (); /* dblink('x') */",
            "COMMENT ON TABLE a1 IS 'nextval(''s'')'; CREATE TABLE a1 (nextval text, dblink_id int);",
            "CREATE TABLE a1 (id bigint DEFAULT nextval('s'));",
            "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT nextval(''s'')';",
            "INSERT INTO a VALUES ('currval(''s'')');",
        ] {
            assert!(may(&exists, text), "{text}");
        }
        for text in [
            "DO $$ BEGIN EXECUTE 'CREATE TABLE a' || NEXTVAL('s'); END $$",
            "DO $$ BEGIN EXECUTE format('CREATE TABLE a%s', \"nextval\"('s')); END $$",
            "DO $$ BEGIN EXECUTE 'SELECT setval(''s'', 1)'; END $$",
            "SELECT pg_catalog.nextval /* x */ ('s')",
            "DO $$ DECLARE i int; BEGIN INSERT INTO a DEFAULT VALUES RETURNING id INTO i; END $$",
            "SELECT dblink_exec('x', 'CREATE TABLE a1 ()')",
            "SELECT 'open",
        ] {
            assert!(!may(&exists, text), "{text}");
        }
        assert!(!may(&sql("23505", "duplicate key"), "INSERT INTO a VALUES (1)"));
        assert!(!may(&sql("22012", "division by zero"), "SELECT 1 / 0"));
    }
}
