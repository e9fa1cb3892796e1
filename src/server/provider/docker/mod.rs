//! The provider `docker`: a container of the configured image, with its data in memory, removed with the run.
//!
//! testcontainers has no reaper, and a signal or a failed start can leave a container. Therefore every container has labels
//! with its owner, a stop removes it by ID, a dropped server removes it, cleanup finds leftovers by label, and its own
//! entrypoint ends it after some hours, even if mig-ci was killed.

mod container;
mod engine;
mod image;
mod label;
mod leftovers;
mod network;
mod program;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;
use testcontainers::{ContainerAsync, GenericImage};

use super::{Provider, ProviderStart, RunningServer, Started, StoppedServer, own_server_settings};
use crate::model::{PostgresSettings, ProviderChoice};
use crate::postgres::connect;
use crate::retry::policies::CONTAINER_READY;
use crate::server::clean_report::{CleanReport, CleanupScope};
use crate::server::error::{ProviderError, describe};
use crate::server::note::Note;
use crate::server::roles::random_password;
use container::{ContainerSpec, LogTail};
use engine::Engine;
use image::ImageName;
use network::ServerAddress;

pub(crate) use program::{
    BASE as PROGRAM_BASE, CopiedTree, ImageRequest, ProgramContainer, ProgramHost,
    ProgramImageError, WORKSPACE as PROGRAM_WORKSPACE,
};

/// The time limit of one attempt to connect, before the next address is tried.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(3);
/// The interval of the checks whether the container still runs.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// The time limit for removing the container: it takes 0.3 s, and the whole shutdown has 5 s.
const REMOVE_WITHIN: Duration = Duration::from_secs(4);

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

    fn clean_up<'a>(
        &'a self,
        _: &'a PostgresSettings,
        scope: &'a CleanupScope,
    ) -> BoxFuture<'a, CleanReport> {
        leftovers::clean_up(scope).boxed()
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
    let id = container.id().to_owned();
    let programs = Arc::new(ProgramHost::new(engine.clone(), start.request.run.clone(), id));
    let run = RunningContainer { container, engine, log: log.clone(), programs };
    let addresses = network::addresses(&run.engine, run.container.id(), &network).await?;
    let options =
        connect::own_server(&start.request.run, container::ADMINISTRATOR).password(&password);
    let admin = run.first_answer(&image, &options, &addresses, &log).await?;
    Ok(Started {
        provider: ProviderChoice::Docker,
        description: format!("Docker image {image}"),
        notes: network.note().map(Note::info).into_iter().collect(),
        admin,
        port: None,
        own: true,
        running: Box::new(run),
    })
}

struct RunningContainer {
    container: ContainerAsync<GenericImage>,
    engine: Engine,
    log: LogTail,
    programs: Arc<ProgramHost>,
}

impl RunningContainer {
    /// Waits for the real server. The image's entrypoint first runs a temporary one, which listens only on a socket, so a
    /// response over TCP comes from the real one.
    async fn first_answer(
        &self,
        image: &ImageName,
        options: &PgConnectOptions,
        addresses: &[ServerAddress],
        log: &LogTail,
    ) -> Result<PgConnectOptions, ProviderError> {
        let tried: Vec<String> = addresses.iter().map(ServerAddress::to_string).collect();
        let first = (addresses.iter().cycle(), Instant::now());
        let answered =
            CONTAINER_READY.poll_with(first, |(mut candidates, mut checked)| async move {
                let answer = match candidates.next() {
                    Some(address) => connected(options, address).await,
                    None => Err("it has no address".to_owned()),
                };
                if answer.is_err() && checked.elapsed() > CHECK_INTERVAL {
                    checked = Instant::now();
                    if self.engine.has_ended(self.container.id()).await {
                        let log = log.end().await;
                        let died = ProviderError::ContainerDied { image: image.to_string(), log };
                        return ((candidates, checked), Ok(Err(died)));
                    }
                }
                ((candidates, checked), answer)
            });
        match answered.await {
            Ok(answered) => answered,
            Err(reason) => Err(ProviderError::ContainerSilent {
                image: image.to_string(),
                within: CONTAINER_READY.total(),
                tried: tried.join(", "),
                reason,
                log: log.end().await,
            }),
        }
    }
}

/// The options of a server that responds at the address, or its refusal; else the reason of the failed attempt. Any error may
/// come from Docker's proxy, or from a server that is still starting.
async fn connected(
    options: &PgConnectOptions,
    address: &ServerAddress,
) -> Result<Result<PgConnectOptions, ProviderError>, String> {
    let options = options.clone().host(&address.host).port(address.port);
    match connect::connect(&options, ATTEMPT_WITHIN).await {
        Ok(connection) => {
            connect::close(connection).await;
            Ok(Ok(options))
        }
        Err(error) => match connect::refused_for_options(&error) {
            Some(refused) => Ok(Err(refused)),
            None => Err(describe(&error)),
        },
    }
}

impl RunningServer for RunningContainer {
    fn programs(&self) -> Option<Arc<ProgramHost>> {
        Some(Arc::clone(&self.programs))
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, StoppedServer> {
        async move {
            let id = self.container.id().to_owned();
            let log = self.log.so_far();
            let server_cpu = self.engine.cpu(&id).await;
            let removing = async {
                let mut problems = self.programs.remove().await;
                let problem = |error| format!("cannot remove the container {id}: {error}");
                problems.extend(self.engine.remove(&id).await.err().map(problem));
                problems
            };
            let removed = tokio::time::timeout(REMOVE_WITHIN, removing).await;
            let late = |_| vec![format!("the container {id} could not be removed in time")];
            let problems = removed.unwrap_or_else(late);
            // Dropping the handle would try again and block, with a hanging engine for minutes. A container that was not
            // removed here is reported, and the next start's cleanup removes it.
            std::mem::forget(self.container);
            StoppedServer { server_cpu, log, problems, ..StoppedServer::default() }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
