//! A saved report of an upgrade, and what it has left to do.

use serde::Deserialize;

use super::super::read::MOST_BYTES;
use super::super::v1::TrackKind;
use super::{Outcome, Report, SCHEMA};

/// Why a text is no report of an upgrade that this mig-ci can go on from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("it has more than {} MiB", MOST_BYTES >> 20)]
    TooLong,
    #[error(
        "it is no JSON report, as from line {line}, column {column}: give what --output json=PATH has written"
    )]
    NoReport { line: usize, column: usize },
    #[error(
        "its schema is {found:?}, and that of an upgrade's report is {SCHEMA:?}: give what `mig-ci upgrade --output \
         json=PATH` has written"
    )]
    OtherSchema { found: String },
    #[error(
        "mig-ci {found} has written it, and this is {}: take that version, or name the tenants with --tenant or \
         --all-tenants (what was applied is not applied again)",
        env!("CARGO_PKG_VERSION")
    )]
    OtherVersion { found: String },
    #[error("it is of several databases ({0}): there is none that they all have")]
    SeveralDatabases(String),
}

/// What a report has left: units that were not brought to where they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// `None` if the report has no unit at all.
    pub(crate) database: Option<String>,
    /// The shared track is among them.
    pub(crate) shared: bool,
    /// Tenants, by name, each with its schema or database.
    pub(crate) tenants: Vec<(String, String)>,
    /// Units that the report has altogether.
    pub(crate) of: usize,
}

/// All reports have these.
#[derive(Deserialize)]
struct Head {
    schema: String,
    tool: ToolOfHead,
}

#[derive(Deserialize)]
struct ToolOfHead {
    version: String,
}

/// # Errors
/// If it is none, or another version's.
pub(crate) fn left(text: &str) -> Result<Left, ReadError> {
    if text.len() > MOST_BYTES {
        return Err(ReadError::TooLong);
    }
    let no_report = |error: serde_json::Error| ReadError::NoReport {
        line: error.line(),
        column: error.column(),
    };
    // What is told first is what is wrong as a whole, and not the first field that another schema has.
    let head: Head = serde_json::from_str(text).map_err(no_report)?;
    if head.schema != SCHEMA {
        return Err(ReadError::OtherSchema { found: head.schema });
    }
    if head.tool.version != env!("CARGO_PKG_VERSION") {
        return Err(ReadError::OtherVersion { found: head.tool.version });
    }
    let report: Report = serde_json::from_str(text).map_err(no_report)?;
    let mut databases: Vec<&str> = report.units.iter().map(|unit| &*unit.database).collect();
    databases.sort_unstable();
    databases.dedup();
    if databases.len() > 1 {
        return Err(ReadError::SeveralDatabases(databases.join(", ")));
    }
    let is_left = |outcome: Outcome| matches!(outcome, Outcome::Failed | Outcome::NotRun);
    let left = report.units.iter().filter(|unit| is_left(unit.outcome));
    let (tenants, shared): (Vec<_>, Vec<_>) =
        left.partition(|unit| unit.track == TrackKind::Tenant);
    let tenants = tenants.iter().map(|unit| (unit.name.clone(), unit.target.clone()));
    Ok(Left {
        database: databases.first().map(|name| (*name).to_owned()),
        shared: !shared.is_empty(),
        tenants: tenants.collect(),
        of: report.units.len(),
    })
}
