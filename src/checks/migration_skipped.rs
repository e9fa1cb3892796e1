//! A migration of the head that the tool never applies, and never reports.

use crate::model::{Phase, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct MigrationSkipped;

const HELP: &str = "give the file a version above all versions that are applied anywhere: rename it, and merge every branch \
                    with a higher version first";

impl Check for MigrationSkipped {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Error,
            "migration-skipped",
            "A migration of the head is never applied, and the tool does not report it"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        unit.skipped_migrations
            .iter()
            .map(|skipped| {
                let message = format!(
                    "migration {} is never applied: the ledger is past its version, and the tool skips it silently",
                    skipped.version
                );
                UnitProblem::in_file(&skipped.path, Phase::Head, message).with_help(Some(HELP))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::unit;
    use crate::model;

    #[test]
    fn each_skipped_migration_is_a_problem_at_its_file() {
        let mut unit = unit("acme");
        for version in ["3", "5"] {
            let path = format!("m/{version}.up.sql").into();
            unit.skipped_migrations.push(model::SkippedMigration { version: version.into(), path });
        }
        let problems = MigrationSkipped.check(&unit);
        let paths: Vec<_> =
            problems.iter().filter_map(|p| p.place()).map(|place| place.path.as_str()).collect();
        assert_eq!(paths, ["m/3.up.sql", "m/5.up.sql"]);
        assert!(problems[0].message.starts_with("migration 3 is never applied"));
    }

    #[test]
    fn a_unit_without_skipped_migrations_has_no_problem() {
        assert!(MigrationSkipped.check(&unit("acme")).is_empty());
    }
}
