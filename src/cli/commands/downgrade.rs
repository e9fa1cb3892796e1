//! `mig-ci downgrade`: reverts migrations with their down scripts.

use std::sync::Arc;
use std::time::SystemTime;

use super::verify::watch_repeated_signals;
use super::{apply_common, resume};
use crate::cli::args::{DowngradeArgs, Global};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::stream::Streams;
use crate::formats::DownTo;
use crate::model::TrackKind;
use crate::postgres::Url;
use crate::report::upgrade::{AppliedBy, AppliedTo, Report, nothing_left};
use crate::tenants::{SavedTenant, TenantSelector};
use crate::upgrade::{AppliedRun, AppliedVersions, Direction, UpgradeRequest, upgrade};

pub(crate) async fn run(
    global: &Global,
    args: &DowngradeArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    let interrupted = watch_repeated_signals();
    let request = match (&args.to, &args.report) {
        (_, Some(path)) => match resume::read_applied(path, &global.databases) {
            Ok(applied) if applied.units.is_empty() => {
                output::probe(&args.execution.outputs)?;
                let report = nothing_to_undo(&format!("the run of {path} applied nothing"));
                return Ok(apply_common::show(&args.execution, &report, streams));
            }
            Ok(applied) => back(global, args, applied),
            Err(error) => {
                streams.complain(&error.to_string());
                return Ok(error.exit());
            }
        },
        (Some(to), None) => request(global, args, to.clone()),
        (None, None) => {
            streams.complain("a target is required: -1, a version, or base");
            return Ok(Exit::Usage);
        }
    };
    apply_common::run(global, &args.execution, streams, &interrupted, async |confirm, events| {
        upgrade(&request, confirm, events, &interrupted).await
    })
    .await
}

fn request(global: &Global, args: &DowngradeArgs, to: DownTo) -> UpgradeRequest {
    UpgradeRequest {
        scope: apply_common::scope(global, &global.databases, args.connection.url.is_some()),
        url: args.connection.url.clone().map(Url::new),
        tenants: apply_common::selected_tenants(&args.tenants),
        reported_at: None,
        shared_only: args.tenants.shared,
        partition: args.tenants.partition,
        order: apply_common::order(&args.tenants),
        dry_run: apply_common::dry_run(&args.tenants, &args.execution),
        create: None,
        direction: Direction::Down(to),
        limits: apply_common::limits_of(&args.tenants, &args.execution),
        settings: apply_common::settings(&args.execution),
    }
}

/// Reverts exactly what a run has applied.
fn back(global: &Global, args: &DowngradeArgs, applied: AppliedBy) -> UpgradeRequest {
    let databases: Vec<String> = applied.database.into_iter().collect();
    let tenants = applied.units.iter().filter(|unit| unit.is_tenant);
    let saved_tenant =
        |unit: &AppliedTo| SavedTenant { name: unit.name.clone(), target: unit.target.clone() };
    let tenants: Vec<SavedTenant> = tenants.map(saved_tenant).collect();
    let versions = applied.units.into_iter().map(|unit| {
        let track = if unit.is_tenant { TrackKind::Tenant } else { TrackKind::Shared };
        let AppliedTo { name, versions, rows_before, .. } = unit;
        ((track, name), AppliedVersions { versions, rows_before })
    });
    UpgradeRequest {
        scope: apply_common::scope(global, &databases, args.connection.url.is_some()),
        shared_only: tenants.is_empty(),
        tenants: (!tenants.is_empty()).then_some(TenantSelector::Saved(tenants)),
        reported_at: applied.address,
        direction: Direction::RollbackRun(Arc::new(AppliedRun { versions: versions.collect() })),
        ..request(global, args, DownTo::Base)
    }
}

fn nothing_to_undo(why: &str) -> Report {
    let started_at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    nothing_left(started_at, format!("Nothing to revert: {why}"))
}
