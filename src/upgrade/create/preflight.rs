//! Checks new tenants before anything is created, so that nothing remains if their migrations could not start.

use super::{IfExists, NewTarget};
use crate::formats::Format;
use crate::model::{Failure, Tenancy};
use crate::postgres::Session;
use crate::upgrade::UpgradeError;
use crate::upgrade::own_sql::of_own_sql;
use crate::upgrade::preflight::database_target::DatabaseTarget;
use crate::upgrade::preflight::database_target::ResolvedTenant;
use crate::upgrade::preflight::endpoint::{main_address, unreachable};
use crate::upgrade::preflight::existing_ledgers::ExistingLedgers;
use crate::upgrade::target::Target;

/// The database that `CREATE DATABASE` copies.
const TEMPLATE: &str = "template1";

/// The new tenants and their targets.
pub(crate) struct NewTenants<'a> {
    pub(crate) database_target: &'a DatabaseTarget<'a>,
    pub(crate) format: &'a dyn Format,
    pub(crate) resolved_tenants: &'a [ResolvedTenant],
    pub(crate) targets: &'a [Target],
}

impl NewTenants<'_> {
    /// Checks before anything is changed. Refuses tenants that already exist, and those that could not be upgraded after
    /// their creation. Returns a failure or `None` for each tenant.
    pub(crate) async fn check(
        &self,
        if_exists: IfExists,
        settings: &[(String, String)],
    ) -> Result<Vec<Option<Failure>>, UpgradeError> {
        let database_target = self.database_target;
        let mut checked = vec![None; self.resolved_tenants.len()];
        for ((resolved, target), checked) in
            self.resolved_tenants.iter().zip(self.targets).zip(&mut checked)
        {
            if resolved.address.is_err() {
                continue;
            }
            let new_target = NewTarget { database_target, resolved };
            let mut session = match new_target.session(settings).await {
                Ok(session) => session,
                Err(failure) if database_target.tenancy() == Tenancy::Schema => {
                    return Err(unreachable(
                        database_target,
                        &main_address(database_target)?,
                        failure,
                    ));
                }
                Err(failure) => {
                    *checked = Some(of_own_sql(failure));
                    continue;
                }
            };
            let refused = self.refusal(&new_target, target, &mut session, if_exists).await;
            session.close().await;
            *checked = refused.unwrap_or_else(|failure| Some(of_own_sql(failure)));
        }
        Ok(checked)
    }

    async fn refusal(
        &self,
        new_target: &NewTarget<'_>,
        target: &Target,
        session: &mut Session,
        if_exists: IfExists,
    ) -> Result<Option<Failure>, Failure> {
        let exists = new_target.exists(session).await?;
        if exists && if_exists == IfExists::Fail {
            return Ok(Some(new_target.exists_already("already exists")));
        }
        if exists {
            // Nothing is created. The existing target is checked together with its ledger.
            return Ok(None);
        }
        if self.database_target.tenancy() == Tenancy::Schema {
            return self.contradiction(target, session).await;
        }
        // A new database is a copy of this one. A role that may not connect to it gets the error from the new database.
        let address = new_target.resolved.address.clone()?.with_database(TEMPLATE);
        let Ok(mut template) = Session::open_plain(address.reading(&[])).await else {
            return Ok(None);
        };
        let found = self.contradiction(target, &mut template).await;
        template.close().await;
        found
    }

    async fn contradiction(
        &self,
        target: &Target,
        session: &mut Session,
    ) -> Result<Option<Failure>, Failure> {
        let exists_already = ExistingLedgers::read(session, std::slice::from_ref(target)).await?;
        Ok(exists_already.contradiction(self.format, target))
    }
}
