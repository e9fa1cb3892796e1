//! Why a batch was not applied on a real database.

use crate::execution::batch_failure::BatchFailure;
use crate::upgrade::interruption::is_cancellation;

pub(crate) enum BatchNotApplied {
    /// The target has changed since it was read. Nothing was done.
    TargetChanged,
    /// It was not started.
    Interrupted,
    Failed(Box<BatchFailure>),
}

impl BatchNotApplied {
    /// Whether an interruption is the cause, given that it may have ended the exchange with the server.
    pub(crate) fn is_interruption(&self, was_interrupted: bool) -> bool {
        match self {
            Self::Interrupted => true,
            Self::TargetChanged => was_interrupted,
            Self::Failed(failed) => was_interrupted && is_cancellation(&failed.failure),
        }
    }
}

impl From<BatchFailure> for BatchNotApplied {
    fn from(failed: BatchFailure) -> Self {
        Self::Failed(Box::new(failed))
    }
}
