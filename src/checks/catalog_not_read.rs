//! A catalog could not be read after the replay, so it was not compared.

use crate::model::{CatalogComparison, Phase, UnitRecord};

use super::{Check, CheckMeta, UnitProblem, meta};

#[derive(Debug)]
pub(super) struct CatalogNotRead;

const NOWHERE: &str = "it concerns the whole catalog";

impl Check for CatalogNotRead {
    fn meta(&self) -> &'static CheckMeta {
        meta!(
            Error,
            "catalog-not-read",
            "A catalog could not be read, so schemas were not compared"
        )
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        let shape = unit.shape.iter().filter_map(|shape| match &shape.outcome {
            CatalogComparison::NotRead(failure) => Some((
                format!(
                    "not checked: the shapes of {} and {} were not compared",
                    unit.name, shape.other
                ),
                failure,
            )),
            CatalogComparison::Compared(_) => None,
        });
        let outside = unit.outside.iter().filter_map(|outside| match outside {
            CatalogComparison::NotRead(failure) => Some((
                "not checked: changes by the tenants' migrations outside of the tenants' schemas"
                    .to_owned(),
                failure,
            )),
            CatalogComparison::Compared(_) => None,
        });
        let problem = |(what, failure): (String, &'a Box<_>)| {
            let failure: &'a crate::model::Failure = failure;
            let message = format!("{what}; the catalog could not be read: {}", failure.message);
            UnitProblem::nowhere(NOWHERE, Phase::Head, message).with_failure(failure)
        };
        shape.chain(outside).map(problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, unit};
    use crate::model::{FailureKind, ShapeComparison};

    #[test]
    fn an_unread_catalog_is_a_problem() {
        let lost =
            || CatalogComparison::NotRead(Box::new(failure(FailureKind::ConnectionLost, "gone")));
        let unit = UnitRecord {
            shape: Some(ShapeComparison { other: "fresh_1".into(), outcome: lost() }),
            outside: Some(lost()),
            ..unit("fresh_2")
        };
        let problems = CatalogNotRead.check(&unit);
        let messages: Vec<&str> = problems.iter().map(|one| &*one.message).collect();
        assert_eq!(messages.len(), 2);
        assert!(messages[0].starts_with("not checked: the shapes of fresh_2 and fresh_1"));
        assert!(messages.iter().all(|message| message.ends_with(": gone")), "{messages:?}");
    }

    #[test]
    fn a_compared_catalog_is_no_problem() {
        let read = CatalogComparison::Compared([].into());
        let unit = UnitRecord { outside: Some(read), ..unit("acme") };
        assert!(CatalogNotRead.check(&unit).is_empty());
    }
}
