//! What the ledger of a target says.

use std::sync::Arc;

use sqlx::postgres::PgRow;

use crate::formats::LedgerRow;
use crate::model::{Failure, FailureKind};

/// Where a target stands.
#[derive(Debug, Clone)]
pub(crate) enum LedgerState {
    /// Its schema is not there.
    Absent,
    /// There is no ledger: nothing has ever been applied by this tool.
    New,
    /// The ledger's rows, the oldest first. Most targets have the same.
    Rows(Arc<[LedgerRow]>),
    Unreadable(Box<Failure>),
}

/// A value of a ledger's row.
///
/// # Errors
/// [`FailureKind::Ledger`]: the row is not what it should be.
pub(crate) fn read<T>(
    row: &PgRow,
    get: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<T, Failure> {
    get(row).map_err(|error| {
        Failure::new(FailureKind::Ledger, format!("the ledger's rows cannot be read: {error}"))
    })
}
