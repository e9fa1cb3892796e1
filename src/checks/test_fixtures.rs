//! Evidence for tests: a completed unit, and functions that add failures to it.

use std::time::Duration;

use crate::model::{
    Failure, FailureKind, GraphHead, GraphTargets, Notice, NoticeLevel, Phase, Place,
    PlacedDifference, RevisionGraphRecord, StepOutcome, StepRecord, TrackKind, UnitEnd, UnitRecord,
};

/// A tenant of the database `app` that completed without any step.
pub(super) fn unit(name: &str) -> UnitRecord {
    UnitRecord {
        database: "app".into(),
        track: TrackKind::Tenant,
        name: name.into(),
        target: format!("tenant_{name}"),
        sample: None,
        steps: Vec::new(),
        skipped_migrations: Vec::new(),
        changed: Vec::new(),
        already_applied: Vec::new(),
        shape: None,
        outside: None,
        end: UnitEnd::Completed,
        duration: Duration::from_millis(20),
        head_duration: Duration::from_millis(5),
    }
}

/// The graph of one revision, which the base has.
pub(super) fn graph() -> RevisionGraphRecord {
    RevisionGraphRecord {
        database: "app".into(),
        track: TrackKind::Tenant,
        problems: Vec::new(),
        heads: vec![head("a", false)],
        base_heads: 1,
        targets: GraphTargets::Heads,
        not_on_base: Vec::new(),
    }
}

/// A revision in `v/<version>.py`.
pub(super) fn head(version: &str, is_pending: bool) -> GraphHead {
    GraphHead {
        version: version.into(),
        path: format!("v/{version}.py").into(),
        line: 5,
        is_pending,
    }
}

/// A difference between two catalogs.
pub(super) fn difference(text: &str, place: Option<Place>) -> PlacedDifference {
    PlacedDifference { text: text.into(), place }
}

/// An applied step of `m/<version>.sql`.
pub(super) fn step(version: &str, phase: Phase) -> StepRecord {
    StepRecord {
        phase,
        version: version.into(),
        path: format!("m/{version}.sql").into(),
        outcome: StepOutcome::Applied,
        duration: Duration::from_millis(3),
        notices: Vec::new(),
        moved_search_path: None,
        moved_at: None,
        skipped: Vec::new(),
        not_checked: None,
        transaction_warnings: Vec::new(),
        transaction_command: None,
        partly_applied: false,
        in_ledger: Some(true),
        program: None,
    }
}

pub(super) fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure {
        kind,
        message: message.into(),
        detail: None,
        hint: None,
        context: None,
        statement: None,
        place: None,
        in_catalog: false,
        origin: None,
    }
}

pub(super) fn sql(sqlstate: &str, message: &str) -> Failure {
    failure(FailureKind::Sql { sqlstate: sqlstate.into() }, message)
}

pub(super) fn place(path: &str, line: usize) -> Place {
    Place { path: path.into(), line, column: Some(1), excerpt: None }
}

pub(super) fn notice(message: &str) -> Notice {
    Notice { level: NoticeLevel::Notice, message: message.into(), place: None }
}

impl UnitRecord {
    /// Adds a step; a failed one ends the unit.
    pub(super) fn with_step(mut self, step: StepRecord) -> Self {
        if matches!(step.outcome, StepOutcome::Failed(_)) {
            self.end = UnitEnd::Failed { phase: step.phase, failure: None };
        }
        self.steps.push(step);
        self
    }

    /// Ends the unit with a failure outside of any step.
    pub(super) fn ending(self, phase: Phase, failure: Failure) -> Self {
        Self { end: UnitEnd::Failed { phase, failure: Some(Box::new(failure)) }, ..self }
    }
}

impl StepRecord {
    pub(super) fn failing(self, failure: Failure) -> Self {
        Self { outcome: StepOutcome::Failed(Box::new(failure)), in_ledger: None, ..self }
    }

    pub(super) fn noticing(mut self, notice: Notice) -> Self {
        self.notices.push(notice);
        self
    }
}
