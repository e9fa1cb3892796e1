//! An applied migration is changed or removed in the head, and the tool does not detect it.

use crate::model::{ChangedMigration, MigrationChange, Phase, UnitRecord};

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct AppliedMigrationEdited;

const EDITED: &str = "restore the file as it is on the base branch, and put the change into a new migration: the tool \
                      stores no checksum, so it compares only the version, which this target already has. If the base's \
                      version of the file was never applied anywhere, set `applied-migration-edited = { severity = \"off\" \
                      }` in `[checks]` for this pull request";
const REMOVED: &str = "restore the files, and revert their changes in a new migration: the tool does not check for files of \
                       applied versions. If you squash old migrations intentionally, set `applied-migration-edited = { \
                       severity = \"off\" }` in `[checks]` for this pull request";
/// The maximum number of paths in a message.
const SHOWN: usize = 5;

impl Check for AppliedMigrationEdited {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Error,
            "applied-migration-edited",
            "A migration of the base was edited or removed, and the tool does not detect it"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let edited = unit.changed.iter().filter_map(|changed| match &changed.change {
            MigrationChange::Edited(place) => {
                let message = format!(
                    "migration {} was edited after it was applied: the new version never runs here",
                    changed.version
                );
                Some(UnitProblem::at(place, Phase::Head, message).with_help(Some(EDITED)))
            }
            MigrationChange::Removed => None,
        });
        // If the tool does detect a missing file, its refusal is the finding.
        let missed = failed(unit, FailureCategory::Refusal).is_some();
        edited.chain((!missed).then(|| removed(unit)).flatten()).collect()
    }
}

/// One problem for all of them: they have no position that would distinguish them.
fn removed(unit: &UnitRecord) -> Option<UnitProblem<'_>> {
    let removed: Vec<&ChangedMigration> =
        unit.changed.iter().filter(|changed| changed.change == MigrationChange::Removed).collect();
    let mut paths: Vec<&str> =
        removed.iter().take(SHOWN).map(|changed| changed.path.as_str()).collect();
    let more = format!("{} more", removed.len().saturating_sub(SHOWN));
    if removed.len() > SHOWN {
        paths.push(&more);
    }
    let message = format!(
        "applied migrations are in the base and not in the head: {}. Their changes remain on this target, and a new target \
         never gets them",
        paths.join(", ")
    );
    let problem = UnitProblem::nowhere("the head has no such file", Phase::Head, message);
    (!removed.is_empty()).then(|| problem.with_help(Some(REMOVED)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, place, unit};
    use crate::model::FailureKind;

    fn changed(version: usize, change: MigrationChange) -> ChangedMigration {
        let path = format!("m/{version}.sql").into();
        ChangedMigration { version: version.to_string(), path, change }
    }

    #[test]
    fn an_edited_migration_is_a_problem_at_the_first_difference() {
        let mut unit = unit("acme");
        unit.changed.push(changed(3, MigrationChange::Edited(place("m/3.sql", 7))));
        let problems = AppliedMigrationEdited.check(&unit);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].place().map(|place| place.line), Some(7));
        assert!(problems[0].message.starts_with("migration 3 was edited"));
    }

    #[test]
    fn removed_migrations_are_one_problem_that_names_some() {
        let mut unit = unit("acme");
        unit.changed = (1..=7).map(|version| changed(version, MigrationChange::Removed)).collect();
        let problems = AppliedMigrationEdited.check(&unit);
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].message.contains("m/1.sql, m/2.sql, m/3.sql, m/4.sql, m/5.sql, 2 more.")
        );
    }

    #[test]
    fn a_missing_file_that_the_tool_refuses_is_reported_once() {
        let mut unit = unit("acme").ending(Phase::Head, failure(FailureKind::Refused, "no file"));
        unit.changed.push(changed(3, MigrationChange::Removed));
        assert!(AppliedMigrationEdited.check(&unit).is_empty());
        unit.changed.push(changed(2, MigrationChange::Edited(place("m/2.sql", 1))));
        assert_eq!(AppliedMigrationEdited.check(&unit).len(), 1);
    }
}
