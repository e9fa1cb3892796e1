//! One database from its tenants' names to what has become of them: the shared track first, and then all tenants.

use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::environment::{AWAY, FIRST_CONTACT};
use super::interruption::Interruption;
use super::per_database::{ConnectionSlots, PerDatabase, RolloutLimits, after_failures};
use super::worker_pool::WorkerPool;
use crate::model::{RunEvent, Tenancy, UnitEnd, Verdict};
use crate::postgres::{Address, as_client};
use crate::replay::plan::TrackPlan;
use crate::server::EventSink;
use crate::source::Worktree;
use crate::tenants::TenantResolver;
use crate::upgrade::create::with_way_on;
use crate::upgrade::direction::{Direction, TargetVersion};
use crate::upgrade::preflight::endpoint::{
    self, ResolvedTenant, main_address, question, unreachable,
};
use crate::upgrade::preflight::pool_scan::SESSION_MARKER;
use crate::upgrade::preflight::request_scope::RequestScope;
use crate::upgrade::preflight::target::Target;
use crate::upgrade::preflight::targets;
use crate::upgrade::report_record::FinishedTarget;
use crate::upgrade::track::direction::TrackDirection;
use crate::upgrade::track::executor::TrackExecutor;
use crate::upgrade::track::progress::TargetOutcome;
use crate::upgrade::{Confirm, UpgradeError, UpgradeRequest};
use crate::verify;

/// A run on one database, and what it has at hand.
pub(crate) struct Coordinator<'a> {
    pub(crate) request: &'a UpgradeRequest,
    pub(crate) job: &'a RequestScope<'a>,
    pub(crate) files: &'a Worktree,
    /// The project's folder.
    pub(crate) root: &'a Utf8Path,
    pub(crate) confirm: &'a Confirm<'a>,
    pub(crate) events: &'a EventSink,
    pub(crate) interruption: &'a Interruption,
}

impl Coordinator<'_> {
    pub(crate) async fn run(&self) -> Result<Vec<FinishedTarget>, UpgradeError> {
        let (job, started) = (self.job, Instant::now());
        let database = job.database.database;
        if job.shared.is_some() {
            main_address(&job.database)?;
        }
        let mut seats = self.seats().await?;
        let targets = match &job.tenants {
            Some(plan) => targets::tenant_targets(&job.database, plan, &mut seats, self.files)?,
            None => Vec::new(),
        };
        let what = self.request.create.map_or(self.request.direction.verb(), |_| "create");
        let asked = question(job, &seats, what).filter(|_| self.request.dry_run.is_none());
        let is_declined = asked.is_some_and(|question| !(self.confirm)(&question));
        if self.interruption.requested.is_cancelled() {
            return Err(verify::VerifyError::Interrupted { left: Vec::new() }.into());
        }
        if is_declined {
            return Err(UpgradeError::Declined);
        }
        let name: Arc<str> = database.name.as_str().into();
        let units = seats.len() + usize::from(job.shared.is_some());
        self.tell(RunEvent::DatabaseStarted { database: Arc::clone(&name), units });
        // Whoever cannot be reached for a reason that is known has failed before anything is begun.
        let unseated = |(seat, target): (&ResolvedTenant, &Target)| {
            let failure = seat.address.as_ref().err()?;
            self.tell_end(target, Verdict::Failed);
            Some(TargetOutcome::failed(failure.clone()))
        };
        let mut done: Vec<Option<TargetOutcome>> =
            seats.iter().zip(&targets).map(unseated).collect();
        self.look(&seats, &targets, &mut done).await?;
        let reason = self.why_not(&done);
        let shared_last = self.request.direction.begins_with_tenants();
        let mut units = Vec::new();
        if !shared_last {
            units.extend(self.shared(reason.as_deref()).await?);
        }
        if let Some(plan) = &job.tenants {
            let is_ready = units.iter().all(|unit| matches!(unit.done.end, UnitEnd::Completed));
            let not_ready = || "the shared track is not where the tenants need it".to_owned();
            match reason.or_else(|| (!is_ready).then(not_ready)) {
                Some(reason) => self.skip_all(&reason, &targets, &mut done),
                None => {
                    self.create(&seats, &targets, &mut done).await;
                    self.tenants(plan, &seats, &targets, &mut done).await?;
                }
            }
            let done = done
                .into_iter()
                .map(|done| done.unwrap_or_else(|| TargetOutcome::not_run("unknown")));
            units.extend(
                targets.into_iter().zip(done).map(|(target, done)| FinishedTarget { target, done }),
            );
        }
        if shared_last {
            let all = units.iter().all(|unit| matches!(unit.done.end, UnitEnd::Completed));
            let reason = (!all).then_some("not all of its tenants have gone back");
            units.extend(self.shared(reason).await?);
        }
        self.tell(RunEvent::DatabaseFinished { database: name, took: started.elapsed() });
        Ok(units)
    }

    /// Whom it is about, in the order of their source.
    async fn seats(&self) -> Result<Vec<ResolvedTenant>, UpgradeError> {
        let database = self.job.database.database;
        let (Some(whom), Some(track)) = (&self.request.tenants, &database.tenants) else {
            return Ok(Vec::new());
        };
        let asking = TenantResolver {
            database: &database.name,
            track,
            shared: database.shared.as_ref(),
            files: self.files,
            root: self.root,
        };
        let asked =
            endpoint::resolve_tenants(&self.job.database, &asking, whom, self.request.partition);
        let asked = self.interruption.requested.run_until_cancelled(asked).await;
        asked.ok_or(verify::VerifyError::Interrupted { left: Vec::new() })?
    }

    /// Why nothing is begun at all, where that is known beforehand.
    fn why_not(&self, done: &[Option<TargetOutcome>]) -> Option<String> {
        let failed = done.iter().flatten().count();
        let most = self.request.limits.max_failures.filter(|most| failed > *most);
        let nobody = failed > 0 && failed == done.len();
        most.map(after_failures)
            .or_else(|| nobody.then(|| "there is no tenant to begin with".to_owned()))
    }

    async fn shared(&self, why_not: Option<&str>) -> Result<Option<FinishedTarget>, UpgradeError> {
        let job = self.job;
        let (Some(track), Some(plan)) = (&job.database.database.shared, &job.shared) else {
            return Ok(None);
        };
        let target = targets::shared_target(&job.database, track, plan, self.files)?;
        if let Some(reason) = why_not {
            self.tell_end(&target, Verdict::NotRun);
            return Ok(Some(FinishedTarget { target, done: TargetOutcome::not_run(reason) }));
        }
        // Tenants need all of it; a version that was asked for is theirs.
        let head = Direction::Up(TargetVersion::Head);
        let is_for_tenants = job.tenants.is_some() && !self.request.direction.begins_with_tenants();
        let way = if is_for_tenants { &head } else { &self.request.direction };
        let work = self.work(plan, way);
        let address = main_address(&job.database)?;
        let targets = [target];
        let is_first = !self.request.direction.begins_with_tenants();
        let done = self.on_main(is_first, &work, &targets, &address).await?;
        let unit = |(target, done)| FinishedTarget { target, done };
        Ok(targets.into_iter().zip(done).map(unit).next())
    }

    /// Those that are not done yet.
    async fn tenants(
        &self,
        plan: &TrackPlan,
        seats: &[ResolvedTenant],
        targets: &[Target],
        done: &mut [Option<TargetOutcome>],
    ) -> Result<(), UpgradeError> {
        let site = &self.job.database;
        let work = self.work(plan, &self.request.direction);
        let mut turns: Vec<usize> =
            (0..seats.len()).filter(|index| done[*index].is_none()).collect();
        self.request.order.bring(&mut turns, |turn| &seats[turn].tenant.name);
        let in_turn: Vec<Target> = turns.iter().map(|index| targets[*index].clone()).collect();
        let ended = if site.tenancy() == Tenancy::Schema {
            let address = main_address(site)?;
            let has_shared =
                self.job.shared.is_some() && !self.request.direction.begins_with_tenants();
            let is_first = !has_shared && self.request.create.is_none();
            self.on_main(is_first, &work, &in_turn, &address).await?
        } else {
            let of = |turn: &usize| seats[*turn].address.as_ref().ok();
            let addresses: Vec<&Address> = turns.iter().filter_map(of).collect();
            let failed = done.iter().flatten().count();
            self.per_database(&work, &in_turn, &addresses, failed).await
        };
        let is_new = self.request.create.is_some();
        for (index, ended) in turns.into_iter().zip(ended) {
            let ended = if is_new { with_way_on(site, &seats[index], ended) } else { ended };
            done[index] = Some(ended);
        }
        Ok(())
    }

    /// All of them, in the main database. If that cannot be reached, the run is refused where it has not done anything yet;
    /// later the report says of whom nothing is known.
    async fn on_main(
        &self,
        is_first: bool,
        work: &TrackExecutor<'_>,
        targets: &[Target],
        address: &Address,
    ) -> Result<Vec<TargetOutcome>, UpgradeError> {
        let patience = if is_first { FIRST_CONTACT } else { AWAY };
        let crew = WorkerPool { patience, ..self.crew(work, targets, address) };
        match crew.run().await {
            Err(failure) if is_first => Err(unreachable(&self.job.database, address, failure)),
            Err(failure) => Ok(vec![crew.lost(failure); targets.len()]),
            Ok(done) => Ok(done),
        }
    }

    /// A crew for each of them.
    async fn per_database(
        &self,
        work: &TrackExecutor<'_>,
        targets: &[Target],
        addresses: &[&Address],
        failed: usize,
    ) -> Vec<TargetOutcome> {
        let limits = &self.request.limits;
        let places = ConnectionSlots::new(limits, &self.interruption.requested, failed);
        let of = |index: usize| self.crew(work, &targets[index..=index], addresses[index]);
        // One that cannot be looked at is not settled: it fails where it is run.
        let look = async |index: usize| {
            let crew = of(index);
            let requested = &self.interruption.requested;
            let looked = requested.run_until_cancelled(crew.patient_survey()).await;
            looked?.ok()?.done.into_iter().next().flatten()
        };
        let run = async |index: usize, limits: Result<&RolloutLimits, String>| {
            let server = addresses[index].endpoint();
            let limits = limits.and_then(|limits| match places.lost(&server) {
                Some(reason) => Err(reason),
                None => Ok(limits),
            });
            let limits = match limits {
                Ok(limits) => limits,
                Err(reason) => {
                    self.tell_end(&targets[index], Verdict::NotRun);
                    return TargetOutcome::not_run(reason);
                }
            };
            let crew = WorkerPool { limits, patience: AWAY, slots: Some(&places), ..of(index) };
            let done = match crew.run().await {
                Ok(mut done) => done.pop().unwrap_or_else(|| TargetOutcome::not_run("unknown")),
                Err(failure) => crew.lost(failure),
            };
            places.note_lost(server, &done);
            done
        };
        PerDatabase::new(limits, &places, look, run).all(targets.len()).await
    }

    fn work<'w>(&'w self, track: &'w TrackPlan, way: &Direction) -> TrackExecutor<'w> {
        let goal = TrackDirection::of(way, &track.head);
        TrackExecutor::new(track, goal, self.events.clone(), self.interruption)
    }

    fn crew<'c>(
        &'c self,
        work: &'c TrackExecutor<'c>,
        targets: &'c [Target],
        address: &Address,
    ) -> WorkerPool<'c> {
        let named = |role: &str| {
            (
                "application_name".to_owned(),
                format!("mig-ci {} {role}", self.request.direction.verb()),
            )
        };
        let direct = (SESSION_MARKER.0.to_owned(), SESSION_MARKER.1.to_owned());
        let with = |role: &str| {
            [self.request.settings.clone(), vec![named(role), direct.clone()]].concat()
        };
        WorkerPool {
            work,
            targets,
            session_options: as_client(
                address.options(&self.job.database.working_settings(with("at work"))),
                work.track.chosen.format.client(),
            ),
            lease_options: address.reading(&with("claims")),
            limits: &self.request.limits,
            interruption: self.interruption,
            patience: FIRST_CONTACT,
            slots: None,
            rehearsal: self.request.dry_run.as_ref(),
        }
    }

    /// None of them is begun.
    fn skip_all(&self, reason: &str, targets: &[Target], done: &mut [Option<TargetOutcome>]) {
        for (target, done) in targets.iter().zip(done).filter(|(_, done)| done.is_none()) {
            self.tell_end(target, Verdict::NotRun);
            *done = Some(TargetOutcome::not_run(reason));
        }
    }

    pub(crate) fn tell_end(&self, target: &Target, verdict: Verdict) {
        self.tell(RunEvent::UnitFinished { unit: target.unit(), verdict, took: Duration::ZERO });
    }

    fn tell(&self, event: RunEvent) {
        // Nobody listening is no reason to stop.
        let _ = self.events.send(event);
    }
}
