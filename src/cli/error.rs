//! Why a command ended early.

use camino::Utf8PathBuf;

use crate::project::ProjectError;
use crate::replay::plan::PlanError;
use crate::verify::VerifyError;

/// Why a command ended early; [`super::exit::Exit::of_error`] has the exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Verify(VerifyError),
    #[error("cannot write {path}: {reason}")]
    Output { path: Utf8PathBuf, reason: String },
    #[error("interrupted")]
    Interrupted,
}

impl From<VerifyError> for CommandError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Project(error) => Self::Project(error),
            error => Self::Verify(error),
        }
    }
}

impl From<PlanError> for CommandError {
    fn from(error: PlanError) -> Self {
        Self::Project(error.into())
    }
}
