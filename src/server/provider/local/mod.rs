//! The provider `local`: a cluster of this machine's PostgreSQL binaries, in a private directory, reached only through a
//! Unix socket, and removed with the run.

mod binaries;
mod cluster_folder;
mod exposed_files;
mod exposure;
mod leftover_processes;
mod leftovers;
mod postmaster;
mod postmaster_plan;
mod process;

pub(crate) use cluster_folder::ClusterFolder;
pub(crate) use exposed_files::file_with_secret;
pub(crate) use exposure::process_with_secret;
pub(crate) use leftovers::clean_up as clean_up_folders;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;

use super::{Provider, ProviderStart, RunningServer, Started, StoppedServer, own_server_settings};
use crate::model::{PostgresSettings, ProviderChoice};
use crate::postgres::connect;
use crate::retry::policies::LOCAL_SERVER_READY;
use crate::server::clean_report::{CleanReport, CleanupScope};
use crate::server::error::{ProviderError, describe};
use crate::server::note::Note;
use binaries::Binaries;
use postmaster::PostmasterHandle;
use postmaster_plan::PostmasterPlan;

/// The cluster's superuser; the same name as in containers, so that samples and grants refer to the same role.
pub(crate) const ADMINISTRATOR: &str = "mig_ci";

pub(crate) struct Local;

impl Provider for Local {
    fn choice(&self) -> ProviderChoice {
        ProviderChoice::Local
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
        let scope = scope.clone();
        async move {
            match tokio::task::spawn_blocking(move || leftovers::clean_up(&scope)).await {
                Ok(report) => report,
                Err(error) => {
                    CleanReport { problems: vec![error.to_string()], ..CleanReport::default() }
                }
            }
        }
        .boxed()
    }
}

async fn begin(start: &ProviderStart<'_>) -> Result<Started, ProviderError> {
    let requested = start.request.settings.version;
    let binaries = tokio::task::spawn_blocking(move || binaries::find(requested))
        .await
        .map_err(|_| ProviderError::Interrupted { doing: "searching for PostgreSQL binaries" })??;
    let description =
        format!("PostgreSQL {} binaries in {}", binaries.version, binaries.folder.display());
    start.tell(description.clone());
    let port = free_port(start.request.programs)?;
    let (handle, admin) = run(start, &binaries, port).await?;
    Ok(Started {
        provider: ProviderChoice::Local,
        description,
        notes: start.request.settings.image.iter().map(|image| image_unused(image)).collect(),
        admin,
        port,
        own: true,
        running: Box::new(Cluster(handle)),
    })
}

async fn run(
    start: &ProviderStart<'_>,
    binaries: &Binaries,
    port: Option<u16>,
) -> Result<(PostmasterHandle, PgConnectOptions), ProviderError> {
    let account = cluster_folder::account()?;
    let cluster = cluster_folder::choose(&start.request.run, account.as_ref())?;
    let admin = connect::own_server(&start.request.run, ADMINISTRATOR).socket(&cluster.directory);
    // The port is a part of the socket's name, too.
    let admin = port.map_or(admin.clone(), |port| admin.port(port));
    let plan = PostmasterPlan {
        folder: binaries.folder.clone(),
        cluster,
        account,
        settings: settings(start.request.jobs, port),
    };
    let mut handle = PostmasterHandle::start(plan)?;
    handle.running().await?;
    answers(&handle, &admin, binaries).await?;
    Ok((handle, admin))
}

/// A port that is free now, if programs need one.
fn free_port(is_needed: bool) -> Result<Option<u16>, ProviderError> {
    if !is_needed {
        return Ok(None);
    }
    let bound = std::net::TcpListener::bind(("127.0.0.1", 0));
    let port = bound.and_then(|listener| listener.local_addr()).map(|address| address.port());
    port.map(Some).map_err(|error| ProviderError::NoPort { reason: error.to_string() })
}

fn settings(jobs: usize, port: Option<u16>) -> Vec<(&'static str, String)> {
    let mut settings = own_server_settings(jobs);
    // In the data directory, so that it is removed with it: a killed server leaves its files in `/dev/shm`.
    settings.push(("dynamic_shared_memory_type", "mmap".to_owned()));
    if let Some(port) = port {
        settings.push(("listen_addresses", "127.0.0.1".to_owned()));
        settings.push(("port", port.to_string()));
    }
    settings
}

async fn answers(
    handle: &PostmasterHandle,
    admin: &PgConnectOptions,
    binaries: &Binaries,
) -> Result<(), ProviderError> {
    let within = LOCAL_SERVER_READY.total();
    let folder = || binaries.folder.clone();
    let ask = async || {
        let error = match connect::connect(admin, within).await {
            Ok(connection) => {
                connect::close(connection).await;
                return Ok(Ok(()));
            }
            Err(error) => error,
        };
        if let Some(refused) = connect::refused_for_options(&error) {
            return Ok(Err(refused));
        }
        match handle.ended() {
            Some(log) => Ok(Err(ProviderError::ServerDied { folder: folder(), log })),
            None => Err(describe(&error)),
        }
    };
    LOCAL_SERVER_READY.poll(ask).await.unwrap_or_else(|reason| {
        let log = handle.log();
        Err(ProviderError::ServerSilent { folder: folder(), within, reason, log })
    })
}

fn image_unused(image: &str) -> Note {
    Note::warning(format!(
        "postgres.image is `{image}`, but local binaries were used, without that image's extensions and \
         settings"
    ))
}

struct Cluster(PostmasterHandle);

impl RunningServer for Cluster {
    fn stop(self: Box<Self>) -> BoxFuture<'static, StoppedServer> {
        self.0.stop().boxed()
    }
}

#[cfg(test)]
mod tests;
