//! Why something failed, and where.

use std::fmt;

use super::{FailureKind, FailureOrigin, Place};

/// The description of one failure.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// In the server's words if the server reported it.
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
    /// The server's call stack (`CONTEXT`), for errors inside functions and DO blocks.
    pub(crate) context: Option<String>,
    /// The statement that failed, cut to a size that fits a report.
    pub(crate) statement: Option<String>,
    pub(crate) place: Option<Place>,
    /// Whether the object that the server names belongs to a system catalog.
    pub(crate) in_catalog: bool,
    /// What caused it, if more is known than the code says.
    pub(crate) origin: Option<FailureOrigin>,
}

impl Failure {
    /// A failure with only a kind and a message.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
            statement: None,
            place: None,
            in_catalog: false,
            origin: None,
        }
    }
}

/// What has happened, in one line: its message.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
