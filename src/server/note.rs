//! Remarks about the server for the report.

use crate::model::Severity;

/// A remark about the server for the report.
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
