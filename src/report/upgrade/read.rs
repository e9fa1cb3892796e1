//! Reads a saved report of an upgrade, and its remaining units.

use serde::Deserialize;

use super::{Direction, Outcome, Report, SCHEMA};
use crate::report::verify::read::MOST_BYTES;
use crate::report::verify::v1::TrackKind;

/// Why a text is not a report of an upgrade that this version can continue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpgradeReadError {
    #[error("it is larger than {} MiB", MOST_BYTES >> 20)]
    TooLong,
    #[error(
        "it is not a JSON report (line {line}, column {column}): use a file written by --output json=PATH"
    )]
    NoReport { line: usize, column: usize },
    #[error(
        "its schema is {found:?}, but that of an upgrade's report is {SCHEMA:?}: use a file written by `mig-ci upgrade \
         --output json=PATH`"
    )]
    OtherSchema { found: String },
    #[error(
        "it was written by mig-ci {found}, but this is {}: use that version, or select tenants with --tenant or \
         --all-tenants (applied migrations are not applied again)",
        env!("CARGO_PKG_VERSION")
    )]
    OtherVersion { found: String },
    #[error("it is the report of a downgrade, which applied nothing: use that of the upgrade")]
    Downgrade,
    #[error("it covers several databases ({0})")]
    SeveralDatabases(String),
}

/// The remaining units of a report: those that did not reach their target version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemainingUnits {
    /// `None` if the report has no units.
    pub(crate) database: Option<String>,
    /// The address of that database.
    pub(crate) address: Option<String>,
    /// Whether the shared track is one of them.
    pub(crate) shared: bool,
    /// The names of tenants, each with its schema or database.
    pub(crate) tenants: Vec<(String, String)>,
    /// The total number of units in the report.
    pub(crate) of: usize,
}

/// The fields that all reports have.
#[derive(Deserialize)]
struct ReportHeader {
    schema: String,
    tool: ToolOfHead,
}

#[derive(Deserialize)]
struct ToolOfHead {
    version: String,
}

/// The migrations that a run has applied, unit by unit: a shared track's first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppliedBy {
    /// `None` if the report has no units.
    pub(crate) database: Option<String>,
    /// The address of that database.
    pub(crate) address: Option<String>,
    pub(crate) units: Vec<AppliedTo>,
}

/// The migrations applied to one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppliedTo {
    pub(crate) is_tenant: bool,
    pub(crate) name: String,
    /// The schema or database.
    pub(crate) target: String,
    /// In order of application; at least one.
    pub(crate) versions: Vec<String>,
    /// The number of rows in its ledger before.
    pub(crate) rows_before: Option<usize>,
}

/// # Errors
/// If it is not such a report, or has another version, or belongs to a downgrade.
pub(crate) fn remaining(text: &str) -> Result<RemainingUnits, UpgradeReadError> {
    let (database, report) = parse(text)?;
    let is_left = |outcome: Outcome| match outcome {
        Outcome::Failed | Outcome::EnvironmentFailed | Outcome::NotRun | Outcome::Pending => true,
        Outcome::Upgraded | Outcome::Downgraded | Outcome::UpToDate => false,
    };
    let remaining = report.units.iter().filter(|unit| is_left(unit.outcome));
    let (tenants, shared): (Vec<_>, Vec<_>) =
        remaining.partition(|unit| unit.track == TrackKind::Tenant);
    let tenants = tenants.iter().map(|unit| (unit.name.clone(), unit.target.clone()));
    Ok(RemainingUnits {
        database,
        address: report.address,
        shared: !shared.is_empty(),
        tenants: tenants.collect(),
        of: report.units.len(),
    })
}

/// # Errors
/// As [`remaining`].
pub(crate) fn applied(text: &str) -> Result<AppliedBy, UpgradeReadError> {
    let (database, report) = parse(text)?;
    let units = report.units.into_iter().filter(|unit| !unit.applied.is_empty());
    let units = units.map(|unit| AppliedTo {
        is_tenant: unit.track == TrackKind::Tenant,
        name: unit.name,
        target: unit.target,
        versions: unit.applied.iter().map(ToString::to_string).collect(),
        rows_before: unit.rows_before,
    });
    Ok(AppliedBy { database, address: report.address, units: units.collect() })
}

/// An upgrade's report, and the only database in it.
fn parse(text: &str) -> Result<(Option<String>, Report), UpgradeReadError> {
    if text.len() > MOST_BYTES {
        return Err(UpgradeReadError::TooLong);
    }
    let no_report = |error: serde_json::Error| UpgradeReadError::NoReport {
        line: error.line(),
        column: error.column(),
    };
    // A wrong kind of report is reported first, before fields of another schema.
    let head: ReportHeader = serde_json::from_str(text).map_err(no_report)?;
    if head.schema != SCHEMA {
        return Err(UpgradeReadError::OtherSchema { found: head.schema });
    }
    if head.tool.version != env!("CARGO_PKG_VERSION") {
        return Err(UpgradeReadError::OtherVersion { found: head.tool.version });
    }
    let report: Report = serde_json::from_str(text).map_err(no_report)?;
    if report.direction == Direction::Down {
        return Err(UpgradeReadError::Downgrade);
    }
    let mut databases: Vec<&str> = report.units.iter().map(|unit| &*unit.database).collect();
    databases.sort_unstable();
    databases.dedup();
    if databases.len() > 1 {
        return Err(UpgradeReadError::SeveralDatabases(databases.join(", ")));
    }
    let database = databases.first().map(|name| (*name).to_owned());
    Ok((database, report))
}
