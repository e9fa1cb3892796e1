//! From the project and the tenants to targets: what is to be worked on, before anything is.

use std::sync::Arc;

use super::Error;
use super::place::Seat;
use super::target::Target;
use crate::formats::{FormatError, Ledger};
use crate::model::{Database, Failure, FailureKind, Files, Tenancy, Track, TrackKind};
use crate::postgres::Keys;
use crate::replay::plan::TrackPlan;

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

/// One for each seat. A tenant whose schema the tool cannot work in loses its address for that reason; the others do not.
pub(super) fn tenant_targets(
    database: &Database,
    plan: &TrackPlan,
    seats: &mut [Seat],
    files: &dyn Files,
) -> Result<Vec<Target>, Error> {
    let Some(track) = &database.tenants else { return Ok(Vec::new()) };
    let name: Arc<str> = database.name.as_str().into();
    // What is wrong with the ledger of a plain name is wrong for all.
    let elsewhere = plan
        .ledger(&track.track, files, ANY_SCHEMA)
        .map_err(|source| of_format(database, source))?;
    if track.tenancy == Tenancy::Schema && elsewhere.schema != ANY_SCHEMA {
        let (database, ledger) = (database.name.clone(), elsewhere.qualified());
        return Err(Error::OneLedger { database, ledger });
    }
    let target = |seat: &mut Seat| {
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
        Target {
            database: Arc::clone(&name),
            track: TrackKind::Tenant,
            name: tenant.name.as_str().into(),
            target: tenant.target.clone(),
            search_path,
            keys: Keys::of(&ledger),
            ledger,
        }
    };
    Ok(seats.iter_mut().map(target).collect())
}

fn of_format(database: &Database, source: FormatError) -> Error {
    Error::Format { database: database.name.clone(), source }
}
