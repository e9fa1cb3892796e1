//! A real tenant, and why it cannot be processed.

use crate::model::TargetError;
use crate::postgres::Url;

#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    /// The name of its schema or database.
    pub(crate) target: String,
    /// The address of its database, if its source returns one.
    pub(crate) url: Option<Url>,
    pub(crate) ineligible: Option<Ineligible>,
}

/// Why one of many tenants cannot be processed. The others can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ineligible {
    /// A saved report contains it, but its source (`query`, `file` …) no longer does.
    Gone { from: &'static str },
    /// Its source (or the command line) has a name that is invalid for a schema or database.
    BadName { from: &'static str, problem: TargetError },
    /// Its source has an entry without a name (empty, or NULL). Entries count from 1.
    NoName { from: &'static str, entry: usize },
    /// Its source has the same name more than once.
    Repeated { from: &'static str, times: usize },
    /// Its source has the same address for another tenant.
    SameUrl { from: &'static str, others: Vec<String> },
}
