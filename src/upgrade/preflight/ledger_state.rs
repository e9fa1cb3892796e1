//! The state of a target's ledger.

use std::sync::Arc;

use sqlx::postgres::PgRow;

use crate::formats::LedgerRow;
use crate::model::{Failure, FailureKind};

#[derive(Debug, Clone)]
pub(crate) enum LedgerState {
    /// The schema does not exist.
    Absent,
    /// There is no ledger: the tool has never applied anything.
    New,
    /// The ledger's rows, oldest first. Shared, since most targets have equal rows.
    Rows(Arc<[LedgerRow]>),
    Unreadable(Box<Failure>),
}

/// Reads a value of a ledger's row.
///
/// # Errors
/// [`FailureKind::Ledger`]: the row has an unexpected shape.
pub(crate) fn read<T>(
    row: &PgRow,
    get: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<T, Failure> {
    get(row).map_err(|error| {
        Failure::new(FailureKind::Ledger, format!("the ledger's rows cannot be read: {error}"))
    })
}
