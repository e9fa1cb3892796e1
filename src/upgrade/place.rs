//! Where the work is: addresses, first sessions, and what is said where there is none.

use super::{Error, Job, TRIES};
use crate::model::{Failure, FailureKind, Tenancy};
use crate::postgres::{Address, AddressError, Session};
use crate::tenants::{Asking, Tenant, WhoError, Whom};

/// What is asked before servers are changed that are not on this machine; `None` if all are.
pub(super) fn question(
    job: &Job<'_>,
    addresses: &[Result<Address, AddressError>],
) -> Option<String> {
    const SHOWN: usize = 3;
    let main = job.shared.as_ref().and_then(|_| job.url.address().ok());
    let all = main.iter().chain(addresses.iter().flatten());
    let mut remote: Vec<String> =
        all.filter(|one| !one.is_local()).map(Address::describe).collect();
    remote.sort();
    remote.dedup();
    if remote.is_empty() {
        return None;
    }
    let of_tenants = match (addresses.len(), job.tenants.is_some()) {
        (_, false) => String::new(),
        (1, _) => " with 1 tenant".to_owned(),
        (number, _) => format!(" with {number} tenants"),
    };
    let more = remote.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    remote.truncate(SHOWN);
    Some(format!("upgrade `{}`{of_tenants} at {}{more}?", job.database.name, remote.join(", ")))
}

pub(super) fn main_address(job: &Job<'_>) -> Result<Address, Error> {
    job.url.address().map_err(|source| of_address(job, source))
}

pub(super) fn of_address(job: &Job<'_>, source: AddressError) -> Error {
    Error::Address { database: job.database.name.clone(), source }
}

/// Who they are; asked again if the connection breaks, since nothing has been begun.
pub(super) async fn tenants(
    job: &Job<'_>,
    asking: &Asking<'_>,
    whom: &Whom,
) -> Result<Vec<Tenant>, Error> {
    if !asking.needs_session(whom) {
        return Ok(asking.tenants(whom, None).await?);
    }
    let mut tries = 0;
    loop {
        let mut session = main_session(job).await?;
        let asked = asking.tenants(whom, Some(&mut session)).await;
        session.close().await;
        match asked {
            Err(WhoError::Query { failure, .. })
                if failure.kind == FailureKind::ConnectionLost && tries < TRIES =>
            {
                tries += 1;
            }
            asked => return Ok(asked?),
        }
    }
}

/// Where each tenant's database is, or why that is nowhere.
pub(super) fn addresses(job: &Job<'_>, tenants: &[Tenant]) -> Vec<Result<Address, AddressError>> {
    let tenancy = job.database.tenants.as_ref().map_or_else(Tenancy::default, |t| t.tenancy);
    let of = |tenant: &Tenant| match (&tenant.url, tenancy) {
        (Some(url), _) => url.address(),
        (None, Tenancy::Database) => job.url.of_tenant(&tenant.name, &tenant.target),
        (None, Tenancy::Schema) => job.url.address(),
    };
    tenants.iter().map(of).collect()
}

/// A session for the query that tells who the tenants are.
async fn main_session(job: &Job<'_>) -> Result<Session, Error> {
    let address = main_address(job)?;
    let session = Session::open_patiently(&address.options(&[])).await;
    session.map_err(|failure| unreachable(job, &address, failure))
}

pub(super) fn unreachable(job: &Job<'_>, address: &Address, failure: Failure) -> Error {
    Error::Connect {
        database: job.database.name.clone(),
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
        "{}; that is what PgBouncer says: connect to PostgreSQL itself, since search paths and locks do not last where \
         sessions are pooled by transaction",
        failure.message
    );
    Failure { message, kind: FailureKind::Environment, ..failure }
}
