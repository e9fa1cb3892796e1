//! The Docker engine: reaching it (with an error that says why not), and the few questions that testcontainers does not
//! ask it.

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
use crate::server::error::ProviderError;

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// For questions that an engine answers in milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How often, and how many times, a container that is being removed is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const REMOVAL_LOOKS: usize = 60;

/// A connection to an engine that has answered.
pub(crate) struct Engine {
    client: bollard::Docker,
}

impl Engine {
    /// Connects, and waits for an answer.
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

    /// Whether the image is on the engine's machine, so that no registry is needed.
    pub(crate) async fn has_image(&self, image: &ImageName) -> bool {
        let reference = image.to_string();
        let question = self.client.inspect_image(&reference);
        matches!(tokio::time::timeout(ANSWER_WITHIN, question).await, Ok(Ok(_)))
    }

    /// What the engine knows of a container; `None` if there is none, or the engine does not say.
    pub(crate) async fn inspect(&self, id: &str) -> Option<ContainerInspectResponse> {
        let question = self.client.inspect_container(id, None::<InspectContainerOptions>);
        tokio::time::timeout(ANSWER_WITHIN, question).await.ok()?.ok()
    }

    /// Whether a container is known to have ended, or not to be there at all. An engine that is too busy to say so has said
    /// nothing: what belongs to a living container must not be taken from it for that.
    pub(crate) async fn has_ended(&self, id: &str) -> bool {
        let question = self.client.inspect_container(id, None::<InspectContainerOptions>);
        match tokio::time::timeout(ANSWER_WITHIN, question).await {
            Ok(Ok(container)) => container.state.and_then(|state| state.running) == Some(false),
            Ok(Err(DockerError::DockerResponseServerError { status_code: 404, .. })) => true,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// All containers, in any state, that carry the label.
    pub(crate) async fn labelled(&self, label: &str) -> Result<Vec<ContainerSummary>, DockerError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        self.client.list_containers(Some(options)).await
    }

    /// Ends and removes a container with its anonymous volumes. One that is gone is as good as removed; one that somebody
    /// else is removing (the engine itself, after its end) is waited for.
    pub(crate) async fn remove(&self, id: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.client.remove_container(id, Some(options)).await {
            Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            Err(error @ DockerError::DockerResponseServerError { status_code: 409, .. }) => {
                for _ in 0..REMOVAL_LOOKS {
                    if self.is_gone(id).await {
                        return Ok(());
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(error)
            }
            outcome => outcome,
        }
    }

    async fn is_gone(&self, id: &str) -> bool {
        let question = self.client.inspect_container(id, None::<InspectContainerOptions>);
        let answer = tokio::time::timeout(ANSWER_WITHIN, question).await;
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

/// Where the engine is looked for: the same rule as testcontainers'.
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

/// Says why there is no engine. The client's own error hides the cause, so the socket is tried once more by hand.
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

/// The labels of a container, sorted.
pub(crate) fn labels(container: &ContainerSummary) -> BTreeMap<&str, &str> {
    let labels = container.labels.iter().flatten();
    labels.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        assert_eq!(without_password("ssh://u:p/w@h:22"), "ssh://***@h:22");
        for plain in ["unix:///home/a@b/docker.sock", "tcp://h:2375"] {
            assert_eq!(without_password(plain), plain);
        }
    }

    #[test]
    fn the_reason_is_found_where_the_client_hides_it() {
        let room = tempfile::tempdir().unwrap();
        let socket = room.path().join("docker.sock");
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
    fn a_remote_engine_is_named_with_what_it_said() {
        let error = diagnose_at("tcp://10.0.0.1:2375".to_owned(), "timeout");
        assert!(
            error
                .to_string()
                .starts_with("no Docker engine answers at tcp://10.0.0.1:2375: timeout")
        );
    }
}
