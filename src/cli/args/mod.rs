//! The command line: clap's definitions. Groups of options that several commands share are flattened into them, each under
//! one of the headings of [`heading`].

mod check;
mod help;
mod project;
mod real_databases;
mod values;

pub(crate) use check::{
    ActionArgs, CleanArgs, ListArgs, PublishArgs, ScopeArgs, ServerArgs, VerifyArgs,
};
pub(crate) use help::command;
pub(crate) use project::{ExplainArgs, InitArgs, RevisionArgs, SchemaArgs, SchemaOf};
pub(crate) use real_databases::{
    CreateArgs, DowngradeArgs, ExecutionArgs, OrderArg, StatusArgs, TenantArgs, TenantsArgs,
    UpgradeArgs,
};
pub(crate) use values::ReportOutput;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::exit::Exit;

/// The headings of `--help`.
mod heading {
    /// The selection of databases, tenants and revisions.
    pub(super) const SELECTION: &str = "Selection";
    /// How the command works, and when it fails.
    pub(super) const EXECUTION: &str = "Execution";
    /// What is printed and written.
    pub(super) const OUTPUT: &str = "Output";
    /// Options of every command.
    pub(super) const GLOBAL: &str = "Global options";
}

/// Pre-merge gate for PostgreSQL migrations of products with many tenants
#[derive(Debug, Parser)]
#[command(name = "mig-ci", version, max_term_width = 100, after_help = Exit::help())]
pub(crate) struct App {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = heading::GLOBAL)]
pub(crate) struct Global {
    /// Use only this named database, or that of this section of alembic.ini (repeatable)
    #[arg(
        short = 'n',
        long = "name",
        global = true,
        value_name = "NAME",
        env = "MIG_CI_DATABASES",
        help_heading = heading::SELECTION
    )]
    pub(crate) databases: Vec<String>,

    /// Configuration file [default: mig-ci.toml in this folder or a parent, up to the git root]
    #[arg(long, global = true, value_name = "PATH", env = "MIG_CI_CONFIG")]
    pub(crate) config: Option<Utf8PathBuf>,

    /// When to use colors
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,

    /// Format of progress and errors on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// Disable progress output on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Command {
    /// Replay the migrations of base and head for every sample tenant and report failures
    Verify(VerifyArgs),
    /// Apply pending migrations to a real database, one of its tenants, or all tenants
    Upgrade(UpgradeArgs),
    /// Create a new tenant's schema or database and apply all migrations
    Create(CreateArgs),
    /// Show versions and pending migrations of real databases, and tenants that are behind, have drifted, or whose ledger
    /// does not match their schema
    Status(StatusArgs),
    /// Revert migrations of a real database, one of its tenants, or all tenants, with their down scripts
    Downgrade(DowngradeArgs),
    /// List the real tenants with their schema or database and server
    Tenants(TenantsArgs),
    /// Create the next migration file, named and numbered like the existing ones
    Revision(RevisionArgs),
    /// List what `verify` would replay, without a server
    List(ListArgs),
    /// Write a commented mig-ci.toml for the project detected in this folder
    Init(InitArgs),
    /// Explain a check
    Explain(ExplainArgs),
    /// Print the JSON Schema of the configuration or of a report
    Schema(SchemaArgs),
    /// Remove leftovers of interrupted runs
    Clean(CleanArgs),
    /// Publish a saved report as a comment on the pull request, in a GitHub workflow of `on: workflow_run`
    Publish(PublishArgs),
    /// Run as a GitHub Actions step: `verify` with the action's inputs, reported on GitHub
    #[command(hide = true)]
    Action(ActionArgs),
}

impl Command {
    /// The options that select a part of the project, for the commands that have them.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Progress bars on a terminal, lines elsewhere
    Text,
    /// One JSON object per line, for log collectors
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_valid() {
        command().debug_assert();
    }
}
