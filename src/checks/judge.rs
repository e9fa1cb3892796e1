//! Runs all checks on all units, merges problems by cause and sorts findings by severity.

use std::cmp::Reverse;

use indexmap::IndexMap;
use indexmap::map::Entry;

use crate::model::{CheckSettings, Finding, Phase, ProjectRecord, Severity, UnitRecord};

use super::cause::Cause;
use super::problem::Location;
use super::{CHECKS, Check, UnitProblem};

/// Checks the units of a run. Findings are sorted by severity, then by number of units, then in plan order.
///
/// Linear in the number of units and steps: problems with the same cause are merged in a map.
pub(crate) fn judge(units: &[UnitRecord], settings: &CheckSettings) -> Vec<Finding> {
    let checks: Vec<(&dyn Check, Severity)> =
        CHECKS.iter().filter_map(|check| Some((*check, severity(*check, settings)?))).collect();
    let mut causes: IndexMap<Cause<'_>, Finding> = IndexMap::new();
    for (index, unit) in units.iter().enumerate() {
        for (check, severity) in &checks {
            for problem in check.check(unit) {
                let cause = Cause::of(check.meta(), unit, &problem);
                match causes.entry(cause) {
                    Entry::Occupied(mut finding) => add_unit(finding.get_mut(), index),
                    Entry::Vacant(new) => {
                        new.insert(finding(*check, *severity, unit, index, problem));
                    }
                }
            }
        }
    }
    let mut findings: Vec<Finding> = causes.into_values().collect();
    // Equal findings keep plan order, because units are visited in that order.
    sort(&mut findings);
    findings
}

/// Checks the project as a whole, for findings that do not belong to units.
pub(crate) fn judge_project(project: &ProjectRecord, head: &CheckSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for check in CHECKS {
        // A reduction by a pull request is weighed by the settings of its base.
        let settings = match &project.base_checks {
            Some(base) if check.is_weighed_by_base() => base,
            _ => head,
        };
        let Some(severity) = severity(*check, settings) else { continue };
        let fail_on = settings.fail_on.unwrap_or(Severity::Error);
        for problem in check.check_project(project) {
            let severity = problem
                .at_most
                .map_or(severity, |most| severity.min(most))
                .max(problem.at_least.unwrap_or(Severity::Info));
            findings.push(Finding {
                code: check.meta().code,
                severity,
                message: problem.message,
                database: problem.database,
                track: problem.track,
                units: Vec::new(),
                fails_run: severity >= fail_on && !problem.is_acknowledged,
                phase: Phase::Head,
                failure: None,
                place: problem.place,
                unplaced: problem.unplaced,
                help: problem.help,
            });
        }
    }
    findings
}

/// Sorts by severity, then by number of units. The sort is stable.
pub(crate) fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| (Reverse(finding.severity), Reverse(finding.units.len())));
}

/// The severity of a check by the configuration; `None` if it is disabled.
pub(crate) fn severity(check: &dyn Check, settings: &CheckSettings) -> Option<Severity> {
    let meta = check.meta();
    settings.severities.get(meta.code).copied().unwrap_or(Some(meta.severity))
}

/// A unit can have a problem twice (the same notice in one file); it is named once.
fn add_unit(finding: &mut Finding, index: usize) {
    if finding.units.last() != Some(&index) {
        finding.units.push(index);
    }
}

fn finding(
    check: &dyn Check,
    severity: Severity,
    unit: &UnitRecord,
    index: usize,
    problem: UnitProblem<'_>,
) -> Finding {
    let (place, unplaced) = match problem.at {
        Location::Place(place) => (Some(place.into_owned()), None),
        Location::Nowhere(why) => (None, Some(why)),
    };
    Finding {
        code: check.meta().code,
        severity,
        message: problem.message.into_owned(),
        database: unit.database.clone(),
        track: unit.track,
        units: vec![index],
        fails_run: false,
        phase: problem.phase,
        failure: problem.failure.cloned(),
        place,
        unplaced,
        help: problem.help.map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::checks::test_fixtures::{self, sql, step, unit};
    use crate::model::{Phase, TrackKind};

    fn failing(name: &str, sqlstate: &str, message: &str) -> UnitRecord {
        unit(name).with_step(step("1", Phase::Head).failing(sql(sqlstate, message)))
    }

    #[test]
    fn units_with_the_same_failure_make_one_finding() {
        let units = [
            failing("acme", "23505", "key of acme: 17 rows"),
            unit("globex").with_step(step("1", Phase::Head)),
            failing("initech", "23505", "key of initech: 4 rows"),
        ];
        let findings = judge(&units, &CheckSettings::default());
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].units, [0, 2]);
        assert_eq!(findings[0].message, "key of acme: 17 rows");
        assert_eq!(findings[0].code, "migration-failed");
    }

    #[test]
    fn a_different_place_state_track_or_phase_is_a_different_cause() {
        let alike = || failing("acme", "23505", "no");
        let mut elsewhere = alike();
        elsewhere.steps[0].path = "m/2.sql".into();
        let mut shared = alike();
        shared.track = TrackKind::Shared;
        let mut other_database = alike();
        other_database.database = "users".into();
        let units = [
            alike(),
            elsewhere,
            failing("acme", "23502", "no"),
            unit("acme").with_step(step("1", Phase::Base).failing(sql("23505", "no"))),
            shared,
            other_database,
        ];
        assert_eq!(judge(&units, &CheckSettings::default()).len(), units.len());
    }

    #[test]
    fn findings_are_sorted_by_severity_then_frequency_then_plan_order() {
        let skipped = test_fixtures::notice("relation \"x\" already exists, skipping");
        let units = [
            unit("t0").with_step(step("1", Phase::Head).noticing(skipped.clone())),
            unit("t1").with_step(step("1", Phase::Head).noticing(skipped)),
            failing("t2", "42P01", "one"),
            failing("t3", "42703", "two"),
            failing("t4", "42703", "two"),
            failing("t5", "42704", "three"),
        ];
        let findings = judge(&units, &CheckSettings::default());
        let order: Vec<_> = findings.iter().map(|f| (f.severity, f.units.clone())).collect();
        assert_eq!(
            order,
            [
                (Severity::Error, vec![3, 4]),
                (Severity::Error, vec![2]),
                (Severity::Error, vec![5]),
                (Severity::Warning, vec![0, 1]),
            ]
        );
    }

    #[test]
    fn settings_change_a_severity_or_disable_a_check() {
        let units = [failing("acme", "42P01", "no")];
        let mut settings = CheckSettings::default();
        settings.severities.insert("migration-failed".into(), Some(Severity::Info));
        assert_eq!(judge(&units, &settings)[0].severity, Severity::Info);
        settings.severities.insert("migration-failed".into(), None);
        assert!(judge(&units, &settings).is_empty());
    }

    #[test]
    fn a_unit_is_named_once_in_a_finding() {
        let skipped = test_fixtures::notice("relation \"x\" already exists, skipping");
        let step = step("1", Phase::Head).noticing(skipped.clone()).noticing(skipped);
        let findings = judge(&[unit("acme").with_step(step)], &CheckSettings::default());
        assert_eq!(findings[0].units, [0]);
    }

    #[test]
    fn a_finding_has_a_place_or_a_reason_for_none() {
        let units = [
            failing("acme", "42P01", "no"),
            unit("globex").ending(Phase::Head, sql("42P01", "no")),
        ];
        for finding in judge(&units, &CheckSettings::default()) {
            assert_ne!(finding.place.is_some(), finding.unplaced.is_some());
        }
    }

    #[test]
    fn ten_thousand_units_with_different_causes_are_judged_in_seconds() {
        let units: Vec<_> = (0..10_000_u32)
            .map(|n| {
                let word: String = n.to_string().bytes().map(|b| char::from(b + 49)).collect();
                failing(&format!("t{n}"), "42P01", &format!("relation {word} is not there"))
            })
            .collect();
        let started = Instant::now();
        assert_eq!(judge(&units, &CheckSettings::default()).len(), 10_000);
        // Generous for an unoptimised build on a busy machine; a quadratic algorithm takes minutes.
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}
