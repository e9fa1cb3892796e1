//! Addresses, first sessions, and errors if a database is unreachable.

use super::database_target::{DatabaseTarget, ResolvedTenant};
use super::eligibility::refuse_taken_targets;
use super::request_scope::RequestScope;
use crate::model::{EnvironmentCause, Failure, FailureKind, Partition, TargetCause, Tenancy};
use crate::postgres::{Address, Session};
use crate::retry::policies::TENANTS_QUERY;
use crate::tenants::{Ineligible, ResolveError, Tenant, TenantResolver, TenantSelector};
use crate::upgrade::UpgradeError;

/// The time limit of the query that returns the tenants.
const TENANT_QUERY_TIMEOUT: &str = "60s";

/// The confirmation prompt before servers are changed that are not on this machine; `None` if all are local.
pub(crate) fn confirmation_prompt(
    scope: &RequestScope<'_>,
    resolved_tenants: &[ResolvedTenant],
    verb: &str,
) -> Option<String> {
    const SHOWN: usize = 3;
    let main = scope.shared.as_ref().and_then(|_| scope.database.url.address().ok());
    let all = main
        .iter()
        .chain(resolved_tenants.iter().filter_map(|resolved| resolved.address.as_ref().ok()));
    let mut remote: Vec<String> =
        all.filter(|one| !one.is_local()).map(Address::describe).collect();
    remote.sort();
    remote.dedup();
    if remote.is_empty() {
        return None;
    }
    let name = &scope.database.database.name;
    let what = match (resolved_tenants.len(), scope.tenants.is_some(), verb) {
        (_, false, _) => format!("{verb} `{name}`"),
        (1, _, "create") => format!("create a tenant of `{name}`"),
        (number, _, "create") => format!("create {number} tenants of `{name}`"),
        (1, _, _) => format!("{verb} `{name}` with 1 tenant"),
        (number, _, _) => format!("{verb} `{name}` with {number} tenants"),
    };
    let more = remote.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    remote.truncate(SHOWN);
    Some(format!("{what} at {}{more}?", remote.join(", ")))
}

pub(crate) fn main_address(database_target: &DatabaseTarget<'_>) -> Result<Address, UpgradeError> {
    let database = || database_target.database.name.clone();
    database_target
        .url
        .address()
        .map_err(|source| UpgradeError::Address { database: database(), source })
}

/// The selected tenants, or those of a partition, in the order of their source.
pub(crate) async fn resolve_tenants(
    database_target: &DatabaseTarget<'_>,
    resolver: &TenantResolver<'_>,
    selector: &TenantSelector,
    part: Option<Partition>,
) -> Result<Vec<ResolvedTenant>, UpgradeError> {
    let tenants = tenants(database_target, resolver, selector).await?;
    let main = match database_target.tenancy() {
        Tenancy::Schema => Some(main_address(database_target)?),
        Tenancy::Database => None,
    };
    let resolved = |tenant: Tenant| ResolvedTenant {
        address: address(database_target, main.as_ref(), &tenant),
        tenant,
    };
    let mut resolved_tenants: Vec<ResolvedTenant> = tenants.into_iter().map(resolved).collect();
    // Before they are partitioned: two tenants with one target may be in different partitions.
    refuse_taken_targets(database_target, &mut resolved_tenants).await;
    // By name: another order of the source, or a new tenant, moves no tenant to another partition.
    resolved_tenants
        .retain(|resolved| part.is_none_or(|part| part.has_name(&resolved.tenant.name)));
    Ok(resolved_tenants)
}

/// Resolves the selected tenants. Retried if the connection breaks, since nothing has been changed.
async fn tenants(
    database_target: &DatabaseTarget<'_>,
    resolver: &TenantResolver<'_>,
    selector: &TenantSelector,
) -> Result<Vec<Tenant>, UpgradeError> {
    if !resolver.needs_session(selector) {
        return Ok(resolver.tenants(selector, None).await?);
    }
    let ask = async || {
        let mut session = main_session(database_target).await?;
        let found = resolver.tenants(selector, Some(&mut session)).await;
        session.close().await;
        Ok(found?)
    };
    TENANTS_QUERY.retry(has_broken, ask).await
}

/// The connection broke during the query.
fn has_broken(error: &UpgradeError) -> bool {
    let UpgradeError::Tenants(ResolveError::Query { failure, .. }) = error else { return false };
    failure.kind == FailureKind::ConnectionLost
}

/// `main` is the address of all tenants that have none of their own.
fn address(
    database_target: &DatabaseTarget<'_>,
    main: Option<&Address>,
    tenant: &Tenant,
) -> Result<Address, Failure> {
    if let Some(ineligible) = &tenant.ineligible {
        return Err(failure_of(ineligible, &database_target.database.name));
    }
    let address = match (&tenant.url, main) {
        (Some(url), _) => url.address(),
        (None, Some(main)) => Ok(main.clone()),
        (None, None) => database_target.url.of_tenant(&tenant.name, &tenant.target),
    };
    address.map_err(|error| {
        Failure::new(
            FailureKind::Target(TargetCause::InvalidAddress),
            format!("the address of this tenant: {error}"),
        )
    })
}

fn failure_of(ineligible: &Ineligible, database: &str) -> Failure {
    const CORRECT_IT: &str = "correct the name, or change `target`; nothing was changed";
    let (cause, message, hint) = match ineligible {
        Ineligible::Gone { from } => (
            TargetCause::NotInSource,
            format!("{from} of `{database}` no longer returns this tenant"),
            "to include it anyway, use --tenant",
        ),
        Ineligible::BadName { from, problem } => (
            TargetCause::InvalidName,
            format!("{from} of `{database}` returned an invalid tenant name: {problem}"),
            CORRECT_IT,
        ),
        Ineligible::NoName { from, entry } => (
            TargetCause::InvalidName,
            format!("{from} of `{database}` returned an entry without a name (entry {entry})"),
            "an empty name or NULL is not a tenant: correct it there",
        ),
        Ineligible::Repeated { from, times } => (
            TargetCause::AmbiguousName,
            format!("{from} of `{database}` returned this name {times} times"),
            "the entries are ambiguous: make the names unique there",
        ),
        Ineligible::SameUrl { from, others } => (
            TargetCause::DuplicateTarget,
            format!(
                "{from} of `{database}` returned the same database for another tenant: {}",
                others.join(", ")
            ),
            "two tenants in one database would share one ledger, so only one of them would be upgraded: correct it there",
        ),
    };
    Failure { hint: Some(hint.to_owned()), ..Failure::new(FailureKind::Target(cause), message) }
}

/// A session for the query that returns the tenants.
async fn main_session(database_target: &DatabaseTarget<'_>) -> Result<Session, UpgradeError> {
    let address = main_address(database_target)?;
    let settings = [
        ("application_name", "mig-ci asks for tenants"),
        ("statement_timeout", TENANT_QUERY_TIMEOUT),
        // The query must not change anything.
        ("default_transaction_read_only", "on"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let session = Session::open_with_retry(&address.reading(&settings)).await;
    session.map_err(|failure| unreachable(database_target, &address, failure))
}

pub(crate) fn unreachable(
    database_target: &DatabaseTarget<'_>,
    address: &Address,
    failure: Failure,
) -> UpgradeError {
    UpgradeError::Connect {
        database: database_target.database.name.clone(),
        address: address.describe(),
        failure: Box::new(with_advice(failure)),
    }
}

/// PgBouncer with transaction pooling changes the session between transactions, so neither search path nor locks persist.
fn with_advice(failure: Failure) -> Failure {
    let is_pooler = failure.message.contains("unsupported startup parameter");
    if !is_pooler {
        return failure;
    }
    let message = format!(
        "{}; this is an error of PgBouncer: connect to PostgreSQL directly, because search paths and locks do not persist \
         with transaction pooling",
        failure.message
    );
    Failure { message, kind: FailureKind::Environment(EnvironmentCause::Pooler), ..failure }
}
