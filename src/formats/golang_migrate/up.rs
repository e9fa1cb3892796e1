//! What golang-migrate sends to apply a migration.

use super::version::set_version;
use crate::formats::{Ledger, QueryBatch};
use crate::model::Migration;

pub(super) fn apply(migration: &Migration, ledger: &Ledger) -> Vec<QueryBatch> {
    let mut messages = vec![set_version(&migration.version, true, ledger)];
    if !migration.up.text().trim().is_empty() {
        messages.push(QueryBatch::script(migration.up.clone()));
    }
    messages.push(set_version(&migration.version, false, ledger));
    messages
}
