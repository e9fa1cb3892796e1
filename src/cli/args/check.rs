//! The options of `verify` and of the commands around it: `list`, `clean`, `action`, `publish`.

use camino::Utf8PathBuf;
use clap::Args;

use super::heading;
use super::values::{ReportOutput, output};
use crate::model::{Partition, ProviderChoice, Severity};
use crate::report::ReportFormat;
use crate::report::verify::v1::Report;

/// The part of the project, and the base.
#[derive(Debug, Args)]
#[command(next_help_heading = heading::SELECTION)]
pub(crate) struct ScopeArgs {
    /// Use only this tenant: a sample, or `fresh_1`, `fresh_2`, `base` (repeatable)
    #[arg(long = "tenant", value_name = "TENANT", env = "MIG_CI_TENANTS")]
    pub(crate) tenants: Vec<String>,

    /// Use only this part of the tenants, to divide them among jobs: 2/8 is the second of eight parts
    #[arg(long, value_name = "INDEX/COUNT", env = "MIG_CI_PARTITION")]
    pub(crate) partition: Option<Partition>,

    /// Compare with this revision [default: the merge base with the default branch]
    #[arg(long, value_name = "REV", env = "MIG_CI_BASE")]
    pub(crate) base: Option<String>,

    /// Run without a base: every migration is pending
    #[arg(long)]
    pub(crate) no_base: bool,
}

/// The PostgreSQL server of a run.
#[derive(Debug, Args)]
#[command(next_help_heading = heading::EXECUTION)]
pub(crate) struct ServerArgs {
    /// Where the PostgreSQL server comes from
    #[arg(long, value_name = "PROVIDER", env = "MIG_CI_PROVIDER")]
    pub(crate) provider: Option<ProviderChoice>,

    /// Major version of PostgreSQL
    #[arg(long, value_name = "MAJOR", env = "MIG_CI_POSTGRES_VERSION")]
    pub(crate) postgres_version: Option<u32>,

    /// Container image of the provider `docker`
    #[arg(long, value_name = "IMAGE", env = "MIG_CI_POSTGRES_IMAGE")]
    pub(crate) postgres_image: Option<String>,

    /// Container image in which Alembic runs, with the project's Python, beside a server of the provider `docker`; with several
    /// (repeatable), a track's `image` selects one
    #[arg(
        long = "runner-image",
        value_name = "IMAGE",
        env = "MIG_CI_RUNNER_IMAGE",
        value_delimiter = ','
    )]
    pub(crate) runner_images: Vec<String>,

    /// Server of the provider `url`; prefer the environment variable, which is not visible in process lists
    #[arg(long, value_name = "URL", env = "MIG_CI_POSTGRES_URL", hide_env_values = true)]
    pub(crate) postgres_url: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = heading::EXECUTION)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    #[command(flatten)]
    pub(crate) server: ServerArgs,

    /// Maximum number of tenants to replay at the same time [default: the number of cores]
    #[arg(short, long, value_name = "N", env = "MIG_CI_JOBS", value_parser = clap::value_parser!(u16).range(1..=64), help_heading = heading::EXECUTION)]
    pub(crate) jobs: Option<u16>,

    /// Fail on findings of this severity or higher [default: error]
    #[arg(long, value_name = "SEVERITY", env = "MIG_CI_FAIL_ON", help_heading = heading::EXECUTION)]
    pub(crate) fail_on: Option<Severity>,

    /// Exit with 5 if no migration is pending
    #[arg(long, help_heading = heading::EXECUTION)]
    pub(crate) require_migrations: bool,

    /// Exit with 5 if there is no sample tenant
    #[arg(long, help_heading = heading::EXECUTION)]
    pub(crate) require_tenants: bool,

    /// Format of the report on stdout
    #[arg(long, value_name = "FORMAT", default_value = "terminal", help_heading = heading::OUTPUT)]
    pub(crate) format: ReportFormat<Report>,

    /// Also write the report to a file, and replace its content (repeatable)
    #[arg(long = "output", value_name = "FORMAT=PATH", value_parser = output::<Report>, help_heading = heading::OUTPUT)]
    pub(crate) outputs: Vec<ReportOutput<Report>>,

    /// Show how long each phase took
    #[arg(long, help_heading = heading::OUTPUT)]
    pub(crate) timings: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ActionArgs {
    /// Used if the inputs are not set: inputs override flags and `MIG_CI_*` variables.
    #[command(flatten)]
    pub(crate) verify: VerifyArgs,

    /// Clean up after the job; the default under the program name `mig-ci-post`
    #[arg(long, help_heading = heading::EXECUTION)]
    pub(crate) post: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = heading::SELECTION)]
pub(crate) struct PublishArgs {
    /// The JSON report
    #[arg(help_heading = None)]
    pub(crate) report: Utf8PathBuf,

    /// Payload of the `workflow_run` event
    #[arg(long, value_name = "PATH", env = "GITHUB_EVENT_PATH")]
    pub(crate) event: Utf8PathBuf,

    /// The action's input `comment-key` [default: default, or the key of the report's partition]
    #[arg(long, value_name = "KEY", value_parser = crate::github::comment_key::parse, help_heading = heading::OUTPUT)]
    pub(crate) comment_key: Option<String>,

    /// Folder of the project in its repository, for links to its files
    #[arg(long, value_name = "PATH", help_heading = heading::OUTPUT)]
    pub(crate) folder: Option<Utf8PathBuf>,

    /// Also create a check run; do not require it, because the author of the pull request controls the report
    #[arg(long, help_heading = heading::OUTPUT)]
    pub(crate) check_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// Print JSON
    #[arg(long, help_heading = heading::OUTPUT)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,

    /// Also remove resources of runs that are still alive
    #[arg(long, help_heading = heading::EXECUTION)]
    pub(crate) all: bool,
}
