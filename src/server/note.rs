//! Notes on the server for the reader of the report.

use crate::model::Severity;

/// Something about the server that the reader of the report should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) severity: Severity,
    pub(crate) message: String,
}

impl Note {
    pub(crate) fn info(message: impl Into<String>) -> Self {
        Self { severity: Severity::Info, message: message.into() }
    }

    pub(crate) fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, message: message.into() }
    }
}
