//! `upgrade` and `downgrade` on real servers: load the project, resolve the tenants, run the shared track, then all tenants,
//! and build the report.
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
pub(crate) mod own_sql;
pub(crate) mod preflight;
mod report_record;
pub(crate) mod rollout;
pub(crate) mod session;
pub(crate) mod stop_reason;
pub(crate) mod target;
pub(crate) mod track;

pub(crate) use create::IfExists;
pub(crate) use error::UpgradeError;
pub(crate) use interruption::Interruption;
pub(crate) use rollout::limits::RolloutLimits;

pub(crate) use dry_run::DryRun;
pub(crate) use preflight::targets::Order;

pub(crate) use direction::{AppliedRun, AppliedVersions, Direction, TargetVersion};

use preflight::database_target::DatabaseTarget;
use preflight::request_scope::RequestScope;
use report_record::parts;
use rollout::coordinator::Coordinator;

/// What to upgrade, and how.
#[derive(Debug)]
pub(crate) struct UpgradeRequest {
    pub(crate) scope: Scope,
    /// The address of the selected database; replaces the configured one.
    pub(crate) url: Option<Url>,
    /// `None`: no tenants. A database that has tenants then requires `shared_only`.
    pub(crate) tenants: Option<TenantSelector>,
    /// The server of the report that selects the tenants: the run is refused on any other server.
    pub(crate) reported_at: Option<String>,
    pub(crate) shared_only: bool,
    /// Creates the schemas or databases of new tenants first.
    pub(crate) create: Option<IfExists>,
    pub(crate) partition: Option<Partition>,
    pub(crate) order: Order,
    pub(crate) direction: Direction,
    pub(crate) limits: RolloutLimits,
    /// Prints the SQL instead of executing it.
    pub(crate) dry_run: Option<DryRun>,
    /// Settings of the worker sessions: `lock_timeout` and `statement_timeout`.
    pub(crate) settings: Vec<(String, String)>,
}

/// Confirms changes on a server that is not on this machine.
pub(crate) type Confirm<'a> = dyn Fn(&str) -> bool + 'a;

/// Runs an upgrade or downgrade. After `interruption` no migration starts; migrations already in flight are allowed to
/// finish.
pub(crate) async fn upgrade(
    request: &UpgradeRequest,
    confirm: &Confirm<'_>,
    events: EventSink,
    interruption: &Interruption,
) -> Result<report::Report, UpgradeError> {
    let (started, started_at) = (Instant::now(), SystemTime::now());
    let scope = &request.scope;
    let (project, files) = load_project(scope.config.as_deref(), scope.overrides.clone())?;
    DatabaseTarget::check_format(request, &project, &request.direction.alembic_command())?;
    let scope = RequestScope::new(request, &project, &files)?;
    let (files, root, events) = (&files, &*project.root, &events);
    let coordinator =
        Coordinator { request, scope: &scope, files, root, confirm, events, interruption };
    let span = database_span(&scope.database.database.name);
    let units = coordinator.run().instrument(span).await?;
    let (records, upgraded): (Vec<UnitRecord>, Vec<_>) = units.into_iter().map(parts).unzip();
    let findings = checks::judge(&records, &project.checks);
    let report = report::build(report::Run {
        direction: request.direction.reported(),
        is_dry_run: request.dry_run.is_some(),
        address: scope.database.url.address().ok().map(|address| address.describe()),
        requested: request.direction.requested_version(),
        has_tenants: scope.database.database.tenants.is_some(),
        started_at: humantime::format_rfc3339_seconds(started_at).to_string(),
        duration: started.elapsed(),
        interrupted: interruption.requested.is_cancelled(),
        units: upgraded,
        records: &records,
        findings: &findings,
    });
    Ok(report::Report { notes: scope.notes(), ..report })
}
