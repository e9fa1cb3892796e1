//! Two tenants with the same starting state end with different catalogs.

use indexmap::IndexMap;

use crate::model::{CatalogComparison, Phase, Place, PlacedDifference, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct ShapeDiffers;

/// The maximum number of differences in one message.
const NAMED: usize = 10;

const HELP: &str = "the migrations query the whole database instead of the tenant's own schema, or create one object for \
                    all tenants. Restrict a guard to the tenant's schema (`conrelid = 'users'::regclass`, `connamespace = \
                    current_schema()::regnamespace`); create extensions and shared objects in the shared track or in \
                    `prepare`";

/// Grouped by position, ignoring the excerpt.
type ByPlace<'a> = IndexMap<Option<(&'a str, usize)>, Vec<&'a PlacedDifference>>;

impl Check for ShapeDiffers {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Error,
            "shape-differs",
            "Tenants that start from the same state end with different schemas"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let Some(shape) = &unit.shape else { return Vec::new() };
        let CatalogComparison::Compared(differences) = &shape.outcome else { return Vec::new() };
        let problem = |differences: &Vec<&'a PlacedDifference>| {
            let message = format!(
                "{} ends with a different schema than {}, which starts from the same state: {}",
                unit.name,
                shape.other,
                listed(differences)
            );
            at(differences[0].place.as_ref(), message).with_help(Some(HELP))
        };
        by_place(differences).values().map(problem).collect()
    }
}

/// In catalog order, with the differences of one statement together.
pub(super) fn by_place(differences: &[PlacedDifference]) -> ByPlace<'_> {
    let mut found = ByPlace::new();
    for difference in differences {
        let place = difference.place.as_ref().map(|place| (place.path.as_str(), place.line));
        found.entry(place).or_default().push(difference);
    }
    found
}

pub(super) fn listed(differences: &[&PlacedDifference]) -> String {
    let texts: Vec<&str> = differences.iter().take(NAMED).map(|one| one.text.as_str()).collect();
    match differences.len().saturating_sub(NAMED) {
        0 => texts.join("; "),
        more => format!("{}; and {more} more", texts.join("; ")),
    }
}

pub(super) fn at(place: Option<&Place>, message: String) -> UnitProblem<'_> {
    match place {
        Some(place) => UnitProblem::at(place, Phase::Head, message),
        None => UnitProblem::nowhere(
            "no statement of the migrations names it; dynamic SQL may have created it",
            Phase::Head,
            message,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{difference, failure, place, unit};
    use crate::model::{FailureKind, ShapeComparison};

    fn compared(outcome: CatalogComparison) -> UnitRecord {
        let shape = ShapeComparison { other: "fresh_1".into(), outcome };
        UnitRecord { shape: Some(shape), ..unit("fresh_2") }
    }

    #[test]
    fn differences_of_one_statement_are_one_problem() {
        let statement = Some(place("m/2.sql", 3));
        let unit = compared(CatalogComparison::Compared(
            [
                difference("constraint a.k is missing", statement.clone()),
                difference("extension x is missing", None),
                difference("index k is missing", statement),
            ]
            .into(),
        ));
        let problems = ShapeDiffers.check(&unit);
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[0].place().unwrap().line, 3);
        assert_eq!(
            problems[0].message,
            "fresh_2 ends with a different schema than fresh_1, which starts from the same state: constraint a.k is \
             missing; index k is missing"
        );
        assert!(problems[1].place().is_none());
    }

    #[test]
    fn equal_and_unread_shapes_are_no_problem() {
        assert!(ShapeDiffers.check(&compared(CatalogComparison::Compared([].into()))).is_empty());
        let lost = failure(FailureKind::ConnectionLost, "gone");
        assert!(
            ShapeDiffers.check(&compared(CatalogComparison::NotRead(Box::new(lost)))).is_empty()
        );
        assert!(ShapeDiffers.check(&unit("acme")).is_empty());
    }

    #[test]
    fn many_differences_are_counted() {
        let differences: Vec<_> =
            (0..13).map(|at| difference(&format!("index i{at} is missing"), None)).collect();
        let unit = compared(CatalogComparison::Compared(differences.into()));
        let problems = ShapeDiffers.check(&unit);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.ends_with("index i9 is missing; and 3 more"));
    }
}
