//! `mig-ci upgrade`: applies migrations to real databases.

use super::verify::watch_repeated_signals;
use super::{apply_common, resume};
use crate::cli::args::{Global, UpgradeArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::stream::Streams;
use crate::postgres::Url;
use crate::report::upgrade::RemainingUnits;
use crate::tenants::{SavedTenant, TenantSelector};
use crate::upgrade::{Direction, TargetVersion, UpgradeRequest, upgrade};

pub(crate) async fn run(
    global: &Global,
    args: &UpgradeArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    let interrupted = watch_repeated_signals();
    let left = match args.resume.as_deref().map(|path| resume::read(path, &global.databases)) {
        None => None,
        Some(Ok(left)) => Some(left),
        Some(Err(error)) => {
            streams.complain(&error.to_string());
            return Ok(error.exit());
        }
    };
    if let (Some(path), Some(left)) = (&args.resume, &left)
        && left.tenants.is_empty()
        && !left.shared
    {
        output::probe(&args.execution.outputs)?;
        return Ok(apply_common::show(&args.execution, &resume::nothing_left(path, left), streams));
    }
    let request = request(global, args, left);
    apply_common::run(global, &args.execution, streams, &interrupted, async |confirm, events| {
        upgrade(&request, confirm, events, &interrupted).await
    })
    .await
}

fn request(global: &Global, args: &UpgradeArgs, left: Option<RemainingUnits>) -> UpgradeRequest {
    let databases = match &left {
        Some(left) => left.database.iter().cloned().collect(),
        None => global.databases.clone(),
    };
    let reported_at = left.as_ref().and_then(|left| left.address.clone());
    let (selector, shared_only) = match left {
        Some(left) => (tenants_of(&left), left.tenants.is_empty()),
        None => (apply_common::selected_tenants(&args.tenants), args.tenants.shared),
    };
    UpgradeRequest {
        scope: apply_common::scope(global, &databases, args.connection.url.is_some()),
        url: args.connection.url.clone().map(Url::new),
        tenants: selector,
        reported_at,
        shared_only,
        create: None,
        partition: args.tenants.partition,
        direction: Direction::Up(match args.to.as_str() {
            "head" => TargetVersion::Head,
            version => TargetVersion::Version(version.to_owned()),
        }),
        order: apply_common::order(&args.tenants),
        dry_run: apply_common::dry_run(&args.tenants, &args.execution),
        limits: apply_common::limits_of(&args.tenants, &args.execution),
        settings: apply_common::settings(&args.execution),
    }
}

/// `None` if the report only has the shared track left.
fn tenants_of(left: &RemainingUnits) -> Option<TenantSelector> {
    let saved_tenant = |(name, target): &(String, String)| SavedTenant {
        name: name.clone(),
        target: target.clone(),
    };
    let tenants: Vec<SavedTenant> = left.tenants.iter().map(saved_tenant).collect();
    (!tenants.is_empty()).then_some(TenantSelector::Saved(tenants))
}
