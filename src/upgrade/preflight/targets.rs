//! From the project and the tenants to targets: what is to be worked on, before anything is.

use std::sync::Arc;

use super::contradiction;
use super::database_target::DatabaseTarget;
use super::resolved_tenant::ResolvedTenant;
use crate::formats::{self, FormatError, Ledger};
use crate::model::{Database, Failure, FailureKind, Files, Tenancy, Track, TrackKind};
use crate::postgres::AdvisoryLockKeys;
use crate::replay::plan::{TrackPlan, directory};
use crate::upgrade::UpgradeError;
use crate::upgrade::target::{OtherLedgers, Target};

/// A schema that every tool can work in.
const ANY_SCHEMA: &str = "any_schema";

/// In which order tenants are begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    /// As their source gives them.
    #[default]
    Source,
    /// By the bytes of their names.
    Name,
    /// Another one in each run, so that the first few are a fair sample.
    Random,
}

impl Order {
    /// Brings them into this order; `name` tells the name of each.
    pub(crate) fn bring<'n>(self, turns: &mut [usize], name: impl Fn(usize) -> &'n str) {
        match self {
            Self::Source => {}
            Self::Name => turns.sort_by_key(|turn| name(*turn)),
            Self::Random => fastrand::shuffle(turns),
        }
    }
}

/// The migrations of one track, as they are in the worktree.
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
    site: &DatabaseTarget<'_>,
    track: &Track,
    plan: &TrackPlan,
    files: &dyn Files,
) -> Result<Target, UpgradeError> {
    let database = site.database;
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
        other_ledgers: Arc::new(other_ledgers(site, &[], files)),
        owns_connection: database
            .tenants
            .as_ref()
            .is_none_or(|tenants| tenants.tenancy == Tenancy::Database),
        session_settings: session_settings(site, plan),
    })
}

/// One for each seat. A tenant whose schema the tool cannot work in loses its address for that reason; the others do not.
pub(crate) fn tenant_targets(
    site: &DatabaseTarget<'_>,
    plan: &TrackPlan,
    seats: &mut [ResolvedTenant],
    files: &dyn Files,
) -> Result<Vec<Target>, UpgradeError> {
    let database = site.database;
    let Some(track) = &database.tenants else { return Ok(Vec::new()) };
    let name: Arc<str> = database.name.as_str().into();
    // What is wrong with the ledger of a plain name is wrong for all.
    let elsewhere = plan
        .ledger(&track.track, files, ANY_SCHEMA)
        .map_err(|source| of_format(database, source))?;
    if track.tenancy == Tenancy::Schema && elsewhere.schema != ANY_SCHEMA {
        let (database, ledger) = (database.name.clone(), elsewhere.qualified());
        return Err(UpgradeError::OneLedger { database, ledger });
    }
    // So is a template with which it can work for no name at all.
    if let Ok(target) = track.target.expand(ANY_SCHEMA) {
        let schema = track.track.search_path[0].replace("{target}", &target);
        let ledger = plan.ledger(&track.track, files, &schema);
        ledger.map_err(|source| of_format(database, source))?;
    }
    let shared: Vec<&Track> = database.shared.iter().collect();
    let other_ledgers = Arc::new(other_ledgers(site, &shared, files));
    let session_settings = session_settings(site, plan);
    let target = |seat: &mut ResolvedTenant| {
        let tenant = &seat.tenant;
        let path = track.track.search_path.iter();
        let search_path: Vec<String> =
            path.map(|schema| schema.replace("{target}", &tenant.target)).collect();
        let ledger = plan.ledger(&track.track, files, &search_path[0]).unwrap_or_else(|source| {
            let failure = Failure {
                hint: source.help().map(str::to_owned),
                ..Failure::new(FailureKind::Refused, source.to_string())
            };
            if seat.address.is_ok() {
                seat.address = Err(failure);
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
        let format = plan.chosen.format.name();
        let address = seat.address.as_ref().ok();
        let contradiction = address
            .and_then(|address| contradiction::of_address(database, format, &target, address));
        if let Some(failure) = contradiction {
            seat.address = Err(failure);
        }
        target
    };
    Ok(seats.iter_mut().map(target).collect())
}

fn session_settings(site: &DatabaseTarget<'_>, plan: &TrackPlan) -> Arc<[String]> {
    plan.chosen.format.client().settings_on_real_server(&site.settings).into()
}

/// The ledgers that may lie where a target is: those that the configuration allows, those of `tracks`, and those of other
/// named databases in the same real database.
fn other_ledgers(site: &DatabaseTarget<'_>, tracks: &[&Track], files: &dyn Files) -> OtherLedgers {
    let shared = site.others.iter().filter_map(|other| other.shared.as_ref());
    let mut found = OtherLedgers {
        allowed: site.database.other_ledgers.clone(),
        used: Vec::new(),
        of_project: shared.filter_map(|track| ledger_of(track, files)).collect(),
    };
    let others = site.others.iter().filter(|other| site.shares_address_with(other));
    for other in others {
        found.used.extend(other.shared.iter().filter_map(|track| ledger_of(track, files)));
        // Each of its tenants has one, in the tenant's own schema.
        let of_tenants = other.tenants.iter().filter_map(|track| ledger_of(&track.track, files));
        found.allowed.extend(of_tenants.map(|(_, table)| table));
    }
    found.used.extend(tracks.iter().filter_map(|track| ledger_of(track, files)));
    found
}

/// Schema and table of a track's ledger. What is wrong with the track is told where it is run.
fn ledger_of(track: &Track, files: &dyn Files) -> Option<(String, String)> {
    let directory = directory(track, files);
    let chosen = formats::detect_format(&directory, track.format.as_deref()).ok()?;
    let schema = track.search_path.first().unwrap_or(&track.schema);
    let ledger = chosen.format.ledger(&directory, schema).ok()?;
    Some((ledger.schema, ledger.table))
}

pub(crate) fn of_format(database: &Database, source: FormatError) -> UpgradeError {
    UpgradeError::Format { database: database.name.clone(), source }
}
