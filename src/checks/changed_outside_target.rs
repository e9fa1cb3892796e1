//! A tenant's migrations change an object outside of the tenants' schemas.

use crate::model::{CatalogComparison, UnitRecord};

use super::shape_differs::{at, by_place, listed};
use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct ChangedOutsideTarget;

const HELP: &str = "each tenant's upgrade repeats this change of an object that all tenants use: the last one wins, two at \
                    the same time can fail, and tenants at the old version already use the new object. Move it to the \
                    shared track, or into the tenant's own schema";

impl Check for ChangedOutsideTarget {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Warning,
            "changed-outside-target",
            "A tenant's migration changes objects outside of the tenants' schemas"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let Some(CatalogComparison::Compared(differences)) = &unit.outside else {
            return Vec::new();
        };
        let groups = by_place(differences);
        let problems = groups.values().map(|differences| {
            let message = format!(
                "the tenants' migrations change objects outside of the tenants' schemas: {}",
                listed(differences)
            );
            at(differences[0].place.as_ref(), message).with_help(Some(HELP))
        });
        problems.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{difference, place, unit};

    #[test]
    fn a_change_is_reported_at_its_statement() {
        let change = difference("function public.f() was created", Some(place("m/2.sql", 1)));
        let outside = Some(CatalogComparison::Compared([change].into()));
        let unit = UnitRecord { outside, ..unit("fresh_1") };
        let problems = ChangedOutsideTarget.check(&unit);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.ends_with("schemas: function public.f() was created"));
        assert_eq!(problems[0].place().unwrap().path, "m/2.sql");
    }

    #[test]
    fn nothing_changed_is_no_problem() {
        let outside = Some(CatalogComparison::Compared([].into()));
        let unit = UnitRecord { outside, ..unit("fresh_1") };
        assert!(ChangedOutsideTarget.check(&unit).is_empty());
    }
}
