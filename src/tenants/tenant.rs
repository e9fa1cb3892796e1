//! A real tenant, and why it cannot be worked on.

use crate::model::TargetError;
use crate::postgres::Url;

/// A real tenant.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) name: String,
    /// Its schema, or its database.
    pub(crate) target: String,
    /// Where its database is, if its source says so.
    pub(crate) url: Option<Url>,
    pub(crate) ineligible: Option<Ineligible>,
}

/// Why one tenant of many cannot be worked on. The others can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ineligible {
    /// A saved report knows it, and its source (`query`, `file` …) does not any more.
    Gone { from: &'static str },
    /// Its source (or the command line) gives a name that cannot be a schema's or database's.
    BadName { from: &'static str, problem: TargetError },
    /// Its source gives no name: an empty one, or NULL. Entries count from 1.
    NoName { from: &'static str, entry: usize },
    /// Its source gives the same name more than once.
    Repeated { from: &'static str, times: usize },
    /// Its source gives another tenant the same address.
    SameUrl { from: &'static str, others: Vec<String> },
}
