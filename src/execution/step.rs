//! What one migration sends, and what has to be true afterwards.

use super::batch::BatchStep;
use super::commit_guard::with_commit_guard;
use super::concurrent_index::without_lock_timeout;
use crate::formats::{Format, Ledger};
use crate::model::{Deploy, Migration};

/// The step that applies a migration.
///
/// - [`Deploy::Tool`]: what the format's tool sends.
/// - [`Deploy::MigCi`]: what `mig-ci upgrade` sends. Script and ledger row are one transaction where the script allows that,
///   the ledger is asked before the commit where the script runs code that its text does not show, and commands that build
///   indexes concurrently have no lock timeout.
pub(crate) fn apply(
    format: &dyn Format,
    migration: &Migration,
    ledger: &Ledger,
    deploy: Deploy,
) -> BatchStep {
    let recorded = format.is_applied_expr(migration, ledger);
    let messages = match deploy {
        Deploy::Tool => format.apply(migration, ledger),
        Deploy::MigCi => {
            let messages = with_commit_guard(format.apply_atomic(migration, ledger), &recorded);
            without_lock_timeout(messages, &migration.up)
        }
    };
    BatchStep { messages, recorded }
}

/// The step that undoes a migration, as `mig-ci downgrade` sends it. `below` is the migration before it in the tool's order.
pub(crate) fn revert(
    format: &dyn Format,
    migration: &Migration,
    below: Option<&Migration>,
    ledger: &Ledger,
) -> BatchStep {
    let recorded = format!("NOT ({})", format.is_applied_expr(migration, ledger));
    let messages = format.revert_atomic(migration, below, ledger);
    let messages = with_commit_guard(messages, &recorded);
    // What cannot be undone is refused by its own file.
    let script = migration.down.as_ref().unwrap_or(&migration.up);
    BatchStep { messages: without_lock_timeout(messages, script), recorded }
}
