//! Why there is no report.

use crate::model::Failure;
use crate::project::ProjectError;
use crate::server::ProviderError;

/// Why there is no report. The exit code follows from it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A `prepare` file for the server failed.
    #[error("cannot prepare the server: {}", .0.message)]
    Prepare(Box<Failure>),
    #[error("{0}")]
    Nothing(String),
    #[error("interrupted; {}", in_words(.left))]
    Interrupted {
        /// What could not be removed.
        left: Vec<String>,
    },
}

fn in_words(left: &[String]) -> String {
    if left.is_empty() {
        return "everything that this run created was removed".to_owned();
    }
    format!("{}; `mig-ci clean` removes leftovers", left.join("; "))
}
