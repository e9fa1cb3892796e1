//! The version table of a tool, as every room but its format needs it.

use crate::sql::quote_identifier;

/// Where a tool writes down what it has applied, in one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) schema: String,
    pub(crate) table: String,
}

impl Ledger {
    /// `"schema"."table"`, quoted.
    pub(crate) fn qualified(&self) -> String {
        format!("{}.{}", quote_identifier(&self.schema), quote_identifier(&self.table))
    }
}

/// One row, in the terms that all formats share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerRow {
    pub(crate) version: String,
    pub(crate) checksum: Option<Vec<u8>>,
    /// False for a migration that was begun and not finished ("dirty").
    pub(crate) complete: bool,
}
