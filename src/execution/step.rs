//! The messages of one migration, and its postcondition.

use super::batch::BatchStep;
use super::commit_guard::with_commit_guard;
use super::concurrent_index::without_lock_timeout;
use crate::formats::{Format, Ledger};
use crate::model::{Deploy, Migration};

/// The step that applies a migration.
///
/// - [`Deploy::Tool`]: the messages of the format's tool.
/// - [`Deploy::MigCi`]: the messages of `mig-ci upgrade`. Script and ledger row are in one transaction if the script allows
///   it; the ledger is checked before the commit if the script runs code that its text does not show; and commands that
///   build indexes concurrently have no lock timeout.
pub(crate) fn apply(
    format: &dyn Format,
    migration: &Migration,
    ledger: &Ledger,
    deploy: Deploy,
) -> BatchStep {
    let is_applied_expr = format.is_applied_expr(migration, ledger);
    let messages = match deploy {
        Deploy::Tool => format.apply(migration, ledger),
        Deploy::MigCi => {
            let messages =
                with_commit_guard(format.apply_atomic(migration, ledger), &is_applied_expr);
            without_lock_timeout(messages, &migration.up)
        }
    };
    BatchStep { messages, is_applied_expr }
}

/// The step that reverts a migration, as `mig-ci downgrade` sends it. `below` is the previous migration in the tool's order.
pub(crate) fn revert(
    format: &dyn Format,
    migration: &Migration,
    below: Option<&Migration>,
    ledger: &Ledger,
) -> BatchStep {
    let is_applied_expr = format!("NOT ({})", format.is_applied_expr(migration, ledger));
    let messages = format.revert_atomic(migration, below, ledger);
    let messages = with_commit_guard(messages, &is_applied_expr);
    // A migration without a down script is refused by its own file.
    let script = migration.down.as_ref().unwrap_or(&migration.up);
    BatchStep { messages: without_lock_timeout(messages, script), is_applied_expr }
}
