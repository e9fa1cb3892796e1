//! Creates and starts the container.

use std::collections::VecDeque;
use std::env;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::core::logs::LogFrame;
use testcontainers::core::{ContainerPort, Mount};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::image::{self, ImageName};
use super::label;
use super::network::{NetworkPlan, PORT};
use crate::server::error::{ProviderError, tail};
use crate::server::run_id::RunId;

/// The superuser that the image creates; the same name as with local binaries.
pub(crate) const ADMINISTRATOR: &str = "mig_ci";

/// The entrypoint stops the server after this time, even if mig-ci was killed. GitHub limits jobs to six hours; no replay
/// should take three. `MIG_CI_LIFETIME` (seconds) overrides it.
const LIFETIME: Duration = Duration::from_secs(3 * 60 * 60);
const LIFETIME_VARIABLE: &str = "MIG_CI_LIFETIME";

/// Outside of the image's own volume, whose path depends on the version.
const MEMORY: &str = "/pgtmp";
const DATA: &str = "/pgtmp/data";
/// For parallel index builds; Docker's default is 64 MB.
const SHARED_MEMORY: u64 = 256 << 20;
/// Starts after the container was created; does not include pulling the image.
const START_WITHIN: Duration = Duration::from_secs(120);
const LOG_LINES: usize = 20;

/// The specification of a container.
pub(crate) struct ContainerSpec<'a> {
    pub(crate) image: &'a ImageName,
    pub(crate) run: &'a RunId,
    pub(crate) password: &'a str,
    pub(crate) settings: Vec<(&'static str, String)>,
    pub(crate) network: &'a NetworkPlan,
    pub(crate) log: &'a LogTail,
    pub(crate) own_container: Option<&'a str>,
}

/// Starts in progress. A start whose future was dropped completes here, so that its container is removed: the engine
/// finishes a request even if the client no longer waits.
static STARTS: LazyLock<TaskTracker> = LazyLock::new(|| {
    let tracker = TaskTracker::new();
    tracker.close();
    tracker
});

/// Completes a request that creates something, also if the caller's future is dropped. `None` if the runtime ends.
pub(crate) async fn to_the_end<T: Send + 'static>(
    request: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (outcome, completed) = oneshot::channel();
    STARTS.spawn(async move { drop(outcome.send(request.await)) });
    completed.await.ok()
}

/// Waits until no start is in progress in this process.
pub(crate) async fn wait_for_starts() {
    STARTS.wait().await;
}

/// Creates the container from a local image and starts it. The server in it may not respond yet.
pub(crate) async fn start(
    wanted: ContainerSpec<'_>,
) -> Result<ContainerAsync<GenericImage>, ProviderError> {
    let (image, log) = (wanted.image.clone(), wanted.log.clone());
    let request = request(wanted)?;
    // If the receiver is gone, the container is dropped, which removes it.
    let error = match to_the_end(request.start()).await {
        Some(Ok(container)) => return Ok(container),
        Some(Err(error)) => error.to_string(),
        None => return Err(ProviderError::Interrupted { doing: "starting the container" }),
    };
    let log = log.end().await;
    // It ended before the engine could inspect it.
    if error.contains("No such container") || !log.is_empty() {
        return Err(ProviderError::ContainerDied { image: image.to_string(), log });
    }
    Err(image::failure(&image, &error))
}

fn request(wanted: ContainerSpec<'_>) -> Result<ContainerRequest<GenericImage>, ProviderError> {
    let lifetime = lifetime()?.as_secs();
    let log = wanted.log.clone();
    let published = wanted.network.published_on().map(str::to_owned);
    let image = GenericImage::new(wanted.image.name.clone(), wanted.image.tag.clone())
        .with_entrypoint("timeout")
        .with_exposed_port(ContainerPort::Tcp(PORT));
    let mut request = image
        .with_cmd(command(lifetime, &wanted.settings))
        .with_env_var("PGDATA", DATA)
        .with_env_var("POSTGRES_USER", ADMINISTRATOR)
        .with_env_var("POSTGRES_PASSWORD", wanted.password)
        .with_env_var("POSTGRES_DB", "postgres")
        .with_env_var("POSTGRES_INITDB_ARGS", "--no-sync --encoding=UTF8")
        .with_mount(Mount::tmpfs_mount(MEMORY))
        .with_shm_size(SHARED_MEMORY)
        .with_startup_timeout(START_WITHIN)
        .with_labels(label::of_run(wanted.run, lifetime, wanted.own_container))
        .with_log_consumer(move |frame: &LogFrame| log.push(frame))
        .with_host_config_modifier(move |host| publish(host, published.as_deref()));
    if let Some(network) = wanted.network.join() {
        request = request.with_network(network);
    }
    Ok(request)
}

fn command(lifetime: u64, settings: &[(&'static str, String)]) -> Vec<String> {
    let lifetime = lifetime.to_string();
    let words = ["-s", "INT", &lifetime, "docker-entrypoint.sh", "postgres"];
    let settings = settings.iter().map(|(name, value)| format!("{name}={value}"));
    words
        .into_iter()
        .map(str::to_owned)
        .chain(settings.flat_map(|setting| ["-c".to_owned(), setting]))
        .collect()
}

/// By default testcontainers publishes on all addresses of the machine.
fn publish(host: &mut HostConfig, address: Option<&str>) {
    host.auto_remove = Some(true);
    host.publish_all_ports = Some(false);
    host.port_bindings = address.map(|address| {
        let binding =
            PortBinding { host_ip: Some(address.to_owned()), host_port: Some(String::new()) };
        [(format!("{PORT}/tcp"), Some(vec![binding]))].into_iter().collect()
    });
}

/// The time after which a container of this run ends by itself.
pub(crate) fn lifetime() -> Result<Duration, ProviderError> {
    lifetime_of(env::var(LIFETIME_VARIABLE).ok())
}

fn lifetime_of(configured: Option<String>) -> Result<Duration, ProviderError> {
    match configured.filter(|text| !text.is_empty()) {
        None => Ok(LIFETIME),
        Some(text) => match text.parse() {
            Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
            _ => Err(ProviderError::Docker {
                doing: "start a container".to_owned(),
                reason: format!(
                    "{LIFETIME_VARIABLE} is `{text}`, and must be a number of seconds above 0"
                ),
            }),
        },
    }
}

/// The last lines of a container's log. They are read while it runs, because a container with auto-remove takes its log with
/// it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogTail(Arc<Mutex<VecDeque<String>>>);

impl LogTail {
    fn push(&self, frame: &LogFrame) {
        let (LogFrame::StdOut(bytes) | LogFrame::StdErr(bytes)) = frame;
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for line in String::from_utf8_lossy(bytes).lines() {
            lines.push_back(line.to_owned());
            if lines.len() > LOG_LINES {
                lines.pop_front();
            }
        }
    }

    /// The lines received, after a short wait for pending output.
    pub(crate) async fn end(&self) -> String {
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.so_far()
    }

    /// The lines received so far.
    pub(crate) fn so_far(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        tail(&lines.join("\n"), LOG_LINES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entrypoint_limits_the_servers_lifetime() {
        let command = command(60, &[("fsync", "off".to_owned())]);
        assert_eq!(command.join(" "), "-s INT 60 docker-entrypoint.sh postgres -c fsync=off");
    }

    #[test]
    fn the_port_is_published_only_on_the_given_address() {
        let mut host = HostConfig { publish_all_ports: Some(true), ..HostConfig::default() };
        publish(&mut host, Some("127.0.0.1"));
        assert_eq!((host.publish_all_ports, host.auto_remove), (Some(false), Some(true)));
        let bindings = host.port_bindings.as_ref().unwrap();
        let binding = &bindings["5432/tcp"].as_ref().unwrap()[0];
        assert_eq!((bindings.len(), binding.host_ip.as_deref()), (1, Some("127.0.0.1")));
        publish(&mut host, None);
        assert_eq!(host.port_bindings, None);
    }

    #[test]
    fn the_lifetime_must_be_a_positive_number() {
        assert_eq!(lifetime_of(None).unwrap(), LIFETIME);
        assert_eq!(lifetime_of(Some(String::new())).unwrap(), LIFETIME);
        assert_eq!(lifetime_of(Some("90".to_owned())).unwrap(), Duration::from_secs(90));
        let text = lifetime_of(Some("3h".to_owned())).unwrap_err().to_string();
        assert!(text.contains("MIG_CI_LIFETIME") && text.contains("3h"), "{text}");
        assert!(lifetime_of(Some("0".to_owned())).is_err());
    }
}
