//! A tenant's sample cannot be loaded: there is no result for that tenant.

use std::borrow::Cow;

use crate::model::{FailureKind, UnitRecord};

use super::failed::{Failed, FailureCategory, failed};
use super::{Check, CheckMeta, UnitProblem, meta, sqlstate};

#[derive(Debug)]
pub(super) struct SampleNotLoaded;

impl Check for SampleNotLoaded {
    fn meta(&self) -> &'static CheckMeta {
        meta!(Error, "sample-not-loaded", "A tenant's sample file cannot be loaded")
    }

    fn check<'a>(&self, unit: &'a UnitRecord) -> Vec<UnitProblem<'a>> {
        failed(unit, FailureCategory::Sample)
            .map(|failed| problem(unit, &failed).with_help(Some(help(&failed))))
            .into_iter()
            .collect()
    }
}

/// If the failure has no position, the sample's file is used.
fn problem<'a>(unit: &'a UnitRecord, failed: &Failed<'a>) -> UnitProblem<'a> {
    match (&failed.failure.place, &unit.sample) {
        (None, Some(sample)) => {
            UnitProblem::in_file(&sample.path, failed.phase, failed.failure.message.as_str())
                .with_failure(failed.failure)
        }
        _ => failed.problem(),
    }
}

fn help(failed: &Failed<'_>) -> Cow<'static, str> {
    if failed.failure.kind == FailureKind::File {
        return "fix the file, or create it again: unmodified output of `pg_dump --schema=SCHEMA DATABASE` in plain format \
                (not -Fc)"
            .into();
    }
    const GENERAL: &str = "a sample is loaded into an empty target by the role that owns it; put objects of the platform \
                           (roles, extensions, schemas) into `prepare` and `extensions` in mig-ci.toml";
    let particular =
        failed.sqlstate().and_then(|state| sqlstate::help(state, &failed.failure.message));
    match particular {
        Some(particular) => format!("{GENERAL}. For this error: {particular}").into(),
        None => GENERAL.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::test_fixtures::{failure, place, sql, unit};
    use crate::model::{Failure, Phase, SampleLoad};

    fn sampled() -> UnitRecord {
        let sample = SampleLoad { path: "samples/acme.sql".into(), ..SampleLoad::default() };
        UnitRecord { sample: Some(sample), ..unit("acme") }
    }

    #[test]
    fn an_sql_error_in_a_sample_is_reported_at_its_line() {
        let error = Failure {
            place: Some(place("samples/acme.sql", 40)),
            ..sql("42704", "type \"vector\" does not exist")
        };
        let unit = sampled().ending(Phase::Prepare, error);
        let problems = SampleNotLoaded.check(&unit);
        assert_eq!(problems[0].place().map(|place| place.line), Some(40));
        assert!(problems[0].help.as_deref().unwrap().contains("`extensions`"));
    }

    #[test]
    fn an_unusable_file_is_named_even_without_a_place() {
        let unit = sampled().ending(Phase::Prepare, failure(FailureKind::File, "not gzip"));
        let problems = SampleNotLoaded.check(&unit);
        assert_eq!(problems[0].place().map(|place| place.path.as_str()), Some("samples/acme.sql"));
        assert!(problems[0].help.as_deref().unwrap().contains("pg_dump"));
    }

    #[test]
    fn an_error_in_a_prepare_file_is_not_reported_for_the_sample() {
        let error = Failure { place: Some(place("ci/prepare.sql", 3)), ..sql("42601", "no") };
        assert!(SampleNotLoaded.check(&sampled().ending(Phase::Prepare, error)).is_empty());
        // The same for an unusable file, before the sample is loaded.
        let file = failure(FailureKind::File, "`\\connect` is a psql command");
        let error = Failure { place: Some(place("ci/prepare.sql", 1)), ..file };
        assert!(SampleNotLoaded.check(&unit("acme").ending(Phase::Prepare, error)).is_empty());
    }
}
