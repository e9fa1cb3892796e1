//! `mig-ci create`: creates a new tenant's schema or database, and applies all migrations to it.

use super::apply_common;
use super::verify::watch_repeated_signals;
use crate::cli::args::{CreateArgs, Global};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;
use crate::postgres::Url;
use crate::tenants::TenantSelector;
use crate::upgrade::{Direction, IfExists, Order, TargetVersion, UpgradeRequest, upgrade};

pub(crate) async fn run(
    global: &Global,
    args: &CreateArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    let interrupted = watch_repeated_signals();
    let request = request(global, args);
    apply_common::run(global, &args.execution, streams, &interrupted, async |confirm, events| {
        upgrade(&request, confirm, events, &interrupted).await
    })
    .await
}

fn request(global: &Global, args: &CreateArgs) -> UpgradeRequest {
    UpgradeRequest {
        scope: apply_common::scope(global, &global.databases, args.connection.url.is_some()),
        url: args.connection.url.clone().map(Url::new),
        tenants: Some(TenantSelector::New(args.tenants.clone())),
        create: Some(if args.if_not_exists { IfExists::Continue } else { IfExists::Fail }),
        shared_only: false,
        partition: None,
        direction: Direction::Up(TargetVersion::Head),
        order: Order::Source,
        dry_run: None,
        reported_at: None,
        limits: apply_common::limits(&args.execution),
        settings: apply_common::settings(&args.execution),
    }
}
