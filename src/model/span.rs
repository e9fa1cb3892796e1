//! The spans of the log (`MIG_CI_LOG`): `verify` and `upgrade` use the same names and fields. docs/logging.md lists them.

use tracing::{Span, debug_span};

use super::{TrackKind, UnitName};

/// One named database of the project.
pub(crate) fn database_span(name: &str) -> Span {
    debug_span!("database", database = name)
}

/// One attempt at the operation of the parent span; the first is 1.
pub(crate) fn attempt_span(number: u32) -> Span {
    debug_span!("attempt", attempt = number)
}

/// Migrations that are sent together, usually one. `migration` is the file of the first.
pub(crate) fn step_span(migration: &str) -> Span {
    debug_span!("step", migration)
}

impl UnitName {
    /// One track on one target: a schema or a database.
    pub(crate) fn span(&self, target: &str) -> Span {
        let is_tenant = self.track == TrackKind::Tenant;
        let tenant = is_tenant.then_some(&*self.name);
        // A shared track of an upgrade has the database's name, and no starting state.
        let start = (!is_tenant && self.name != self.database).then_some(&*self.name);
        debug_span!("target", track = %self.track, tenant, start, target)
    }
}
