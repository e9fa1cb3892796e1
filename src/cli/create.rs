//! `mig-ci create`: a new tenant's schema or database, and all migrations in it.

use clap::Args;

use super::args::Global;
use super::exit::Exit;
use super::real;
use super::stream::Streams;
use super::upgrade_args::{HowArgs, SiteArgs};
use super::verify::watch_repeated_signals;
use crate::postgres::Url;
use crate::tenants::TenantSelector;
use crate::upgrade::{Direction, IfThere, Order, TargetVersion, UpgradeRequest, upgrade};
use crate::verify;

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The new tenants' names, each as it is
    #[arg(value_name = "TENANT", required = true)]
    pub(crate) tenants: Vec<String>,

    /// Go on with a schema or database that is there already, as `upgrade --tenant` does; without, it is refused
    #[arg(long)]
    pub(crate) if_not_exists: bool,

    #[command(flatten)]
    pub(crate) site: SiteArgs,

    #[command(flatten)]
    pub(crate) how: HowArgs,
}

pub(crate) async fn run(
    global: &Global,
    args: &CreateArgs,
    streams: &Streams,
) -> Result<Exit, verify::VerifyError> {
    let interrupted = watch_repeated_signals();
    let request = request(global, args);
    real::run(global, &args.how, streams, &interrupted, async |confirm, events| {
        upgrade(&request, confirm, events, &interrupted).await
    })
    .await
}

fn request(global: &Global, args: &CreateArgs) -> UpgradeRequest {
    UpgradeRequest {
        scope: real::scope(global, &global.databases, args.site.url.is_some()),
        url: args.site.url.clone().map(Url::new),
        tenants: Some(TenantSelector::New(args.tenants.clone())),
        create: Some(if args.if_not_exists { IfThere::GoOn } else { IfThere::Refuse }),
        shared_alone: false,
        partition: None,
        direction: Direction::Up(TargetVersion::Head),
        order: Order::Source,
        dry_run: None,
        reported_at: None,
        limits: real::limits(&args.how),
        settings: real::settings(&args.how),
    }
}
