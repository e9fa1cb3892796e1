//! Compares catalogs during a replay: tenants with the same starting state must end with the same shape, and changes outside
//! of the tenants' schemas are recorded.
//!
//! The first tenant that starts empty runs its head before all others, alone in its database. A guard that takes effect for
//! the first tenant only (an object that is looked up by its unqualified name, an extension) therefore takes effect for this
//! one, regardless of the number of concurrent tenants afterwards. Changes outside of the schemas at that point come from
//! one tenant's migrations alone.

use super::Replay;
use super::plan::{DatabasePlan, PlannedUnit, StartingState, TrackPlan};
use super::unit::UnitRun;
use crate::catalog::CatalogReader;
use crate::model::{
    Catalog, CatalogComparison, Difference, Failure, LeaveOut, Migration, Place, PlacedDifference,
    ShapeComparison, Tenancy,
};
use crate::sql::{first_mention, place_in};

/// The maximum number of differences that are kept of one comparison.
const KEPT: usize = 100;

/// Compares each completed tenant with the first one that has the same starting state.
pub(crate) async fn compare_shapes(
    replay: &Replay<'_>,
    database: &DatabasePlan,
    runs: &mut [UnitRun<'_>],
) {
    for start in [StartingState::Fresh, StartingState::Base] {
        let same: Vec<usize> = (0..runs.len())
            .filter(|index| runs[*index].unit().start == start && runs[*index].is_completed())
            .collect();
        let [first, others @ ..] = same.as_slice() else { continue };
        if others.is_empty() {
            continue;
        }
        let expected = shape(replay, database, &runs[*first]).await;
        let other = runs[*first].unit().name.to_string();
        for index in others {
            let outcome = match (&expected, shape(replay, database, &runs[*index]).await) {
                (Ok(expected), Ok(is)) => compared(database, &is, expected, Difference::to_string),
                (Err(failure), _) => CatalogComparison::NotRead(Box::new(failure.clone())),
                (_, Err(failure)) => CatalogComparison::NotRead(Box::new(failure)),
            };
            let differs =
                matches!(&outcome, CatalogComparison::Compared(found) if !found.is_empty());
            if differs {
                replay.inconclusive.consider_shapes(&database.name);
            }
            runs[*index].set_shape(ShapeComparison { other: other.clone(), outcome });
        }
    }
}

async fn shape(
    replay: &Replay<'_>,
    database: &DatabasePlan,
    run: &UnitRun<'_>,
) -> Result<Catalog, Failure> {
    let left_out = ledgers([run.unit()]);
    let read = async {
        let mut reader = open(replay, run.scratch_name()).await?;
        let catalog = match database.tenancy {
            Tenancy::Schema => reader.catalog(schema_of(run.unit()), &left_out).await,
            Tenancy::Database => reader.database_catalog(&left_out).await,
        };
        reader.close().await;
        catalog
    };
    settled(replay, read.await).await
}

/// Without the project's session settings, which are for migrations and could interrupt a catalog query.
async fn open(replay: &Replay<'_>, scratch: &str) -> Result<CatalogReader, Failure> {
    CatalogReader::open(&replay.server.admin().database(scratch)).await
}

async fn settled<T>(replay: &Replay<'_>, read: Result<T, Failure>) -> Result<T, Failure> {
    match read {
        Ok(read) => Ok(read),
        Err(failure) => Err(replay.settle(failure).await),
    }
}

/// The objects of the database outside of the tenants' schemas, as last read.
pub(crate) struct OutsideCatalog<'a> {
    replay: &'a Replay<'a>,
    database: &'a DatabasePlan,
    scratch: String,
    tenants: Vec<&'a PlannedUnit>,
    last: Result<Catalog, Failure>,
}

impl<'a> OutsideCatalog<'a> {
    /// Reads them before the first tenant's head migrations. `None` if each tenant is a database.
    pub(crate) async fn read(
        replay: &'a Replay<'a>,
        database: &'a DatabasePlan,
        runs: &[UnitRun<'a>],
    ) -> Option<Self> {
        let scratch = match runs.iter().find(|run| run.is_completed()) {
            Some(run) if database.tenancy == Tenancy::Schema => run.scratch_name().to_owned(),
            _ => return None,
        };
        let tenants: Vec<&PlannedUnit> = runs.iter().map(|run| run.unit()).collect();
        let last = read_outside(replay, &scratch, &tenants).await;
        Some(Self { replay, database, scratch, tenants, last })
    }

    /// Records in each of `runs` that applied a migration what has changed since the last read.
    pub(crate) async fn note_changes(&mut self, runs: &mut [UnitRun<'_>]) {
        if !runs.iter().any(UnitRun::has_run_head) {
            return;
        }
        let now = read_outside(self.replay, &self.scratch, &self.tenants).await;
        let outcome = match (&self.last, &now) {
            (Ok(before), Ok(now)) => compared(self.database, now, before, Difference::as_change),
            (Err(failure), _) | (_, Err(failure)) => {
                CatalogComparison::NotRead(Box::new(failure.clone()))
            }
        };
        for run in runs.iter_mut().filter(|run| run.has_run_head()) {
            run.set_outside(outcome.clone());
        }
        self.last = now;
    }
}

async fn read_outside(
    replay: &Replay<'_>,
    scratch: &str,
    tenants: &[&PlannedUnit],
) -> Result<Catalog, Failure> {
    let schemas: Vec<String> = tenants.iter().map(|unit| schema_of(unit).to_owned()).collect();
    let left_out = ledgers(tenants.iter().copied());
    let read = async {
        let mut reader = open(replay, scratch).await?;
        let catalog = reader.catalog_without(&schemas, &left_out).await;
        reader.close().await;
        catalog
    };
    settled(replay, read.await).await
}

fn schema_of(unit: &PlannedUnit) -> &str {
    unit.search_path.first().map_or("public", String::as_str)
}

fn ledgers<'u>(units: impl IntoIterator<Item = &'u PlannedUnit>) -> LeaveOut {
    let table = |unit: &PlannedUnit| (unit.ledger.schema.clone(), unit.ledger.table.clone());
    LeaveOut::tables(units.into_iter().map(table))
}

fn compared(
    database: &DatabasePlan,
    is: &Catalog,
    expected: &Catalog,
    text: impl Fn(&Difference) -> String,
) -> CatalogComparison {
    let differences = is.differences(expected);
    let more = differences.len().saturating_sub(KEPT);
    let placed = differences.iter().take(KEPT).map(|difference| PlacedDifference {
        text: text(difference),
        place: database.tenants.as_ref().and_then(|track| place_of(track, difference)),
    });
    let rest = (more > 0).then(|| PlacedDifference {
        text: format!("{more} more differences omitted"),
        place: None,
    });
    CatalogComparison::Compared(placed.chain(rest).collect())
}

/// The first statement that names the object, preferably of a pending migration.
fn place_of(track: &TrackPlan, difference: &Difference) -> Option<Place> {
    let names = difference.spoken_names();
    let (pending, old): (Vec<&Migration>, Vec<&Migration>) =
        track.head.iter().partition(|migration| track.is_pending(migration));
    pending.into_iter().chain(old).find_map(|migration| {
        let statement = first_mention(migration.up.text(), &names)?;
        Some(place_in(&migration.up, migration.up.range().start + statement.start))
    })
}

/// Moves the first tenant that starts empty to the front.
pub(crate) fn first_fresh(runs: &mut [UnitRun<'_>]) -> usize {
    let at = runs.iter().position(|run| run.unit().start == StartingState::Fresh);
    at.map_or(0, |at| {
        runs.swap(0, at);
        1
    })
}
