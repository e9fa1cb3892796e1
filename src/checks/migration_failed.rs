//! A migration of the pull request fails.

use crate::model::{FailureKind, StepOutcome, StepRecord, UnitRecord};

use super::failed::{Failed, FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta, sqlstate};

#[derive(Debug)]
pub(super) struct MigrationFailed;

const STAYS: &str = "The statements before this one stay applied, and the ledger does not show the file as applied: they \
                     were committed by the file's own COMMIT, or statement by statement. A second run executes them again, \
                     so revert them manually, or make the file repeatable";

impl Check for MigrationFailed {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Error, "migration-failed", "A pending migration fails on this tenant")
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::Migration)
            .map(|failed| {
                let stays = failed.step.is_some_and(|step| step.partly_applied);
                let advice = twice(unit, &failed).or_else(|| help(&failed).map(str::to_owned));
                let parts: Vec<String> =
                    [advice, stays.then(|| STAYS.to_owned())].into_iter().flatten().collect();
                failed.problem().with_help((!parts.is_empty()).then(|| parts.join(". ")))
            })
            .into_iter()
            .collect()
    }
}

/// A version that occurs twice in the directory: the ledger accepts it once.
fn twice(unit: &UnitRecord, failed: &Failed<'_>) -> Option<String> {
    let step = failed.step.filter(|_| failed.sqlstate() == Some("23505"))?;
    // Failures of the script's own statements have an excerpt; those of the tool refer to the file as a whole.
    let is_tools = failed.failure.place.as_ref().is_none_or(|place| place.excerpt.is_none());
    let is_twin = |other: &&StepRecord| {
        other.version == step.version && matches!(other.outcome, StepOutcome::Applied)
    };
    let twin = unit.steps.iter().find(is_twin).filter(|_| is_tools)?;
    let files = if twin.path == step.path {
        format!("two sections of {} have", step.path)
    } else {
        format!("{} and {} both have", twin.path, step.path)
    };
    Some(format!(
        "{files} version {}: the tool applies both, and the ledger accepts a version once. Give the newer one a unique \
         version",
        step.version
    ))
}

fn help(failed: &Failed<'_>) -> Option<&'static str> {
    match failed.failure.kind {
        FailureKind::Sql { .. } => sqlstate::help(failed.sqlstate()?, &failed.failure.message),
        FailureKind::ConnectionLost => Some(
            "the server is still running, so the statement ended its own connection: check for `pg_terminate_backend`, \
             `DROP DATABASE … WITH (FORCE)` or a crash in an extension",
        ),
        FailureKind::File
        | FailureKind::Environment(_)
        | FailureKind::Target(_)
        | FailureKind::Refused
        | FailureKind::SearchPath
        | FailureKind::Ledger
        | FailureKind::ServerLost
        | FailureKind::Program(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, place, sql, step, unit};
    use crate::model::{Excerpt, Failure, Phase, Place};

    #[test]
    fn a_failed_step_of_the_head_is_reported_at_the_servers_position() {
        let error = Failure { place: Some(place("m/7.sql", 12)), ..sql("23502", "nulls") };
        let unit = unit("acme").with_step(step("7", Phase::Head).failing(error));
        let problems = MigrationFailed.check(&unit);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].message, "nulls");
        assert_eq!(problems[0].place().map(|place| place.line), Some(12));
        assert!(problems[0].help.as_deref().is_some_and(|help| help.contains("NULL")));
    }

    #[test]
    fn without_a_position_the_file_is_the_place() {
        let unit = unit("acme").with_step(step("7", Phase::Head).failing(sql("XX000", "odd")));
        let problems = MigrationFailed.check(&unit);
        assert_eq!(problems[0].place().map(|place| place.path.as_str()), Some("m/7.sql"));
    }

    #[test]
    fn a_step_that_terminates_its_own_connection_gets_its_own_help() {
        let lost = failure(FailureKind::ConnectionLost, "terminating connection");
        let unit = unit("acme").with_step(step("7", Phase::Head).failing(lost));
        let help = MigrationFailed.check(&unit).remove(0).help;
        assert!(help.is_some_and(|help| help.contains("pg_terminate_backend")));
    }

    #[test]
    fn a_duplicate_version_is_distinguished_from_duplicate_rows() {
        let help = |failing: StepRecord| {
            let unit = unit("acme").with_step(step("7", Phase::Head)).with_step(failing);
            MigrationFailed.check(&unit).remove(0).help.unwrap()
        };
        let again = |version| StepRecord { path: "m/7_b.sql".into(), ..step(version, Phase::Head) };
        let row = || sql("23505", "duplicate key");
        assert!(
            help(again("7").failing(row()))
                .starts_with("m/7.sql and m/7_b.sql both have version 7")
        );
        assert!(help(again("8").failing(row())).contains("rows"));
        let excerpt = Some(Excerpt { first_line: 1, lines: Vec::new(), shift: 0 });
        let of_script =
            Failure { place: Some(Place { excerpt, ..place("m/7_b.sql", 1) }), ..row() };
        assert!(help(again("7").failing(of_script)).contains("rows"));
    }

    #[test]
    fn a_partly_applied_step_is_reported_as_such() {
        let failing = |partly_applied| {
            let step = step("7", Phase::Head).failing(sql("XX000", "odd"));
            unit("acme").with_step(StepRecord { partly_applied, ..step })
        };
        let help = |unit| MigrationFailed.check(&unit).remove(0).help;
        assert_eq!(help(failing(false)), None);
        assert!(help(failing(true)).is_some_and(|help| help.contains("stay applied")));
    }

    #[test]
    fn completed_units_and_failures_before_the_head_are_no_problem() {
        assert!(MigrationFailed.check(&unit("a").with_step(step("1", Phase::Head))).is_empty());
        let base = step("1", Phase::Base).failing(sql("42P01", "no"));
        assert!(MigrationFailed.check(&unit("a").with_step(base)).is_empty());
    }
}
