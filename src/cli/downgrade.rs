//! `mig-ci downgrade`: the way back, by the migrations' own scripts.

use std::sync::Arc;
use std::time::SystemTime;

use super::args::Global;
use super::downgrade_args::DowngradeArgs;
use super::exit::Exit;
use super::stream::Streams;
use super::verify::watch_repeated_signals;
use super::{output, real, resume};
use crate::formats::DownTo;
use crate::model::TrackKind;
use crate::postgres::Url;
use crate::report::upgrade::{AppliedBy, AppliedTo, Report, nothing_left};
use crate::tenants::{SavedTenant, TenantSelector};
use crate::upgrade::{AppliedRun, AppliedVersions, Direction, UpgradeRequest, upgrade};
use crate::verify;

pub(crate) async fn run(
    global: &Global,
    args: &DowngradeArgs,
    streams: &Streams,
) -> Result<Exit, verify::VerifyError> {
    let interrupted = watch_repeated_signals();
    let request = match (&args.to, &args.report) {
        (_, Some(path)) => match resume::read_applied(path, &global.databases) {
            Ok(applied) if applied.units.is_empty() => {
                output::probe(&args.how.outputs)?;
                let report = nothing_to_undo(&format!("the run of {path} has applied nothing"));
                return Ok(real::show(&args.how, &report, streams));
            }
            Ok(applied) => back(global, args, applied),
            Err(error) => {
                streams.complain(&error.to_string());
                return Ok(error.exit());
            }
        },
        (Some(to), None) => request(global, args, to.clone()),
        (None, None) => {
            streams.complain("say how far: -1, a version, or base");
            return Ok(Exit::Usage);
        }
    };
    real::run(global, &args.how, streams, &interrupted, async |confirm, events| {
        upgrade(&request, confirm, events, &interrupted).await
    })
    .await
}

fn request(global: &Global, args: &DowngradeArgs, to: DownTo) -> UpgradeRequest {
    UpgradeRequest {
        scope: real::scope(global, &global.databases, args.site.url.is_some()),
        url: args.site.url.clone().map(Url::new),
        tenants: real::whom(&args.whom),
        reported_at: None,
        shared_alone: args.whom.shared,
        partition: args.whom.partition,
        order: real::order(&args.whom),
        dry_run: real::rehearsal(&args.whom, &args.how),
        create: None,
        direction: Direction::Down(to),
        limits: real::limits_of(&args.whom, &args.how),
        settings: real::settings(&args.how),
    }
}

/// Exactly what a run has done.
fn back(global: &Global, args: &DowngradeArgs, applied: AppliedBy) -> UpgradeRequest {
    let databases: Vec<String> = applied.database.into_iter().collect();
    let tenants = applied.units.iter().filter(|unit| unit.is_tenant);
    let recorded =
        |unit: &AppliedTo| SavedTenant { name: unit.name.clone(), target: unit.target.clone() };
    let tenants: Vec<SavedTenant> = tenants.map(recorded).collect();
    let versions = applied.units.into_iter().map(|unit| {
        let track = if unit.is_tenant { TrackKind::Tenant } else { TrackKind::Shared };
        let AppliedTo { name, versions, rows_before, .. } = unit;
        ((track, name), AppliedVersions { versions, rows_before })
    });
    UpgradeRequest {
        scope: real::scope(global, &databases, args.site.url.is_some()),
        shared_alone: tenants.is_empty(),
        tenants: (!tenants.is_empty()).then_some(TenantSelector::Recorded(tenants)),
        reported_at: applied.address,
        direction: Direction::RollbackRun(Arc::new(AppliedRun { versions: versions.collect() })),
        ..request(global, args, DownTo::Base)
    }
}

fn nothing_to_undo(why: &str) -> Report {
    let started_at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    nothing_left(started_at, format!("Nothing is to be undone: {why}"))
}
