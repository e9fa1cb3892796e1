//! The options of the commands that need no server: `revision`, `init`, `explain`, `schema`.

use clap::{Args, ValueEnum};

use super::heading;
use crate::model::TrackKind;

#[derive(Debug, Args)]
pub(crate) struct RevisionArgs {
    /// Directory to use, if the database has one for each
    #[arg(long, value_name = "TRACK", help_heading = heading::SELECTION)]
    pub(crate) track: Option<TrackKind>,

    /// Description of the migration, for the file name
    #[arg(short, long, value_name = "TEXT", help_heading = heading::OUTPUT)]
    pub(crate) message: String,
}

#[derive(Debug, Args)]
#[command(next_help_heading = heading::OUTPUT)]
pub(crate) struct InitArgs {
    /// Print the configuration instead of writing the file
    #[arg(long)]
    pub(crate) stdout: bool,

    /// Replace an existing file
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Code of a check, such as `migration-failed`; without it, all checks are listed
    pub(crate) code: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// The file to describe
    #[arg(default_value = "config")]
    pub(crate) of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// mig-ci.toml
    Config,
    /// The JSON report of verify
    Report,
    /// The JSON report of upgrade, downgrade and create
    Upgrade,
    /// The JSON report of status
    Status,
    /// The JSON report of tenants
    Tenants,
}
