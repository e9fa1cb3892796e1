//! Where the work is: addresses, first sessions, and what is said where there is none.

use super::{Error, Job, TRIES};
use crate::model::{Failure, FailureKind};
use crate::postgres::{Address, AddressError, Session};
use crate::tenants::{Asking, Tenant, WhoError, Whom};

/// The database, or for a template the first that comes to mind: for questions, not for work.
pub(super) fn main_or_template(job: &Job<'_>) -> Result<Address, Error> {
    let address = match job.url.is_template() {
        true => job.url.of_tenant("tenant", "target"),
        false => job.url.address(),
    };
    address.map_err(|source| of_address(job, source))
}

pub(super) fn question(job: &Job<'_>, address: &Address, tenants: usize) -> String {
    let of_tenants = match (tenants, job.tenants.is_some()) {
        (_, false) => String::new(),
        (1, _) => " and 1 tenant".to_owned(),
        (number, _) => format!(" and {number} tenants"),
    };
    format!("upgrade `{}` at {}{of_tenants}?", job.database.name, address.describe())
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
    let mut tries = 0;
    loop {
        let mut session = main_session(job).await?;
        let asked = asking.tenants(whom, &mut session).await;
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
