//! Notices of the server, and the checks that depend on them.

use super::Place;

/// A message of the server that is not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) level: NoticeLevel,
    pub(crate) message: String,
    /// The statement of the script that caused it.
    pub(crate) place: Option<Place>,
}

/// A check that was not possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotChecked {
    /// Its code.
    pub(crate) check: &'static str,
    pub(crate) reason: String,
}

/// The level of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum NoticeLevel {
    Notice,
    Warning,
}
