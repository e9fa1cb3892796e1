//! The Docker engine: connecting to it (with an error that explains a failure), and requests that testcontainers does not
//! provide.

use std::collections::{BTreeMap, HashMap};
use std::env;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;
use testcontainers::bollard;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::models::{ContainerInspectResponse, ContainerSummary};
use testcontainers::bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    StatsOptionsBuilder,
};
use testcontainers::core::client::docker_client_instance;

use super::image::ImageName;
use crate::retry::policies::CONTAINER_REMOVED;
use crate::server::error::ProviderError;

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// The time limit for requests that an engine normally answers in milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A connection to a responding engine.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub(in crate::server::provider::docker) client: bollard::Docker,
}

impl Engine {
    /// Connects, and checks that the engine responds.
    pub(crate) async fn connect() -> Result<Self, ProviderError> {
        let client =
            docker_client_instance().await.map_err(|error| diagnose(&error.to_string()))?;
        match tokio::time::timeout(ANSWER_WITHIN, client.ping()).await {
            Ok(Ok(_)) => Ok(Self { client }),
            Ok(Err(error)) => Err(diagnose(&error.to_string())),
            Err(_) => {
                Err(diagnose(&format!("it did not answer within {} s", ANSWER_WITHIN.as_secs())))
            }
        }
    }

    /// Whether the image is local, so that no registry is needed.
    pub(crate) async fn has_image(&self, image: &ImageName) -> bool {
        let reference = image.to_string();
        let request = self.client.inspect_image(&reference);
        matches!(tokio::time::timeout(ANSWER_WITHIN, request).await, Ok(Ok(_)))
    }

    /// The engine's data of a container; `None` if there is none, or the engine does not respond.
    pub(crate) async fn inspect(&self, id: &str) -> Option<ContainerInspectResponse> {
        let request = self.client.inspect_container(id, None::<InspectContainerOptions>);
        tokio::time::timeout(ANSWER_WITHIN, request).await.ok()?.ok()
    }

    /// Whether a container is known to have ended, or not to exist. `false` if the engine does not respond, so that nothing
    /// is removed that belongs to a running container.
    pub(crate) async fn has_ended(&self, id: &str) -> bool {
        let request = self.client.inspect_container(id, None::<InspectContainerOptions>);
        match tokio::time::timeout(ANSWER_WITHIN, request).await {
            Ok(Ok(container)) => container.state.and_then(|state| state.running) == Some(false),
            Ok(Err(DockerError::DockerResponseServerError { status_code: 404, .. })) => true,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// All containers with the label, in any state.
    pub(crate) async fn labelled(&self, label: &str) -> Result<Vec<ContainerSummary>, DockerError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        self.client.list_containers(Some(options)).await
    }

    /// Stops and removes a container with its anonymous volumes. Succeeds if it is already gone; waits if it is already
    /// being removed (by the engine itself, after its end).
    pub(crate) async fn remove(&self, id: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.client.remove_container(id, Some(options)).await {
            Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error @ DockerError::DockerResponseServerError { status_code: 409, .. }) => {
                let is_gone = async || self.is_gone(id).await.then_some(()).ok_or(());
                CONTAINER_REMOVED.poll(is_gone).await.map_err(|()| error)
            }
            outcome => outcome,
        }
    }

    async fn is_gone(&self, id: &str) -> bool {
        let request = self.client.inspect_container(id, None::<InspectContainerOptions>);
        let answer = tokio::time::timeout(ANSWER_WITHIN, request).await;
        matches!(answer, Ok(Err(DockerError::DockerResponseServerError { status_code: 404, .. })))
    }

    /// The CPU time of all processes of a container so far.
    pub(crate) async fn cpu(&self, id: &str) -> Option<Duration> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut answers = Box::pin(self.client.stats(id, Some(options)));
        let stats = tokio::time::timeout(ANSWER_WITHIN, answers.next()).await.ok()??.ok()?;
        stats.cpu_stats?.cpu_usage?.total_usage.filter(|nanos| *nanos > 0).map(Duration::from_nanos)
    }
}

/// The address of the engine, by the same rule as in testcontainers.
pub(crate) fn address() -> String {
    if let Some(host) = env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty()) {
        return host;
    }
    let under =
        |variable: &str, path: &str| env::var(variable).ok().map(|root| format!("{root}/{path}"));
    let sockets = [
        Some(DEFAULT_SOCKET.to_owned()),
        under("XDG_RUNTIME_DIR", ".docker/run/docker.sock"),
        under("HOME", ".docker/run/docker.sock"),
        under("HOME", ".docker/desktop/docker.sock"),
    ];
    let found = sockets.into_iter().flatten().find(|socket| Path::new(socket).exists());
    format!("unix://{}", found.as_deref().unwrap_or(DEFAULT_SOCKET))
}

/// Explains why there is no engine. The client's error hides the cause, so this connects to the socket directly.
fn diagnose(said: &str) -> ProviderError {
    let address = address();
    let shown = without_password(&address);
    let said = said.replace(&address, &shown);
    diagnose_at(shown, &said)
}

/// `ssh://***@host` for `ssh://user:password@host`.
fn without_password(address: &str) -> String {
    let hidden = address
        .split_once("://")
        .filter(|(scheme, _)| *scheme != "unix")
        .and_then(|(scheme, rest)| Some(format!("{scheme}://***{}", &rest[rest.rfind('@')?..])));
    hidden.unwrap_or_else(|| address.to_owned())
}

fn diagnose_at(address: String, said: &str) -> ProviderError {
    let reason = match address.strip_prefix("unix://") {
        None => said.to_owned(),
        Some(socket) => match UnixStream::connect(socket) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return ProviderError::EngineDenied { address };
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                "there is no such socket".to_owned()
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                "the socket exists, but no process listens on it".to_owned()
            }
            Err(error) => error.to_string(),
            Ok(_) => said.to_owned(),
        },
    };
    ProviderError::NoEngine { address, reason }
}

/// The labels of a container or a network, sorted.
pub(crate) fn labels_of(labels: Option<&HashMap<String, String>>) -> BTreeMap<&str, &str> {
    let labels = labels.into_iter().flatten();
    labels.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn an_engine_address_is_shown_without_its_password() {
        assert_eq!(without_password("ssh://u:p/w@h:22"), "ssh://***@h:22");
        for plain in ["unix:///home/a@b/docker.sock", "tcp://h:2375"] {
            assert_eq!(without_password(plain), plain);
        }
    }

    #[test]
    fn the_reason_is_determined_by_connecting_to_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let address = format!("unix://{}", socket.display());
        let reason = |said| match diagnose_at(address.clone(), said) {
            ProviderError::NoEngine { reason, .. } => reason,
            other => panic!("{other}"),
        };
        assert_eq!(reason("client error (Connect)"), "there is no such socket");
        let listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(reason("it did not answer within 5 s"), "it did not answer within 5 s");
        drop(listener);
        assert_eq!(
            reason("client error (Connect)"),
            "the socket exists, but no process listens on it"
        );
    }

    #[test]
    fn the_error_of_a_remote_engine_contains_its_message() {
        let error = diagnose_at("tcp://10.0.0.1:2375".to_owned(), "timeout");
        assert!(
            error
                .to_string()
                .starts_with("no Docker engine answers at tcp://10.0.0.1:2375: timeout")
        );
    }
}
