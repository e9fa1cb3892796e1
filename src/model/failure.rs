//! Why something failed, and where.

use super::{FailureKind, FailureOrigin, Place};

/// Why something did not work.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    /// In the server's words where it spoke.
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
    /// The server's call stack (`CONTEXT`), for errors inside functions and DO blocks.
    pub(crate) context: Option<String>,
    /// The statement that failed, cut at a size that a report can hold.
    pub(crate) statement: Option<String>,
    pub(crate) place: Option<Place>,
    /// The object that the server names is one of a system catalog.
    pub(crate) in_catalog: bool,
    /// What caused it, where more than its code tells.
    pub(crate) origin: Option<FailureOrigin>,
}

impl Failure {
    /// A failure of which nothing more is known than this.
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
