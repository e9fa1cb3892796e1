//! One unit: a track on one target, from its starting state through the base to the head.
//!
//! This file has its lifecycle, `context` its data, `start` brings it to the state before the pull request, `migrate` does what
//! the tool does.

mod context;
mod database_gate;
mod guards;
mod migrate;
mod program;
mod setup;
mod start;
mod unapplied;

use std::sync::OnceLock;
use std::time::Instant;

use super::Replay;
use super::plan::{DatabasePlan, PlannedUnit, StartingState, TrackPlan};
use crate::model::{
    CatalogComparison, Failure, FailureKind, Phase, ProcessIsolation, RunEvent, ShapeComparison,
    StepOutcome, UnitEnd, UnitRecord, Verdict,
};

use context::UnitContext;
pub(crate) use database_gate::ScratchDatabase;
use migrate::migrate;
use setup::run_setup;
use start::{run_prepare, start_from};

/// A running unit. [`UnitRun::reach_base`] and [`UnitRun::run_head`] are called in this order; after a failure they do nothing.
pub(crate) struct UnitRun<'a> {
    context: UnitContext<'a>,
    record: UnitRecord,
    /// Set if the unit ends early: failed, or not run.
    end: Option<UnitEnd>,
    announced: bool,
}

impl<'a> UnitRun<'a> {
    pub(crate) fn new(
        replay: &'a Replay<'a>,
        database: &'a DatabasePlan,
        track: &'a TrackPlan,
        unit: &'a PlannedUnit,
        scratch: ScratchDatabase,
    ) -> Self {
        let record = UnitRecord::new(&database.name, unit.track, &unit.name, &unit.target);
        let context = UnitContext {
            replay,
            database,
            track,
            unit,
            scratch,
            isolation: ProcessIsolation::Process,
            ledger_of_program: OnceLock::new(),
            is_copy: false,
        };
        Self { context, record, end: None, announced: false }
    }

    pub(crate) fn unit(&self) -> &'a PlannedUnit {
        self.context.unit
    }

    /// The span of the log for what happens in this unit.
    pub(crate) fn span(&self) -> tracing::Span {
        self.context.span()
    }

    /// Prepares its target and brings it to the state of the base branch.
    pub(crate) async fn reach_base(&mut self) {
        let started = Instant::now();
        if self.end.is_none() {
            let _permit = self.context.replay.permit().await;
            let ended = self.try_reach_base().await.err();
            self.settle(ended).await;
        }
        self.record.duration += started.elapsed();
        if self.end.is_some() {
            self.announce();
        }
    }

    /// Applies the pending migrations of the head.
    pub(crate) async fn run_head(&mut self) {
        let started = Instant::now();
        if self.end.is_none() {
            let _permit = self.context.replay.permit().await;
            let ended = self.try_run_head().await.err();
            self.settle(ended).await;
        }
        self.record.head_duration = started.elapsed();
        self.record.duration += self.record.head_duration;
        self.announce();
    }

    /// Classifies a failure outside of a step: the connection, or the whole server.
    async fn settle(&mut self, end: Option<UnitEnd>) {
        match end {
            Some(UnitEnd::Failed { phase, failure: Some(failure) }) => {
                let failure = self.context.replay.settle(*failure).await;
                self.fail(phase, failure);
            }
            other => self.end = other,
        }
    }

    /// Ends it before its start or between two steps, for a reason outside of the unit.
    pub(crate) fn not_run(&mut self, reason: &str) {
        self.end.get_or_insert_with(|| UnitEnd::NotRun { reason: reason.to_owned() });
    }

    /// Ends it because of a failure outside of any step: its target could not be created, or its sample not loaded.
    pub(crate) fn fail(&mut self, phase: Phase, failure: Failure) {
        self.context.check_conclusive(phase, &failure);
        self.end.get_or_insert(UnitEnd::Failed { phase, failure: Some(Box::new(failure)) });
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.end.is_some()
    }

    /// Whether there was no failure so far.
    pub(crate) fn is_completed(&self) -> bool {
        self.end.is_none()
    }

    /// Whether it applied, or tried to apply, a migration of the head.
    pub(crate) fn has_run_head(&self) -> bool {
        self.record
            .steps
            .iter()
            .any(|step| step.phase == Phase::Head && !matches!(step.outcome, StepOutcome::NotRun))
    }

    pub(crate) fn isolation(&self) -> ProcessIsolation {
        self.context.isolation
    }

    pub(crate) fn set_isolation(&mut self, isolation: ProcessIsolation) {
        self.context.isolation = isolation;
    }

    /// Makes it a copy of a unit, whose results are compared and not reported.
    pub(crate) fn run_silently(&mut self, isolation: ProcessIsolation) {
        self.context.isolation = isolation;
        self.context.is_copy = true;
    }

    /// The first version of the head for which a program executed other statements here than in `other`.
    pub(crate) fn first_other_statements(&self, other: &Self) -> Option<String> {
        let of = |run: &Self| -> Vec<(String, Option<u64>)> {
            let head = run.record.steps.iter().filter(|step| step.phase == Phase::Head);
            head.map(|step| {
                (step.version.clone(), step.program.as_ref().map(|program| program.digest))
            })
            .collect()
        };
        let (here, there) = (of(self), of(other));
        let pairs = here.iter().zip(&there);
        let differing = pairs.filter(|(here, there)| here != there).map(|(here, _)| &here.0).next();
        let longer = here.get(there.len()).or(there.get(here.len())).map(|(version, _)| version);
        differing.or(longer).cloned()
    }

    pub(crate) fn scratch_name(&self) -> &str {
        &self.context.scratch.name
    }

    pub(crate) fn set_shape(&mut self, shape: ShapeComparison) {
        self.record.shape = Some(shape);
    }

    pub(crate) fn set_outside(&mut self, outside: CatalogComparison) {
        self.record.outside = Some(outside);
    }

    /// Whether its result depends on its migrations, and not on the environment.
    pub(crate) fn is_judged(&self) -> bool {
        let struck = match &self.end {
            Some(UnitEnd::NotRun { .. }) => true,
            Some(UnitEnd::Failed { failure: Some(failure), .. }) => failure.is_environmental(),
            _ => self.record.environment_failure().is_some(),
        };
        !struck
    }

    pub(crate) fn finish(mut self) -> UnitRecord {
        self.announce();
        self.record.end = self.end.take().unwrap_or(UnitEnd::Completed);
        self.record
    }

    /// Emits its end, once.
    fn announce(&mut self) {
        if std::mem::replace(&mut self.announced, true) {
            return;
        }
        let verdict = match self.end {
            None => Verdict::Passed,
            Some(UnitEnd::Failed { .. }) if !self.is_judged() => Verdict::NotRun,
            Some(UnitEnd::Failed { .. }) => Verdict::Failed,
            Some(UnitEnd::NotRun { .. } | UnitEnd::Completed) => Verdict::NotRun,
        };
        let (unit, took) = (self.context.name(), self.record.duration);
        let steps = self.record.steps.len();
        tracing::debug!(%verdict, steps, duration = ?took, "finished");
        self.context.emit(RunEvent::UnitFinished { unit, verdict, took });
    }

    async fn try_reach_base(&mut self) -> Result<(), UnitEnd> {
        let Self { context, record, .. } = self;
        context.check_server()?;
        if let Some(reason) = &context.unit.refused {
            return Err(at(Phase::Prepare)(Failure::new(FailureKind::Refused, reason)));
        }
        context.enter(Phase::Prepare);
        run_prepare(context).await.map_err(at(Phase::Prepare))?;
        match &context.unit.start {
            StartingState::Fresh => run_setup(context).await,
            StartingState::Base => {
                run_setup(context).await?;
                migrate(context, record, Phase::Base, &context.track.base).await
            }
            StartingState::Sample(sample) => start_from(context, record, sample).await,
        }
    }

    async fn try_run_head(&mut self) -> Result<(), UnitEnd> {
        let Self { context, record, .. } = self;
        context.check_server()?;
        if context.unit.start != StartingState::Fresh {
            record.changed.clone_from(&context.track.unnoticed);
        }
        migrate(context, record, Phase::Head, &context.track.head).await
    }
}

fn at(phase: Phase) -> impl Fn(Failure) -> UnitEnd {
    move |failure| UnitEnd::Failed { phase, failure: Some(Box::new(failure)) }
}
