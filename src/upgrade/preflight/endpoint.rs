//! Where the work is: addresses, first sessions, and what is said where there is none.

use super::database_target::DatabaseTarget;
use super::eligibility::refuse_taken_targets;
use super::request_scope::RequestScope;
use super::resolved_tenant::ResolvedTenant;
use crate::model::{EnvironmentCause, Failure, FailureKind, Partition, TargetCause, Tenancy};
use crate::postgres::{Address, Session};
use crate::tenants::{Ineligible, ResolveError, Tenant, TenantResolver, TenantSelector};
use crate::upgrade::{TRIES, UpgradeError};

/// For the query that tells who the tenants are. A list that takes longer hangs.
const ASKED_WITHIN: &str = "60s";

/// What is asked before servers are changed that are not on this machine; `None` if all are.
pub(crate) fn question(
    job: &RequestScope<'_>,
    seats: &[ResolvedTenant],
    verb: &str,
) -> Option<String> {
    const SHOWN: usize = 3;
    let main = job.shared.as_ref().and_then(|_| job.database.url.address().ok());
    let all = main.iter().chain(seats.iter().filter_map(|seat| seat.address.as_ref().ok()));
    let mut remote: Vec<String> =
        all.filter(|one| !one.is_local()).map(Address::describe).collect();
    remote.sort();
    remote.dedup();
    if remote.is_empty() {
        return None;
    }
    let name = &job.database.database.name;
    let what = match (seats.len(), job.tenants.is_some(), verb) {
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

pub(crate) fn main_address(site: &DatabaseTarget<'_>) -> Result<Address, UpgradeError> {
    let database = || site.database.name.clone();
    site.url.address().map_err(|source| UpgradeError::Address { database: database(), source })
}

/// The tenants in question, or a part of them, in the order of their source.
pub(crate) async fn resolve_tenants(
    site: &DatabaseTarget<'_>,
    asking: &TenantResolver<'_>,
    whom: &TenantSelector,
    part: Option<Partition>,
) -> Result<Vec<ResolvedTenant>, UpgradeError> {
    let tenants = tenants(site, asking, whom).await?;
    let main = match site.tenancy() {
        Tenancy::Schema => Some(main_address(site)?),
        Tenancy::Database => None,
    };
    let seat =
        |tenant: Tenant| ResolvedTenant { address: address(site, main.as_ref(), &tenant), tenant };
    let mut seats: Vec<ResolvedTenant> = tenants.into_iter().map(seat).collect();
    // Before they are divided: two tenants with one target may be in different parts.
    refuse_taken_targets(site, &mut seats).await;
    // By their names: another order of the source, or a new tenant, moves no tenant to another part.
    seats.retain(|seat| part.is_none_or(|part| part.has_name(&seat.tenant.name)));
    Ok(seats)
}

/// Who they are; asked again if the connection breaks, since nothing has been begun.
async fn tenants(
    site: &DatabaseTarget<'_>,
    asking: &TenantResolver<'_>,
    whom: &TenantSelector,
) -> Result<Vec<Tenant>, UpgradeError> {
    if !asking.needs_session(whom) {
        return Ok(asking.tenants(whom, None).await?);
    }
    let mut tries = 0;
    loop {
        let mut session = main_session(site).await?;
        let asked = asking.tenants(whom, Some(&mut session)).await;
        session.close().await;
        match asked {
            Err(ResolveError::Query { failure, .. })
                if failure.kind == FailureKind::ConnectionLost && tries < TRIES =>
            {
                tries += 1;
            }
            asked => return Ok(asked?),
        }
    }
}

/// `main` is that of all tenants that have none of their own.
fn address(
    site: &DatabaseTarget<'_>,
    main: Option<&Address>,
    tenant: &Tenant,
) -> Result<Address, Failure> {
    if let Some(ineligible) = &tenant.ineligible {
        return Err(failure_of(ineligible, &site.database.name));
    }
    let address = match (&tenant.url, main) {
        (Some(url), _) => url.address(),
        (None, Some(main)) => Ok(main.clone()),
        (None, None) => site.url.of_tenant(&tenant.name, &tenant.target),
    };
    address.map_err(|error| {
        Failure::new(
            FailureKind::Target(TargetCause::InvalidAddress),
            format!("the address of this tenant: {error}"),
        )
    })
}

fn failure_of(ineligible: &Ineligible, database: &str) -> Failure {
    const CORRECT_IT: &str = "correct it there, or change `target`; its data was not changed";
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

/// A session for the query that tells who the tenants are.
async fn main_session(site: &DatabaseTarget<'_>) -> Result<Session, UpgradeError> {
    let address = main_address(site)?;
    let settings = [
        ("application_name", "mig-ci asks for tenants"),
        ("statement_timeout", ASKED_WITHIN),
        // To look is not to change anything.
        ("default_transaction_read_only", "on"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let session = Session::open_patiently(&address.reading(&settings)).await;
    session.map_err(|failure| unreachable(site, &address, failure))
}

pub(crate) fn unreachable(
    site: &DatabaseTarget<'_>,
    address: &Address,
    failure: Failure,
) -> UpgradeError {
    UpgradeError::Connect {
        database: site.database.name.clone(),
        address: address.describe(),
        failure: Box::new(with_advice(failure)),
    }
}

/// A pooler hands each transaction to another session: neither a search path nor a lock would stay.
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
