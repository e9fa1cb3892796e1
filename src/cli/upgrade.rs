//! `mig-ci upgrade`: what `verify` has tried, on real databases.

use super::args::Global;
use super::exit::Exit;
use super::real;
use super::stream::Streams;
use super::upgrade_args::UpgradeArgs;
use super::verify::watch_signals;
use crate::config::process_environment;
use crate::postgres::Url;
use crate::tenants::Whom;
use crate::upgrade::{Limits, Request, To, upgrade};
use crate::verify;

pub(super) async fn run(
    global: &Global,
    args: &UpgradeArgs,
    streams: &Streams,
) -> Result<Exit, verify::Error> {
    let interrupted = watch_signals();
    let request = request(global, args);
    real::run(global, &args.how, streams, async |confirm, events| {
        upgrade(&request, confirm, events, &interrupted).await
    })
    .await
}

fn request(global: &Global, args: &UpgradeArgs) -> Request {
    Request {
        scope: real::scope(global, &global.databases),
        url: args.site.url.clone().map(Url::new),
        whom: whom(args),
        shared_alone: args.shared,
        partition: args.partition,
        to: match args.to.as_str() {
            "head" => To::Head,
            version => To::Version(version.to_owned()),
        },
        limits: Limits {
            canary: args.canary,
            max_failures: args.max_failures,
            ..real::limits(&args.how)
        },
        settings: real::settings(&args.how),
    }
}

/// Flags, and the variables that scripts around other tools set.
fn whom(args: &UpgradeArgs) -> Option<Whom> {
    if args.all_tenants {
        return Some(Whom::All);
    }
    if !args.tenants.is_empty() {
        return Some(Whom::Named(args.tenants.clone()));
    }
    if args.shared {
        return None;
    }
    let variables = ["TENANT_SCHEMA", "TENANT_DB"].into_iter().filter_map(process_environment);
    let targets: Vec<String> = variables.filter(|target| !target.is_empty()).collect();
    (!targets.is_empty()).then_some(Whom::Targets(targets))
}
