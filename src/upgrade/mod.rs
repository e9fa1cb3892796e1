//! The twin of `verify`, on real servers: load, find the tenants, the shared track first, then all tenants, report.
//!
//! ```text
//! preflight: targets, ledger scan ─▶ rollout: lease, worker ─▶ track: decide, batch ─▶ execution: send, read back ─▶ outcome
//! ─▶ checks ─▶ report
//! ```

use std::time::{Instant, SystemTime};

use tracing::Instrument as _;

use crate::checks;
use crate::model::{Partition, UnitRecord, database_span};
use crate::postgres::Url;
use crate::project::{Scope, load_project};
use crate::report::upgrade as report;
use crate::server::EventSink;
use crate::tenants::TenantSelector;

mod create;
mod direction;
mod dry_run;
mod error;
pub(crate) mod interruption;
mod log;
pub(crate) mod preflight;
pub(crate) mod reconnect;
mod report_record;
pub(crate) mod rollout;
pub(crate) mod session;
pub(crate) mod stop_reason;
pub(crate) mod target;
pub(crate) mod track;

pub(crate) use create::IfThere;
pub(crate) use error::UpgradeError;
pub(crate) use interruption::Interruption;
pub(crate) use rollout::limits::RolloutLimits;

pub(crate) use dry_run::DryRun;
pub(crate) use preflight::targets::Order;

pub(crate) use direction::{AppliedRun, AppliedVersions, Direction, TargetVersion};

use preflight::request_scope::RequestScope;
use report_record::parts;
use rollout::coordinator::Coordinator;

/// Of what only reads.
const TRIES: u32 = 10;

/// What is to be upgraded, and how.
#[derive(Debug)]
pub(crate) struct UpgradeRequest {
    pub(crate) scope: Scope,
    /// The one database's address, in place of the configured one.
    pub(crate) url: Option<Url>,
    /// `None` leaves tenants alone, and has to be asked for where there are some.
    pub(crate) tenants: Option<TenantSelector>,
    /// Where the report is of that says whom: nowhere else is anything done.
    pub(crate) reported_at: Option<String>,
    pub(crate) shared_alone: bool,
    /// They are new, and their schemas or databases are made first.
    pub(crate) create: Option<IfThere>,
    pub(crate) partition: Option<Partition>,
    pub(crate) order: Order,
    pub(crate) direction: Direction,
    pub(crate) limits: RolloutLimits,
    /// Nothing is done, and what would be is told.
    pub(crate) dry_run: Option<DryRun>,
    /// Settings of the sessions that work: `lock_timeout` and `statement_timeout`.
    pub(crate) settings: Vec<(String, String)>,
}

/// Asked before anything is changed on a server that is not this machine's.
pub(crate) type Confirm<'a> = dyn Fn(&str) -> bool + 'a;

/// Runs it all. Once `interrupted` is cancelled nothing more is begun; what has been begun comes to its end.
pub(crate) async fn upgrade(
    request: &UpgradeRequest,
    confirm: &Confirm<'_>,
    events: EventSink,
    interruption: &Interruption,
) -> Result<report::Report, UpgradeError> {
    let (begun, started_at) = (Instant::now(), SystemTime::now());
    let scope = &request.scope;
    let (project, files) = load_project(scope.config.as_deref(), scope.overrides.clone())?;
    let job = RequestScope::new(request, &project, &files)?;
    let (files, root, events) = (&files, &*project.root, &events);
    let fleet = Coordinator { request, job: &job, files, root, confirm, events, interruption };
    let span = database_span(&job.database.database.name);
    let units = fleet.run().instrument(span).await?;
    let (records, upgraded): (Vec<UnitRecord>, Vec<_>) = units.into_iter().map(parts).unzip();
    let findings = checks::judge(&records, &project.checks);
    let report = report::build(report::Run {
        direction: request.direction.reported(),
        is_rehearsal: request.dry_run.is_some(),
        address: job.database.url.address().ok().map(|address| address.describe()),
        asked: request.direction.asked(),
        started_at: humantime::format_rfc3339_seconds(started_at).to_string(),
        duration: begun.elapsed(),
        interrupted: interruption.requested.is_cancelled(),
        units: upgraded,
        records: &records,
        findings: &findings,
    });
    Ok(report::Report { notes: job.notes(), ..report })
}
