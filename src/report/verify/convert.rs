//! Converts types of the model to those of the report, field by field.

use std::time::Duration;

use super::v1;
use crate::model::{
    CatalogComparison, Excerpt, Failure, FailureKind, Notice, Phase, Place, SampleLoad,
    ShapeComparison, TrackKind,
};

pub(crate) fn track_kind(kind: TrackKind) -> v1::TrackKind {
    match kind {
        TrackKind::Shared => v1::TrackKind::Shared,
        TrackKind::Tenant => v1::TrackKind::Tenant,
    }
}

pub(crate) fn phase_of(phase: Phase) -> v1::Phase {
    match phase {
        Phase::Prepare => v1::Phase::Prepare,
        Phase::Base => v1::Phase::Base,
        Phase::Head => v1::Phase::Head,
    }
}

pub(crate) fn notice(notice: &Notice) -> v1::Notice {
    v1::Notice { level: notice.level.to_string(), message: notice.message.clone() }
}

pub(crate) fn sample(load: &SampleLoad) -> v1::SampleLoad {
    v1::SampleLoad {
        statements: load.statements,
        copied_rows: load.copied_rows,
        version: load.version.clone(),
        skipped: load
            .skipped
            .iter()
            .map(|each| v1::Skipped { reason: each.reason.clone(), count: each.count })
            .collect(),
    }
}

pub(crate) fn shape(shape: &ShapeComparison) -> v1::ShapeComparison {
    let (result, differences, reason) = compared(&shape.outcome);
    v1::ShapeComparison { expected: shape.other.clone(), result, differences, reason }
}

pub(crate) fn outside(outside: &CatalogComparison) -> v1::Outside {
    let (result, changes, reason) = compared(outside);
    v1::Outside { result, changes, reason }
}

fn compared(outcome: &CatalogComparison) -> (v1::Compared, Vec<String>, Option<String>) {
    match outcome {
        CatalogComparison::NotRead(failure) => {
            (v1::Compared::NotChecked, Vec::new(), Some(failure.message.clone()))
        }
        CatalogComparison::Compared(differences) if differences.is_empty() => {
            (v1::Compared::Same, Vec::new(), None)
        }
        CatalogComparison::Compared(differences) => {
            let texts = differences.iter().map(|one| one.text.clone()).collect();
            (v1::Compared::Different, texts, None)
        }
    }
}

/// [`v1::Failure::kind`] of failures that are not caused by a migration.
pub(crate) const ENVIRONMENT: &str = "environment";
pub(crate) const SERVER_LOST: &str = "server-lost";

pub(crate) fn failure_of(failure: &Failure) -> v1::Failure {
    let sqlstate = match &failure.kind {
        FailureKind::Sql { sqlstate } => Some(sqlstate.clone()),
        _ => None,
    };
    let (kind, cause) = kind_and_cause(failure);
    v1::Failure {
        kind: kind.to_owned(),
        cause,
        sqlstate,
        message: failure.message.clone(),
        detail: failure.detail.clone(),
        hint: failure.hint.clone(),
        context: failure.context.clone(),
        statement: failure.statement.clone(),
        place: failure.place.as_ref().map(place),
    }
}

/// The names of a failure's kind, and of its cause if the kind has several.
fn kind_and_cause(failure: &Failure) -> (&'static str, Option<String>) {
    if failure.kind == FailureKind::ServerLost {
        return (SERVER_LOST, None);
    }
    if let Some(cause) = failure.environment_cause() {
        return (ENVIRONMENT, Some(cause.to_string()));
    }
    match &failure.kind {
        FailureKind::Sql { .. } => ("sql", None),
        FailureKind::Refused => ("refused", None),
        FailureKind::File => ("file", None),
        FailureKind::SearchPath => ("search-path", None),
        FailureKind::Ledger => ("ledger", None),
        FailureKind::Environment(cause) => (ENVIRONMENT, Some(cause.to_string())),
        FailureKind::Target(cause) => ("target", Some(cause.to_string())),
        FailureKind::ServerLost => (SERVER_LOST, None),
        FailureKind::ConnectionLost => ("connection-lost", None),
        FailureKind::Program(cause) => ("program", Some(cause.to_string())),
    }
}

pub(crate) fn place(place: &Place) -> v1::Place {
    let excerpt = |excerpt: &Excerpt| v1::Excerpt {
        first_line: excerpt.first_line,
        lines: excerpt.lines.clone(),
        shift: excerpt.shift,
    };
    v1::Place {
        path: place.path.to_string(),
        line: place.line,
        column: place.column,
        excerpt: place.excerpt.as_ref().map(excerpt),
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use strum::VariantNames as _;

    use super::*;
    use crate::model::{EnvironmentCause, FailureOrigin, TargetCause};

    fn words(failure: &Failure) -> (String, Option<String>) {
        let written = failure_of(failure);
        (written.kind, written.cause)
    }

    #[test]
    fn a_failure_has_a_cause_if_its_kind_has_several() {
        let of = |kind| words(&Failure::new(kind, "no"));
        let sql = |sqlstate: &str| of(FailureKind::Sql { sqlstate: sqlstate.to_owned() });
        let with = |kind: &str, cause: &str| (kind.to_owned(), Some(cause.to_owned()));
        assert_eq!(sql("53100"), with("environment", "disk-full"));
        assert_eq!(sql("53300"), with("environment", "too-many-connections"));
        assert_eq!(sql("42P01"), ("sql".to_owned(), None));
        let pooler = FailureKind::Environment(EnvironmentCause::Pooler);
        assert_eq!(of(pooler), with("environment", "pooler"));
        let locked = FailureKind::Target(TargetCause::LockNotAcquired);
        assert_eq!(of(locked), with("target", "lock-not-acquired"));
        assert_eq!(of(FailureKind::ServerLost), (SERVER_LOST.to_owned(), None));
        let raised = Failure {
            origin: Some(FailureOrigin::Script),
            ..Failure::new(FailureKind::Sql { sqlstate: "53100".to_owned() }, "no")
        };
        assert_eq!(words(&raised), ("sql".to_owned(), None));
    }

    #[test]
    fn the_page_lists_all_causes_and_none_is_masked() {
        let page = include_str!("../../../docs/report.md");
        for (kind, causes) in
            [("environment", EnvironmentCause::VARIANTS), ("target", TargetCause::VARIANTS)]
        {
            for cause in causes {
                assert!(page.contains(&format!("\n| `{kind}` | `{cause}` |")), "{kind} {cause}");
                assert!(
                    crate::secrets::is_word(cause),
                    "src/secrets/vocabulary.rs lacks {cause:?}"
                );
            }
        }
    }
}
