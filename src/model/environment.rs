//! Failures of the server or of the machine. They are not caused by a migration, so no verdict follows from them.
//!
//! Source of the codes: PostgreSQL's Appendix A. Messages are compared only for names that PostgreSQL does not translate: a
//! setting, or a path.

use super::{EnvironmentCause, Failure, FailureKind, FailureOrigin};

/// Folders of a data directory. Other paths come from the migration itself (`COPY … FROM '/path'`).
const OWN_FOLDERS: [&str; 3] = ["\"base/", "\"global/", "\"pg_"];

impl Failure {
    /// Whether it is a failure of the environment: a full disk, exhausted memory, processes or sessions, corrupted files, a
    /// server that is shutting down or unavailable.
    ///
    /// A migration that needs more locks than `max_locks_per_transaction` allows is a failure of the migration: production has
    /// the same limit.
    pub(crate) fn is_environmental(&self) -> bool {
        let is_lost = self.origin.is_none() && self.kind == FailureKind::ServerLost;
        is_lost || self.environment_cause().is_some()
    }

    /// The part of the environment that failed; `None` if the server is lost.
    pub(crate) fn environment_cause(&self) -> Option<EnvironmentCause> {
        match self.origin {
            // A script can raise any code.
            Some(FailureOrigin::Script) => return None,
            Some(FailureOrigin::Environment(cause)) => return Some(cause),
            None => {}
        }
        match &self.kind {
            FailureKind::Environment(cause) => Some(*cause),
            FailureKind::Sql { sqlstate } => self.cause_of_code(sqlstate),
            FailureKind::Refused
            | FailureKind::File
            | FailureKind::SearchPath
            | FailureKind::Ledger
            | FailureKind::Target(_)
            | FailureKind::ServerLost
            | FailureKind::ConnectionLost
            | FailureKind::Program(_) => None,
        }
    }

    fn cause_of_code(&self, sqlstate: &str) -> Option<EnvironmentCause> {
        match sqlstate {
            // Class 53, insufficient resources: disk, sessions, and limits of the server's configuration.
            "53000" => Some(EnvironmentCause::InsufficientResources),
            "53100" => Some(EnvironmentCause::DiskFull),
            "53200" => (!self.is_lock_table_full()).then_some(EnvironmentCause::OutOfMemory),
            "53300" => Some(EnvironmentCause::TooManyConnections),
            "53400" => Some(EnvironmentCause::ConfigurationLimit),
            // Class 58, system error, and the codes of class XX for corrupted files.
            "58000" | "58030" | "XX001" | "XX002" => Some(EnvironmentCause::StorageError),
            "58P01" | "58P02" => {
                let is_own = OWN_FOLDERS.iter().any(|folder| self.message.contains(folder));
                is_own.then_some(EnvironmentCause::StorageError)
            }
            state => state.starts_with("57P0").then_some(EnvironmentCause::ServerUnavailable),
        }
    }

    /// `out of shared memory` with a hint that names `max_locks_per_transaction` or `max_pred_locks_per_transaction`.
    fn is_lock_table_full(&self) -> bool {
        let names = |text: &str| text.contains("locks_per_transaction");
        self.hint.as_deref().is_some_and(names) || self.message.contains("out of shared memory")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TargetCause;

    fn sql(sqlstate: &str, message: &str) -> Failure {
        Failure::new(FailureKind::Sql { sqlstate: sqlstate.to_owned() }, message)
    }

    #[test]
    fn failures_of_the_server_are_environmental() {
        for (sqlstate, message) in [
            ("53100", "could not extend file \"base/16384/16385\": No space left on device"),
            ("53200", "out of memory"),
            ("53300", "sorry, too many clients already"),
            ("53400", "temporary file size exceeds temp_file_limit (1024kB)"),
            ("53000", "could not open file \"base/16384/2619\": Too many open files"),
            ("58030", "could not read block 0 in file \"base/16384/2619\": Input/output error"),
            ("58P01", "could not open file \"base/16384/2619\": No such file or directory"),
            ("58P01", "could not open file \"pg_xact/0000\": No such file or directory"),
            ("57P03", "the database system is starting up"),
            ("XX001", "invalid page in block 0 of relation base/16384/2619"),
        ] {
            assert!(sql(sqlstate, message).is_environmental(), "{sqlstate} {message}");
        }
        for kind in [FailureKind::Environment(EnvironmentCause::Pooler), FailureKind::ServerLost] {
            assert!(Failure::new(kind, "no").is_environmental());
        }
    }

    #[test]
    fn failures_that_production_would_also_have_are_not_environmental() {
        for (sqlstate, message) in [
            ("23505", "could not create unique index \"u\""),
            ("53200", "out of shared memory"),
            ("58P01", "could not open file \"/data/import.csv\" for reading: No such file"),
            ("58P01", "could not access file \"no_such_library\": No such file or directory"),
            ("0A000", "extension \"vector\" is not available"),
            ("57014", "canceling statement due to statement timeout"),
            ("XX000", "cache lookup failed for relation 16385"),
        ] {
            assert!(!sql(sqlstate, message).is_environmental(), "{sqlstate} {message}");
        }
        let hint = Some("Possibly max_locks_per_transaction erhöhen.".to_owned());
        let translated = Failure { hint, ..sql("53200", "Shared Memory aufgebraucht") };
        assert!(!translated.is_environmental());
        for kind in [FailureKind::ConnectionLost, FailureKind::Target(TargetCause::MissingSchema)] {
            assert!(!Failure::new(kind, "gone").is_environmental());
        }
    }

    #[test]
    fn the_origin_takes_precedence_over_the_code() {
        let with = |origin, sqlstate| Failure { origin: Some(origin), ..sql(sqlstate, "no") };
        assert!(!with(FailureOrigin::Script, "53100").is_environmental());
        assert!(
            with(FailureOrigin::Environment(EnvironmentCause::ReadOnly), "25006")
                .is_environmental()
        );
        assert!(
            !sql("25006", "cannot execute INSERT in a read-only transaction").is_environmental()
        );
    }
}
