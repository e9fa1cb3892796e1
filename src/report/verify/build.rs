//! Builds the report from the plan, the evidence and the findings: the only way to create a [`v1`] report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::convert::{
    failure_of, milliseconds, notice, outside, phase_of, place, sample, shape, track_kind,
};
use super::reproduce::reproduce;
use super::v1;
use crate::model::{
    Deploy, Failure, Finding, Phase, Severity, StepOutcome, StepRecord, TrackKind, UnitEnd,
    UnitRecord,
};
use crate::replay::plan::{MigrationState, PlannedUnit, ReplayPlan, StartingState, TrackPlan};
use crate::report::headline;

/// Facts about the run as a whole, in addition to plan, evidence and findings.
#[derive(Debug)]
pub(crate) struct RunFacts {
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    pub(crate) duration: Duration,
    pub(crate) server: v1::Server,
    pub(crate) revisions: v1::Revisions,
    pub(crate) notes: Vec<v1::Note>,
    pub(crate) timings: Option<v1::Timings>,
    /// The databases (by index in the plan) whose results are those of a second run, and why.
    pub(crate) replayed: BTreeMap<usize, String>,
    /// The flags that select the same project and base in a later run, as words.
    pub(crate) flags: Vec<String>,
    /// Findings at or above it fail their units.
    pub(crate) fail_on: Severity,
}

/// Builds the report. `units` are in plan order, as returned by `plan.units()`.
pub(crate) fn build(
    plan: &ReplayPlan,
    units: &[UnitRecord],
    findings: &[Finding],
    run: RunFacts,
) -> v1::Report {
    let of_environment =
        |finding: &&Finding| finding.failure.as_ref().is_some_and(Failure::is_environmental);
    let condemned: BTreeSet<usize> = findings
        .iter()
        .filter(|finding| finding.severity >= run.fail_on && !of_environment(finding))
        .flat_map(|finding| finding.units.iter().copied())
        .collect();
    let verdicts: Vec<v1::Verdict> = units
        .iter()
        .enumerate()
        .map(|(index, unit)| verdict(unit, condemned.contains(&index)))
        .collect();
    let counts = counts(plan, units, &verdicts);
    let verdict = match overall(&verdicts) {
        _ if findings.iter().any(|finding| finding.fails_run) => v1::Verdict::Failed,
        verdict => verdict,
    };
    let mut records = units.iter().zip(&verdicts);
    let mut texts = Texts::default();
    let databases = plan
        .databases
        .iter()
        .enumerate()
        .map(|(index, plan)| v1::Database {
            name: plan.name.to_string(),
            tracks: plan.shared.iter().chain(&plan.tenants).map(track).collect(),
            units: plan
                .units
                .iter()
                .zip(&mut records)
                .map(|(unit, (record, verdict))| texts.unit(unit, record, *verdict))
                .collect(),
            replayed: run
                .replayed
                .get(&index)
                .map(|reason| v1::Replayed { reason: reason.clone() }),
        })
        .collect();
    let mut report = v1::Report {
        schema: v1::SCHEMA.to_owned(),
        tool: v1::Tool { name: "mig-ci".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        verdict,
        summary: String::new(),
        started_at: run.started_at,
        duration_ms: milliseconds(run.duration),
        server: run.server,
        revisions: run.revisions,
        counts,
        databases,
        findings: findings
            .iter()
            .map(|each| finding(each, units, reproduce(each, units, &run.flags)))
            .collect(),
        notes: run.notes,
        timings: run.timings,
        partition: plan.partition.map(|partition| partition.to_string()),
    };
    report.summary = headline(&report);
    report
}

/// A unit that was affected by the environment has no verdict of its own, unless a finding fails it.
fn verdict(unit: &UnitRecord, condemned: bool) -> v1::Verdict {
    match unit.end {
        _ if condemned => v1::Verdict::Failed,
        UnitEnd::Failed { .. } if unit.environment_failure().is_some() => v1::Verdict::NotRun,
        UnitEnd::Failed { .. } => v1::Verdict::Failed,
        UnitEnd::NotRun { .. } => v1::Verdict::NotRun,
        UnitEnd::Completed => v1::Verdict::Passed,
    }
}

/// One failure fails the whole run; a unit that was not run prevents it from passing.
pub(crate) fn overall(verdicts: &[v1::Verdict]) -> v1::Verdict {
    if verdicts.contains(&v1::Verdict::Failed) {
        v1::Verdict::Failed
    } else if verdicts.contains(&v1::Verdict::NotRun) || verdicts.is_empty() {
        v1::Verdict::NotRun
    } else {
        v1::Verdict::Passed
    }
}

fn counts(plan: &ReplayPlan, units: &[UnitRecord], verdicts: &[v1::Verdict]) -> v1::Counts {
    let mut counts = v1::Counts {
        pending_migrations: plan.tracks().map(TrackPlan::pending).sum(),
        migrations: plan.tracks().map(|track| track.head.len()).sum(),
        ..v1::Counts::default()
    };
    for (unit, verdict) in units.iter().zip(verdicts) {
        let tally = match unit.track {
            TrackKind::Shared => &mut counts.shared,
            TrackKind::Tenant => &mut counts.tenants,
        };
        match verdict {
            v1::Verdict::Passed => tally.passed += 1,
            v1::Verdict::Failed => tally.failed += 1,
            v1::Verdict::NotRun => tally.not_run += 1,
        }
    }
    counts
}

fn track(plan: &TrackPlan) -> v1::Track {
    let migration =
        |(migration, state): (&crate::model::Migration, MigrationState)| v1::Migration {
            version: migration.version.clone(),
            description: migration.description.clone(),
            path: migration.up.path().to_string(),
            state: match state {
                MigrationState::Base => v1::MigrationState::Base,
                MigrationState::Edited => v1::MigrationState::Edited,
                MigrationState::Pending => v1::MigrationState::Pending,
                MigrationState::Removed => v1::MigrationState::Removed,
            },
        };
    v1::Track {
        kind: track_kind(plan.kind),
        directory: plan.directory.to_string(),
        format: plan.detected.format.name().to_owned(),
        format_reason: plan.detected.reason.clone(),
        deploy: match plan.deploy {
            Deploy::Tool => v1::Deploy::Tool,
            Deploy::MigCi => v1::Deploy::MigCi,
        },
        migrations: plan.states().into_iter().map(migration).collect(),
    }
}

/// Common texts of thousands of steps, stored once.
#[derive(Default)]
struct Texts(BTreeMap<String, Arc<str>>);

impl Texts {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.into();
        self.0.insert(text.to_owned(), Arc::clone(&shared));
        shared
    }

    fn unit(&mut self, unit: &PlannedUnit, record: &UnitRecord, verdict: v1::Verdict) -> v1::Unit {
        let (reason, failed) = match &record.end {
            UnitEnd::NotRun { reason } => (Some(reason.clone()), None),
            UnitEnd::Failed { failure, .. } => {
                let environment = record.environment_failure();
                let reason = environment.filter(|_| verdict == v1::Verdict::NotRun);
                (reason.map(|failure| failure.message.clone()), failure.as_deref().map(failure_of))
            }
            UnitEnd::Completed => (None, None),
        };
        v1::Unit {
            track: track_kind(unit.track),
            name: unit.name.to_string(),
            target: unit.target.clone(),
            start: match &unit.start {
                StartingState::Fresh => v1::Start::Fresh,
                StartingState::Base => v1::Start::Base,
                StartingState::Sample(sample) => {
                    v1::Start::Sample { path: sample.path.to_string() }
                }
            },
            verdict,
            reason,
            duration_ms: milliseconds(record.duration),
            sample: record.sample.as_ref().map(sample),
            steps: record.steps.iter().map(|step| self.step(step)).collect(),
            already_applied: record
                .already_applied
                .iter()
                .map(|one| self.get(&one.version))
                .collect(),
            nothing_applied: !record.already_applied.is_empty() && !has_run_head(record),
            shape: record.shape.as_ref().map(shape),
            outside: record.outside.as_ref().map(outside),
            failure: failed,
        }
    }

    fn step(&mut self, step: &StepRecord) -> v1::Step {
        let (outcome, failure) = match &step.outcome {
            StepOutcome::Applied => (v1::Outcome::Applied, None),
            StepOutcome::Failed(failure) => (v1::Outcome::Failed, Some(failure_of(failure))),
            StepOutcome::NotRun => (v1::Outcome::NotRun, None),
        };
        v1::Step {
            version: self.get(&step.version),
            path: self.get(step.path.as_str()),
            phase: phase_of(step.phase),
            outcome,
            duration_ms: milliseconds(step.duration),
            notices: step.notices.iter().map(notice).collect(),
            failure,
            not_checked: step.not_checked.as_ref().map(|one| v1::NotChecked {
                check: one.check.to_owned(),
                reason: one.reason.clone(),
            }),
            replayed_alone: false,
        }
    }
}

/// Whether one of the head's migrations was run on it.
fn has_run_head(record: &UnitRecord) -> bool {
    let mut steps = record.steps.iter();
    steps.any(|step| step.phase == Phase::Head && !matches!(step.outcome, StepOutcome::NotRun))
}

/// `again` is the command that reproduces it.
pub(crate) fn finding(
    finding: &Finding,
    units: &[UnitRecord],
    again: Option<String>,
) -> v1::Finding {
    let names =
        finding.units.iter().filter_map(|index| Some(units.get(*index)?.name.clone())).collect();
    v1::Finding {
        code: finding.code.to_owned(),
        severity: match finding.severity {
            Severity::Info => v1::Severity::Info,
            Severity::Warning => v1::Severity::Warning,
            Severity::Error => v1::Severity::Error,
        },
        message: finding.message.clone(),
        database: finding.database.clone(),
        track: track_kind(finding.track),
        units: names,
        fails_run: finding.fails_run,
        phase: (!finding.units.is_empty()).then(|| phase_of(finding.phase)),
        failure: finding.failure.as_ref().map(failure_of),
        place: finding.place.as_ref().map(place),
        unplaced: finding.unplaced.map(str::to_owned),
        help: finding.help.clone(),
        reproduce: again,
    }
}
