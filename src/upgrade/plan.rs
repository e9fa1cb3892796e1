//! From the project and the tenants to targets: what is to be worked on, before anything is.

use std::sync::Arc;

use super::Error;
use super::target::Target;
use crate::formats::FormatError;
use crate::model::{Database, Files, Partition, Tenancy, Track, TrackKind};
use crate::postgres::Keys;
use crate::replay::plan::TrackPlan;
use crate::tenants::Tenant;

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
    pub(super) fn bring<'n>(self, turns: &mut [usize], name: impl Fn(usize) -> &'n str) {
        match self {
            Self::Source => {}
            Self::Name => turns.sort_by_key(|turn| name(*turn)),
            Self::Random => fastrand::shuffle(turns),
        }
    }
}

/// The migrations of one track, as they are in the worktree.
pub(super) fn track(
    database: &Database,
    kind: TrackKind,
    track: &Track,
    files: &dyn Files,
) -> Result<TrackPlan, Error> {
    TrackPlan::new(&database.name, kind, track, files, None)
        .map_err(|error| Error::Verify(error.into()))
}

pub(super) fn shared_target(
    database: &Database,
    track: &Track,
    plan: &TrackPlan,
    files: &dyn Files,
) -> Result<Target, Error> {
    let schema = track.search_path.first().unwrap_or(&track.schema);
    let ledger = plan.ledger(track, files, schema).map_err(|source| of_format(database, source))?;
    Ok(Target {
        database: database.name.as_str().into(),
        track: TrackKind::Shared,
        name: database.name.as_str().into(),
        target: schema.clone(),
        search_path: track.search_path.clone(),
        keys: Keys::of(&ledger),
        ledger,
    })
}

pub(super) fn tenant_targets<'t>(
    database: &Database,
    plan: &TrackPlan,
    tenants: impl Iterator<Item = &'t Tenant>,
    files: &dyn Files,
) -> Result<Vec<Target>, Error> {
    let Some(track) = &database.tenants else { return Ok(Vec::new()) };
    let name: Arc<str> = database.name.as_str().into();
    let target = |tenant: &Tenant| {
        let path = track.track.search_path.iter();
        let search_path: Vec<String> =
            path.map(|schema| schema.replace("{target}", &tenant.target)).collect();
        let ledger = plan
            .ledger(&track.track, files, &search_path[0])
            .map_err(|source| of_format(database, source))?;
        if track.tenancy == Tenancy::Schema && ledger.schema != search_path[0] {
            return Err(Error::OneLedger {
                database: database.name.clone(),
                ledger: ledger.qualified(),
            });
        }
        Ok(Target {
            database: Arc::clone(&name),
            track: TrackKind::Tenant,
            name: tenant.name.as_str().into(),
            target: tenant.target.clone(),
            search_path,
            keys: Keys::of(&ledger),
            ledger,
        })
    };
    tenants.map(target).collect()
}

/// The tenants of one part, by their names: another order of the source, or a new tenant, moves nobody.
pub(super) fn dealt(tenants: Vec<Tenant>, part: Partition) -> Vec<Tenant> {
    tenants.into_iter().filter(|tenant| part.has_name(&tenant.name)).collect()
}

fn of_format(database: &Database, source: FormatError) -> Error {
    Error::Format { database: database.name.clone(), source }
}
