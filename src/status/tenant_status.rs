//! Reads the state of a database and its tenants: their ledgers and catalogs, in few queries. Read-only.

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
use crate::upgrade::own_sql::of_own_sql;
use crate::upgrade::preflight::database_target::{DatabaseTarget, ResolvedTenant};
use crate::upgrade::preflight::endpoint::{self, main_address, unreachable};
use crate::upgrade::preflight::ledger_scan;
use crate::upgrade::preflight::ledger_state::LedgerState;
use crate::upgrade::preflight::request_scope::RequestScope;
use crate::upgrade::preflight::targets;
use crate::upgrade::rollout::pool_scan::SESSION_MARKER_ARRIVED;
use crate::upgrade::target::Target;
use crate::upgrade::{UpgradeError, UpgradeRequest};

/// The maximum number of differing shapes that are explained item by item.
const EXPLAINED: usize = 10;
/// The maximum number of items shown for each.
const ITEMS: usize = 20;

#[derive(Debug)]
pub(crate) struct StatusRequest {
    pub(crate) request: UpgradeRequest,
    /// Whether catalogs are compared.
    pub(crate) shapes: bool,
}

/// A tenant's target and address.
pub(crate) struct TenantEndpoint {
    pub(crate) target: Target,
    pub(crate) address: Result<Address, Failure>,
}

/// Reads the state of one database.
pub(crate) async fn status(
    request: &StatusRequest,
    interrupted: &CancellationToken,
) -> Result<status::Report, UpgradeError> {
    let scope = &request.request.scope;
    let (project, files) = load_project(scope.config.as_deref(), scope.overrides.clone())?;
    DatabaseTarget::check_format(&request.request, &project, "current")?;
    let scope = RequestScope::new(&request.request, &project, &files)?;
    let reader = StatusReader { request, scope: &scope, files: &files };
    let built = async {
        let (history, shared) = reader.shared().await?;
        let mut units: Vec<Unit> = shared.into_iter().collect();
        let first = units.len();
        let (tenants, endpoints) = reader.tenants(&project.root).await?;
        units.extend(tenants);
        reader.merge_equal_shapes(&mut units, &endpoints, first).await;
        let odd = status::differing_shapes(&mut units);
        let mut differences = Vec::new();
        for odd in odd.iter().take(EXPLAINED) {
            let Some(rule) = odd.rule else { continue };
            let names = odd.units.iter().map(|index| units[*index].name.clone());
            let endpoint = |index: usize| &endpoints[index - first];
            let like_rule = |index: &usize| {
                *index != rule
                    && units[*index].shape == units[rule].shape
                    && units[*index].state == units[rule].state
            };
            let group: Vec<usize> =
                [rule].into_iter().chain((first..units.len()).filter(like_rule).take(1)).collect();
            let (rule, items) =
                reader.differing_from(endpoint(odd.units[0]), &group, endpoint).await;
            differences.push(status::Difference {
                tenants: names.collect(),
                expected: units[rule].name.clone(),
                left_out: items.len().saturating_sub(ITEMS),
                items: items.into_iter().take(ITEMS).collect(),
            });
        }
        let report = status::build(&scope.database.database.name, history, units, differences);
        Ok(status::Report { notes: scope.notes(), ..report })
    };
    let built = interrupted.run_until_cancelled(built).await;
    built.ok_or(UpgradeError::Interrupted)?
}

/// One database, and the request for its status.
pub(crate) struct StatusReader<'a> {
    request: &'a StatusRequest,
    scope: &'a RequestScope<'a>,
    files: &'a Worktree,
}

impl StatusReader<'_> {
    async fn shared(&self) -> Result<(Vec<Entry>, Option<Unit>), UpgradeError> {
        let database_target = &self.scope.database;
        let (Some(track), Some(plan)) = (&database_target.database.shared, &self.scope.shared)
        else {
            return Ok((Vec::new(), None));
        };
        let target = targets::shared_target(database_target, track, plan, self.files)?;
        let address = main_address(database_target)?;
        let ledger = async {
            let mut session = open(&address).await?;
            let ledger = ledger_scan::scan_one(&mut session, plan.detected.format, &target).await?;
            session.close().await;
            Ok(ledger)
        };
        let ledger =
            ledger.await.map_err(|failure| unreachable(database_target, &address, failure))?;
        let rows = match &ledger {
            LedgerState::Rows(rows) => Arc::clone(rows),
            _ => Arc::default(),
        };
        let unit = LedgerSummaries::new(plan).unit(&target, ledger);
        Ok((history(plan, &rows), Some(unit)))
    }

    /// The tenants' units, and the endpoint of each.
    async fn tenants(
        &self,
        root: &Utf8Path,
    ) -> Result<(Vec<Unit>, Vec<TenantEndpoint>), UpgradeError> {
        let (database_target, request) = (&self.scope.database, &self.request.request);
        let (Some(plan), Some(selector), Some(track)) =
            (&self.scope.tenants, &request.tenants, &database_target.database.tenants)
        else {
            return Ok((Vec::new(), Vec::new()));
        };
        let resolver = TenantResolver {
            database: &database_target.database.name,
            track,
            shared: database_target.database.shared.as_ref(),
            files: self.files,
            root,
        };
        let mut tenants =
            endpoint::resolve_tenants(database_target, &resolver, selector, request.partition)
                .await?;
        let targets = targets::tenant_targets(database_target, plan, &mut tenants, self.files)?;
        let units = match track.tenancy {
            Tenancy::Schema => {
                let address = main_address(database_target)?;
                let units = self.schemas(plan, &address, &tenants, &targets).await;
                units.map_err(|failure| unreachable(database_target, &address, failure))?
            }
            Tenancy::Database => self.databases(plan, &tenants, &targets).await,
        };
        let endpoint = |(tenant, target): (ResolvedTenant, Target)| TenantEndpoint {
            target,
            address: tenant.address,
        };
        Ok((units, tenants.into_iter().zip(targets).map(endpoint).collect()))
    }

    /// Tenants with a schema each: reads all ledgers and all catalogs in a few queries.
    async fn schemas(
        &self,
        plan: &TrackPlan,
        address: &Address,
        tenants: &[ResolvedTenant],
        targets: &[Target],
    ) -> Result<Vec<Unit>, Failure> {
        let mut session = open(address).await?;
        let mut summaries = LedgerSummaries::new(plan);
        let mut units: Vec<Option<Unit>> = vec![None; targets.len()];
        let scanned =
            ledger_scan::scan(&mut session, plan.detected.format, targets, |index, ledger| {
                // A schema of that name does not belong to this tenant.
                let ineligible = tenants[index].address.as_ref().err();
                let ledger = ineligible
                    .map_or(ledger, |failure| LedgerState::Unreadable(Box::new(failure.clone())));
                units[index] = Some(summaries.unit(&targets[index], ledger));
            });
        scanned.await?;
        session.close().await;
        let mut units: Vec<Unit> = units.into_iter().flatten().collect();
        if !self.request.shapes {
            return Ok(units);
        }
        let there: Vec<usize> =
            (0..units.len()).filter(|index| is_there(&units[*index], &tenants[*index])).collect();
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

    /// Tenants with a database each: opens a session for each, several at a time.
    async fn databases(
        &self,
        plan: &TrackPlan,
        tenants: &[ResolvedTenant],
        targets: &[Target],
    ) -> Vec<Unit> {
        let one = async |(tenant, target): (&ResolvedTenant, &Target)| {
            let read = async {
                let address = tenant.address.as_ref().map_err(Failure::clone)?;
                let mut session = open(address).await?;
                let ledger =
                    ledger_scan::scan_one(&mut session, plan.detected.format, target).await?;
                session.close().await;
                let mut unit = LedgerSummaries::new(plan).unit(target, ledger);
                if self.request.shapes {
                    let mut reader = CatalogReader::open(&options(address)).await?;
                    let left_out = ledgers([target]);
                    let shape = reader.database_fingerprint(&left_out).await;
                    put(&mut unit, shape.map(|shape| shape.to_string()));
                    reader.close().await;
                }
                Ok(unit)
            };
            read.await.unwrap_or_else(|failure: Failure| {
                LedgerSummaries::new(plan)
                    .unit(target, LedgerState::Unreadable(Box::new(of_own_sql(failure))))
            })
        };
        let jobs = self.jobs();
        stream::iter(tenants.iter().zip(targets)).map(one).buffered(jobs).collect().await
    }

    /// The differences as text; one line with the reason if they cannot be read.
    pub(crate) async fn differing(
        &self,
        odd: &TenantEndpoint,
        rule: &TenantEndpoint,
    ) -> Vec<String> {
        match (self.read_catalog(odd).await, self.read_catalog(rule).await) {
            (Ok(odd), Ok(rule)) => odd.differences(&rule).iter().map(ToString::to_string).collect(),
            (Err(failure), _) | (_, Err(failure)) => {
                vec![format!("the differences cannot be read: {}", failure.message)]
            }
        }
    }

    pub(crate) async fn read_catalog(&self, endpoint: &TenantEndpoint) -> Result<Catalog, Failure> {
        let address = endpoint.address.as_ref().map_err(Failure::clone)?;
        let mut reader = CatalogReader::open(&options(address)).await?;
        let left_out = ledgers([&endpoint.target]);
        let catalog = match self.tenancy() {
            Some(Tenancy::Database) => reader.database_catalog(&left_out).await,
            _ => reader.catalog(&endpoint.target.search_path[0], &left_out).await,
        };
        reader.close().await;
        catalog
    }

    pub(crate) fn tenancy(&self) -> Option<Tenancy> {
        self.scope.database.database.tenants.as_ref().map(|track| track.tenancy)
    }

    pub(crate) fn jobs(&self) -> usize {
        self.request.request.limits.jobs.max(1)
    }
}

fn is_there(unit: &Unit, tenant: &ResolvedTenant) -> bool {
    unit.standing != Standing::Absent && tenant.address.is_ok()
}

/// Opens a session whose end the server detects even while it waits for a lock.
async fn open(address: &Address) -> Result<Session, Failure> {
    let mut session = Session::open_with_retry(&options(address)).await?;
    session.query(SESSION_MARKER_ARRIVED).await?;
    Ok(session)
}

pub(crate) fn options(address: &Address) -> PgConnectOptions {
    address.reading(&[("application_name".to_owned(), "mig-ci status".to_owned())])
}

/// Ledgers are left out of fingerprints: they differ by tool, and by the time of each upgrade.
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

/// The entries of the ledger in its order, then the migrations that are only in files.
fn history(plan: &TrackPlan, rows: &[LedgerRow]) -> Vec<Entry> {
    let rows = plan.detected.format.history(rows, &plan.head);
    let path = |version: &str| {
        let file = plan.head.iter().find(|migration| migration.version == version);
        file.map(|migration| migration.up.path().to_string())
    };
    let applied = rows.iter().map(|row| Entry {
        version: row.version.clone(),
        // A migration that started and did not complete is neither applied nor pending.
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
