//! The results of comparing catalogs during a replay: of tenants with the same starting state, and of the database outside of
//! the tenants.

use std::sync::Arc;

use super::{Failure, Place};

/// The comparison of a unit's catalog with that of an earlier unit with the same starting state.
#[derive(Debug, Clone)]
pub(crate) struct ShapeComparison {
    /// The name of the other unit, whose catalog is the expected one.
    pub(crate) other: String,
    pub(crate) outcome: CatalogComparison,
}

/// The result of comparing two catalogs.
#[derive(Debug, Clone)]
pub(crate) enum CatalogComparison {
    /// Both were read. Empty if they are equal.
    Compared(Arc<[PlacedDifference]>),
    /// At least one of them could not be read, so there is no result.
    NotRead(Box<Failure>),
}

/// One object that differs, and the statement that names it.
#[derive(Debug, Clone)]
pub(crate) struct PlacedDifference {
    /// In words: `constraint members.email_key is missing`.
    pub(crate) text: String,
    /// The first statement of the pending migrations that names the object; else of all migrations. `None` if there is none:
    /// dynamic SQL can compute a name.
    pub(crate) place: Option<Place>,
}
