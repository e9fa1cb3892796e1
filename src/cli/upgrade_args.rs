//! The flags of `mig-ci upgrade`, and those that other commands on real databases share with it.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::values::{ReportOutput, known, output_of};
use crate::model::Partition;

#[derive(Debug, Args)]
pub(crate) struct UpgradeArgs {
    /// How far: `head`, or the version of a migration
    #[arg(value_name = "VERSION", default_value = "head")]
    pub(crate) to: String,

    /// Go on from a saved report, what `--output json=REPORT` has written: the shared track, and then those of its tenants
    /// that failed or were not run
    #[arg(long, value_name = "REPORT", conflicts_with_all = ["shared", "tenants", "all_tenants", "partition"])]
    pub(crate) resume: Option<Utf8PathBuf>,

    #[command(flatten)]
    pub(crate) whom: WhomArgs,

    #[command(flatten)]
    pub(crate) site: SiteArgs,

    #[command(flatten)]
    pub(crate) how: HowArgs,
}

/// Which part of a database, and how much of that is risked.
#[derive(Debug, Args)]
pub(crate) struct WhomArgs {
    /// The shared track alone, where there are tenants
    #[arg(long, conflicts_with_all = ["tenants", "all_tenants"])]
    pub(crate) shared: bool,

    /// This tenant, or all whose names match a pattern such as `acme-*` (repeatable). The
    /// variables TENANT_SCHEMA and TENANT_DB name one by its schema or database
    #[arg(long = "tenant", value_name = "TENANT", conflicts_with = "all_tenants")]
    pub(crate) tenants: Vec<String>,

    /// All tenants
    #[arg(long)]
    pub(crate) all_tenants: bool,

    /// Only this part of all tenants, to divide them among machines: the second of eight is 2/8
    #[arg(long, value_name = "INDEX/COUNT", env = "MIG_CI_PARTITION")]
    pub(crate) partition: Option<Partition>,

    /// In which order tenants are begun; the report has them in the order of their source
    #[arg(long, value_name = "ORDER", default_value = "source")]
    pub(crate) order: OrderArg,

    /// Begin with the first few tenants, and the others only if none of these fails
    #[arg(long, value_name = "N")]
    pub(crate) canary: Option<usize>,

    /// Begin no more tenants once more than this have failed
    #[arg(long, value_name = "N")]
    pub(crate) max_failures: Option<usize>,

    /// Change nothing: print the SQL that would be sent to each target, and then, as comments, what would become of it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderArg {
    /// As the source gives them
    Source,
    /// By name
    Name,
    /// Another one each time, so that canaries are a fair sample
    Random,
}

/// Where a real database is.
#[derive(Debug, Args)]
pub(crate) struct SiteArgs {
    /// The database's address, in place of the configured one; DATABASE_URL is read where none is configured
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// How real databases are changed, and what is said of it.
#[derive(Debug, Args)]
pub(crate) struct HowArgs {
    /// How many tenants to work on at one time [default: the number of cores]
    #[arg(short, long, value_name = "N", env = "MIG_CI_JOBS", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) jobs: Option<u16>,

    /// How long a statement waits for a lock; then the migration is rolled back and tried again, a few times. With 0 it
    /// waits for as long as that takes; progress shows who has been at work for long
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime_or_zero)]
    pub(crate) lock_timeout: Duration,

    /// How long a statement may take. 0 is for ever
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = humantime_or_zero)]
    pub(crate) statement_timeout: Duration,

    /// How long to wait for another run that works on a tenant
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = humantime_or_zero)]
    pub(crate) wait: Duration,

    /// Do not ask before servers that are not this machine's are changed
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", default_value = "terminal", value_parser = upgrade_renderer)]
    pub(crate) format: String,

    /// Also write the report to a file, in place of what it holds (repeatable)
    #[arg(long = "output", value_name = "FORMAT=PATH", value_parser = upgrade_output)]
    pub(crate) outputs: Vec<ReportOutput>,
}

fn upgrade_output(text: &str) -> Result<ReportOutput, String> {
    output_of(text, upgrade_renderer)
}

fn upgrade_renderer(name: &str) -> Result<String, String> {
    known(
        name,
        &crate::report::upgrade::RENDERERS.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
    )
}

/// `5s`, `1h 30m`, or 0.
fn humantime_or_zero(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        text => {
            humantime::parse_duration(text).map_err(|error| format!("{error}, as in 5s or 10m"))
        }
    }
}
