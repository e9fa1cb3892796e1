//! One unit: a track on one target, from its starting state through the base to the head.
//!
//! Here is its life; `start` brings it to where it stands before the pull request, `migrate` does what the tool does.

mod database_gate;
mod guards;
mod migrate;
mod start;
mod unapplied;

use std::sync::Arc;
use std::time::Instant;

use super::Replay;
use super::inconclusive::REPLAYED_LATER;
use super::plan::{DatabasePlan, PlannedUnit, StartingState, TrackPlan};
use crate::model::{
    CatalogComparison, Failure, FailureKind, Phase, RunEvent, ShapeComparison, StepOutcome,
    UnitEnd, UnitName, UnitRecord, Verdict,
};
use crate::postgres::{Session, as_client};

use database_gate::OwnObjects;
pub(crate) use database_gate::ScratchDatabase;

/// A unit at work. Its two halves, [`UnitRun::reach_base`] and [`UnitRun::run_head`], are called in this order; a half
/// that comes after a failure does nothing.
pub(crate) struct UnitRun<'a> {
    replay: &'a Replay<'a>,
    database: &'a DatabasePlan,
    track: &'a TrackPlan,
    pub(crate) unit: &'a PlannedUnit,
    /// The database on our server in which it lives.
    home: ScratchDatabase,
    record: UnitRecord,
    /// Set once it is known that the unit ends before its end: failed, or not run.
    end: Option<UnitEnd>,
    announced: bool,
}

impl<'a> UnitRun<'a> {
    pub(crate) fn new(
        replay: &'a Replay<'a>,
        database: &'a DatabasePlan,
        track: &'a TrackPlan,
        unit: &'a PlannedUnit,
        home: ScratchDatabase,
    ) -> Self {
        let record = UnitRecord::new(&database.name, unit.track, &unit.name, &unit.target);
        Self { replay, database, track, unit, home, record, end: None, announced: false }
    }

    /// Makes its target ready and brings it to the state of the base branch.
    pub(crate) async fn reach_base(&mut self) {
        let started = Instant::now();
        if self.end.is_none() {
            let _permit = self.replay.permit().await;
            let ended = self.try_reach_base().await.err();
            self.settle(ended).await;
        }
        self.record.duration += started.elapsed();
        if self.end.is_some() {
            self.announce();
        }
    }

    /// Applies what is pending in the head.
    pub(crate) async fn run_head(&mut self) {
        let started = Instant::now();
        if self.end.is_none() {
            let _permit = self.replay.permit().await;
            let ended = self.try_run_head().await.err();
            self.settle(ended).await;
        }
        self.record.head_duration = started.elapsed();
        self.record.duration += self.record.head_duration;
        self.announce();
    }

    /// A failure outside of a step: was it the connection's, or has the server gone?
    async fn settle(&mut self, end: Option<UnitEnd>) {
        match end {
            Some(UnitEnd::Failed { phase, failure: Some(failure) }) => {
                let failure = self.replay.settle(*failure).await;
                self.fail(phase, failure);
            }
            other => self.end = other,
        }
    }

    /// Ends it before it has begun (or gone on), because of something that is not its doing.
    pub(crate) fn not_run(&mut self, reason: &str) {
        self.end.get_or_insert_with(|| UnitEnd::NotRun { reason: reason.to_owned() });
    }

    /// Ends it because of something outside of any step: its target could not be made, its sample not be loaded.
    pub(crate) fn fail(&mut self, phase: Phase, failure: Failure) {
        self.doubt(phase, &failure);
        self.end.get_or_insert(UnitEnd::Failed { phase, failure: Some(Box::new(failure)) });
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.end.is_some()
    }

    /// Nothing has gone wrong so far.
    pub(crate) fn is_completed(&self) -> bool {
        self.end.is_none()
    }

    /// It applied, or tried to apply, one of the head's migrations.
    pub(crate) fn has_run_head(&self) -> bool {
        self.record
            .steps
            .iter()
            .any(|step| step.phase == Phase::Head && !matches!(step.outcome, StepOutcome::NotRun))
    }

    pub(crate) fn home_name(&self) -> &str {
        &self.home.name
    }

    pub(crate) fn set_shape(&mut self, shape: ShapeComparison) {
        self.record.shape = Some(shape);
    }

    pub(crate) fn set_outside(&mut self, outside: CatalogComparison) {
        self.record.outside = Some(outside);
    }

    /// It has ended by what its migrations do, and not by what befell it.
    pub(crate) fn is_judged(&self) -> bool {
        let struck = match &self.end {
            Some(UnitEnd::NotRun { .. }) => true,
            Some(UnitEnd::Failed { failure: Some(failure), .. }) => failure.is_environmental(),
            _ => self.record.environment_failure().is_some(),
        };
        !struck
    }

    /// A failure that others may have caused: the results of the database do not count.
    fn doubt(&self, phase: Phase, failure: &Failure) {
        // The head's migrations have run in the first empty tenant, with all that they bring. Before that, one unit can need
        // what another one brings.
        let others_change = phase != Phase::Head || self.track.takes_away;
        self.replay.doubts.consider(&self.name(), others_change, failure);
    }

    pub(crate) fn finish(mut self) -> UnitRecord {
        self.announce();
        self.record.end = self.end.take().unwrap_or(UnitEnd::Completed);
        self.record
    }

    /// Tells, once, how it ended.
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
        let (unit, took) = (self.name(), self.record.duration);
        let steps = self.record.steps.len();
        tracing::debug!(%verdict, steps, duration = ?took, "finished");
        self.replay.tell(RunEvent::UnitFinished { unit, verdict, took });
    }

    async fn try_reach_base(&mut self) -> Result<(), UnitEnd> {
        self.check_server()?;
        if let Some(reason) = &self.unit.refused {
            return Err(at(Phase::Prepare)(Failure::new(FailureKind::Refused, reason)));
        }
        self.enter(Phase::Prepare);
        self.run_prepare().await.map_err(at(Phase::Prepare))?;
        match &self.unit.start {
            StartingState::Fresh => Ok(()),
            StartingState::Base => self.migrate(Phase::Base, &self.track.base).await,
            StartingState::Sample(sample) => self.start_from(sample).await,
        }
    }

    async fn try_run_head(&mut self) -> Result<(), UnitEnd> {
        self.check_server()?;
        if self.unit.start != StartingState::Fresh {
            self.record.changed.clone_from(&self.track.unnoticed);
        }
        self.migrate(Phase::Head, &self.track.head).await
    }

    /// What of the database is its own.
    fn own(&self) -> OwnObjects<'_> {
        let schema = self.unit.search_path.first().map_or("public", String::as_str);
        OwnObjects { schema, names: &self.track.made_names }
    }

    async fn owner_session(&self) -> Result<Session, Failure> {
        let options = self.replay.server.owner(&self.home.name);
        // Whatever the project's settings, the role or the database say: checks read notices.
        let options = options.options([("client_min_messages", "notice")]);
        let client = self.track.chosen.format.client();
        let options = as_client(options, client);
        let mut session = self.replay.session(options, Some(&self.unit.search_path)).await?;
        let settings = client.settings(self.replay.server.session_settings());
        if !settings.is_empty() {
            session.execute(settings.join("; ")).await?;
        }
        Ok(session)
    }

    /// The administrator's session, in which `mig_ci.tenant` and `mig_ci.target` say whom it is about.
    async fn admin_session(&self) -> Result<Session, Failure> {
        let options = self
            .replay
            .server
            .admin_in(&self.home.name)
            .options([("mig_ci.tenant", &*self.unit.name), ("mig_ci.target", &self.unit.target)]);
        self.replay.session(options, Some(&self.unit.search_path)).await
    }

    /// Whether it makes sense to go on.
    fn check_server(&self) -> Result<(), UnitEnd> {
        let reason = if self.replay.is_lost() {
            super::SERVER_LOST
        } else if self.replay.doubts.is_about(&self.database.name) {
            REPLAYED_LATER
        } else {
            return Ok(());
        };
        Err(UnitEnd::NotRun { reason: reason.to_owned() })
    }

    /// The span of the log for what happens in this unit.
    pub(crate) fn span(&self) -> tracing::Span {
        self.name().span(&self.unit.target)
    }

    fn enter(&self, phase: Phase) {
        tracing::debug!(%phase, "phase started");
        self.replay.tell(RunEvent::UnitStarted { unit: self.name(), phase });
    }

    fn name(&self) -> UnitName {
        UnitName {
            database: Arc::clone(&self.database.name),
            track: self.unit.track,
            name: Arc::clone(&self.unit.name),
        }
    }
}

fn at(phase: Phase) -> impl Fn(Failure) -> UnitEnd {
    move |failure| UnitEnd::Failed { phase, failure: Some(Box::new(failure)) }
}
