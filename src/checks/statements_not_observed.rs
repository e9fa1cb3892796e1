//! A migration executed statements that the driver could not observe.

use crate::model::{Phase, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct StatementsNotObserved;

const HELP: &str = "mig-ci sees their effects in the catalog and the ledger, and neither their text nor their errors. Execute \
                    them with `op.execute` or through the SQLAlchemy connection";

impl Check for StatementsNotObserved {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Info,
            "statements-not-observed",
            "A migration executed statements that could not be observed"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let head = unit.steps.iter().filter(|step| step.phase == Phase::Head);
        let programs = head.filter_map(|step| Some((step, step.program.as_ref()?)));
        programs
            .filter(|(_, program)| program.unobserved > 0)
            .map(|(step, program)| {
                let message = format!(
                    "{} statements of {} bypass SQLAlchemy and were not observed",
                    program.unobserved, step.version
                );
                let problem = match &program.unobserved_at {
                    Some(place) => UnitProblem::at(place, step.phase, message),
                    None => UnitProblem::in_file(&step.path, step.phase, message),
                };
                problem.with_help(Some(HELP))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{step, unit};
    use crate::model::{ProgramStep, StepRecord};

    #[test]
    fn their_number_is_reported() {
        let program = |unobserved| {
            let program = Some(Box::new(ProgramStep { unobserved, ..ProgramStep::default() }));
            StepRecord { program, ..step("7", Phase::Head) }
        };
        let unit = unit("acme").with_step(program(0)).with_step(program(3));
        let problems = StatementsNotObserved.check(&unit);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.starts_with("3 statements of 7 bypass"));
    }
}
