//! A migration contains transaction commands inside the tool's own transaction: the server warns, and the tool does not report
//! it.

use crate::model::{FailureKind, Phase, StepOutcome, StepRecord, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct TransactionControl;

const HELP: &str = "remove BEGIN, COMMIT and ROLLBACK from the file. The tool already runs the file in a transaction \
                    (golang-migrate: in one message, which is a transaction), and the file's COMMIT ends it: the statements \
                    after it, including the ledger row, are in another transaction. A failure there leaves the file partly \
                    applied, or applied and not recorded; after a ROLLBACK it is recorded and not applied";

impl Check for TransactionControl {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Warning,
            "transaction-control",
            "A migration begins or ends a transaction inside the tool's transaction"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        // A tool that refuses to continue for this reason has reported it.
        let is_told = |step: &StepRecord| matches!(&step.outcome, StepOutcome::Failed(failure) if failure.kind == FailureKind::Refused);
        let heads = unit.steps.iter().filter(|step| step.phase == Phase::Head && !is_told(step));
        heads.filter_map(problem).collect()
    }
}

/// One problem per step: `BEGIN … COMMIT` in a file causes two warnings.
fn problem(step: &StepRecord) -> Option<UnitProblem<'_>> {
    // Migrations of the base can no longer be changed.
    let place = step.transaction_command.as_ref()?;
    let words = &step.transaction_warnings;
    let message = format!(
        "the migration contains transaction commands, and the server warns: {}",
        words.join("; ")
    );
    let problem = UnitProblem::at(place, step.phase, message);
    (!words.is_empty()).then(|| problem.with_help(Some(HELP)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, notice, place, step, unit};

    fn problems(step: StepRecord) -> Vec<String> {
        let unit = unit("acme").with_step(step);
        let problems = TransactionControl.check(&unit);
        problems
            .iter()
            .map(|problem| format!("{} {}", problem.place().unwrap().line, problem.message))
            .collect()
    }

    fn warned(phase: Phase) -> StepRecord {
        let transaction_command = Some(place("m/1.sql", 4));
        let transaction_warnings = vec![
            "there is already a transaction in progress",
            "there is no transaction in progress",
        ];
        StepRecord { transaction_command, transaction_warnings, ..step("1", phase) }
    }

    #[test]
    fn the_servers_warnings_make_one_problem_at_the_first_command() {
        assert_eq!(
            problems(warned(Phase::Head)),
            [
                "4 the migration contains transaction commands, and the server warns: there is already a transaction in \
                 progress; there is no transaction in progress"
            ]
        );
    }

    #[test]
    fn other_notices_the_base_and_refusals_are_no_problem() {
        let odd = StepRecord {
            notices: vec![notice("odd")],
            transaction_warnings: Vec::new(),
            ..warned(Phase::Head)
        };
        assert!(problems(odd).is_empty());
        let old = StepRecord { transaction_command: None, ..warned(Phase::Head) };
        assert!(problems(old).is_empty());
        assert!(problems(warned(Phase::Base)).is_empty());
        let refused = failure(FailureKind::Refused, "pq: unexpected transaction status idle");
        assert!(problems(warned(Phase::Head).failing(refused)).is_empty());
    }
}
