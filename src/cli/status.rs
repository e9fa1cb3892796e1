//! `mig-ci status`: where real databases stand. Nothing is changed.

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::args::Global;
use super::exit::Exit;
use super::output;
use super::real;
use super::stream::Streams;
use super::upgrade_args::SiteArgs;
use super::values::{ReportOutput, known, output_of};
use super::verify::watch_signals;
use crate::model::Partition;
use crate::postgres::Url;
use crate::report::RenderOptions;
use crate::report::status::{RENDERERS, Report};
use crate::status::{StatusRequest, status};
use crate::tenants::TenantSelector;
use crate::upgrade::{Direction, Order, TargetVersion, UpgradeError, UpgradeRequest};
use crate::verify::{self, load_project};

#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// This tenant besides, or all whose names match a pattern such as `acme-*` (repeatable)
    #[arg(long = "tenant", value_name = "TENANT", conflicts_with = "all_tenants")]
    pub(crate) tenants: Vec<String>,

    /// All tenants besides
    #[arg(long)]
    pub(crate) all_tenants: bool,

    /// Only this part of all tenants: the second of eight is 2/8
    #[arg(long, value_name = "INDEX/COUNT", env = "MIG_CI_PARTITION")]
    pub(crate) partition: Option<Partition>,

    /// Read ledgers alone, and compare no catalogs
    #[arg(long)]
    pub(crate) no_shapes: bool,

    /// Exit with 1 unless all is at the head, readable, and in one shape
    #[arg(long)]
    pub(crate) check: bool,

    /// How many databases to look at, at one time, where each tenant has one [default: the number of cores]
    #[arg(short, long, value_name = "N", env = "MIG_CI_JOBS", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) jobs: Option<u16>,

    #[command(flatten)]
    pub(crate) site: SiteArgs,

    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", default_value = "terminal", value_parser = status_renderer)]
    pub(crate) format: String,

    /// Also write the report to a file, in place of what it holds (repeatable)
    #[arg(long = "output", value_name = "FORMAT=PATH", value_parser = status_output)]
    pub(crate) outputs: Vec<ReportOutput>,
}

fn status_output(text: &str) -> Result<ReportOutput, String> {
    output_of(text, status_renderer)
}

fn status_renderer(name: &str) -> Result<String, String> {
    known(name, &RENDERERS.iter().map(|(name, _)| *name).collect::<Vec<_>>())
}

pub(crate) async fn run(
    global: &Global,
    args: &StatusArgs,
    streams: &Streams,
) -> Result<Exit, verify::VerifyError> {
    output::probe(&args.outputs)?;
    let interrupted = watch_signals();
    let names = names(global, args)?;
    if names.len() > 1 && (!args.outputs.is_empty() || args.format != "terminal") {
        streams.complain("a report is of one database: name one with -n");
        return Ok(Exit::Usage);
    }
    let mut exit = Exit::Passed;
    for name in &names {
        match one(global, args, name, &interrupted).await {
            Ok(report) => {
                show(args, &report, streams)?;
                exit = exit.and(exit_of(args, &report));
            }
            Err(error) => exit = exit.and(real::refused(error, streams)?),
        }
    }
    Ok(exit)
}

/// As of a run: what is wrong will be wrong the next time, too, and what the environment kept from being read may not.
fn exit_of(args: &StatusArgs, report: &Report) -> Exit {
    if args.check && report.is_wrong_besides() {
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
    let whom = match (args.all_tenants, args.tenants.as_slice()) {
        (true, _) => Some(TenantSelector::All),
        (false, []) => None,
        (false, names) => Some(TenantSelector::Named(names.to_vec())),
    };
    let request = UpgradeRequest {
        scope: real::scope(global, &[name.to_owned()], args.site.url.is_some()),
        url: args.site.url.clone().map(Url::new),
        shared_alone: whom.is_none(),
        tenants: whom,
        partition: args.partition,
        order: Order::Source,
        dry_run: None,
        reported_at: None,
        create: None,
        direction: Direction::Up(TargetVersion::Head),
        limits: real::looking(args.jobs),
        settings: Vec::new(),
    };
    status(&StatusRequest { request, shapes: !args.no_shapes }, interrupted).await
}

/// The databases that are asked for: those that have tenants, where tenants are.
fn names(global: &Global, args: &StatusArgs) -> Result<Vec<String>, verify::VerifyError> {
    let mut scope = real::scope(global, &global.databases, args.site.url.is_some());
    // Addresses are not read before it is known whose.
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

fn show(args: &StatusArgs, report: &Report, streams: &Streams) -> Result<(), verify::VerifyError> {
    let render = |name: &str| {
        let renderer = RENDERERS.iter().find(|(known, _)| *known == name);
        // The command line's own check has let no unknown name through.
        renderer.map_or_else(String::new, |(_, render)| render(report, &RenderOptions::default()))
    };
    streams.print(&render(&args.format))?;
    args.outputs.iter().try_for_each(|each| output::write(&each.path, &render(&each.format)))
}
