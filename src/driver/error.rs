//! Why Alembic could not be run.

/// Why the driver of a track could not be started. The texts name what to change.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum DriverError {
    #[error(
        "there is no Python interpreter for the migrations: {reason}. Install the project's environment, or set \
         `python = \"…\"` in mig-ci.toml"
    )]
    NoInterpreter { reason: String },
    #[error("the Python interpreter {interpreter} cannot run the driver: {reason}")]
    NotStarted { interpreter: String, reason: String },
}
