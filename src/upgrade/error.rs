//! Why an upgrade did not begin.

use crate::config::ConfigErrors;
use crate::formats::FormatError;
use crate::model::Failure;
use crate::postgres::AddressError;
use crate::tenants::ResolveError;
use crate::verify;

/// Why nothing was begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    #[error(transparent)]
    Verify(#[from] verify::VerifyError),
    #[error(transparent)]
    Who(#[from] ResolveError),
    #[error("database `{database}`: {source}")]
    Format { database: String, source: FormatError },
    #[error(
        "`{0}` has no address: give `url` in [databases.{0}], DATABASE_URL in the environment, or --url"
    )]
    NoUrl(String),
    #[error("the address of `{database}`: {source}")]
    Address { database: String, source: AddressError },
    #[error("cannot connect to {address}, the database `{database}`: {}", .failure.message)]
    Connect { database: String, address: String, failure: Box<Failure> },
    #[error(
        "`{database}` has the ledger {ledger} for all of its tenants, and the rows of the first would tell the tool that each \
         other has everything already: name its table without a schema"
    )]
    OneLedger { database: String, ledger: String },
    /// The address, or the environment, and the configuration do not agree.
    #[error("the address of `{database}`: {}; {}", .failure.message, .failure.hint.as_deref().unwrap_or_default())]
    Contradiction { database: String, failure: Box<Failure> },
    #[error("no migration of `{database}` has the version {version}")]
    NoVersion { database: String, version: String },
    #[error(
        "the report is of {report}, and `{database}` is at {here} now: nothing is done there. Give --url with that address, or \
         name the tenants"
    )]
    OtherServer { database: String, report: String, here: String },
    #[error("{0}")]
    Usage(String),
    #[error("nothing was done: not confirmed (--yes answers for you)")]
    Declined,
}

impl From<ConfigErrors> for UpgradeError {
    fn from(errors: ConfigErrors) -> Self {
        Self::Verify(errors.into())
    }
}
