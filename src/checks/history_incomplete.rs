//! The history of a project cannot start from an empty target.

use super::{Check, CheckMeta, ProjectProblem, UnitProblem, meta};
use crate::model::{IncompleteHistory, Place, ProjectRecord, TrackKind, UnitRecord};

#[derive(Debug)]
pub(super) struct HistoryIncomplete;

impl Check for HistoryIncomplete {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Warning,
            "history-incomplete",
            "The migrations of the base cannot start from an empty target"
        )
    }

    fn check<'a>(&self, _: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        Vec::new()
    }

    fn check_project(&self, project: &ProjectRecord) -> Vec<ProjectProblem> {
        project.incomplete_histories.iter().map(problem).collect()
    }
}

fn problem(history: &IncompleteHistory) -> ProjectProblem {
    let names: Vec<String> = history.tenants.iter().map(|name| format!("`{name}`")).collect();
    let result = match history.is_left_out {
        true => "they have no result, and the samples decide",
        false => "and there is no sample that shows what the pending migrations do",
    };
    let of_file = || Place { path: history.path.clone(), line: 1, column: None, excerpt: None };
    ProjectProblem {
        database: history.database.clone(),
        track: TrackKind::Tenant,
        message: format!(
            "the history cannot start from an empty target: {} of the base fails on {} ({}); {result}",
            history.version,
            names.join(", "),
            history.failure.message.lines().next().unwrap_or_default()
        ),
        place: Some(history.failure.place.clone().unwrap_or_else(of_file)),
        unplaced: None,
        help: Some(
            "the application probably creates the first tables itself: set `setup` to the command or the SQL file that does \
             so, or add samples of real tenants"
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
    use crate::checks::test_fixtures::sql;
    use crate::model::{CheckSettings, Severity};

    #[test]
    fn the_message_says_who_has_no_result() {
        let of = |is_left_out| IncompleteHistory {
            database: "app".to_owned(),
            version: "1".to_owned(),
            path: "m/1.py".into(),
            failure: sql("42P01", "relation \"users\" does not exist\nLINE 1"),
            tenants: vec!["fresh_1".to_owned(), "base".to_owned()],
            is_left_out,
        };
        let project = ProjectRecord {
            incomplete_histories: vec![of(true), of(false)],
            ..ProjectRecord::default()
        };
        let findings = judge_project(&project, &CheckSettings::default());
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(
            findings[0].message,
            "the history cannot start from an empty target: 1 of the base fails on `fresh_1`, `base` (relation \"users\" \
             does not exist); they have no result, and the samples decide"
        );
        assert!(
            findings[1]
                .message
                .ends_with("and there is no sample that shows what the pending migrations do")
        );
    }
}
