//! A pending migration moves the ledger and changes nothing in any tenant.

use super::{Check, CheckMeta, ProjectProblem, UnitProblem, meta};
use crate::model::{Place, ProjectRecord, UnitRecord, WithoutEffect};

#[derive(Debug)]
pub(super) struct MigrationWithoutEffect;

impl Check for MigrationWithoutEffect {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Warning,
            "migration-without-effect",
            "A pending migration is recorded as applied and changes nothing"
        )
    }

    fn check<'a>(&self, _: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        Vec::new()
    }

    fn check_project(&self, project: &ProjectRecord) -> Vec<ProjectProblem> {
        project.without_effect.iter().map(problem).collect()
    }
}

fn problem(migration: &WithoutEffect) -> ProjectProblem {
    let cause = migration.swallowed.as_ref().map(|failure| {
        let state = failure.sqlstate.as_deref().unwrap_or("no SQLSTATE");
        let first = failure.message.lines().next().unwrap_or_default();
        format!(": it caught the error of its statement, {first} ({state})")
    });
    let of_file = || Place { path: migration.path.clone(), line: 1, column: None, excerpt: None };
    let place = migration.swallowed.as_ref().and_then(|failure| failure.place.clone());
    ProjectProblem {
        database: migration.database.clone(),
        track: migration.track,
        message: format!(
            "{} is recorded as applied, and changed nothing in any tenant{}",
            migration.version,
            cause.unwrap_or_default()
        ),
        place: Some(place.unwrap_or_else(of_file)),
        unplaced: None,
        help: Some(
            "a condition in the migration, or an error that it catches, prevents its statements. If it is empty on \
             purpose, let the body of `upgrade` be `pass`"
                .to_owned(),
        ),
        at_most: None,
        at_least: None,
        is_acknowledged: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::judge_project;
    use crate::checks::test_fixtures::place;
    use crate::model::{CheckSettings, SwallowedFailure, TrackKind};

    #[test]
    fn the_caught_error_is_the_place() {
        let swallowed = SwallowedFailure {
            sqlstate: Some("42P01".to_owned()),
            message: "no table".to_owned(),
            place: Some(place("m/7.py", 12)),
        };
        let of = |swallowed| WithoutEffect {
            database: "app".to_owned(),
            track: TrackKind::Tenant,
            version: "7".to_owned(),
            path: "m/7.py".into(),
            swallowed,
        };
        let without_effect = vec![of(None), of(Some(swallowed))];
        let project = ProjectRecord { without_effect, ..ProjectRecord::default() };
        let findings = judge_project(&project, &CheckSettings::default());
        let lines: Vec<_> =
            findings.iter().map(|one| one.place.as_ref().map(|place| place.line)).collect();
        assert_eq!(lines, [Some(1), Some(12)]);
        assert!(findings[1].message.contains("no table (42P01)"), "{}", findings[1].message);
    }
}
