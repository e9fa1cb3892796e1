//! What comparing catalogs showed during a replay: tenants with the same start, and the database around the tenants.

use std::sync::Arc;

use super::{Failure, Place};

/// The shape of a unit compared with that of an earlier unit that has the same start.
#[derive(Debug, Clone)]
pub(crate) struct ShapeComparison {
    /// The other unit's name. Its catalog is what is expected.
    pub(crate) other: String,
    pub(crate) outcome: CatalogComparison,
}

/// What two catalogs have shown.
#[derive(Debug, Clone)]
pub(crate) enum CatalogComparison {
    /// Both were read. Empty if they hold the same.
    Compared(Arc<[PlacedDifference]>),
    /// At least one of them could not be read, so nothing is known.
    NotRead(Box<Failure>),
}

/// One object that differs, and the statement that names it.
#[derive(Debug, Clone)]
pub(crate) struct PlacedDifference {
    /// In words: `constraint members.email_key is missing`.
    pub(crate) text: String,
    /// The first statement of the pending migrations that names the object; else of all migrations. `None` where none
    /// does: dynamic SQL can put a name together.
    pub(crate) place: Option<Place>,
}
