//! The model's small facts in the report's words: a field there for a field here.

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

/// [`v1::Failure::kind`] of failures that say nothing about a migration.
pub(crate) const ENVIRONMENT: &str = "environment";
pub(crate) const SERVER_LOST: &str = "server-lost";

pub(crate) fn failure_of(failure: &Failure) -> v1::Failure {
    let sqlstate = match &failure.kind {
        FailureKind::Sql { sqlstate } => Some(sqlstate.clone()),
        _ => None,
    };
    v1::Failure {
        kind: match failure.kind {
            FailureKind::ServerLost => SERVER_LOST,
            _ if failure.is_environmental() => ENVIRONMENT,
            FailureKind::Sql { .. } => "sql",
            FailureKind::Refused => "refused",
            FailureKind::File => "file",
            FailureKind::SearchPath => "search-path",
            FailureKind::Ledger => "ledger",
            FailureKind::Environment => ENVIRONMENT,
            FailureKind::Target => "target",
            FailureKind::ConnectionLost => "connection-lost",
        }
        .to_owned(),
        sqlstate,
        message: failure.message.clone(),
        detail: failure.detail.clone(),
        hint: failure.hint.clone(),
        context: failure.context.clone(),
        statement: failure.statement.clone(),
        place: failure.place.as_ref().map(place),
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
