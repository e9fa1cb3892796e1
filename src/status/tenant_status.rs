//! Where a database and its tenants stand: their ledgers and their catalogs, each read together. Nothing is changed.

use std::sync::Arc;

use camino::Utf8Path;
use futures::{StreamExt as _, stream};
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use super::ledger_summary::LedgerSummaries;
use crate::catalog::CatalogReader;
use crate::formats::LedgerRow;
use crate::model::{Catalog, Failure, LeaveOut, Migration, Tenancy};
use crate::postgres::{Address, Session};
use crate::project::load_project;
use crate::replay::plan::TrackPlan;
use crate::report::status::{self, Agreement, Entry, Standing, Unit, failure_of};
use crate::source::Worktree;
use crate::tenants::TenantResolver;
use crate::upgrade::preflight::endpoint::{self, main_address, unreachable};
use crate::upgrade::preflight::ledger_scan;
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::preflight::request_scope::RequestScope;
use crate::upgrade::preflight::resolved_tenant::ResolvedTenant;
use crate::upgrade::preflight::targets;
use crate::upgrade::reconnect::of_own_sql;
use crate::upgrade::rollout::pool_scan::SESSION_MARKER_ARRIVED;
use crate::upgrade::target::Target;
use crate::upgrade::{UpgradeError, UpgradeRequest};

/// Shapes that are explained, item by item.
const EXPLAINED: usize = 10;
/// Items of each.
const ITEMS: usize = 20;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct StatusRequest {
    pub(crate) request: UpgradeRequest,
    /// Whether catalogs are compared.
    pub(crate) shapes: bool,
}

/// Where a tenant is.
pub(crate) struct TenantPlace {
    pub(crate) target: Target,
    pub(crate) address: Result<Address, Failure>,
}

/// Looks at one database.
pub(crate) async fn status(
    inquiry: &StatusRequest,
    interrupted: &CancellationToken,
) -> Result<status::Report, UpgradeError> {
    let scope = &inquiry.request.scope;
    let (project, files) = load_project(scope.config.as_deref(), scope.overrides.clone())?;
    let job = RequestScope::new(&inquiry.request, &project, &files)?;
    let look = Look { inquiry, job: &job, files: &files };
    let looked = async {
        let (history, shared) = look.shared().await?;
        let mut units: Vec<Unit> = shared.into_iter().collect();
        let first = units.len();
        let (tenants, places) = look.tenants(&project.root).await?;
        units.extend(tenants);
        look.merge_equal_shapes(&mut units, &places, first).await;
        let odd = status::odd_ones(&mut units);
        let mut differences = Vec::new();
        for odd in odd.iter().take(EXPLAINED) {
            let Some(rule) = odd.rule else { continue };
            let names = odd.units.iter().map(|index| units[*index].name.clone());
            let place = |index: usize| &places[index - first];
            let like_rule = |index: &usize| {
                *index != rule
                    && units[*index].shape == units[rule].shape
                    && units[*index].state == units[rule].state
            };
            let group: Vec<usize> =
                [rule].into_iter().chain((first..units.len()).filter(like_rule).take(1)).collect();
            let (rule, items) = look.differing_from(place(odd.units[0]), &group, place).await;
            differences.push(status::Difference {
                tenants: names.collect(),
                expected: units[rule].name.clone(),
                left_out: items.len().saturating_sub(ITEMS),
                items: items.into_iter().take(ITEMS).collect(),
            });
        }
        let report = status::build(&job.database.database.name, history, units, differences);
        Ok(status::Report { notes: job.notes(), ..report })
    };
    let looked = interrupted.run_until_cancelled(looked).await;
    looked.ok_or(UpgradeError::Interrupted)?
}

/// One database, and what it is looked at with.
pub(crate) struct Look<'a> {
    inquiry: &'a StatusRequest,
    job: &'a RequestScope<'a>,
    files: &'a Worktree,
}

impl Look<'_> {
    async fn shared(&self) -> Result<(Vec<Entry>, Option<Unit>), UpgradeError> {
        let site = &self.job.database;
        let (Some(track), Some(plan)) = (&site.database.shared, &self.job.shared) else {
            return Ok((Vec::new(), None));
        };
        let target = targets::shared_target(site, track, plan, self.files)?;
        let address = main_address(site)?;
        let stand = async {
            let mut session = open(&address).await?;
            let stand = ledger_scan::scan_one(&mut session, plan.chosen.format, &target).await?;
            session.close().await;
            Ok(stand)
        };
        let stand = stand.await.map_err(|failure| unreachable(site, &address, failure))?;
        let rows = match &stand {
            LedgerState::Rows(rows) => Arc::clone(rows),
            _ => Arc::default(),
        };
        let unit = LedgerSummaries::new(plan).unit(&target, stand);
        Ok((history(plan, &rows), Some(unit)))
    }

    /// With the place of each.
    async fn tenants(
        &self,
        root: &Utf8Path,
    ) -> Result<(Vec<Unit>, Vec<TenantPlace>), UpgradeError> {
        let (site, request) = (&self.job.database, &self.inquiry.request);
        let (Some(plan), Some(whom), Some(track)) =
            (&self.job.tenants, &request.tenants, &site.database.tenants)
        else {
            return Ok((Vec::new(), Vec::new()));
        };
        let asking = TenantResolver {
            database: &site.database.name,
            track,
            shared: site.database.shared.as_ref(),
            files: self.files,
            root,
        };
        let mut seats = endpoint::resolve_tenants(site, &asking, whom, request.partition).await?;
        let targets = targets::tenant_targets(site, plan, &mut seats, self.files)?;
        let units = match track.tenancy {
            Tenancy::Schema => {
                let address = main_address(site)?;
                let units = self.schemas(plan, &address, &seats, &targets).await;
                units.map_err(|failure| unreachable(site, &address, failure))?
            }
            Tenancy::Database => self.databases(plan, &seats, &targets).await,
        };
        let place = |(seat, target): (ResolvedTenant, Target)| TenantPlace {
            target,
            address: seat.address,
        };
        Ok((units, seats.into_iter().zip(targets).map(place).collect()))
    }

    /// All ledgers in a few queries, and all catalogs.
    async fn schemas(
        &self,
        plan: &TrackPlan,
        address: &Address,
        seats: &[ResolvedTenant],
        targets: &[Target],
    ) -> Result<Vec<Unit>, Failure> {
        let mut session = open(address).await?;
        let mut known = LedgerSummaries::new(plan);
        let mut units: Vec<Option<Unit>> = vec![None; targets.len()];
        let surveyed =
            ledger_scan::scan(&mut session, plan.chosen.format, targets, |index, stand| {
                // Whatever is there by that name is not this tenant's.
                let unfit = seats[index].address.as_ref().err();
                let stand = unfit
                    .map_or(stand, |failure| LedgerState::Unreadable(Box::new(failure.clone())));
                units[index] = Some(known.unit(&targets[index], stand));
            });
        surveyed.await?;
        session.close().await;
        let mut units: Vec<Unit> = units.into_iter().flatten().collect();
        if !self.inquiry.shapes {
            return Ok(units);
        }
        let there: Vec<usize> =
            (0..units.len()).filter(|index| is_there(&units[*index], &seats[*index])).collect();
        let names: Vec<String> =
            there.iter().map(|index| targets[*index].search_path[0].clone()).collect();
        let mut reader = CatalogReader::open(&options(address)).await?;
        let read = reader.fingerprints(&names, &ledgers(targets)).await;
        reader.close().await;
        for (index, (_, shape)) in there.into_iter().zip(read) {
            put(&mut units[index], shape.map(|shape| shape.to_string()));
        }
        Ok(units)
    }

    /// A session for each, several at a time.
    async fn databases(
        &self,
        plan: &TrackPlan,
        seats: &[ResolvedTenant],
        targets: &[Target],
    ) -> Vec<Unit> {
        let one = async |(seat, target): (&ResolvedTenant, &Target)| {
            let looked = async {
                let address = seat.address.as_ref().map_err(Failure::clone)?;
                let mut session = open(address).await?;
                let stand = ledger_scan::scan_one(&mut session, plan.chosen.format, target).await?;
                session.close().await;
                let mut unit = LedgerSummaries::new(plan).unit(target, stand);
                if self.inquiry.shapes {
                    let mut reader = CatalogReader::open(&options(address)).await?;
                    let left_out = ledgers([target]);
                    let shape = reader.database_fingerprint(&left_out).await;
                    put(&mut unit, shape.map(|shape| shape.to_string()));
                    reader.close().await;
                }
                Ok(unit)
            };
            looked.await.unwrap_or_else(|failure: Failure| {
                LedgerSummaries::new(plan)
                    .unit(target, LedgerState::Unreadable(Box::new(of_own_sql(failure))))
            })
        };
        let jobs = self.jobs();
        stream::iter(seats.iter().zip(targets)).map(one).buffered(jobs).collect().await
    }

    /// In words; one line that says why if they cannot be read.
    pub(crate) async fn differing(&self, odd: &TenantPlace, rule: &TenantPlace) -> Vec<String> {
        match (self.read_catalog(odd).await, self.read_catalog(rule).await) {
            (Ok(odd), Ok(rule)) => odd.differences(&rule).iter().map(ToString::to_string).collect(),
            (Err(failure), _) | (_, Err(failure)) => {
                vec![format!("the differences cannot be read: {}", failure.message)]
            }
        }
    }

    pub(crate) async fn read_catalog(&self, place: &TenantPlace) -> Result<Catalog, Failure> {
        let address = place.address.as_ref().map_err(Failure::clone)?;
        let mut reader = CatalogReader::open(&options(address)).await?;
        let left_out = ledgers([&place.target]);
        let catalog = match self.tenancy() {
            Some(Tenancy::Database) => reader.database_catalog(&left_out).await,
            _ => reader.catalog(&place.target.search_path[0], &left_out).await,
        };
        reader.close().await;
        catalog
    }

    pub(crate) fn tenancy(&self) -> Option<Tenancy> {
        self.job.database.database.tenants.as_ref().map(|track| track.tenancy)
    }

    pub(crate) fn jobs(&self) -> usize {
        self.inquiry.request.limits.jobs.max(1)
    }
}

fn is_there(unit: &Unit, seat: &ResolvedTenant) -> bool {
    unit.standing != Standing::Absent && seat.address.is_ok()
}

/// A session whose end the server notices, also where it waits for a lock.
async fn open(address: &Address) -> Result<Session, Failure> {
    let mut session = Session::open_patiently(&options(address)).await?;
    session.query(SESSION_MARKER_ARRIVED).await?;
    Ok(session)
}

pub(crate) fn options(address: &Address) -> PgConnectOptions {
    address.reading(&[("application_name".to_owned(), "mig-ci status".to_owned())])
}

/// They differ by tool, and by the time of each upgrade.
pub(crate) fn ledgers<'t>(targets: impl IntoIterator<Item = &'t Target>) -> LeaveOut {
    LeaveOut::tables(
        targets
            .into_iter()
            .map(|target| (target.ledger.schema.clone(), target.ledger.table.clone())),
    )
}

fn put(unit: &mut Unit, shape: Result<String, Failure>) {
    match shape {
        Ok(shape) => unit.shape = Some(shape),
        Err(failure) => {
            unit.agreement = Some(Agreement::Unknown);
            unit.failure.get_or_insert_with(|| failure_of(&of_own_sql(failure)));
        }
    }
}

/// What the ledger shows in its order, and what the files have besides.
fn history(plan: &TrackPlan, rows: &[LedgerRow]) -> Vec<Entry> {
    let rows = plan.chosen.format.history(rows, &plan.head);
    let path = |version: &str| {
        let file = plan.head.iter().find(|migration| migration.version == version);
        file.map(|migration| migration.up.path().to_string())
    };
    let applied = rows.iter().map(|row| Entry {
        version: row.version.clone(),
        // One that was begun and has not ended is neither.
        applied: row.complete,
        path: path(&row.version),
    });
    let is_new = |migration: &&Migration| !rows.iter().any(|row| row.version == migration.version);
    let pending = plan.head.iter().filter(is_new).map(|migration| Entry {
        version: migration.version.clone(),
        applied: false,
        path: Some(migration.up.path().to_string()),
    });
    applied.chain(pending).collect()
}
