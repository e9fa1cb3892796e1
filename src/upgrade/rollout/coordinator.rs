//! One database from its tenants' names to what has become of them: the shared track first, and then all tenants.

use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::limits::{ConnectionSlots, RolloutLimits, StopRule};
use super::outcomes::Outcomes;
use super::per_database::PerDatabase;
use super::pool::WorkerPool;
use super::pool_scan::SESSION_MARKER;
use crate::model::{Failure, RunEvent, Tenancy, UnitEnd, Verdict};
use crate::postgres::{Address, as_client};
use crate::replay::plan::TrackPlan;
use crate::server::EventSink;
use crate::source::Worktree;
use crate::tenants::TenantResolver;
use crate::upgrade::create::{Creation, with_way_on};
use crate::upgrade::direction::{Direction, TargetVersion};
use crate::upgrade::interruption::Interruption;
use crate::upgrade::preflight::endpoint::{self, main_address, question, unreachable};
use crate::upgrade::preflight::request_scope::RequestScope;
use crate::upgrade::preflight::resolved_tenant::ResolvedTenant;
use crate::upgrade::preflight::targets;
use crate::upgrade::reconnect::{AWAY, FIRST_CONTACT};
use crate::upgrade::report_record::FinishedTarget;
use crate::upgrade::stop_reason::after_failures;
use crate::upgrade::target::Target;
use crate::upgrade::track::directed_track::{DirectedTrack, TrackDirection};
use crate::upgrade::track::executor::TrackExecutor;
use crate::upgrade::track::progress::TargetOutcome;
use crate::upgrade::{Confirm, UpgradeError, UpgradeRequest};

/// Why tenants are not run after their shared track.
const NOT_READY: &str = "the shared track is not at the version that the tenants need";

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
        self.ask(&seats)?;
        let name: Arc<str> = database.name.as_str().into();
        let units = seats.len() + usize::from(job.shared.is_some());
        self.tell(RunEvent::DatabaseStarted { database: Arc::clone(&name), units });
        // A tenant that cannot be reached for a reason that is known has failed before anything is begun.
        let unseated = |(seat, target): (&ResolvedTenant, &Target)| {
            let failure = seat.address.as_ref().err()?;
            self.tell_end(target, Verdict::Failed);
            Some(TargetOutcome::failed(failure.clone()))
        };
        let mut done: Vec<Option<TargetOutcome>> =
            seats.iter().zip(&targets).map(unseated).collect();
        let creation = self.creation();
        if let Some(creation) = &creation {
            let failed = creation.look(&seats, &targets).await?;
            self.note(&targets, failed, &mut done);
        }
        let reason = self.why_not(&done);
        let shared_last = self.request.direction.begins_with_tenants();
        let mut units = Vec::new();
        if !shared_last {
            units.extend(self.shared(reason.as_deref()).await?);
        }
        if let Some(plan) = &job.tenants {
            let is_ready = units.iter().all(|unit| matches!(unit.done.end, UnitEnd::Completed));
            match reason.or_else(|| (!is_ready).then(|| NOT_READY.to_owned())) {
                Some(reason) => self.skip_all(&reason, &targets, &mut done),
                None => {
                    if let Some(creation) = &creation {
                        let left =
                            seats.iter().enumerate().filter(|(index, _)| done[*index].is_none());
                        let not_made = creation.create(left).await;
                        self.note(&targets, not_made, &mut done);
                    }
                    self.tenants(plan, &seats, &targets, &mut done).await?;
                }
            }
            let done = Outcomes::from(done).finish("it was not reached");
            let finished = |(target, done)| FinishedTarget { target, done };
            units.extend(targets.into_iter().zip(done).map(finished));
        }
        if shared_last {
            let all = units.iter().all(|unit| matches!(unit.done.end, UnitEnd::Completed));
            let reason = (!all).then_some("not all of its tenants were reverted");
            units.extend(self.shared(reason).await?);
        }
        self.tell(RunEvent::DatabaseFinished { database: name, took: started.elapsed() });
        Ok(units)
    }

    /// Asks for a confirmation where servers are changed that are not on this machine.
    fn ask(&self, seats: &[ResolvedTenant]) -> Result<(), UpgradeError> {
        let what = self.request.create.map_or(self.request.direction.verb(), |_| "create");
        let asked = question(self.job, seats, what).filter(|_| self.request.dry_run.is_none());
        let is_declined = asked.is_some_and(|question| !(self.confirm)(&question));
        if self.interruption.requested.is_cancelled() {
            return Err(UpgradeError::Interrupted);
        }
        if is_declined { Err(UpgradeError::Declined) } else { Ok(()) }
    }

    /// The selected tenants, in the order of their source.
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
        asked.ok_or(UpgradeError::Interrupted)?
    }

    /// Why nothing is begun at all, where that is known beforehand.
    fn why_not(&self, done: &[Option<TargetOutcome>]) -> Option<String> {
        let failed = done.iter().flatten().count();
        let most = self.request.limits.max_failures.filter(|most| failed > *most);
        let nobody = failed > 0 && failed == done.len();
        most.map(after_failures)
            .or_else(|| nobody.then(|| "there is no tenant to start with".to_owned()))
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
        let work = self.executor(plan, way);
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
        let work = self.executor(plan, &self.request.direction);
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
        let pool = WorkerPool { patience, ..self.worker_pool(work, targets, address) };
        match self.run_pool(&pool).await {
            Err(failure) if is_first => Err(unreachable(&self.job.database, address, failure)),
            Err(failure) => Ok(vec![pool.unreachable(failure); targets.len()]),
            Ok(outcomes) => Ok(outcomes),
        }
    }

    async fn run_pool(&self, pool: &WorkerPool<'_>) -> Result<Vec<TargetOutcome>, Failure> {
        match &self.request.dry_run {
            Some(dry_run) => dry_run.run(&pool.scan()).await,
            None => pool.run().await,
        }
    }

    /// A pool for each of them.
    async fn per_database(
        &self,
        executor: &TrackExecutor<'_>,
        targets: &[Target],
        addresses: &[&Address],
        failed: usize,
    ) -> Vec<TargetOutcome> {
        let limits = &self.request.limits;
        let requested = &self.interruption.requested;
        let slots = ConnectionSlots::new(limits);
        let stop = StopRule::new(limits, requested, failed);
        let one = RolloutLimits { jobs: 1, canary: None, max_failures: None, ..limits.clone() };
        let pool = |index: usize| {
            let one_target = &targets[index..=index];
            self.worker_pool(executor, one_target, addresses[index])
        };
        // One that cannot be looked at is not settled: it fails where it is run.
        let look = async |index: usize| {
            let pool = pool(index);
            let scanned = requested.run_until_cancelled(pool.scan().run()).await;
            scanned?.ok()?.done.into_iter().next().flatten()
        };
        let run = async |index: usize, skip: Option<String>| {
            let server = addresses[index].endpoint();
            if let Some(reason) = skip.or_else(|| slots.lost(&server)) {
                self.tell_end(&targets[index], Verdict::NotRun);
                return TargetOutcome::not_run(reason);
            }
            let (slots, stop) = (Some(&slots), Some(&stop));
            let pool = WorkerPool { limits: &one, patience: AWAY, slots, stop, ..pool(index) };
            let outcome = match self.run_pool(&pool).await {
                Ok(outcomes) => outcomes.into_iter().next(),
                Err(failure) => Some(pool.unreachable(failure)),
            };
            let outcome = outcome.unwrap_or_else(|| TargetOutcome::not_run("it was not reached"));
            if let Some(slots) = slots {
                slots.note_lost(server, &outcome);
            }
            outcome
        };
        PerDatabase::new(limits, &slots, &stop, look, run).all(targets.len()).await
    }

    fn executor<'w>(&'w self, plan: &'w TrackPlan, direction: &Direction) -> TrackExecutor<'w> {
        let direction = TrackDirection::of(direction, &plan.head);
        let track = DirectedTrack::new(plan, direction);
        TrackExecutor::new(track, self.events.clone(), self.interruption)
    }

    fn worker_pool<'c>(
        &'c self,
        executor: &'c TrackExecutor<'c>,
        targets: &'c [Target],
        address: &Address,
    ) -> WorkerPool<'c> {
        let verb = self.request.direction.verb();
        let named = |role: &str| ("application_name".to_owned(), format!("mig-ci {verb} {role}"));
        let direct = (SESSION_MARKER.0.to_owned(), SESSION_MARKER.1.to_owned());
        let with = |role: &str| {
            [self.request.settings.clone(), vec![named(role), direct.clone()]].concat()
        };
        WorkerPool {
            executor,
            targets,
            session_options: as_client(
                address.options(&self.job.database.working_settings(with("at work"))),
                executor.track.plan.chosen.format.client(),
            ),
            lease_options: address.reading(&with("claims")),
            limits: &self.request.limits,
            interruption: self.interruption,
            patience: FIRST_CONTACT,
            slots: None,
            stop: None,
        }
    }

    /// New tenants are made first.
    fn creation(&self) -> Option<Creation<'_>> {
        let (scope, interruption) = (self.job, self.interruption);
        let settings = &*self.request.settings;
        self.request.create.map(|if_there| Creation { if_there, scope, settings, interruption })
    }

    /// These have come to their end before anything was begun on them.
    fn note(
        &self,
        targets: &[Target],
        ended: Vec<(usize, TargetOutcome)>,
        done: &mut [Option<TargetOutcome>],
    ) {
        for (index, outcome) in ended {
            self.tell_end(&targets[index], outcome.verdict());
            done[index] = Some(outcome);
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
