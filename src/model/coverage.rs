//! What the base checks and the head does not. Plain data.

use std::fmt;

use super::TrackKind;

/// A part of the checks, as named by `[[coverage.removed]]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CoveragePart {
    Database(String),
    Track {
        database: String,
        track: TrackKind,
    },
    /// A sample. An acknowledgement without a database applies to the tenant in any database.
    Tenant {
        database: Option<String>,
        tenant: String,
    },
    Check(String),
    /// A key of `mig-ci.toml` (`fail-on`, `postgres.role`), or the path of a `prepare` file.
    Setting(String),
}

impl CoveragePart {
    /// Whether the acknowledgement `self` applies to `other`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tenant { database: None, tenant }, Self::Tenant { tenant: of_other, .. }) => {
                tenant == of_other
            }
            _ => self == other,
        }
    }
}

/// In the syntax of a table of `mig-ci.toml`.
impl fmt::Display for CoveragePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(name) => write!(f, "database = {name:?}"),
            Self::Track { database, track } => {
                write!(f, "database = {database:?}, track = \"{track}\"")
            }
            Self::Tenant { database: Some(database), tenant } => {
                write!(f, "database = {database:?}, tenant = {tenant:?}")
            }
            Self::Tenant { database: None, tenant } => write!(f, "tenant = {tenant:?}"),
            Self::Check(code) => write!(f, "check = {code:?}"),
            Self::Setting(key) => write!(f, "setting = {key:?}"),
        }
    }
}

/// An entry of `[[coverage.removed]]`: the author's reason for checking less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acknowledgement {
    pub(crate) part: CoveragePart,
    /// Never blank.
    pub(crate) reason: String,
}

/// The weight of a reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CoverageChange {
    /// The base checks it, and the head does not.
    Removed,
    /// It may hide a failure; it is shown and does not fail the run.
    Suspicious,
}

/// One part that the base checks and the head does not, or checks less strictly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoverageReduction {
    pub(crate) part: CoveragePart,
    pub(crate) change: CoverageChange,
    /// The named database; empty for the project as a whole.
    pub(crate) database: String,
    pub(crate) track: TrackKind,
    /// One sentence.
    pub(crate) message: String,
    /// The reason of the head's acknowledgement.
    pub(crate) reason: Option<String>,
}
