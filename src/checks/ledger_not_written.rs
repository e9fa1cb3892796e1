//! A migration ran, and the ledger does not contain it: the next run would run it again.

use crate::model::{StepOutcome, UnitRecord};

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct LedgerNotWritten;

const HELP: &str = "the tool's row was rolled back, deleted, or written to another table: check this migration for COMMIT \
                    or ROLLBACK, `search_path`, and statements on the ledger's table";

impl Check for LedgerNotWritten {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Error,
            "ledger-not-written",
            "The ledger does not show an applied migration, or cannot be used"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let missing = unit.steps.iter().filter(|step| {
            matches!(step.outcome, StepOutcome::Applied) && step.in_ledger == Some(false)
        });
        let failed = failed(unit, FailureCategory::Ledger);
        missing
            .map(|step| {
                let message = format!(
                    "migration {} was applied, but the ledger of its target does not show it",
                    step.version
                );
                UnitProblem::in_file(&step.path, step.phase, message).with_help(Some(HELP))
            })
            .chain(failed.map(|failed| failed.problem().with_help(Some(HELP))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, step, unit};
    use crate::model::{FailureKind, Phase, StepRecord};

    #[test]
    fn an_applied_step_without_its_row_is_a_problem() {
        let missing = StepRecord { in_ledger: Some(false), ..step("4", Phase::Head) };
        let unit = unit("acme").with_step(step("3", Phase::Head)).with_step(missing);
        let problems = LedgerNotWritten.check(&unit);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place().map(|place| place.path.as_str()), Some("m/4.sql"));
    }

    #[test]
    fn a_step_whose_ledger_row_was_not_read_is_no_problem() {
        let unknown = StepRecord { in_ledger: None, ..step("4", Phase::Head) };
        assert!(LedgerNotWritten.check(&unit("acme").with_step(unknown)).is_empty());
    }

    #[test]
    fn a_ledger_that_cannot_be_read_is_a_problem() {
        let unit = unit("acme").ending(Phase::Head, failure(FailureKind::Ledger, "no column"));
        assert_eq!(LedgerNotWritten.check(&unit)[0].message, "no column");
    }
}
