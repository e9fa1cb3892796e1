//! A migration caught the error of one of its statements and went on.

use std::collections::BTreeSet;

use crate::model::{Phase, StepRecord, SwallowedFailure, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct FailureSwallowed;

const HELP: &str = "a `try … except` around the statement hides which tenants have the change. Check in the migration whether \
                    the object exists, instead of catching the error";

impl Check for FailureSwallowed {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Info, "failure-swallowed", "A statement failed, and the migration caught the error")
    }

    /// Only pending migrations: those of the base are applied in production, and their errors are history.
    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let head = unit.steps.iter().filter(|step| step.phase == Phase::Head);
        let mut seen = BTreeSet::new();
        head.filter_map(|step| Some((step, step.program.as_ref()?)))
            .flat_map(|(step, program)| program.swallowed.iter().map(move |one| (step, one)))
            .filter(|(step, one)| seen.insert((&step.version, line(one), &one.sqlstate)))
            .map(|(step, one)| problem(step, one))
            .collect()
    }
}

fn line(failure: &SwallowedFailure) -> Option<usize> {
    failure.place.as_ref().map(|place| place.line)
}

fn problem<'a>(step: &'a StepRecord, failure: &'a SwallowedFailure) -> UnitProblem<'a> {
    let state = failure.sqlstate.as_ref().map(|state| format!(" (SQLSTATE {state})"));
    let message = format!(
        "a statement of {} failed, and the migration went on: {}{}",
        step.version,
        failure.message.lines().next().unwrap_or_default(),
        state.unwrap_or_default()
    );
    let problem = match &failure.place {
        Some(place) => UnitProblem::at(place, step.phase, message),
        None => UnitProblem::in_file(&step.path, step.phase, message),
    };
    problem.with_help(Some(HELP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{place, step, unit};
    use crate::model::ProgramStep;

    fn swallowing(phase: Phase, lines: &[usize]) -> StepRecord {
        let failure = |line: &usize| SwallowedFailure {
            sqlstate: Some("42P07".to_owned()),
            message: "relation \"a\" already exists\nLINE 1".to_owned(),
            place: Some(place("m/versions/7.py", *line)),
        };
        let swallowed = lines.iter().map(failure).collect();
        let program = Some(Box::new(ProgramStep { swallowed, ..ProgramStep::default() }));
        StepRecord { program, ..step("7", phase) }
    }

    #[test]
    fn each_place_of_a_pending_migration_is_listed_once() {
        let unit = unit("acme").with_step(swallowing(Phase::Head, &[3, 9, 3]));
        let problems = FailureSwallowed.check(&unit);
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[1].place().map(|place| place.line), Some(9));
        assert_eq!(
            problems[0].message,
            "a statement of 7 failed, and the migration went on: relation \"a\" already exists (SQLSTATE 42P07)"
        );
    }

    #[test]
    fn migrations_of_the_base_are_history() {
        let unit = unit("acme").with_step(swallowing(Phase::Base, &[3]));
        assert!(FailureSwallowed.check(&unit).is_empty());
    }
}
