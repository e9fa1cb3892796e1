//! The twin of `verify`, on real servers: load, find the tenants, the shared track first, then all tenants, report.
//!
//! ```text
//! plan: targets ─▶ crew: survey ─▶ claim ─▶ unit: decide ─▶ batch ─▶ lane: send, look ─▶ Done ─▶ checks ─▶ report
//! ```

use std::time::{Instant, SystemTime};

use crate::checks;
use crate::model::{Partition, UnitRecord};
use crate::postgres::Url;
use crate::report::upgrade as report;
use crate::server::EventSink;
use crate::tenants::Whom;
use crate::verify::{Scope, load_project};

mod create;
mod error;
mod outcome;
pub(crate) mod preflight;
mod rehearsal;
pub(crate) mod rollout;
pub(crate) mod session;
pub(crate) mod track;
mod way;

pub(crate) use create::IfThere;
pub(crate) use error::Error;
pub(crate) use rollout::apart::Limits;
pub(crate) use rollout::interruption::Interruption;

pub(crate) use preflight::plan::Order;
pub(crate) use rehearsal::Rehearsal;

pub(crate) use way::{Applied, AppliedVersions, To, Way};

use outcome::parts;
use preflight::job::Job;
use rollout::fleet::Fleet;

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
    /// Where the report is of that says whom: nowhere else is anything done.
    pub(crate) reported_at: Option<String>,
    pub(crate) shared_alone: bool,
    /// They are new, and their schemas or databases are made first.
    pub(crate) create: Option<IfThere>,
    pub(crate) partition: Option<Partition>,
    pub(crate) order: Order,
    pub(crate) way: Way,
    pub(crate) limits: Limits,
    /// Nothing is done, and what would be is told.
    pub(crate) rehearsal: Option<Rehearsal>,
    /// Settings of the sessions that work: `lock_timeout` and `statement_timeout`.
    pub(crate) settings: Vec<(String, String)>,
}

/// Asked before anything is changed on a server that is not this machine's.
pub(crate) type Confirm<'a> = dyn Fn(&str) -> bool + 'a;

/// Runs it all. Once `interrupted` is cancelled nothing more is begun; what has been begun comes to its end.
pub(crate) async fn upgrade(
    request: &Request,
    confirm: &Confirm<'_>,
    events: EventSink,
    interruption: &Interruption,
) -> Result<report::Report, Error> {
    let (begun, started_at) = (Instant::now(), SystemTime::now());
    let scope = &request.scope;
    let (project, files) = load_project(scope.config.as_deref(), scope.overrides.clone())?;
    let job = Job::new(request, &project, &files)?;
    let (files, root, events) = (&files, &*project.root, &events);
    let fleet = Fleet { request, job: &job, files, root, confirm, events, interruption };
    let units = fleet.run().await?;
    let (records, upgraded): (Vec<UnitRecord>, Vec<_>) = units.into_iter().map(parts).unzip();
    let findings = checks::judge(&records, &project.checks);
    let report = report::build(report::Run {
        direction: request.way.direction(),
        is_rehearsal: request.rehearsal.is_some(),
        address: job.site.url.address().ok().map(|address| address.describe()),
        asked: request.way.asked(),
        started_at: humantime::format_rfc3339_seconds(started_at).to_string(),
        duration: begun.elapsed(),
        interrupted: interruption.requested.is_cancelled(),
        units: upgraded,
        records: &records,
        findings: &findings,
    });
    Ok(report::Report { notes: job.notes(), ..report })
}
