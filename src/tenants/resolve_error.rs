//! Why the tenants cannot be resolved.

use camino::Utf8PathBuf;

use crate::model::{Failure, FailureKind, FilesError, Tenancy};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error(
        "`{0}` has no source of tenants: set `from` in [databases.{0}.tenants] (a query, a list, a pattern, a file or a \
         command), or use --tenant"
    )]
    NoSource(String),
    #[error("{from} of `{database}` returned no tenants")]
    NoTenants { database: String, from: &'static str },
    #[error("`{database}` has no tenant {pattern:?}; its tenants are {known}")]
    NoMatch { database: String, pattern: String, known: String },
    #[error("{pattern:?} is not a valid pattern: {reason}")]
    Pattern { pattern: String, reason: String },
    #[error("the query for the tenants of `{database}` failed: {}{}", .failure.message, after_shared(.database, .failure))]
    Query { database: String, failure: Box<Failure> },
    #[error(transparent)]
    File(#[from] FilesError),
    #[error("the file {0} with the tenants does not exist")]
    NoFile(Utf8PathBuf),
    #[error("the file {0} with the tenants is not UTF-8")]
    NotText(Utf8PathBuf),
    #[error("the command that lists the tenants of `{database}` ({program}) failed: {reason}")]
    Command { database: String, program: String, reason: String },
    #[error(
        "the query for the tenants of `{0}` has a column `url`, but the tenants are schemas of one database: remove the \
         column, or set tenancy = \"database\""
    )]
    UrlOfSchema(String),
    #[error(
        "`{database}` has a {tenancy} for each tenant, and {variable} does not name one: use --tenant"
    )]
    OtherTenancy { database: String, tenancy: Tenancy, variable: &'static str },
    #[error(
        "{target:?} is not the {tenancy} of a tenant of `{database}`, because `target` is {template:?}: nothing was done. \
         Use --tenant, or correct the variable"
    )]
    NoTarget { database: String, tenancy: Tenancy, target: String, template: String },
}

/// On a new database the table of the tenants does not exist before the shared track's migrations. Source of the codes:
/// PostgreSQL, Appendix A.
fn after_shared(database: &str, failure: &Failure) -> String {
    match &failure.kind {
        FailureKind::Sql { sqlstate } if matches!(sqlstate.as_str(), "42P01" | "3F000") => {
            format!(
                " (on a new database, upgrade the shared track first: mig-ci upgrade -n {database} --shared)"
            )
        }
        _ => String::new(),
    }
}
