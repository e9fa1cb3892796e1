//! Runs an upgrade of one database: the shared track first, then all tenants.

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
use crate::retry::policies::{FIRST_CONTACT, SERVER_AWAY};
use crate::server::EventSink;
use crate::source::Worktree;
use crate::tenants::TenantResolver;
use crate::upgrade::create::{Creation, with_recovery_hint};
use crate::upgrade::direction::{Direction, TargetVersion};
use crate::upgrade::interruption::Interruption;
use crate::upgrade::preflight::database_target::ResolvedTenant;
use crate::upgrade::preflight::endpoint::{self, confirmation_prompt, main_address, unreachable};
use crate::upgrade::preflight::request_scope::RequestScope;
use crate::upgrade::preflight::targets;
use crate::upgrade::report_record::FinishedTarget;
use crate::upgrade::target::Target;
use crate::upgrade::track::directed_track::{DirectedTrack, TrackDirection};
use crate::upgrade::track::executor::TrackExecutor;
use crate::upgrade::track::progress::TargetOutcome;
use crate::upgrade::{Confirm, UpgradeError, UpgradeRequest};

/// Why tenants are not run after their shared track.
const NOT_READY: &str = "the shared track is not at the version that the tenants need";

/// A run on one database, and its context.
pub(crate) struct Coordinator<'a> {
    pub(crate) request: &'a UpgradeRequest,
    pub(crate) scope: &'a RequestScope<'a>,
    pub(crate) files: &'a Worktree,
    /// The root directory of the project.
    pub(crate) root: &'a Utf8Path,
    pub(crate) confirm: &'a Confirm<'a>,
    pub(crate) events: &'a EventSink,
    pub(crate) interruption: &'a Interruption,
}

impl Coordinator<'_> {
    pub(crate) async fn run(&self) -> Result<Vec<FinishedTarget>, UpgradeError> {
        let (scope, started) = (self.scope, Instant::now());
        let database = scope.database.database;
        if scope.shared.is_some() {
            main_address(&scope.database)?;
        }
        let mut resolved_tenants = self.resolved_tenants().await?;
        let targets = match &scope.tenants {
            Some(plan) => {
                targets::tenant_targets(&scope.database, plan, &mut resolved_tenants, self.files)?
            }
            None => Vec::new(),
        };
        self.confirm_remote(&resolved_tenants)?;
        let name: Arc<str> = database.name.as_str().into();
        let units = resolved_tenants.len() + usize::from(scope.shared.is_some());
        self.emit(RunEvent::DatabaseStarted { database: Arc::clone(&name), units });
        let mut outcomes = self.without_address(&resolved_tenants, &targets);
        let creation = self.creation();
        if let Some(creation) = &creation {
            let failed = creation.check(&resolved_tenants, &targets).await?;
            self.note(&targets, failed, &mut outcomes);
        }
        let reason = self.skip_reason(&outcomes);
        let shared_last = self.request.direction.tenants_first();
        let mut units = Vec::new();
        if !shared_last {
            units.extend(self.shared(reason.as_deref()).await?);
        }
        if let Some(plan) = &scope.tenants {
            let is_ready = units.iter().all(|unit| matches!(unit.outcome.end, UnitEnd::Completed));
            match reason.or_else(|| (!is_ready).then(|| NOT_READY.to_owned())) {
                Some(reason) => self.skip_all(&reason, &targets, &mut outcomes),
                None => {
                    if let Some(creation) = &creation {
                        let left = resolved_tenants
                            .iter()
                            .enumerate()
                            .filter(|(index, _)| outcomes[*index].is_none());
                        let not_made = creation.create(left).await;
                        self.note(&targets, not_made, &mut outcomes);
                    }
                    self.tenants(plan, &resolved_tenants, &targets, &mut outcomes).await?;
                }
            }
            let outcomes = Outcomes::from(outcomes).finish("it was not reached");
            let finished = |(target, outcome)| FinishedTarget { target, outcome };
            units.extend(targets.into_iter().zip(outcomes).map(finished));
        }
        if shared_last {
            let all = units.iter().all(|unit| matches!(unit.outcome.end, UnitEnd::Completed));
            let reason = (!all).then_some("not all of its tenants were reverted");
            units.extend(self.shared(reason).await?);
        }
        self.emit(RunEvent::DatabaseFinished { database: name, took: started.elapsed() });
        Ok(units)
    }

    /// A tenant that cannot be reached for a known reason fails before anything is changed.
    fn without_address(
        &self,
        resolved_tenants: &[ResolvedTenant],
        targets: &[Target],
    ) -> Vec<Option<TargetOutcome>> {
        let outcome = |(resolved, target): (&ResolvedTenant, &Target)| {
            let failure = resolved.address.as_ref().err()?;
            self.emit_finished(target, Verdict::Failed);
            Some(TargetOutcome::failed(failure.clone()))
        };
        resolved_tenants.iter().zip(targets).map(outcome).collect()
    }

    /// Asks for confirmation if servers are changed that are not on this machine.
    fn confirm_remote(&self, resolved_tenants: &[ResolvedTenant]) -> Result<(), UpgradeError> {
        let what = self.request.create.map_or(self.request.direction.verb(), |_| "create");
        let resolved_tenants = confirmation_prompt(self.scope, resolved_tenants, what)
            .filter(|_| self.request.dry_run.is_none());
        let is_declined = resolved_tenants
            .is_some_and(|confirmation_prompt| !(self.confirm)(&confirmation_prompt));
        if self.interruption.requested.is_cancelled() {
            return Err(UpgradeError::Interrupted);
        }
        if is_declined { Err(UpgradeError::Declined) } else { Ok(()) }
    }

    /// The selected tenants, in the order of their source.
    async fn resolved_tenants(&self) -> Result<Vec<ResolvedTenant>, UpgradeError> {
        let database = self.scope.database.database;
        let (Some(selector), Some(track)) = (&self.request.tenants, &database.tenants) else {
            return Ok(Vec::new());
        };
        let resolver = TenantResolver {
            database: &database.name,
            track,
            shared: database.shared.as_ref(),
            files: self.files,
            root: self.root,
        };
        let resolved_tenants = endpoint::resolve_tenants(
            &self.scope.database,
            &resolver,
            selector,
            self.request.partition,
        );
        let resolved_tenants =
            self.interruption.requested.run_until_cancelled(resolved_tenants).await;
        resolved_tenants.ok_or(UpgradeError::Interrupted)?
    }

    /// Why no migration is started, if known in advance.
    fn skip_reason(&self, outcomes: &[Option<TargetOutcome>]) -> Option<String> {
        let failed = outcomes.iter().flatten().count();
        let all_failed = failed > 0 && failed == outcomes.len();
        let limits = &self.request.limits;
        limits.after_failures(failed).or_else(|| {
            all_failed.then(|| "all selected tenants failed before the start".to_owned())
        })
    }

    async fn shared(
        &self,
        skip_reason: Option<&str>,
    ) -> Result<Option<FinishedTarget>, UpgradeError> {
        let scope = self.scope;
        let (Some(track), Some(plan)) = (&scope.database.database.shared, &scope.shared) else {
            return Ok(None);
        };
        let target = targets::shared_target(&scope.database, track, plan, self.files)?;
        if let Some(reason) = skip_reason {
            self.emit_finished(&target, Verdict::NotRun);
            return Ok(Some(FinishedTarget { target, outcome: TargetOutcome::not_run(reason) }));
        }
        // Tenants need the head of the shared track; a requested version applies to the tenants.
        let head = Direction::Up(TargetVersion::Head);
        let is_for_tenants = scope.tenants.is_some() && !self.request.direction.tenants_first();
        let direction = if is_for_tenants { &head } else { &self.request.direction };
        let executor = self.executor(plan, direction);
        let address = main_address(&scope.database)?;
        let targets = [target];
        let is_first = !self.request.direction.tenants_first();
        let outcomes = self.on_main(is_first, &executor, &targets, &address).await?;
        let unit = |(target, outcome)| FinishedTarget { target, outcome };
        Ok(targets.into_iter().zip(outcomes).map(unit).next())
    }

    /// Runs the tenants that have no outcome yet.
    async fn tenants(
        &self,
        plan: &TrackPlan,
        resolved_tenants: &[ResolvedTenant],
        targets: &[Target],
        outcomes: &mut [Option<TargetOutcome>],
    ) -> Result<(), UpgradeError> {
        let database_target = &self.scope.database;
        let executor = self.executor(plan, &self.request.direction);
        let mut order: Vec<usize> =
            (0..resolved_tenants.len()).filter(|index| outcomes[*index].is_none()).collect();
        self.request.order.bring(&mut order, |index| &resolved_tenants[index].tenant.name);
        let ordered: Vec<Target> = order.iter().map(|index| targets[*index].clone()).collect();
        let ended = if database_target.tenancy() == Tenancy::Schema {
            let address = main_address(database_target)?;
            let has_shared = self.scope.shared.is_some() && !self.request.direction.tenants_first();
            let is_first = !has_shared && self.request.create.is_none();
            self.on_main(is_first, &executor, &ordered, &address).await?
        } else {
            let of = |index: &usize| resolved_tenants[*index].address.as_ref().ok();
            let addresses: Vec<&Address> = order.iter().filter_map(of).collect();
            let failed = outcomes.iter().flatten().count();
            self.per_database(&executor, &ordered, &addresses, failed).await
        };
        let is_new = self.request.create.is_some();
        for (index, ended) in order.into_iter().zip(ended) {
            let ended = if is_new {
                with_recovery_hint(database_target, &resolved_tenants[index], ended)
            } else {
                ended
            };
            outcomes[index] = Some(ended);
        }
        Ok(())
    }

    /// Runs all targets in the main database. If it is unreachable, the run is refused if nothing was done before; otherwise
    /// the targets fail.
    async fn on_main(
        &self,
        is_first: bool,
        executor: &TrackExecutor<'_>,
        targets: &[Target],
        address: &Address,
    ) -> Result<Vec<TargetOutcome>, UpgradeError> {
        let reconnect = if is_first { FIRST_CONTACT } else { SERVER_AWAY };
        let pool = WorkerPool { reconnect, ..self.worker_pool(executor, targets, address) };
        match self.run_pool(&pool).await {
            Err(failure) if is_first => Err(unreachable(&self.scope.database, address, failure)),
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

    /// Runs a pool for each target.
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
        // A target that cannot be scanned is not settled: it fails when it is run.
        let scan = async |index: usize| {
            let pool = pool(index);
            let scanned = requested.run_until_cancelled(pool.scan().run()).await;
            scanned?.ok()?.outcomes.into_iter().next().flatten()
        };
        let run = async |index: usize, skip: Option<String>| {
            let server = addresses[index].endpoint();
            if let Some(reason) = skip.or_else(|| slots.lost(&server)) {
                self.emit_finished(&targets[index], Verdict::NotRun);
                return TargetOutcome::not_run(reason);
            }
            let (slots, stop) = (Some(&slots), Some(&stop));
            let pool =
                WorkerPool { limits: &one, reconnect: SERVER_AWAY, slots, stop, ..pool(index) };
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
        PerDatabase::new(limits, &slots, &stop, scan, run).all(targets.len()).await
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
                address.options(&self.scope.database.working_settings(with("at work"))),
                executor.track.plan.detected.format.client(),
            ),
            lease_options: address.reading(&with("claims")),
            limits: &self.request.limits,
            interruption: self.interruption,
            reconnect: FIRST_CONTACT,
            slots: None,
            stop: None,
        }
    }

    /// The creation of new tenants, if requested.
    fn creation(&self) -> Option<Creation<'_>> {
        let (scope, interruption) = (self.scope, self.interruption);
        let settings = &*self.request.settings;
        self.request.create.map(|if_exists| Creation { if_exists, scope, settings, interruption })
    }

    /// Notes targets that ended before they were started.
    fn note(
        &self,
        targets: &[Target],
        ended: Vec<(usize, TargetOutcome)>,
        outcomes: &mut [Option<TargetOutcome>],
    ) {
        for (index, outcome) in ended {
            self.emit_finished(&targets[index], outcome.verdict());
            outcomes[index] = Some(outcome);
        }
    }

    /// Skips all targets that have no outcome.
    fn skip_all(&self, reason: &str, targets: &[Target], outcomes: &mut [Option<TargetOutcome>]) {
        for (target, outcome) in
            targets.iter().zip(outcomes).filter(|(_, outcome)| outcome.is_none())
        {
            self.emit_finished(target, Verdict::NotRun);
            *outcome = Some(TargetOutcome::not_run(reason));
        }
    }

    pub(crate) fn emit_finished(&self, target: &Target, verdict: Verdict) {
        self.emit(RunEvent::UnitFinished { unit: target.unit(), verdict, took: Duration::ZERO });
    }

    fn emit(&self, event: RunEvent) {
        // A run does not stop if no one receives its events.
        let _ = self.events.send(event);
    }
}
