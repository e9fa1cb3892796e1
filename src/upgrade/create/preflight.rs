//! What is known of new tenants before anything is made for them: nothing is left behind where their migrations would not begin.

use super::{IfThere, Making};
use crate::formats::Format;
use crate::model::{Failure, Tenancy};
use crate::postgres::Session;
use crate::upgrade::UpgradeError;
use crate::upgrade::preflight::database_target::DatabaseTarget;
use crate::upgrade::preflight::endpoint::{main_address, unreachable};
use crate::upgrade::preflight::existing_ledgers::ExistingLedgers;
use crate::upgrade::preflight::resolved_tenant::ResolvedTenant;
use crate::upgrade::reconnect::of_own_sql;
use crate::upgrade::target::Target;

/// What `CREATE DATABASE` copies.
const TEMPLATE: &str = "template1";

/// Where new tenants are to live.
pub(crate) struct NewTenants<'a> {
    pub(crate) site: &'a DatabaseTarget<'a>,
    pub(crate) format: &'a dyn Format,
    pub(crate) seats: &'a [ResolvedTenant],
    pub(crate) targets: &'a [Target],
}

impl NewTenants<'_> {
    /// Looks before anything is changed: those that are there already are refused, and those that could not be upgraded once
    /// they are made. One failure, or none, for each seat.
    pub(crate) async fn look(
        &self,
        if_there: IfThere,
        settings: &[(String, String)],
    ) -> Result<Vec<Option<Failure>>, UpgradeError> {
        let site = self.site;
        let mut looked = vec![None; self.seats.len()];
        for ((seat, target), looked) in self.seats.iter().zip(self.targets).zip(&mut looked) {
            if seat.address.is_err() {
                continue;
            }
            let making = Making { site, seat };
            let mut session = match making.session(settings).await {
                Ok(session) => session,
                Err(failure) if site.tenancy() == Tenancy::Schema => {
                    return Err(unreachable(site, &main_address(site)?, failure));
                }
                Err(failure) => {
                    *looked = Some(of_own_sql(failure));
                    continue;
                }
            };
            let refused = self.refusal(&making, target, &mut session, if_there).await;
            session.close().await;
            *looked = refused.unwrap_or_else(|failure| Some(of_own_sql(failure)));
        }
        Ok(looked)
    }

    async fn refusal(
        &self,
        making: &Making<'_>,
        target: &Target,
        session: &mut Session,
        if_there: IfThere,
    ) -> Result<Option<Failure>, Failure> {
        let is_there = making.is_there(session).await?;
        if is_there && if_there == IfThere::Refuse {
            return Ok(Some(making.there("already exists")));
        }
        if is_there {
            // Nothing is made, and it is looked at with its ledger.
            return Ok(None);
        }
        if self.site.tenancy() == Tenancy::Schema {
            return self.contradiction(target, session).await;
        }
        // A new database is a copy of this one. A role that may not connect to it is told so by the new one.
        let address = making.seat.address.clone()?.with_database(TEMPLATE);
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
        let there = ExistingLedgers::read(session, std::slice::from_ref(target)).await?;
        Ok(there.contradiction(self.format, target))
    }
}
