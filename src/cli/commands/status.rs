//! `mig-ci status`: shows the state of real databases. Read-only.

use tokio_util::sync::CancellationToken;

use super::apply_common;
use super::verify::watch_signals;
use crate::cli::args::{Global, StatusArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::stream::Streams;
use crate::postgres::Url;
use crate::project::load_project;
use crate::report::status::Report;
use crate::report::{RenderOptions, ReportFormat};
use crate::status::{StatusRequest, status};
use crate::tenants::TenantSelector;
use crate::upgrade::{Direction, Order, TargetVersion, UpgradeError, UpgradeRequest};

pub(crate) async fn run(
    global: &Global,
    args: &StatusArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    output::probe(&args.outputs)?;
    let interrupted = watch_signals();
    let names = names(global, args)?;
    if names.len() > 1 && (!args.outputs.is_empty() || !args.format.is_terminal()) {
        streams.complain("a report covers one database: choose one with -n");
        return Ok(Exit::Usage);
    }
    let mut exit = Exit::Passed;
    for name in &names {
        match one(global, args, name, &interrupted).await {
            Ok(report) => {
                show(args, &report, streams)?;
                exit = exit.and(exit_of(args, &report));
            }
            Err(error) => exit = exit.and(apply_common::refused(error, streams)?),
        }
    }
    Ok(exit)
}

/// The same as for a run: wrong results will be wrong the next time, too, and a failure of the environment may be gone.
fn exit_of(args: &StatusArgs, report: &Report) -> Exit {
    if args.check && report.has_other_problems() {
        Exit::Failed
    } else if report.environment_failed() {
        Exit::Environment
    } else {
        Exit::Passed
    }
}

async fn one(
    global: &Global,
    args: &StatusArgs,
    name: &str,
    interrupted: &CancellationToken,
) -> Result<Report, UpgradeError> {
    let selector = match (args.all_tenants, args.tenants.as_slice()) {
        (true, _) => Some(TenantSelector::All),
        (false, []) => None,
        (false, names) => Some(TenantSelector::Named(names.to_vec())),
    };
    let request = UpgradeRequest {
        scope: apply_common::scope(global, &[name.to_owned()], args.connection.url.is_some()),
        url: args.connection.url.clone().map(Url::new),
        shared_only: selector.is_none(),
        tenants: selector,
        partition: args.partition,
        order: Order::Source,
        dry_run: None,
        reported_at: None,
        create: None,
        direction: Direction::Up(TargetVersion::Head),
        limits: apply_common::read_only_limits(args.jobs),
        settings: Vec::new(),
    };
    status(&StatusRequest { request, shapes: !args.no_shapes }, interrupted).await
}

/// The requested databases: if tenants are requested, only those with tenants.
fn names(global: &Global, args: &StatusArgs) -> Result<Vec<String>, CommandError> {
    let mut scope = apply_common::scope(global, &global.databases, args.connection.url.is_some());
    // Addresses are not read before the databases are known.
    scope.overrides.connect = None;
    let (project, _) = load_project(scope.config.as_deref(), scope.overrides)?;
    let databases = scope.selection.databases(&project.databases)?;
    let wants_tenants = args.all_tenants || !args.tenants.is_empty();
    let fits = |named: bool, has_tenants: bool| named || has_tenants || !wants_tenants;
    let fitting = databases
        .into_iter()
        .filter(|database| fits(!global.databases.is_empty(), database.tenants.is_some()));
    Ok(fitting.map(|database| database.name.clone()).collect())
}

fn show(args: &StatusArgs, report: &Report, streams: &Streams) -> Result<(), CommandError> {
    let render = |format: ReportFormat<Report>| format.render(report, &RenderOptions::default());
    streams.print(&render(args.format))?;
    args.outputs.iter().try_for_each(|each| output::write(&each.path, &render(each.format)))
}
