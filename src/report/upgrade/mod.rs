//! The report of an upgrade: what each target was and is, and why some are not what they should be. Its own schema, with the
//! findings of [`crate::report::verify::v1`].

mod build;
mod interner;
pub(super) mod junit;
mod read;
pub(super) mod terminal;

pub(crate) use read::{AppliedBy, AppliedTo, RemainingUnits, UpgradeReadError, applied, remaining};

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verify::v1::{Failure, Finding, Tool, TrackKind, Verdict};
use crate::model::{self, UnitRecord};
pub(crate) use build::{build, nothing_left};
pub(crate) use interner::{Interner, Versions};

/// The value of [`Report::schema`].
pub(crate) const SCHEMA: &str = "mig-ci.upgrade/1";

/// An upgrade of real databases, or a downgrade.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "mig-ci upgrade report, version 1")]
pub(crate) struct Report {
    /// Always `mig-ci.upgrade/1`.
    pub(crate) schema: String,
    pub(crate) tool: Tool,
    pub(crate) direction: Direction,
    /// A dry run (`--dry-run`): nothing was changed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) dry_run: bool,
    /// The server and the database of the shared track, and of tenants that are schemas: `db.example:5432/app`. Absent if
    /// each tenant has its own address from a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    pub(crate) verdict: Verdict,
    /// The verdict in one sentence.
    pub(crate) summary: String,
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    pub(crate) duration_ms: u64,
    /// The run was interrupted.
    pub(crate) interrupted: bool,
    pub(crate) counts: Counts,
    /// Notes about the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// The shared track first, then the tenants in the order of their source.
    pub(crate) units: Vec<Unit>,
    /// The most severe first; one for each cause, shared by all its tenants.
    pub(crate) findings: Vec<Finding>,
}

/// Whether migrations were applied or reverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    /// Migrations were applied.
    Up,
    /// Migrations were reverted.
    Down,
}

/// Units by what has become of them, shared tracks included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    pub(crate) upgraded: usize,
    pub(crate) downgraded: usize,
    /// Migrations are pending (in a dry run).
    pub(crate) pending: usize,
    pub(crate) up_to_date: usize,
    pub(crate) failed: usize,
    /// The server or the machine failed: the state of their migrations is unknown.
    pub(crate) environment_failed: usize,
    pub(crate) not_run: usize,
}

/// One track of a database, or of a tenant.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unit {
    pub(crate) database: Arc<str>,
    pub(crate) track: TrackKind,
    /// The tenant's, or the database's for a shared track.
    pub(crate) name: String,
    /// The schema or database.
    pub(crate) target: String,
    pub(crate) outcome: Outcome,
    /// The newest version in its ledger before the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// The newest version in its ledger after the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    /// The number of rows in its ledger before the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows_before: Option<usize>,
    /// The versions that this run applied, in their order.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) applied: Versions,
    /// The versions that this run reverted, newest first.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) undone: Versions,
    /// In a dry run, the versions that a run would apply or revert, in order; after an environment failure, the versions
    /// that were not reached, or whose state is unknown.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) pending: Versions,
    /// Why it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The failure of a migration or of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    /// The number of retries after lock timeouts and concurrency errors without an effect.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) retries: u32,
    pub(crate) duration_ms: u64,
}

pub(crate) fn is_none(versions: &Versions) -> bool {
    versions.is_empty()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

/// What has become of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Outcome {
    Upgraded,
    Downgraded,
    Pending,
    UpToDate,
    Failed,
    /// Not judged: the server or the machine failed, and `failure` says how.
    EnvironmentFailed,
    NotRun,
}

/// What a record does not say of an upgrade.
#[derive(Debug, Clone)]
pub(crate) struct Upgraded {
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) rows_before: Option<usize>,
    /// Those that were applied, or undone.
    pub(crate) versions: Versions,
    pub(crate) retries: u32,
}

/// What the report is made of; `units` and `records` are the same units.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) direction: Direction,
    pub(crate) is_dry_run: bool,
    pub(crate) address: Option<String>,
    /// The requested target, to repeat the command: `-1`, a version.
    pub(crate) requested: Option<String>,
    /// Whether the database has tenants: then `--shared` selects its shared track.
    pub(crate) has_tenants: bool,
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    pub(crate) duration: Duration,
    pub(crate) interrupted: bool,
    pub(crate) units: Vec<Upgraded>,
    pub(crate) records: &'a [UnitRecord],
    pub(crate) findings: &'a [model::Finding],
}
