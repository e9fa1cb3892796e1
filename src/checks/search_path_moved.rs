//! A migration changes the search path of its session: later migrations create objects in other schemas.

use crate::model::UnitRecord;
use crate::sql::quote_identifier;

use super::failed::{FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct SearchPathMoved;

const HELP: &str = "use `SET LOCAL search_path` inside a transaction, or qualify names with the schema (`schema.table`) and \
                    leave the session unchanged; output of pg_dump begins with `SELECT pg_catalog.set_config('search_path', \
                    '', false)`: remove that line";

impl Check for SearchPathMoved {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Error,
            "search-path-moved",
            "A migration leaves the session's search_path changed, so later statements use other schemas"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let failed = failed(unit, FailureCategory::SearchPath);
        let failed_step = failed.and_then(|failed| failed.step);
        let moved = unit.steps.iter().enumerate().filter_map(|(index, step)| {
            // The failure of the same step reports it; otherwise an earlier step of the session changed it.
            let before = index.checked_sub(1).map(|before| &unit.steps[before]);
            let is_reported = failed_step.is_some_and(|failed| std::ptr::eq(failed, step))
                || before.is_some_and(|before| {
                    before.phase == step.phase && before.moved_search_path == step.moved_search_path
                });
            let path = step.moved_search_path.as_ref().filter(|_| !is_reported)?;
            let problem = match &step.moved_at {
                Some(place) => UnitProblem::at(place, step.phase, message(path)),
                None => UnitProblem::in_file(&step.path, step.phase, message(path)),
            };
            Some(problem.with_help(Some(HELP)))
        });
        let failed = failed.map(|failed| failed.problem().with_help(Some(HELP)));
        moved.chain(failed).collect()
    }
}

fn message(schemas: &[String]) -> String {
    let sees = if schemas.is_empty() {
        "no schema".to_owned()
    } else {
        schemas.iter().map(|name| quote_identifier(name)).collect::<Vec<_>>().join(", ")
    };
    format!("the migration leaves the session's search_path changed: it now contains {sees}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, step, unit};
    use crate::model::{FailureKind, Phase, StepRecord};

    fn moved(schemas: &[&str]) -> StepRecord {
        let schemas = schemas.iter().map(|&name| name.to_owned()).collect();
        StepRecord { moved_search_path: Some(schemas), ..step("2", Phase::Head) }
    }

    #[test]
    fn the_message_names_the_effective_schemas() {
        let unit = unit("acme")
            .with_step(moved(&["public"]))
            .with_step(moved(&["public"]))
            .with_step(moved(&[]));
        let messages: Vec<_> =
            SearchPathMoved.check(&unit).into_iter().map(|p| p.message.into_owned()).collect();
        assert_eq!(messages.len(), 2, "the second step does not change the search path");
        assert!(messages[0].ends_with("it now contains \"public\""));
        assert!(messages[1].ends_with("it now contains no schema"));
    }

    #[test]
    fn a_step_that_failed_for_it_is_reported_once() {
        let step = moved(&["public"]).failing(failure(FailureKind::SearchPath, "moved"));
        let unit = unit("acme").with_step(step);
        let problems = SearchPathMoved.check(&unit);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].message, "moved");
    }

    #[test]
    fn an_unchanged_search_path_is_no_problem() {
        assert!(SearchPathMoved.check(&unit("a").with_step(step("1", Phase::Head))).is_empty());
    }
}
