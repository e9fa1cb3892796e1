//! The twin of `verify`, on real servers: load, find the tenants, the shared track first, then all tenants, report.
//!
//! ```text
//! plan: targets ─▶ crew: survey ─▶ claim ─▶ unit: decide ─▶ batch ─▶ lane: send, look ─▶ Done ─▶ checks ─▶ report
//! ```

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use camino::Utf8Path;
use tokio_util::sync::CancellationToken;

use crate::checks;
use crate::model::{
    Database, Event, Failure, FailureKind, Partition, Project, Tenancy, TrackKind, UnitEnd,
    UnitRecord,
};
use crate::postgres::{Address, AddressError, EventSink, Url};
use crate::replay::plan::TrackPlan;
use crate::report::upgrade as report;
use crate::source::Worktree;
use crate::tenants::{Asking, Whom};
use crate::verify::{self, Scope, load_project};

mod aftermath;
mod apart;
mod batch;
mod crew;
mod done;
mod error;
mod first_look;
mod lane;
mod opening;
mod outcome;
mod path;
mod place;
mod plan;
mod sessions;
mod survey;
mod target;
mod turn;
mod unit;

pub(crate) use apart::Limits;
pub(crate) use error::Error;
pub(crate) use plan::To;

use crew::Crew;
use done::Done;
use outcome::{Unit, record, upgraded};
use place::{main_address, question, tenants, unreachable};
use target::Target;
use unit::Work;

/// Of what only reads.
const TRIES: u32 = 10;

/// What is to be upgraded, and how.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) scope: Scope,
    /// The one database's address, in place of the configured one.
    pub(crate) url: Option<Url>,
    /// `None` leaves tenants alone, and has to be asked for where there are some.
    pub(crate) whom: Option<Whom>,
    pub(crate) shared_alone: bool,
    pub(crate) partition: Option<Partition>,
    pub(crate) to: To,
    pub(crate) limits: Limits,
    /// Settings of the sessions that work: `lock_timeout` and `statement_timeout`.
    pub(crate) settings: Vec<(String, String)>,
}

/// Asked before anything is changed on a server that is not this machine's.
pub(crate) type Confirm<'a> = dyn Fn(&str) -> bool + 'a;

/// One database, and what is to be done in it.
struct Job<'a> {
    database: &'a Database,
    url: Url,
    shared: Option<TrackPlan>,
    tenants: Option<TrackPlan>,
}

/// Runs it all. Once `interrupted` is cancelled nothing more is begun; what has been begun comes to its end.
pub(crate) async fn upgrade(
    request: &Request,
    confirm: &Confirm<'_>,
    events: EventSink,
    interrupted: &CancellationToken,
) -> Result<report::Report, Error> {
    let (begun, started_at) = (Instant::now(), SystemTime::now());
    let scope = &request.scope;
    let (project, files) = load_project(scope.config.as_deref(), scope.overrides.clone())?;
    let jobs = jobs(request, &project, &files)?;
    let mut units = Vec::new();
    for job in &jobs {
        units.extend(
            run(request, job, (&files, &project.root), confirm, &events, interrupted).await?,
        );
    }
    let records: Vec<UnitRecord> = units.iter().map(record).collect();
    let findings = checks::judge(&records, &project.checks);
    let upgraded = units.iter().map(upgraded).collect();
    Ok(report::build(report::Run {
        started_at: humantime::format_rfc3339_seconds(started_at).to_string(),
        duration: begun.elapsed(),
        interrupted: interrupted.is_cancelled(),
        units: upgraded,
        records: &records,
        findings: &findings,
    }))
}

/// The databases that were asked for, with what is to be applied to them. Nothing is connected to yet.
fn jobs<'a>(
    request: &Request,
    project: &'a Project,
    files: &Worktree,
) -> Result<Vec<Job<'a>>, Error> {
    let selection = &request.scope.selection;
    let databases = selection.databases(&project.databases).map_err(verify::Error::from)?;
    let wants_tenants = request.whom.is_some();
    let databases: Vec<&Database> = databases
        .into_iter()
        .filter(|database| !wants_tenants || database.tenants.is_some())
        .collect();
    if databases.len() != 1 {
        let names: Vec<_> = databases.iter().map(|database| database.name.as_str()).collect();
        return Err(Error::Usage(match names.as_slice() {
            [] => "no database of this project has tenants".to_owned(),
            _ => format!("which database? name one with -n: {}", names.join(", ")),
        }));
    };
    databases.into_iter().map(|database| job(request, database, files)).collect()
}

fn job<'a>(request: &Request, database: &'a Database, files: &Worktree) -> Result<Job<'a>, Error> {
    use secrecy::ExposeSecret as _;
    let configured = database.url.as_ref().map(|url| Url::new(url.expose_secret()));
    let from_environment = || {
        let url = crate::config::process_environment("DATABASE_URL");
        url.filter(|url| !url.is_empty()).map(Url::new)
    };
    let url = request.url.clone().or(configured).or_else(from_environment);
    let url = url.ok_or_else(|| Error::NoUrl(database.name.clone()))?;
    let of = |kind, track| plan::track(database, kind, track, files);
    let shared = database.shared.as_ref().map(|track| of(TrackKind::Shared, track)).transpose()?;
    let tenants = database.tenants.as_ref().filter(|_| request.whom.is_some());
    let tenants = tenants.map(|tenants| of(TrackKind::Tenant, &tenants.track)).transpose()?;
    if shared.is_none() && tenants.is_none() {
        return Err(Error::Usage(format!(
            "`{}` has migrations for its tenants alone: say which with --tenant or --all-tenants",
            database.name
        )));
    }
    if database.tenants.is_some() && request.whom.is_none() && !request.shared_alone {
        return Err(Error::Usage(format!(
            "`{}` has tenants: say --shared for its shared track alone, --tenant NAME, or --all-tenants",
            database.name
        )));
    }
    for track in shared.iter().chain(&tenants) {
        // Its ledger is one row, which says neither what was applied nor whose the dirty mark is.
        if track.chosen.format.name() == "golang-migrate" {
            return Err(Error::NotYet { format: "golang-migrate" });
        }
    }
    let last = tenants.as_ref().or(shared.as_ref());
    if let (To::Version(version), Some(last)) = (&request.to, last)
        && request.to.limit(&last.head).is_none()
    {
        let (database, version) = (database.name.clone(), version.clone());
        return Err(Error::NoVersion { database, version });
    }
    Ok(Job { database, url, shared, tenants })
}

async fn run(
    request: &Request,
    job: &Job<'_>,
    (files, root): (&Worktree, &Utf8Path),
    confirm: &Confirm<'_>,
    events: &EventSink,
    interrupted: &CancellationToken,
) -> Result<Vec<Unit>, Error> {
    let database = job.database;
    let started = Instant::now();
    let name: Arc<str> = database.name.as_str().into();
    let tenants = match (&request.whom, &database.tenants) {
        (Some(whom), Some(track)) => {
            let asking = Asking { database: &database.name, track, files, root };
            let asked = interrupted.run_until_cancelled(tenants(job, &asking, whom)).await;
            let tenants = asked.ok_or(verify::Error::Interrupted { left: Vec::new() })??;
            match request.partition {
                None => tenants,
                Some(part) => plan::dealt(tenants, part),
            }
        }
        _ => Vec::new(),
    };
    let addresses = place::addresses(job, &tenants);
    if question(job, &addresses).is_some_and(|question| !confirm(&question)) {
        return Err(Error::Declined);
    }
    let count = tenants.len() + usize::from(job.shared.is_some());
    let _ = events.send(Event::DatabaseStarted { database: Arc::clone(&name), units: count });
    let mut units = Vec::new();
    if let (Some(track), Some(plan)) = (&database.shared, &job.shared) {
        let target = plan::shared_target(database, track, plan, files)?;
        // Tenants need all of it; a version that was asked for is theirs.
        let to = if job.tenants.is_some() { &To::Head } else { &request.to };
        let work =
            Work { track: plan, limit: to.limit(&plan.head).unwrap_or(0), events: events.clone() };
        let address = main_address(job)?;
        let targets = [target];
        let crew = crew(request, &work, &targets, &address, interrupted);
        let done = crew.run().await.map_err(|failure| unreachable(job, &address, failure))?;
        units.extend(targets.into_iter().zip(done).map(|(target, done)| Unit { target, done }));
    }
    if let Some(plan) = &job.tenants {
        let is_ready = units.iter().all(|unit| matches!(unit.done.end, UnitEnd::Completed));
        let targets = plan::tenant_targets(database, plan, &tenants, files)?;
        let limit = request.to.limit(&plan.head).unwrap_or(0);
        let work = Work { track: plan, limit, events: events.clone() };
        let done = if is_ready {
            run_tenants(request, job, &work, &addresses, &targets, interrupted).await?
        } else {
            let reason = "the shared track is not where the tenants need it";
            targets.iter().map(|_| Done::not_run(reason)).collect()
        };
        units.extend(targets.into_iter().zip(done).map(|(target, done)| Unit { target, done }));
    }
    let _ = events.send(Event::DatabaseFinished { database: name, took: started.elapsed() });
    Ok(units)
}

async fn run_tenants(
    request: &Request,
    job: &Job<'_>,
    work: &Work<'_>,
    addresses: &[Result<Address, AddressError>],
    targets: &[Target],
    interrupted: &CancellationToken,
) -> Result<Vec<Done>, Error> {
    let tenancy = job.database.tenants.as_ref().map_or_else(Tenancy::default, |t| t.tenancy);
    if tenancy == Tenancy::Schema {
        let address = main_address(job)?;
        let crew = crew(request, work, targets, &address, interrupted);
        return crew.run().await.map_err(|failure| unreachable(job, &address, failure));
    }
    Ok(apart::apart(&request.limits, targets.len(), interrupted, async |index: usize, limits| {
        let targets = &targets[index..=index];
        let address = match &addresses[index] {
            Ok(address) => address,
            Err(error) => {
                let words = format!("the address of this tenant: {error}");
                return Done::failed(Failure::new(FailureKind::Environment, words));
            }
        };
        let crew = Crew { limits, ..crew(request, work, targets, address, interrupted) };
        match crew.run().await {
            Ok(mut done) => done.pop().unwrap_or_else(|| Done::not_run("unknown")),
            Err(failure) => crew.lost(failure),
        }
    })
    .await)
}

fn crew<'a>(
    request: &'a Request,
    work: &'a Work<'a>,
    targets: &'a [Target],
    address: &Address,
    interrupted: &'a CancellationToken,
) -> Crew<'a> {
    let named = |role: &str| ("application_name".to_owned(), format!("mig-ci upgrade {role}"));
    let mut settings = request.settings.clone();
    settings.push(named("at work"));
    Crew {
        work,
        targets,
        working: address.options(&settings),
        claiming: address.options(&[request.settings.clone(), vec![named("claims")]].concat()),
        limits: &request.limits,
        interrupted,
    }
}
