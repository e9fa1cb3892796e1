//! Why an upgrade did not start.

use crate::config::ConfigErrors;
use crate::formats::FormatError;
use crate::model::{Database, Failure, TrackKind};
use crate::postgres::AddressError;
use crate::project::ProjectError;
use crate::tenants::ResolveError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Tenants(#[from] ResolveError),
    #[error("database `{database}`: {source}")]
    Format { database: String, source: FormatError },
    #[error(
        "`{0}` has no address: set `url` in [databases.{0}], DATABASE_URL in the environment, or --url"
    )]
    NoUrl(String),
    #[error("the address of `{database}`: {source}")]
    Address { database: String, source: AddressError },
    #[error("cannot connect to {address}, the database `{database}`: {}", .failure.message)]
    Connect { database: String, address: String, failure: Box<Failure> },
    #[error(
        "`{database}` has one ledger {ledger} for all tenants, so after the first tenant the tool would find everything \
         applied for the others: set its name without a schema"
    )]
    OneLedger { database: String, ledger: String },
    /// The address or the environment contradicts the configuration.
    #[error("the address of `{database}`: {}; {}", .failure.message, .failure.hint.as_deref().unwrap_or_default())]
    Contradiction { database: String, failure: Box<Failure> },
    #[error(
        "Alembic runs the migrations of `{database}`: `mig-ci verify` checks them, and commands on real databases do not \
         support Alembic yet. For now, run {commands}"
    )]
    Alembic { database: String, commands: String },
    #[error("no migration of `{database}` has the version {version}")]
    NoVersion { database: String, version: String },
    #[error(
        "the report is for {report}, but `{database}` is now at {here}: nothing was done. Use --url with that address, or \
         select tenants"
    )]
    OtherServer { database: String, report: String, here: String },
    #[error("{0}")]
    Usage(String),
    #[error("nothing was done: not confirmed (--yes skips the confirmation)")]
    Declined,
}

impl UpgradeError {
    /// Why a command does not run on a database of Alembic; `None` if all of its tracks are SQL. `command` is Alembic's own for
    /// the same purpose: `upgrade head`.
    pub(crate) fn of_alembic(database: &Database, command: &str) -> Option<Self> {
        let commands = database.tracks().filter_map(|(kind, track)| {
            let alembic = track.alembic.as_ref()?;
            let ini = alembic.ini.as_ref().map(|ini| format!(" -c {ini} -n {}", alembic.section));
            let per_tenant = if kind == TrackKind::Tenant { " for each tenant" } else { "" };
            Some(format!("`alembic{} {command}`{per_tenant}", ini.unwrap_or_default()))
        });
        let commands: Vec<String> = commands.collect();
        let database = database.name.clone();
        (!commands.is_empty())
            .then(|| Self::Alembic { database, commands: commands.join(", then ") })
    }
}

impl From<ConfigErrors> for UpgradeError {
    fn from(errors: ConfigErrors) -> Self {
        Self::Project(errors.into())
    }
}
