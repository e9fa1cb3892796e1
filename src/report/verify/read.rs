//! Reads a saved report from an untrusted author: an invalid one, or one that would break a renderer's calculations, is
//! refused. Errors contain no text of it.

use serde::Deserialize;

use crate::model::Partition;

use super::v1::{Excerpt, Failure, Place, Report, SCHEMA, Tally};

/// More than the size of a report of 10,000 tenants; in memory it takes a few times as much.
pub(crate) const MOST_BYTES: usize = 64 << 20;

/// No run has as many of anything, and sums of such numbers do not overflow.
const MOST: usize = 1 << 31;

/// Why a text is not a report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("it is larger than {} MiB", MOST_BYTES >> 20)]
    TooLong,
    #[error(
        "it is not a report of this version (line {line}, column {column}); see `mig-ci schema report`"
    )]
    Malformed { line: usize, column: usize },
    #[error("its `schema` is not {SCHEMA}: the same version of mig-ci has to write and read it")]
    OtherSchema,
    #[error("its `partition` is invalid")]
    OtherPartition,
    #[error("it contains impossible numbers")]
    Absurd,
}

/// The partition that a text claims, if it is not a valid report: so that the comment about it replaces an older one of the
/// same part.
pub(crate) fn claimed_partition(text: &str) -> Option<Partition> {
    #[derive(Deserialize)]
    struct ClaimedPartition {
        partition: Option<String>,
    }
    let claimed: ClaimedPartition = serde_json::from_str(text).ok()?;
    claimed.partition?.parse().ok()
}

/// # Errors
/// If it is invalid.
pub(crate) fn read(text: &str) -> Result<Report, ReadError> {
    if text.len() > MOST_BYTES {
        return Err(ReadError::TooLong);
    }
    let report: Report = serde_json::from_str(text)
        .map_err(|error| ReadError::Malformed { line: error.line(), column: error.column() })?;
    if report.schema != SCHEMA {
        return Err(ReadError::OtherSchema);
    }
    // It is used in a heading, and distinguishes a comment from others.
    let partition = report.partition.as_deref().map(str::parse::<Partition>);
    if partition.is_some_and(|partition| partition.is_err()) {
        return Err(ReadError::OtherPartition);
    }
    if numbers(&report).any(|number| number > MOST) {
        return Err(ReadError::Absurd);
    }
    Ok(report)
}

/// All numbers that renderers calculate with.
fn numbers(report: &Report) -> impl Iterator<Item = usize> {
    let counts = report.counts;
    let tally = |Tally { passed, failed, not_run }| [passed, failed, not_run];
    let of_run = [counts.pending_migrations, counts.migrations];
    let of_run = of_run.into_iter().chain(tally(counts.tenants)).chain(tally(counts.shared));
    let units = report.databases.iter().flat_map(|database| &database.units);
    let samples = units.clone().filter_map(|unit| unit.sample.as_ref()).flat_map(|sample| {
        let skipped = sample.skipped.iter().map(|skipped| skipped.count);
        skipped.chain([sample.statements])
    });
    let steps = units.clone().flat_map(|unit| &unit.steps);
    let failures = steps.filter_map(|step| step.failure.as_ref());
    let failures = failures.chain(units.filter_map(|unit| unit.failure.as_ref()));
    let failures = failures.chain(report.findings.iter().filter_map(|each| each.failure.as_ref()));
    let places = failures.filter_map(|Failure { place, .. }| place.as_ref());
    let places = places.chain(report.findings.iter().filter_map(|each| each.place.as_ref()));
    let places = places.flat_map(|Place { line, column, excerpt, .. }| {
        let first = excerpt.as_ref().map(|Excerpt { first_line, .. }| *first_line);
        [Some(*line), *column, first].into_iter().flatten()
    });
    of_run.chain(samples).chain(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::verify::test_fixtures;
    use crate::report::{Links, RenderOptions, Rendered as _, comment, headline};

    #[test]
    fn a_written_report_can_be_read() {
        for (name, report) in test_fixtures::all() {
            let text = serde_json::to_string(&report).unwrap();
            let again = read(&text).unwrap();
            assert_eq!(serde_json::to_string(&again).unwrap(), text, "{name}");
        }
    }

    #[test]
    fn an_invalid_report_is_refused_without_quoting_it() {
        let good = serde_json::to_value(test_fixtures::one_cause(2, 1)).unwrap();
        let refused = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut value = good.clone();
            change(&mut value);
            read(&value.to_string()).unwrap_err()
        };
        let extra = refused(&|value| value["::error::x"] = "y".into());
        assert!(matches!(extra, ReadError::Malformed { .. }));
        assert!(!extra.to_string().contains("::error"), "{extra}");
        assert_eq!(
            refused(&|value| value["schema"] = "mig-ci.report/2".into()),
            ReadError::OtherSchema
        );
        assert_eq!(
            refused(&|value| value["partition"] = "1/2](x)".into()),
            ReadError::OtherPartition
        );
        for text in ["", "[]", "null", &"[".repeat(100_000), "{\"schema\": \"mig-ci.report/1\"}"] {
            assert!(matches!(read(text), Err(ReadError::Malformed { .. })));
        }
        assert_eq!(read(&" ".repeat(MOST_BYTES + 1)).unwrap_err(), ReadError::TooLong);
        for path in ["/counts/tenants/failed", "/counts/migrations", "/findings/0/place/line"] {
            let absurd = refused(&|value| *value.pointer_mut(path).unwrap() = usize::MAX.into());
            assert_eq!(absurd, ReadError::Absurd, "{path}");
        }
    }

    /// The greatest accepted numbers, and lists that do not match the counts, are rendered without a panic.
    #[test]
    fn a_report_that_contradicts_itself_is_rendered() {
        let mut report = test_fixtures::one_cause(3, 1);
        let most = Tally { passed: MOST, failed: MOST, not_run: MOST };
        report.counts.tenants = most;
        report.counts.shared = most;
        report.databases.clear();
        if let Some(place) = &mut report.findings[0].place {
            place.line = MOST;
            if let Some(excerpt) = &mut place.excerpt {
                excerpt.first_line = MOST;
            }
        }
        report.findings[0].units = vec!["nobody".into(); 2];
        let report = read(&serde_json::to_string(&report).unwrap()).unwrap();
        for format in Report::FORMATS {
            assert!(!format.render(&report, &RenderOptions::default()).is_empty());
        }
        assert!(!headline(&report).is_empty() && !comment(&report, &Links::default()).is_empty());
    }
}
