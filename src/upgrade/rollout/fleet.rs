//! One database from its tenants' names to what has become of them: the shared track first, and then all tenants.

use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::apart::{Apart, Limits, Places, after_failures};
use super::crew::Crew;
use super::environment::{AWAY, FIRST_CONTACT};
use super::interruption::Interruption;
use crate::model::{Event, Tenancy, UnitEnd, Verdict};
use crate::postgres::{Address, as_client};
use crate::replay::plan::TrackPlan;
use crate::server::EventSink;
use crate::source::Worktree;
use crate::tenants::Asking;
use crate::upgrade::create::with_way_on;
use crate::upgrade::outcome::Unit;
use crate::upgrade::preflight::first_look::DIRECT;
use crate::upgrade::preflight::job::Job;
use crate::upgrade::preflight::place::{self, Seat, main_address, question, unreachable};
use crate::upgrade::preflight::plan;
use crate::upgrade::preflight::target::Target;
use crate::upgrade::track::done::Done;
use crate::upgrade::track::goal::Goal;
use crate::upgrade::track::unit::Work;
use crate::upgrade::way::{To, Way};
use crate::upgrade::{Confirm, Error, Request};
use crate::verify;

/// A run on one database, and what it has at hand.
pub(crate) struct Fleet<'a> {
    pub(crate) request: &'a Request,
    pub(crate) job: &'a Job<'a>,
    pub(crate) files: &'a Worktree,
    /// The project's folder.
    pub(crate) root: &'a Utf8Path,
    pub(crate) confirm: &'a Confirm<'a>,
    pub(crate) events: &'a EventSink,
    pub(crate) interruption: &'a Interruption,
}

impl Fleet<'_> {
    pub(crate) async fn run(&self) -> Result<Vec<Unit>, Error> {
        let (job, started) = (self.job, Instant::now());
        let database = job.site.database;
        if job.shared.is_some() {
            main_address(&job.site)?;
        }
        let mut seats = self.seats().await?;
        let targets = match &job.tenants {
            Some(plan) => plan::tenant_targets(&job.site, plan, &mut seats, self.files)?,
            None => Vec::new(),
        };
        let what = self.request.create.map_or(self.request.way.verb(), |_| "create");
        let asked = question(job, &seats, what).filter(|_| self.request.rehearsal.is_none());
        let is_declined = asked.is_some_and(|question| !(self.confirm)(&question));
        if self.interruption.requested.is_cancelled() {
            return Err(verify::Error::Interrupted { left: Vec::new() }.into());
        }
        if is_declined {
            return Err(Error::Declined);
        }
        let name: Arc<str> = database.name.as_str().into();
        let units = seats.len() + usize::from(job.shared.is_some());
        self.tell(Event::DatabaseStarted { database: Arc::clone(&name), units });
        // Whoever cannot be reached for a reason that is known has failed before anything is begun.
        let unseated = |(seat, target): (&Seat, &Target)| {
            let failure = seat.address.as_ref().err()?;
            self.tell_end(target, Verdict::Failed);
            Some(Done::failed(failure.clone()))
        };
        let mut done: Vec<Option<Done>> = seats.iter().zip(&targets).map(unseated).collect();
        self.look(&seats, &targets, &mut done).await?;
        let reason = self.why_not(&done);
        let shared_last = self.request.way.begins_with_tenants();
        let mut units = Vec::new();
        if !shared_last {
            units.extend(self.shared(reason.as_deref()).await?);
        }
        if let Some(plan) = &job.tenants {
            let is_ready = units.iter().all(|unit| matches!(unit.done.end, UnitEnd::Completed));
            let not_ready = || "the shared track is not where the tenants need it".to_owned();
            match reason.or_else(|| (!is_ready).then(not_ready)) {
                Some(reason) => self.leave(&reason, &targets, &mut done),
                None => {
                    self.create(&seats, &targets, &mut done).await;
                    self.tenants(plan, &seats, &targets, &mut done).await?;
                }
            }
            let done =
                done.into_iter().map(|done| done.unwrap_or_else(|| Done::not_run("unknown")));
            units.extend(targets.into_iter().zip(done).map(|(target, done)| Unit { target, done }));
        }
        if shared_last {
            let all = units.iter().all(|unit| matches!(unit.done.end, UnitEnd::Completed));
            let reason = (!all).then_some("not all of its tenants have gone back");
            units.extend(self.shared(reason).await?);
        }
        self.tell(Event::DatabaseFinished { database: name, took: started.elapsed() });
        Ok(units)
    }

    /// Whom it is about, in the order of their source.
    async fn seats(&self) -> Result<Vec<Seat>, Error> {
        let database = self.job.site.database;
        let (Some(whom), Some(track)) = (&self.request.whom, &database.tenants) else {
            return Ok(Vec::new());
        };
        let asking = Asking {
            database: &database.name,
            track,
            shared: database.shared.as_ref(),
            files: self.files,
            root: self.root,
        };
        let asked = place::seats(&self.job.site, &asking, whom, self.request.partition);
        let asked = self.interruption.requested.run_until_cancelled(asked).await;
        asked.ok_or(verify::Error::Interrupted { left: Vec::new() })?
    }

    /// Why nothing is begun at all, where that is known beforehand.
    fn why_not(&self, done: &[Option<Done>]) -> Option<String> {
        let failed = done.iter().flatten().count();
        let most = self.request.limits.max_failures.filter(|most| failed > *most);
        let nobody = failed > 0 && failed == done.len();
        most.map(after_failures)
            .or_else(|| nobody.then(|| "there is no tenant to begin with".to_owned()))
    }

    async fn shared(&self, why_not: Option<&str>) -> Result<Option<Unit>, Error> {
        let job = self.job;
        let (Some(track), Some(plan)) = (&job.site.database.shared, &job.shared) else {
            return Ok(None);
        };
        let target = plan::shared_target(&job.site, track, plan, self.files)?;
        if let Some(reason) = why_not {
            self.tell_end(&target, Verdict::NotRun);
            return Ok(Some(Unit { target, done: Done::not_run(reason) }));
        }
        // Tenants need all of it; a version that was asked for is theirs.
        let head = Way::Up(To::Head);
        let is_for_tenants = job.tenants.is_some() && !self.request.way.begins_with_tenants();
        let way = if is_for_tenants { &head } else { &self.request.way };
        let work = self.work(plan, way);
        let address = main_address(&job.site)?;
        let targets = [target];
        let is_first = !self.request.way.begins_with_tenants();
        let done = self.on_main(is_first, &work, &targets, &address).await?;
        let unit = |(target, done)| Unit { target, done };
        Ok(targets.into_iter().zip(done).map(unit).next())
    }

    /// Those that are not done yet.
    async fn tenants(
        &self,
        plan: &TrackPlan,
        seats: &[Seat],
        targets: &[Target],
        done: &mut [Option<Done>],
    ) -> Result<(), Error> {
        let site = &self.job.site;
        let work = self.work(plan, &self.request.way);
        let mut turns: Vec<usize> =
            (0..seats.len()).filter(|index| done[*index].is_none()).collect();
        self.request.order.bring(&mut turns, |turn| &seats[turn].tenant.name);
        let in_turn: Vec<Target> = turns.iter().map(|index| targets[*index].clone()).collect();
        let ended = if site.tenancy() == Tenancy::Schema {
            let address = main_address(site)?;
            let has_shared = self.job.shared.is_some() && !self.request.way.begins_with_tenants();
            let is_first = !has_shared && self.request.create.is_none();
            self.on_main(is_first, &work, &in_turn, &address).await?
        } else {
            let of = |turn: &usize| seats[*turn].address.as_ref().ok();
            let addresses: Vec<&Address> = turns.iter().filter_map(of).collect();
            let failed = done.iter().flatten().count();
            self.apart(&work, &in_turn, &addresses, failed).await
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
        work: &Work<'_>,
        targets: &[Target],
        address: &Address,
    ) -> Result<Vec<Done>, Error> {
        let patience = if is_first { FIRST_CONTACT } else { AWAY };
        let crew = Crew { patience, ..self.crew(work, targets, address) };
        match crew.run().await {
            Err(failure) if is_first => Err(unreachable(&self.job.site, address, failure)),
            Err(failure) => Ok(vec![crew.lost(failure); targets.len()]),
            Ok(done) => Ok(done),
        }
    }

    /// A crew for each of them.
    async fn apart(
        &self,
        work: &Work<'_>,
        targets: &[Target],
        addresses: &[&Address],
        failed: usize,
    ) -> Vec<Done> {
        let limits = &self.request.limits;
        let places = Places::new(limits, &self.interruption.requested, failed);
        let of = |index: usize| self.crew(work, &targets[index..=index], addresses[index]);
        // One that cannot be looked at is not settled: it fails where it is run.
        let look = async |index: usize| {
            let crew = of(index);
            let requested = &self.interruption.requested;
            let looked = requested.run_until_cancelled(crew.patient_survey()).await;
            looked?.ok()?.done.into_iter().next().flatten()
        };
        let run = async |index: usize, limits: Result<&Limits, String>| {
            let server = addresses[index].endpoint();
            let limits = limits.and_then(|limits| match places.lost(&server) {
                Some(reason) => Err(reason),
                None => Ok(limits),
            });
            let limits = match limits {
                Ok(limits) => limits,
                Err(reason) => {
                    self.tell_end(&targets[index], Verdict::NotRun);
                    return Done::not_run(reason);
                }
            };
            let crew = Crew { limits, patience: AWAY, places: Some(&places), ..of(index) };
            let done = match crew.run().await {
                Ok(mut done) => done.pop().unwrap_or_else(|| Done::not_run("unknown")),
                Err(failure) => crew.lost(failure),
            };
            places.note_lost(server, &done);
            done
        };
        Apart::new(limits, &places, look, run).all(targets.len()).await
    }

    fn work<'w>(&'w self, track: &'w TrackPlan, way: &Way) -> Work<'w> {
        let goal = Goal::of(way, &track.head);
        Work::new(track, goal, self.events.clone(), self.interruption)
    }

    fn crew<'c>(
        &'c self,
        work: &'c Work<'c>,
        targets: &'c [Target],
        address: &Address,
    ) -> Crew<'c> {
        let named = |role: &str| {
            ("application_name".to_owned(), format!("mig-ci {} {role}", self.request.way.verb()))
        };
        let direct = (DIRECT.0.to_owned(), DIRECT.1.to_owned());
        let with = |role: &str| {
            [self.request.settings.clone(), vec![named(role), direct.clone()]].concat()
        };
        Crew {
            work,
            targets,
            working: as_client(
                address.options(&self.job.site.working_settings(with("at work"))),
                work.track.chosen.format.client(),
            ),
            claiming: address.reading(&with("claims")),
            limits: &self.request.limits,
            interruption: self.interruption,
            patience: FIRST_CONTACT,
            places: None,
            rehearsal: self.request.rehearsal.as_ref(),
        }
    }

    /// None of them is begun.
    fn leave(&self, reason: &str, targets: &[Target], done: &mut [Option<Done>]) {
        for (target, done) in targets.iter().zip(done).filter(|(_, done)| done.is_none()) {
            self.tell_end(target, Verdict::NotRun);
            *done = Some(Done::not_run(reason));
        }
    }

    pub(crate) fn tell_end(&self, target: &Target, verdict: Verdict) {
        self.tell(Event::UnitFinished { unit: target.unit(), verdict, took: Duration::ZERO });
    }

    fn tell(&self, event: Event) {
        // Nobody listening is no reason to stop.
        let _ = self.events.send(event);
    }
}
