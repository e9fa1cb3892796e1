//! What the server says beside its answers, and the checks that cannot be made without it.

use super::Place;

/// A message of the server's that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) level: NoticeLevel,
    pub(crate) message: String,
    /// The script's statement in answer to which it came.
    pub(crate) place: Option<Place>,
}

/// A check that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotChecked {
    /// Its code.
    pub(crate) check: &'static str,
    pub(crate) reason: String,
}

/// How loud a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum NoticeLevel {
    Notice,
    Warning,
}
