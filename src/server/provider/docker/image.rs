//! The server's image: its name, and the errors if it is not available.

use std::fmt;

use testcontainers::GenericImage;
use testcontainers::runners::AsyncRunner as _;

use crate::model::PostgresSettings;
use crate::server::error::ProviderError;

/// The version if neither an image nor a version is configured.
const DEFAULT_VERSION: u32 = 17;

/// An image name, split as testcontainers requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageName {
    /// `postgis/postgis`, `registry.example.com:5000/db`; with a digest `postgres@sha256`.
    pub(crate) name: String,
    /// `17-3.5`; with a digest its hexadecimal digits.
    pub(crate) tag: String,
}

impl ImageName {
    /// The configured image, else `postgres:<version>`.
    pub(crate) fn of(settings: &PostgresSettings) -> Result<Self, ProviderError> {
        match &settings.image {
            Some(image) => Self::parse(image),
            None => Ok(Self {
                name: "postgres".to_owned(),
                tag: settings.version.unwrap_or(DEFAULT_VERSION).to_string(),
            }),
        }
    }

    /// An image whose tag may be absent, as Docker itself reads it: for images of the project, which are often built with only
    /// a name.
    pub(crate) fn with_default_tag(image: &str) -> Result<Self, ProviderError> {
        let last = image.rsplit('/').next().unwrap_or_default();
        match last.contains(':') || image.is_empty() {
            true => Self::parse(image),
            false => Self::parse(&format!("{image}:latest")),
        }
    }

    fn parse(image: &str) -> Result<Self, ProviderError> {
        let malformed = |reason: &str| ProviderError::ImageName {
            image: image.to_owned(),
            reason: reason.to_owned(),
        };
        if image.is_empty() {
            return Err(malformed("it is empty"));
        }
        if image.contains(char::is_whitespace) {
            return Err(malformed("it contains a space"));
        }
        // A colon before the last slash belongs to the registry's port.
        let (name, tag) = match image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            // Without a tag the engine would use `latest`, whose major version can change without notice.
            _ => return Err(malformed("it has no tag, so its version is undefined")),
        };
        if name.is_empty() || tag.is_empty() {
            return Err(malformed("a part of it is empty"));
        }
        Ok(Self { name: name.to_owned(), tag: tag.to_owned() })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}

/// Pulls the image from its registry. Safe to drop at any time: the engine stops pulling when the client disconnects.
pub(crate) async fn pull(image: &ImageName) -> Result<(), ProviderError> {
    let request = GenericImage::new(image.name.clone(), image.tag.clone());
    request.pull_image().await.map(drop).map_err(|error| failure(image, &error.to_string()))
}

/// Classifies a failure to start by the engine's message, since it has no error codes for it.
pub(crate) fn failure(image: &ImageName, said: &str) -> ProviderError {
    let text = said.to_lowercase();
    let any = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    let (image, reason) = (image.to_string(), said.to_owned());
    if any(NO_ENTRYPOINT) {
        ProviderError::Docker {
            doing: format!("run `timeout docker-entrypoint.sh` in `{image}`"),
            reason: format!("{reason}; the image must work like the official `postgres` image"),
        }
    } else if any(MALFORMED) {
        ProviderError::ImageName { image, reason }
    } else if any(NO_NETWORK) {
        ProviderError::RegistryUnreachable { image, reason }
    } else if any(NO_IMAGE) {
        ProviderError::ImageUnknown { image, reason }
    } else {
        ProviderError::Docker { doing: format!("start a container of `{image}`"), reason }
    }
}

const NO_ENTRYPOINT: &[&str] = &["executable file not found", "exec format error"];
const MALFORMED: &[&str] = &["invalid reference format", "invalid repository name"];
const NO_NETWORK: &[&str] = &[
    "dial tcp",
    "no such host",
    "i/o timeout",
    "handshake timeout",
    "timeout error",
    "client.timeout",
    "deadline exceeded",
    "canceled while waiting",
    "proxyconnect",
    "x509",
    "tls:",
    "unexpected eof",
];
const NO_IMAGE: &[&str] = &[
    "manifest unknown",
    "manifest for",
    "pull access denied",
    "repository does not exist",
    "unauthorized",
    "denied:",
    "no such image",
    ": not found",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(image: &str) -> Option<(String, String)> {
        ImageName::parse(image).ok().map(|image| (image.name, image.tag))
    }

    #[test]
    fn image_names_are_split_at_the_tag() {
        let pair = |name: &str, tag: &str| Some((name.to_owned(), tag.to_owned()));
        assert_eq!(parse("postgis/postgis:17-3.5"), pair("postgis/postgis", "17-3.5"));
        assert_eq!(parse("registry:5000/a/pg:1"), pair("registry:5000/a/pg", "1"));
        assert_eq!(parse("postgres@sha256:abc"), pair("postgres@sha256", "abc"));
        for wrong in ["", "postgres", "registry:5000/pg", "post gres:17", ":17", "postgres:"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_tag_of_the_projects_image_may_be_absent() {
        let name = |image| ImageName::with_default_tag(image).map(|name| name.to_string()).ok();
        assert_eq!(name("registry:5000/app").as_deref(), Some("registry:5000/app:latest"));
        assert_eq!(name("app@sha256:abc").as_deref(), Some("app@sha256:abc"));
        assert_eq!(name("ghcr.io/acme/app:pr-42").as_deref(), Some("ghcr.io/acme/app:pr-42"));
        for wrong in ["", "a b", ":1"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_default_image_has_the_configured_version() {
        let image = |version| {
            let settings = PostgresSettings { version, ..PostgresSettings::default() };
            ImageName::of(&settings).unwrap().to_string()
        };
        assert_eq!(image(Some(15)), "postgres:15");
        assert_eq!(image(None), "postgres:17");
    }

    #[test]
    fn failures_are_classified_by_the_engines_message() {
        let image = ImageName { name: "postgrs".to_owned(), tag: "17".to_owned() };
        let failure = |said: &str| failure(&image, said);
        let lookup = "failed to pull the image 'postgrs:17', error: Docker responded with status code 500: Get \
                      \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host";
        assert!(matches!(failure(lookup), ProviderError::RegistryUnreachable { .. }));
        let denied = "Docker responded with status code 404: pull access denied for postgrs, repository does not exist \
                      or may require 'docker login'";
        assert!(matches!(failure(denied), ProviderError::ImageUnknown { .. }));
        let tag = "Docker responded with status code 404: manifest for postgres:99 not found: manifest unknown";
        assert!(matches!(failure(tag), ProviderError::ImageUnknown { .. }));
        assert!(matches!(failure("invalid reference format"), ProviderError::ImageName { .. }));
        let runc = "OCI runtime create failed: exec: \"timeout\": executable file not found in $PATH: unknown";
        assert!(failure(runc).to_string().contains("official `postgres` image"));
        assert!(matches!(failure("no space left on device"), ProviderError::Docker { .. }));
    }
}
