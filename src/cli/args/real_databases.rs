//! The options of the commands on real databases: `upgrade`, `create`, `downgrade`, `status`, `tenants`.

use std::time::Duration;

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};

use super::heading;
use super::values::{ReportOutput, down_to, duration_or_zero, output, server_timeout};
use crate::formats::DownTo;
use crate::model::Partition;
use crate::report::{ReportFormat, status, tenants, upgrade};

#[derive(Debug, Args)]
pub(crate) struct UpgradeArgs {
    /// Target version: `head`, or the version of a migration
    #[arg(value_name = "VERSION", default_value = "head")]
    pub(crate) to: String,

    /// Continue from a saved report (`--output json=REPORT`): upgrade the shared track, and then the tenants of the report
    /// that failed or were not run
    #[arg(
        long,
        value_name = "REPORT",
        conflicts_with_all = ["shared", "tenants", "all_tenants", "partition"],
        help_heading = heading::SELECTION
    )]
    pub(crate) resume: Option<Utf8PathBuf>,

    #[command(flatten)]
    pub(crate) tenants: TenantArgs,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    #[command(flatten)]
    pub(crate) execution: ExecutionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Names of the new tenants, used literally
    #[arg(value_name = "TENANT", required = true)]
    pub(crate) tenants: Vec<String>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    /// Accept an existing schema or database and upgrade it; by default it is refused
    #[arg(long, help_heading = heading::EXECUTION)]
    pub(crate) if_not_exists: bool,

    #[command(flatten)]
    pub(crate) execution: ExecutionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DowngradeArgs {
    /// Target: `-1` reverts the last migration, a version reverts everything after it, `base` reverts everything
    #[arg(
        value_name = "-N|VERSION|base",
        allow_negative_numbers = true,
        required_unless_present = "report",
        conflicts_with = "report",
        value_parser = down_to
    )]
    pub(crate) to: Option<DownTo>,

    /// Revert exactly what the run of this report (`upgrade --output json=PATH`) applied
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with_all = ["shared", "tenants", "all_tenants", "partition"],
        help_heading = heading::SELECTION
    )]
    pub(crate) report: Option<Utf8PathBuf>,

    #[command(flatten)]
    pub(crate) tenants: TenantArgs,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    #[command(flatten)]
    pub(crate) execution: ExecutionArgs,
}

/// The targets of a database, their order, and when to stop.
#[derive(Debug, Args)]
#[command(next_help_heading = heading::SELECTION)]
pub(crate) struct TenantArgs {
    /// Only the shared track
    #[arg(long, conflicts_with_all = ["tenants", "all_tenants"])]
    pub(crate) shared: bool,

    /// This tenant, or all tenants that match a pattern such as `acme-*` (repeatable). The variables TENANT_SCHEMA and
    /// TENANT_DB select a tenant by its schema or database
    #[arg(long = "tenant", value_name = "TENANT", conflicts_with = "all_tenants")]
    pub(crate) tenants: Vec<String>,

    /// All tenants
    #[arg(long)]
    pub(crate) all_tenants: bool,

    /// Only this part of all tenants, to divide them among machines: 2/8 is the second of eight parts
    #[arg(long, value_name = "INDEX/COUNT", env = "MIG_CI_PARTITION")]
    pub(crate) partition: Option<Partition>,

    /// Order in which tenants are processed; the report always has the order of the source
    #[arg(long, value_name = "ORDER", default_value = "source", help_heading = heading::EXECUTION)]
    pub(crate) order: OrderArg,

    /// Process the first N tenants that have pending work; continue only if all of them succeed
    #[arg(long, value_name = "N", help_heading = heading::EXECUTION)]
    pub(crate) canary: Option<usize>,

    /// Stop starting new tenants after more than N have failed
    #[arg(long, value_name = "N", help_heading = heading::EXECUTION)]
    pub(crate) max_failures: Option<usize>,

    /// Change nothing: print the SQL that would be sent to each target, and the expected results as comments
    #[arg(long, help_heading = heading::EXECUTION)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderArg {
    /// As returned by the source of tenants
    Source,
    /// By name
    Name,
    /// A new random order in each run, so that the canaries are a random sample
    Random,
}

/// The address of a real database.
#[derive(Debug, Args)]
#[command(next_help_heading = heading::SELECTION)]
pub(crate) struct ConnectionArgs {
    /// Address of the database; overrides the configuration. DATABASE_URL is used if none is configured
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// How real databases are changed, and how the result is reported.
#[derive(Debug, Args)]
#[command(next_help_heading = heading::EXECUTION)]
pub(crate) struct ExecutionArgs {
    /// Maximum number of tenants to process at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", env = "MIG_CI_JOBS", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) jobs: Option<u16>,

    /// Maximum time to wait for a lock before the migration is rolled back and retried; 0 disables it
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = server_timeout)]
    pub(crate) lock_timeout: Duration,

    /// Maximum duration of a statement; 0 disables it
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = server_timeout)]
    pub(crate) statement_timeout: Duration,

    /// Maximum time to wait for another run that holds a tenant
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration_or_zero)]
    pub(crate) wait: Duration,

    /// Skip confirmation for remote servers
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Format of the report on stdout
    #[arg(long, value_name = "FORMAT", default_value = "terminal", help_heading = heading::OUTPUT)]
    pub(crate) format: ReportFormat<upgrade::Report>,

    /// Also write the report to a file, and replace its content (repeatable)
    #[arg(long = "output", value_name = "FORMAT=PATH", value_parser = output::<upgrade::Report>, help_heading = heading::OUTPUT)]
    pub(crate) outputs: Vec<ReportOutput<upgrade::Report>>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = heading::SELECTION)]
pub(crate) struct StatusArgs {
    /// Also show this tenant, or all tenants that match a pattern such as `acme-*` (repeatable)
    #[arg(long = "tenant", value_name = "TENANT", conflicts_with = "all_tenants")]
    pub(crate) tenants: Vec<String>,

    /// Also show all tenants
    #[arg(long)]
    pub(crate) all_tenants: bool,

    /// Only this part of all tenants: 2/8 is the second of eight parts
    #[arg(long, value_name = "INDEX/COUNT", env = "MIG_CI_PARTITION")]
    pub(crate) partition: Option<Partition>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    /// Skip schema-drift detection
    #[arg(long, help_heading = heading::EXECUTION)]
    pub(crate) no_shapes: bool,

    /// Exit 1 if any tenant is behind, unreadable or drifted
    #[arg(long, help_heading = heading::EXECUTION)]
    pub(crate) check: bool,

    /// Maximum number of databases to read at the same time, if each tenant has one [default: the number of cores]
    #[arg(short, long, value_name = "N", env = "MIG_CI_JOBS", value_parser = clap::value_parser!(u16).range(1..=64), help_heading = heading::EXECUTION)]
    pub(crate) jobs: Option<u16>,

    /// Format of the report on stdout
    #[arg(long, value_name = "FORMAT", default_value = "terminal", help_heading = heading::OUTPUT)]
    pub(crate) format: ReportFormat<status::Report>,

    /// Also write the report to a file, and replace its content (repeatable)
    #[arg(long = "output", value_name = "FORMAT=PATH", value_parser = output::<status::Report>, help_heading = heading::OUTPUT)]
    pub(crate) outputs: Vec<ReportOutput<status::Report>>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = heading::SELECTION)]
pub(crate) struct TenantsArgs {
    /// Only this part of the tenants, divided as by `upgrade`: 2/8 is the second of eight parts
    #[arg(long, value_name = "INDEX/COUNT", env = "MIG_CI_PARTITION")]
    pub(crate) partition: Option<Partition>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    /// Output format on stdout
    #[arg(long, value_name = "FORMAT", default_value = "terminal", help_heading = heading::OUTPUT)]
    pub(crate) format: ReportFormat<tenants::Report>,
}
