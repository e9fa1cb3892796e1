//! The report of an upgrade: what each target was and is, and why some are not what they should be. Its own schema, with the
//! findings of [`super::v1`].

mod junit;
mod read;
mod terminal;

pub(crate) use read::{Left, ReadError, left};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RenderOptions;
use super::build::finding;
use super::convert::{failure_of, milliseconds, track_kind};
use super::reproduce::command;
use super::text::{count, grouped};
use super::v1::{Failure, Finding, Tool, TrackKind, Verdict};
use crate::model::{self, StepOutcome, UnitEnd, UnitRecord};

/// The value of [`Report::schema`].
pub(crate) const SCHEMA: &str = "mig-ci.upgrade/1";

/// An upgrade of real databases.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "mig-ci upgrade report, version 1")]
pub(crate) struct Report {
    /// Always `mig-ci.upgrade/1`.
    pub(crate) schema: String,
    pub(crate) tool: Tool,
    pub(crate) verdict: Verdict,
    /// The verdict in one sentence.
    pub(crate) summary: String,
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    pub(crate) duration_ms: u64,
    /// It was stopped from outside before its end.
    pub(crate) interrupted: bool,
    pub(crate) counts: Counts,
    /// The shared track first, then the tenants in the order of their source.
    pub(crate) units: Vec<Unit>,
    /// The worst first; one for each cause, however many tenants share it.
    pub(crate) findings: Vec<Finding>,
}

/// Units by what has become of them, shared tracks included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counts {
    pub(crate) upgraded: usize,
    pub(crate) up_to_date: usize,
    pub(crate) failed: usize,
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
    /// The versions that this run has applied, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) applied: Vec<Arc<str>>,
    /// Why it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    /// How often something was tried again that had lost a race for a lock.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) retries: u32,
    pub(crate) duration_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What has become of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Outcome {
    Upgraded,
    UpToDate,
    Failed,
    NotRun,
}

/// What a record does not say of an upgrade.
#[derive(Debug, Clone)]
pub(crate) struct Upgraded {
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) retries: u32,
}

/// What the report is made of; `units` and `records` are the same units.
#[derive(Debug)]
pub(crate) struct Run<'a> {
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
    &[("terminal", terminal::render), ("json", json), ("junit", junit::render)];

/// Of a run that had nothing left to do, for the reason that `summary` says.
pub(crate) fn nothing_left(started_at: String, summary: String) -> Report {
    let nothing = Run {
        started_at,
        duration: Duration::ZERO,
        interrupted: false,
        units: Vec::new(),
        records: &[],
        findings: &[],
    };
    Report { summary, ..build(nothing) }
}

/// Puts it together.
pub(crate) fn build(run: Run<'_>) -> Report {
    let mut texts = BTreeMap::new();
    let units = run.records.iter().zip(&run.units);
    let units: Vec<Unit> =
        units.map(|(record, upgraded)| unit(record, upgraded, &mut texts)).collect();
    let mut counts = Counts::default();
    for unit in &units {
        match unit.outcome {
            Outcome::Upgraded => counts.upgraded += 1,
            Outcome::UpToDate => counts.up_to_date += 1,
            Outcome::Failed => counts.failed += 1,
            Outcome::NotRun => counts.not_run += 1,
        }
    }
    let verdict = match counts {
        Counts { failed: 1.., .. } => Verdict::Failed,
        Counts { not_run: 1.., .. } => Verdict::NotRun,
        _ => Verdict::Passed,
    };
    let findings = run.findings.iter().map(|each| {
        let again = each.units.first().and_then(|index| run.records.get(*index));
        let finding =
            finding(each, run.records, again.map(|unit| command("upgrade", &[unit], &[])));
        // What helps a pull request need not help production.
        Finding { help: None, ..finding }
    });
    Report {
        schema: SCHEMA.to_owned(),
        tool: Tool { name: "mig-ci".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        verdict,
        summary: headline(&counts, run.interrupted),
        started_at: run.started_at,
        duration_ms: milliseconds(run.duration),
        interrupted: run.interrupted,
        counts,
        findings: findings.collect(),
        units,
    }
}

fn unit(record: &UnitRecord, upgraded: &Upgraded, texts: &mut BTreeMap<String, Arc<str>>) -> Unit {
    let mut shared =
        |text: &str| Arc::clone(texts.entry(text.to_owned()).or_insert_with(|| text.into()));
    let database = shared(&record.database);
    let applied = record.steps.iter().filter(|step| matches!(step.outcome, StepOutcome::Applied));
    let applied: Vec<_> = applied.map(|step| shared(&step.version)).collect();
    let failed_step = record.steps.iter().find_map(|step| match &step.outcome {
        StepOutcome::Failed(failure) => Some(failure_of(failure)),
        StepOutcome::Applied | StepOutcome::NotRun => None,
    });
    let (outcome, reason, failure) = match &record.end {
        UnitEnd::Completed if applied.is_empty() => (Outcome::UpToDate, None, None),
        UnitEnd::Completed => (Outcome::Upgraded, None, None),
        UnitEnd::NotRun { reason } => (Outcome::NotRun, Some(reason.clone()), None),
        UnitEnd::Failed { failure, .. } => {
            (Outcome::Failed, None, failure.as_deref().map(failure_of).or(failed_step))
        }
    };
    Unit {
        database,
        track: track_kind(record.track),
        name: record.name.clone(),
        target: record.target.clone(),
        outcome,
        before: upgraded.before.clone(),
        after: upgraded.after.clone(),
        applied,
        reason,
        failure,
        retries: upgraded.retries,
        duration_ms: milliseconds(record.duration),
    }
}

/// The verdict in one sentence, without a full stop.
fn headline(counts: &Counts, interrupted: bool) -> String {
    let Counts { upgraded, up_to_date, failed, not_run } = *counts;
    let all = upgraded + up_to_date + failed + not_run;
    let stopped = if interrupted { "Interrupted: " } else { "" };
    let mut parts = Vec::new();
    for (number, words) in [
        (failed, "failed"),
        (not_run, "not run"),
        (upgraded, "upgraded"),
        (up_to_date, "already there"),
    ] {
        if number > 0 {
            parts.push(format!("{} {words}", grouped(number)));
        }
    }
    match parts.as_slice() {
        [] => "Nothing was asked for".to_owned(),
        _ => format!("{stopped}{}: {}", count(all, "target"), parts.join(", ")),
    }
}

fn json(report: &Report, _: &RenderOptions) -> String {
    serde_json::to_string_pretty(report).map_or_else(|_| String::new(), |text| text + "\n")
}
