//! Why a project could not be loaded.

use crate::config::ConfigErrors;
use crate::replay::plan::PlanError;
use crate::source::SourceError;

/// Each variant but the last is an error of another module; the exit code depends on it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("cannot read the current folder: {reason}")]
    Folder { reason: String },
}
