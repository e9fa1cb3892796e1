//! The command line. Groups of flags that several commands share are flattened into them.

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::create::CreateArgs;
use super::downgrade_args::DowngradeArgs;
use super::exit::Exit;
use super::revision::RevisionArgs;
use super::status::StatusArgs;
use super::tenants::TenantsArgs;
use super::upgrade_args::UpgradeArgs;
use super::values::{ReportOutput, one_of, output, renderer};
use crate::model::{Partition, ProviderChoice, Severity};

/// The pre-merge gate for Postgres migrations of products with many tenants.
#[derive(Debug, Parser)]
#[command(name = "mig-ci", version, max_term_width = 100, after_help = Exit::help())]
pub(crate) struct App {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration file [default: mig-ci.toml here or in a folder above, up to the git root]
    #[arg(long, global = true, value_name = "PATH", env = "MIG_CI_CONFIG")]
    pub(crate) config: Option<Utf8PathBuf>,

    /// Only this named database (repeatable)
    #[arg(
        short = 'n',
        long = "name",
        global = true,
        value_name = "NAME",
        env = "MIG_CI_DATABASES"
    )]
    pub(crate) databases: Vec<String>,

    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,

    /// How progress and errors are written to stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// No progress on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Command {
    /// Replay base and head for every sample tenant, and judge what happened
    Verify(VerifyArgs),
    /// Apply what is pending to a real database, to one of its tenants, or to all of them
    Upgrade(UpgradeArgs),
    /// Make a new tenant's schema or database, and bring it to the newest migration
    Create(CreateArgs),
    /// Show where real databases stand: their versions, what is pending, and which tenants are not like the others
    Status(StatusArgs),
    /// Undo migrations of a real database, of one of its tenants, or of all of them, by their own down scripts
    Downgrade(DowngradeArgs),
    /// Print who the real tenants are, and where each lives
    Tenants(TenantsArgs),
    /// Write the next migration's file, named and numbered as those that are there
    Revision(RevisionArgs),
    /// Print what `verify` would run, without a server
    List(ListArgs),
    /// Write a commented mig-ci.toml from what is found in this folder
    Init(InitArgs),
    /// Explain a check code
    Explain(ExplainArgs),
    /// Print the JSON Schema of the configuration or of the report
    Schema(SchemaArgs),
    /// Remove what interrupted runs have left behind
    Clean(CleanArgs),
    /// In a GitHub workflow of `on: workflow_run`: comment on the pull request of that run with a report that it has saved
    Publish(PublishArgs),
    /// Be a step of a GitHub workflow: `verify` by the inputs of the action, shown where GitHub shows things
    #[command(hide = true)]
    Action(ActionArgs),
}

impl Command {
    /// What says which part of the project is meant, for the commands that ask.
    pub(crate) fn scope_mut(&mut self) -> Option<&mut ScopeArgs> {
        match self {
            Self::Verify(args) => Some(&mut args.scope),
            Self::List(args) => Some(&mut args.scope),
            Self::Action(args) => Some(&mut args.verify.scope),
            Self::Upgrade(_)
            | Self::Create(_)
            | Self::Downgrade(_)
            | Self::Status(_)
            | Self::Tenants(_)
            | Self::Revision(_)
            | Self::Init(_)
            | Self::Explain(_)
            | Self::Schema(_)
            | Self::Publish(_)
            | Self::Clean(_) => None,
        }
    }
}

/// What of the project, and compared with what.
#[derive(Debug, Args)]
pub(crate) struct ScopeArgs {
    /// Only this tenant, sample or `fresh_1`, `fresh_2`, `base` (repeatable)
    #[arg(long = "tenant", value_name = "TENANT", env = "MIG_CI_TENANTS")]
    pub(crate) tenants: Vec<String>,

    /// Only this part of the tenants, to divide them among jobs: the second of eight is 2/8
    #[arg(long, value_name = "INDEX/COUNT", env = "MIG_CI_PARTITION")]
    pub(crate) partition: Option<Partition>,

    /// Compare with this revision [default: the merge base with the default branch]
    #[arg(long, value_name = "REV", env = "MIG_CI_BASE")]
    pub(crate) base: Option<String>,

    /// Compare with nothing: every migration is pending
    #[arg(long)]
    pub(crate) no_base: bool,
}

/// Which Postgres.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// What makes the server
    #[arg(long, value_name = "PROVIDER", env = "MIG_CI_PROVIDER", value_parser = one_of::<ProviderChoice>)]
    pub(crate) provider: Option<ProviderChoice>,

    /// The major version of PostgreSQL
    #[arg(long, value_name = "MAJOR", env = "MIG_CI_POSTGRES_VERSION")]
    pub(crate) postgres_version: Option<u32>,

    /// The container image of the docker provider
    #[arg(long, value_name = "IMAGE", env = "MIG_CI_POSTGRES_IMAGE")]
    pub(crate) postgres_image: Option<String>,

    /// The server of the url provider; better given by its environment variable, which no process list shows
    #[arg(long, value_name = "URL", env = "MIG_CI_POSTGRES_URL", hide_env_values = true)]
    pub(crate) postgres_url: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    #[command(flatten)]
    pub(crate) server: ServerArgs,

    /// How many tenants to work on at one time [default: the number of cores]
    #[arg(short, long, value_name = "N", env = "MIG_CI_JOBS", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) jobs: Option<u16>,

    /// What to print on stdout
    #[arg(long, value_name = "FORMAT", default_value = "terminal", value_parser = renderer)]
    pub(crate) format: String,

    /// Also write the report to a file, in place of what it holds (repeatable)
    #[arg(long = "output", value_name = "FORMAT=PATH", value_parser = output)]
    pub(crate) outputs: Vec<ReportOutput>,

    /// Fail on findings of this severity or worse [default: error]
    #[arg(long, value_name = "SEVERITY", env = "MIG_CI_FAIL_ON", value_parser = one_of::<Severity>)]
    pub(crate) fail_on: Option<Severity>,

    /// Show where the time went
    #[arg(long)]
    pub(crate) timings: bool,

    /// Exit with 5 if no migration is pending
    #[arg(long)]
    pub(crate) require_migrations: bool,

    /// Exit with 5 if there is no sample tenant
    #[arg(long)]
    pub(crate) require_tenants: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ActionArgs {
    /// What inputs do not say: they win over flags and `MIG_CI_*` variables.
    #[command(flatten)]
    pub(crate) verify: VerifyArgs,

    /// Clean up after the job; also what the program does under the name `mig-ci-post`
    #[arg(long)]
    pub(crate) post: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The JSON report
    pub(crate) report: Utf8PathBuf,

    /// The payload of the `workflow_run` event
    #[arg(long, value_name = "PATH", env = "GITHUB_EVENT_PATH")]
    pub(crate) event: Utf8PathBuf,

    /// The action's input `comment-key` [default: default, or that of the report's partition]
    #[arg(long, value_name = "KEY", value_parser = crate::github::inputs::key)]
    pub(crate) comment_key: Option<String>,

    /// Where the project is in its repository, for links to its files
    #[arg(long, value_name = "PATH")]
    pub(crate) folder: Option<Utf8PathBuf>,

    /// Also make a check run: no required check should be one, since the report says what its author wants it to say
    #[arg(long)]
    pub(crate) check_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) scope: ScopeArgs,

    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Print it instead of writing the file
    #[arg(long)]
    pub(crate) stdout: bool,

    /// Replace a file that is already there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A check code, such as `migration-failed`; without it, all of them
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Of which file
    #[arg(default_value = "config")]
    pub(crate) of: SchemaOf,
}

#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,

    /// Also what belongs to runs that are still alive
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// mig-ci.toml
    Config,
    /// The report of verify, `--format json`
    Report,
    /// That of upgrade, downgrade and create
    Upgrade,
    /// That of status
    Status,
    /// That of tenants
    Tenants,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people: bars on a terminal, lines elsewhere
    Text,
    /// For log collectors: an object on each line
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        App::command().debug_assert();
    }
}
