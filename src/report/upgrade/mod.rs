//! The report of an upgrade: what each target was and is, and why some are not what they should be. Its own schema, with the
//! findings of [`crate::report::verify::v1`].

mod build;
mod interner;
mod junit;
mod read;
mod terminal;

pub(crate) use read::{AppliedBy, AppliedTo, RemainingUnits, UpgradeReadError, applied, left};

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verify::v1::{Failure, Finding, Tool, TrackKind, Verdict};
use super::{RenderOptions, json};
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
    /// Nothing was done: it says what would be (`--dry-run`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) dry_run: bool,
    /// The server and the database of the shared track, and of tenants that are schemas: `db.example:5432/app`. None where
    /// each tenant has an address of its own by a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    pub(crate) verdict: Verdict,
    /// The verdict in one sentence.
    pub(crate) summary: String,
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    pub(crate) duration_ms: u64,
    /// It was stopped from outside before its end.
    pub(crate) interrupted: bool,
    pub(crate) counts: Counts,
    /// What the reader should know of the project: a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// The shared track first, then the tenants in the order of their source.
    pub(crate) units: Vec<Unit>,
    /// The worst first; one for each cause, however many tenants share it.
    pub(crate) findings: Vec<Finding>,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    /// Migrations were applied.
    Up,
    /// Migrations were undone.
    Down,
}

/// Units by what has become of them, shared tracks included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    pub(crate) upgraded: usize,
    pub(crate) downgraded: usize,
    /// A dry run would have something to do there.
    pub(crate) pending: usize,
    pub(crate) up_to_date: usize,
    pub(crate) failed: usize,
    /// The server or the machine failed: nothing is known about their migrations.
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
    /// The newest version in its ledger before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// And after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    /// How many rows its ledger had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows_before: Option<usize>,
    /// The versions that this run has applied, in their order.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) applied: Versions,
    /// The versions that this run has undone, in their order: the newest first.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) undone: Versions,
    /// The versions that a run that is not dry would apply or undo, in its order; where the environment failed, those that
    /// this run did not come to, or of which it does not know whether they were applied or undone.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) pending: Versions,
    /// Why it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Why it failed, or how the environment did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    /// How often migrations were tried again that lost a lock or a race, and had no effect.
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
    pub(crate) is_rehearsal: bool,
    pub(crate) address: Option<String>,
    /// What was asked for, for whoever asks again: `-1`, a version.
    pub(crate) asked: Option<String>,
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    pub(crate) duration: Duration,
    pub(crate) interrupted: bool,
    pub(crate) units: Vec<Upgraded>,
    pub(crate) records: &'a [UnitRecord],
    pub(crate) findings: &'a [model::Finding],
}

/// The whole document, with a line end at its end.
type Render = fn(&Report, &RenderOptions) -> String;

/// All renderers, by the name in `--format NAME` and `--output NAME=PATH`.
pub(crate) static RENDERERS: &[(&str, Render)] =
    &[("terminal", terminal::render), ("json", |report, _| json(report)), ("junit", junit::render)];
