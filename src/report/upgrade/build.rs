//! Builds the report from the results of each unit.

use std::time::Duration;

use super::super::text::{count, grouped};
use super::{Counts, Direction, Interner, Outcome, Report, Run, SCHEMA, Unit, Upgraded, Versions};
use crate::model::{StepOutcome, StepRecord, TrackKind, UnitEnd, UnitRecord};
use crate::report::verify::build::finding;
use crate::report::verify::convert::{failure_of, milliseconds, track_kind};
use crate::report::verify::reproduce::command;
use crate::report::verify::v1::{Finding, Tool, Verdict};

/// The report of a run that had nothing to do, for the reason in `summary`.
pub(crate) fn nothing_left(started_at: String, summary: String) -> Report {
    let nothing = Run {
        direction: Direction::Up,
        is_dry_run: false,
        address: None,
        requested: None,
        has_tenants: false,
        started_at,
        duration: Duration::ZERO,
        interrupted: false,
        units: Vec::new(),
        records: &[],
        findings: &[],
    };
    Report { summary, ..build(nothing) }
}

/// Builds the report.
pub(crate) fn build(run: Run<'_>) -> Report {
    let mut once = Interner::default();
    let units = run.records.iter().zip(run.units);
    let units: Vec<Unit> =
        units.map(|(record, upgraded)| unit(run.direction, record, upgraded, &mut once)).collect();
    let mut counts = Counts::default();
    for unit in &units {
        match unit.outcome {
            Outcome::Upgraded => counts.upgraded += 1,
            Outcome::Downgraded => counts.downgraded += 1,
            Outcome::Pending => counts.pending += 1,
            Outcome::UpToDate => counts.up_to_date += 1,
            Outcome::Failed => counts.failed += 1,
            Outcome::EnvironmentFailed => counts.environment_failed += 1,
            Outcome::NotRun => counts.not_run += 1,
        }
    }
    let verdict = match counts {
        Counts { failed: 1.., .. } => Verdict::Failed,
        Counts { environment_failed: 1.., .. } | Counts { not_run: 1.., .. } => Verdict::NotRun,
        _ => Verdict::Passed,
    };
    let findings = run.findings.iter().map(|each| {
        let again = each.units.first().and_then(|index| run.records.get(*index));
        let name = match run.direction {
            Direction::Up => "upgrade",
            Direction::Down => "downgrade",
        };
        let again = again.zip(run.requested.as_ref()).map(|(unit, requested)| {
            let is_shared = run.has_tenants && unit.track == TrackKind::Shared;
            let version = Some(requested.clone()).filter(|version| !version.is_empty());
            let words: Vec<String> =
                version.into_iter().chain(is_shared.then(|| "--shared".to_owned())).collect();
            command(name, &[unit], &words)
        });
        let finding = finding(each, run.records, again);
        // Advice for a pull request may be wrong for production.
        Finding { help: None, ..finding }
    });
    Report {
        schema: SCHEMA.to_owned(),
        tool: Tool { name: "mig-ci".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() },
        direction: run.direction,
        dry_run: run.is_dry_run,
        address: run.address,
        verdict,
        summary: headline(&counts, run.interrupted),
        started_at: run.started_at,
        duration_ms: milliseconds(run.duration),
        interrupted: run.interrupted,
        counts,
        findings: findings.collect(),
        notes: Vec::new(),
        units,
    }
}

fn unit(
    direction: Direction,
    record: &UnitRecord,
    upgraded: Upgraded,
    once: &mut Interner,
) -> Unit {
    let database = once.text(&record.database);
    let done = upgraded.versions;
    // For a dry run, or a run that the environment has ended.
    let is_struck = record.environment_failure().is_some();
    let is_planned = is_struck || matches!(record.end, UnitEnd::Completed);
    let is_left = |step: &&StepRecord| is_planned && !matches!(step.outcome, StepOutcome::Applied);
    let planned = record.steps.iter().filter(is_left);
    let pending = once.list(planned.map(|step| &*step.version));
    let failed_step = record.steps.iter().find_map(|step| match &step.outcome {
        StepOutcome::Failed(failure) => Some(failure_of(failure)),
        StepOutcome::Applied | StepOutcome::NotRun => None,
    });
    let (outcome, reason, failure) = match &record.end {
        UnitEnd::Completed if !pending.is_empty() => (Outcome::Pending, None, None),
        UnitEnd::Completed if done.is_empty() => (Outcome::UpToDate, None, None),
        UnitEnd::Completed => match direction {
            Direction::Up => (Outcome::Upgraded, None, None),
            Direction::Down => (Outcome::Downgraded, None, None),
        },
        UnitEnd::NotRun { reason } => (Outcome::NotRun, Some(reason.clone()), None),
        UnitEnd::Failed { failure, .. } => {
            let outcome = if is_struck { Outcome::EnvironmentFailed } else { Outcome::Failed };
            (outcome, None, failure.as_deref().map(failure_of).or(failed_step))
        }
    };
    let is_unchanged = done.is_empty();
    let (applied, undone) = match direction {
        Direction::Up => (done, Versions::default()),
        Direction::Down => (Versions::default(), done),
    };
    Unit {
        database,
        track: track_kind(record.track),
        name: record.name.clone(),
        target: record.target.clone(),
        outcome,
        before: upgraded.before,
        rows_before: upgraded.rows_before.filter(|_| !is_unchanged),
        after: upgraded.after,
        applied,
        undone,
        pending,
        reason,
        failure,
        retries: upgraded.retries,
        duration_ms: milliseconds(record.duration),
    }
}

/// The verdict in one sentence, without a full stop.
fn headline(counts: &Counts, interrupted: bool) -> String {
    let Counts { upgraded, downgraded, pending, up_to_date, failed, environment_failed, not_run } =
        *counts;
    let all = upgraded + downgraded + pending + up_to_date + failed + environment_failed + not_run;
    let stopped = if interrupted { "Interrupted: " } else { "" };
    let mut parts = Vec::new();
    for (number, words) in [
        (failed, "failed"),
        (environment_failed, "without a result (environment failure)"),
        (not_run, "not run"),
        (upgraded, "upgraded"),
        (downgraded, "downgraded"),
        (pending, "would change"),
        (up_to_date, "up to date"),
    ] {
        if number > 0 {
            parts.push(format!("{} {words}", grouped(number)));
        }
    }
    match parts.as_slice() {
        [] => "Nothing was selected".to_owned(),
        _ => format!("{stopped}{}: {}", count(all, "target"), parts.join(", ")),
    }
}
