//! A target: one track in one schema or database.

use std::sync::Arc;
use std::time::Duration;

use crate::formats::Ledger;
use crate::model::{Failure, FailureKind, TargetCause, TrackKind, UnitName};
use crate::postgres::AdvisoryLockKeys;
use crate::report::verify::reproduce::create_of;

/// One track in one schema or database.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) database: Arc<str>,
    pub(crate) track: TrackKind,
    /// The tenant's name; the database's for a shared track.
    pub(crate) name: Arc<str>,
    /// The name of the schema or database.
    pub(crate) target: String,
    /// The search path of its sessions.
    pub(crate) search_path: Vec<String>,
    pub(crate) ledger: Ledger,
    pub(crate) keys: AdvisoryLockKeys,
    /// Other ledgers that do not contradict its own.
    pub(crate) other_ledgers: Arc<OtherLedgers>,
    /// The tool would use the connection's default search path, so it must be this target's.
    pub(crate) owns_connection: bool,
    /// SQL that gives a session the settings of the tool's own client.
    pub(crate) session_settings: Arc<[String]>,
}

/// Ledgers that may exist next to a target's own.
#[derive(Debug, Default)]
pub(crate) struct OtherLedgers {
    /// `other-ledgers` of the configuration: `table` or `schema.table`.
    pub(crate) allowed: Vec<String>,
    /// Schema and table of the ledgers of other tracks.
    pub(crate) used: Vec<(String, String)>,
    /// The same for the project's other named databases, in any real database.
    pub(crate) of_project: Vec<(String, String)>,
}

impl OtherLedgers {
    pub(crate) fn has(&self, schema: &str, table: &str) -> bool {
        let is_it = |name: &String| match name.split_once('.') {
            Some((in_schema, name)) => in_schema == schema && name == table,
            None => name == table,
        };
        self.allowed.iter().any(is_it)
            || self.used.iter().any(|(used, name)| used == schema && name == table)
    }

    pub(crate) fn is_of_project(&self, schema: &str, table: &str) -> bool {
        self.of_project.iter().any(|(used, name)| used == schema && name == table)
    }
}

impl Target {
    /// The log span of the target.
    pub(crate) fn span(&self) -> tracing::Span {
        self.unit().span(&self.target)
    }

    pub(crate) fn unit(&self) -> UnitName {
        UnitName {
            database: Arc::clone(&self.database),
            track: self.track,
            name: Arc::clone(&self.name),
        }
    }

    /// The failure of a target whose schema does not exist.
    pub(crate) fn absent(&self) -> Failure {
        Failure {
            hint: Some(match self.track {
                TrackKind::Shared => "create it (CREATE SCHEMA), or correct `schema`".to_owned(),
                TrackKind::Tenant => format!(
                    "create it with `{}`, or correct the tenant's name or `target`",
                    create_of(&self.database, &self.name)
                ),
            }),
            ..Failure::new(
                FailureKind::Target(TargetCause::MissingSchema),
                format!("the schema \"{}\" does not exist", self.search_path[0]),
            )
        }
    }

    /// The failure of a target whose lease another run has held for all of `wait`.
    pub(crate) fn lock_not_acquired(&self, wait: Duration) -> Failure {
        Failure {
            hint: Some(
                "another run of mig-ci works on it, or a backend of a terminated run is still executing \
                 (pg_stat_activity shows it); wait longer with --wait, or run again later"
                    .to_owned(),
            ),
            ..Failure::new(
                FailureKind::Target(TargetCause::LockNotAcquired),
                format!(
                    "could not acquire the advisory lock of {} within {} s",
                    self.ledger.qualified(),
                    wait.as_secs()
                ),
            )
        }
    }
}
