//! Maps the project and the tenants to targets.

use std::sync::Arc;

use super::contradiction;
use super::database_target::DatabaseTarget;
use super::database_target::ResolvedTenant;
use crate::formats::{self, FormatError, Ledger};
use crate::model::{Database, Failure, FailureKind, Files, Tenancy, Track, TrackKind};
use crate::postgres::AdvisoryLockKeys;
use crate::replay::plan::{TrackPlan, directory};
use crate::upgrade::UpgradeError;
use crate::upgrade::target::{OtherLedgers, Target};

/// A placeholder schema that every tool supports.
const ANY_SCHEMA: &str = "any_schema";

/// The order in which tenants are processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    /// The order of their source.
    #[default]
    Source,
    /// By the bytes of their names.
    Name,
    /// A new order in each run, so that the first few are a fair sample.
    Random,
}

impl Order {
    /// Sorts `order`; `name` returns the name of each.
    pub(crate) fn bring<'n>(self, order: &mut [usize], name: impl Fn(usize) -> &'n str) {
        match self {
            Self::Source => {}
            Self::Name => order.sort_by_key(|index| name(*index)),
            Self::Random => fastrand::shuffle(order),
        }
    }
}

/// The migrations of one track in the worktree.
pub(crate) fn track(
    database: &Database,
    kind: TrackKind,
    track: &Track,
    files: &dyn Files,
) -> Result<TrackPlan, UpgradeError> {
    TrackPlan::new(&database.name, kind, track, files, None)
        .map_err(|error| UpgradeError::Project(error.into()))
}

pub(crate) fn shared_target(
    database_target: &DatabaseTarget<'_>,
    track: &Track,
    plan: &TrackPlan,
    files: &dyn Files,
) -> Result<Target, UpgradeError> {
    let database = database_target.database;
    let schema = track.search_path.first().unwrap_or(&track.schema);
    let ledger = plan.ledger(track, files, schema).map_err(|source| of_format(database, source))?;
    Ok(Target {
        database: database.name.as_str().into(),
        track: TrackKind::Shared,
        name: database.name.as_str().into(),
        target: schema.clone(),
        search_path: track.search_path.clone(),
        keys: AdvisoryLockKeys::of(&ledger),
        ledger,
        other_ledgers: Arc::new(other_ledgers(database_target, &[], files)),
        owns_connection: database
            .tenants
            .as_ref()
            .is_none_or(|tenants| tenants.tenancy == Tenancy::Database),
        session_settings: session_settings(database_target, plan),
    })
}

/// One target for each tenant. A tenant whose schema the tool does not support gets a failure instead of its address.
pub(crate) fn tenant_targets(
    database_target: &DatabaseTarget<'_>,
    plan: &TrackPlan,
    resolved_tenants: &mut [ResolvedTenant],
    files: &dyn Files,
) -> Result<Vec<Target>, UpgradeError> {
    let database = database_target.database;
    let Some(track) = &database.tenants else { return Ok(Vec::new()) };
    let name: Arc<str> = database.name.as_str().into();
    // An error in the ledger of a plain name is an error for all tenants.
    let elsewhere = plan
        .ledger(&track.track, files, ANY_SCHEMA)
        .map_err(|source| of_format(database, source))?;
    if track.tenancy == Tenancy::Schema && elsewhere.schema != ANY_SCHEMA {
        let (database, ledger) = (database.name.clone(), elsewhere.qualified());
        return Err(UpgradeError::OneLedger { database, ledger });
    }
    // The same applies to a template that the tool supports for no name.
    if let Ok(target) = track.target.expand(ANY_SCHEMA) {
        let schema = track.track.search_path[0].replace("{target}", &target);
        let ledger = plan.ledger(&track.track, files, &schema);
        ledger.map_err(|source| of_format(database, source))?;
    }
    let shared: Vec<&Track> = database.shared.iter().collect();
    let other_ledgers = Arc::new(other_ledgers(database_target, &shared, files));
    let session_settings = session_settings(database_target, plan);
    let target = |resolved: &mut ResolvedTenant| {
        let tenant = &resolved.tenant;
        let path = track.track.search_path.iter();
        let search_path: Vec<String> =
            path.map(|schema| schema.replace("{target}", &tenant.target)).collect();
        let ledger = plan.ledger(&track.track, files, &search_path[0]).unwrap_or_else(|source| {
            let failure = Failure {
                hint: source.help().map(str::to_owned),
                ..Failure::new(FailureKind::Refused, source.to_string())
            };
            if resolved.address.is_ok() {
                resolved.address = Err(failure);
            }
            Ledger::new(search_path[0].clone(), elsewhere.table.clone())
        });
        let target = Target {
            database: Arc::clone(&name),
            track: TrackKind::Tenant,
            name: tenant.name.as_str().into(),
            target: tenant.target.clone(),
            search_path,
            keys: AdvisoryLockKeys::of(&ledger),
            ledger,
            other_ledgers: Arc::clone(&other_ledgers),
            owns_connection: track.tenancy == Tenancy::Database,
            session_settings: Arc::clone(&session_settings),
        };
        let format = plan.detected.format.name();
        let address = resolved.address.as_ref().ok();
        let contradiction = address
            .and_then(|address| contradiction::of_address(database, format, &target, address));
        if let Some(failure) = contradiction {
            resolved.address = Err(failure);
        }
        target
    };
    Ok(resolved_tenants.iter_mut().map(target).collect())
}

fn session_settings(database_target: &DatabaseTarget<'_>, plan: &TrackPlan) -> Arc<[String]> {
    plan.detected.format.client().settings_on_real_server(&database_target.settings).into()
}

/// The ledgers that may exist next to a target's own: those that the configuration allows, those of `tracks`, and those of
/// other named databases in the same real database.
fn other_ledgers(
    database_target: &DatabaseTarget<'_>,
    tracks: &[&Track],
    files: &dyn Files,
) -> OtherLedgers {
    let shared = database_target.others.iter().filter_map(|other| other.shared.as_ref());
    let mut found = OtherLedgers {
        allowed: database_target.database.other_ledgers.clone(),
        used: Vec::new(),
        of_project: shared.filter_map(|track| ledger_of(track, files)).collect(),
    };
    let others =
        database_target.others.iter().filter(|other| database_target.shares_address_with(other));
    for other in others {
        found.used.extend(other.shared.iter().filter_map(|track| ledger_of(track, files)));
        // Each of its tenants has a ledger in its own schema.
        let of_tenants = other.tenants.iter().filter_map(|track| ledger_of(&track.track, files));
        found.allowed.extend(of_tenants.map(|(_, table)| table));
    }
    found.used.extend(tracks.iter().filter_map(|track| ledger_of(track, files)));
    found
}

/// Schema and table of a track's ledger. Errors of the track are reported when it runs.
fn ledger_of(track: &Track, files: &dyn Files) -> Option<(String, String)> {
    let directory = directory(track, files);
    let detected = formats::detect_format(&directory, track.format.as_deref()).ok()?;
    let schema = track.search_path.first().unwrap_or(&track.schema);
    let ledger = detected.format.ledger(&directory, schema).ok()?;
    Some((ledger.schema, ledger.table))
}

pub(crate) fn of_format(database: &Database, source: FormatError) -> UpgradeError {
    UpgradeError::Format { database: database.name.clone(), source }
}
