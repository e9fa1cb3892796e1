//! Why it is not known who the tenants are, or where.

use camino::Utf8PathBuf;

use crate::model::{Failure, FailureKind, FilesError, Tenancy};

/// Why it is not known who the tenants are.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error(
        "`{0}` does not say who its tenants are: give `from` in [databases.{0}.tenants] (a query, a list, a pattern, a file or \
         a command), or name them with --tenant"
    )]
    NoSource(String),
    #[error("the {from} of `{database}` gives no tenant")]
    Nobody { database: String, from: &'static str },
    #[error("no tenant of `{database}` is called {pattern:?}; it has {known}")]
    NoMatch { database: String, pattern: String, known: String },
    #[error("{pattern:?} is no pattern of names: {reason}")]
    Pattern { pattern: String, reason: String },
    #[error("the query for the tenants of `{database}` fails: {}{}", .failure.message, after_shared(.failure))]
    Query { database: String, failure: Box<Failure> },
    #[error(transparent)]
    File(#[from] FilesError),
    #[error("the file {0} with the tenants is not there")]
    NoFile(Utf8PathBuf),
    #[error("the file {0} with the tenants is not UTF-8")]
    NotText(Utf8PathBuf),
    #[error("the command that lists the tenants of `{database}` ({program}) fails: {reason}")]
    Command { database: String, program: String, reason: String },
    #[error(
        "the query for the tenants of `{0}` has a column `url`, and they are schemas of one database: leave it out, or set \
         tenancy = \"database\""
    )]
    UrlOfSchema(String),
    #[error(
        "`{database}` has a {tenancy} for each tenant, and {variable} names none: name the tenant with --tenant"
    )]
    OtherTenancy { database: String, tenancy: Tenancy, variable: &'static str },
    #[error(
        "{target:?} is the {tenancy} of no tenant of `{database}`, since `target` is {template:?}: nothing is done there. Name a \
         tenant with --tenant, or correct the variable"
    )]
    NoTarget { database: String, tenancy: Tenancy, target: String, template: String },
}

/// On a new database the table of the tenants is not there before the shared track has made it.
/// Source of the codes: PostgreSQL's Appendix A.
fn after_shared(failure: &Failure) -> &'static str {
    match &failure.kind {
        FailureKind::Sql { sqlstate } if matches!(sqlstate.as_str(), "42P01" | "3F000") => {
            " (on a new database, bring the shared track there first: mig-ci upgrade --shared)"
        }
        _ => "",
    }
}
