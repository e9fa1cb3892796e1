//! The provider `docker`: a container of the configured image, with its data in memory, gone with the run.
//!
//! testcontainers has no reaper, and a signal or a failed start can leave a container. So: every container carries labels
//! that say whose it is; a stop removes it by name; a dropped server removes it on the way out; a sweep finds by label what
//! was left; and its own entrypoint ends it after some hours, whatever happened to us.

mod container;
mod engine;
mod image;
mod leftovers;
mod network;

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use testcontainers::{ContainerAsync, GenericImage};

use super::{
    POLL, Provider, ProviderStart, RunningServer, Started, StoppedServer, own_server_settings,
};
use crate::model::{PostgresSettings, ProviderChoice};
use crate::postgres::connect;
use crate::server::clean_report::{CleanupScope, Swept};
use crate::server::error::{ProviderError, describe};
use crate::server::note::Note;
use crate::server::roles::random_password;
use container::{ContainerSpec, LogTail};
use engine::Engine;
use image::ImageName;
use network::ServerAddress;

/// From the container's start to the first answer. On tmpfs it takes 2 s; an image that does much at first, on a loaded
/// machine, takes a minute.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// One attempt to connect; the next address gets its turn then.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(3);
/// How often the engine is asked whether the container still runs.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Removing takes 0.3 s; the way out as a whole has 5 s.
const REMOVE_WITHIN: Duration = Duration::from_secs(4);

/// See the file's head.
pub(crate) struct Docker;

impl Provider for Docker {
    fn choice(&self) -> ProviderChoice {
        ProviderChoice::Docker
    }

    fn start<'a>(
        &'a self,
        start: &'a ProviderStart<'a>,
    ) -> BoxFuture<'a, Result<Started, ProviderError>> {
        begin(start).boxed()
    }

    fn sweep<'a>(
        &'a self,
        _: &'a PostgresSettings,
        scope: &'a CleanupScope,
    ) -> BoxFuture<'a, Swept> {
        leftovers::sweep(scope).boxed()
    }
}

async fn begin(start: &ProviderStart<'_>) -> Result<Started, ProviderError> {
    let settings = &start.request.settings;
    let image = ImageName::of(settings)?;
    let engine = Engine::connect().await?;
    if !engine.has_image(&image).await {
        start.tell(format!("Docker image {image}, which is being pulled"));
        image::pull(&image).await?;
    }
    start.tell(format!("Docker image {image}"));
    let network = network::plan(&engine).await;
    let password = random_password();
    let log = LogTail::default();
    let own_container = network::own_container();
    let wanted = ContainerSpec {
        image: &image,
        run: &start.request.run,
        password: &password,
        settings: own_server_settings(start.request.jobs),
        network: &network,
        log: &log,
        own_container: own_container.as_deref(),
    };
    let container = container::start(wanted).await?;
    let run = Contained { container, engine, log: log.clone() };
    let addresses = network::addresses(&run.engine, run.container.id(), &network).await?;
    let options =
        connect::own_server(&start.request.run, container::ADMINISTRATOR).password(&password);
    let admin = run.first_answer(&image, &options, &addresses, &log).await?;
    Ok(Started {
        provider: ProviderChoice::Docker,
        description: format!("Docker image {image}"),
        notes: network.note().map(Note::info).into_iter().collect(),
        admin,
        own: true,
        running: Box::new(run),
    })
}

struct Contained {
    container: ContainerAsync<GenericImage>,
    engine: Engine,
    log: LogTail,
}

impl Contained {
    /// Waits for the real server: the temporary one that the image's entrypoint runs first listens on a socket alone, so
    /// who answers over TCP is the real one.
    async fn first_answer(
        &self,
        image: &ImageName,
        options: &PgConnectOptions,
        addresses: &[ServerAddress],
        log: &LogTail,
    ) -> Result<PgConnectOptions, ProviderError> {
        let begun = Instant::now();
        let mut looked = begun;
        let mut turns = addresses.iter().cycle();
        let mut reason = "it has no address".to_owned();
        while begun.elapsed() < READY_WITHIN {
            if let Some(address) = turns.next() {
                let options = options.clone().host(&address.host).port(address.port);
                // Any error may be Docker's proxy speaking, or a server that is still starting.
                match connect::connect(&options, ATTEMPT_WITHIN).await {
                    Ok(connection) => {
                        connect::close(connection).await;
                        return Ok(options);
                    }
                    Err(error) => {
                        if let Some(refused) = connect::refused_for_options(&error) {
                            return Err(refused);
                        }
                        reason = describe(&error);
                    }
                }
            }
            if looked.elapsed() > LOOK_EVERY {
                looked = Instant::now();
                if self.engine.has_ended(self.container.id()).await {
                    let log = log.end().await;
                    return Err(ProviderError::ContainerDied { image: image.to_string(), log });
                }
            }
            tokio::time::sleep(POLL).await;
        }
        let tried: Vec<String> = addresses.iter().map(ServerAddress::to_string).collect();
        Err(ProviderError::ContainerSilent {
            image: image.to_string(),
            within: READY_WITHIN,
            tried: tried.join(", "),
            reason,
            log: log.end().await,
        })
    }
}

impl RunningServer for Contained {
    fn stop(self: Box<Self>) -> BoxFuture<'static, StoppedServer> {
        async move {
            let id = self.container.id().to_owned();
            let log = self.log.so_far();
            let server_cpu = self.engine.cpu(&id).await;
            let removed = tokio::time::timeout(REMOVE_WITHIN, self.engine.remove(&id)).await;
            let problems = match removed {
                Ok(Ok(())) => Vec::new(),
                Ok(Err(error)) => vec![format!("cannot remove the container {id}: {error}")],
                Err(_) => vec![format!("the container {id} could not be removed in time")],
            };
            // Dropped, the handle would try once more and block, with a hanging engine for minutes. What has not been
            // removed here is a problem that is told, and the next start's sweep's affair.
            std::mem::forget(self.container);
            StoppedServer { server_cpu, log, problems, ..StoppedServer::default() }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
