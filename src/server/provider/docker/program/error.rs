//! Why a program of the project cannot run in an image.

use camino::Utf8PathBuf;

use crate::server::error::ProviderError;

/// Why there is no container for a program. The texts name what to change.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ProgramImageError {
    #[error(
        "the registry has no image `{image}`, or requires a login for it: {reason}; check the spelling of `image` in \
         mig-ci.toml (or of `runner-image`), and pull a private image before this step: `docker pull {image}`"
    )]
    Unknown { image: String, reason: String },
    #[error(
        "the image `{image}` is not on this machine, and its registry cannot be reached: {reason}; load it before this \
         step (`docker pull`, `docker load`, `docker build`)"
    )]
    Unreachable { image: String, reason: String },
    #[error(
        "`{image}` is not the name of an image: {reason}; set `image` in mig-ci.toml (or `runner-image`) to a name such as \
         `ghcr.io/acme/app:pr-42`"
    )]
    Name { image: String, reason: String },
    #[error(
        "the image `{image}` has no Python interpreter: tried {tried}, with the image's PATH `{path}`; use the image of the \
         application, in which Alembic is installed, or set `python = \"/path/in/the/image\"` in mig-ci.toml"
    )]
    NoPython { image: String, tried: String, path: String },
    #[error("cannot copy the files of the project into the container: {path}: {reason}")]
    Files { path: Utf8PathBuf, reason: String },
    #[error("Docker could not {doing}: {reason}")]
    Docker { doing: String, reason: String },
    #[error("interrupted while starting the container of `{image}`")]
    Interrupted { image: String },
}

impl ProgramImageError {
    /// A failure to pull, in the words for this image instead of the server's.
    pub(super) fn of_pull(image: &str, error: ProviderError) -> Self {
        let image = image.to_owned();
        match error {
            ProviderError::ImageUnknown { reason, .. } => Self::Unknown { image, reason },
            ProviderError::RegistryUnreachable { reason, .. } => {
                Self::Unreachable { image, reason }
            }
            ProviderError::ImageName { reason, .. } => Self::Name { image, reason },
            ProviderError::Docker { doing, reason } => Self::Docker { doing, reason },
            other => Self::Docker { doing: format!("pull `{image}`"), reason: other.to_string() },
        }
    }

    pub(super) fn docker(
        doing: impl Into<String>,
        error: &testcontainers::bollard::errors::Error,
    ) -> Self {
        Self::Docker { doing: doing.into(), reason: error.to_string() }
    }
}
