//! The provider `local`: a cluster of our own from the PostgreSQL binaries of this machine, in a folder that only we can
//! enter, reached through a Unix socket alone, gone with the run.

mod binaries;
mod cluster_folder;
mod exposed_files;
mod exposure;
mod leftover_processes;
mod leftovers;
mod postmaster;
mod postmaster_plan;
mod process;

pub(crate) use exposed_files::file_with_secret;
pub(crate) use exposure::process_with_secret;

use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use sqlx::postgres::PgConnectOptions;

use super::{
    POLL, Provider, ProviderStart, RunningServer, Started, StoppedServer, own_server_settings,
};
use crate::model::{PostgresSettings, ProviderChoice};
use crate::postgres::connect;
use crate::server::clean_report::{CleanupScope, Swept};
use crate::server::error::{ProviderError, describe};
use crate::server::note::Note;
use binaries::Binaries;
use postmaster::Keeper;
use postmaster_plan::PostmasterPlan;

/// The cluster's superuser; the same name as in containers, so that samples and grants meet the same roles.
pub(crate) const ADMINISTRATOR: &str = "mig_ci";

/// From `postgres` running to the first answer. It takes 0.1 s; a machine that swaps gets its time.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// See the file's head.
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

    fn sweep<'a>(
        &'a self,
        _: &'a PostgresSettings,
        scope: &'a CleanupScope,
    ) -> BoxFuture<'a, Swept> {
        let scope = scope.clone();
        async move {
            match tokio::task::spawn_blocking(move || leftovers::sweep(&scope)).await {
                Ok(swept) => swept,
                Err(error) => Swept { problems: vec![error.to_string()], ..Swept::default() },
            }
        }
        .boxed()
    }
}

async fn begin(start: &ProviderStart<'_>) -> Result<Started, ProviderError> {
    let asked = start.request.settings.version;
    let binaries = tokio::task::spawn_blocking(move || binaries::find(asked))
        .await
        .map_err(|_| ProviderError::Interrupted { doing: "searching for PostgreSQL binaries" })??;
    let description =
        format!("PostgreSQL {} binaries in {}", binaries.version, binaries.folder.display());
    start.tell(description.clone());
    let (keeper, admin) = run(start, &binaries).await?;
    Ok(Started {
        provider: ProviderChoice::Local,
        description,
        notes: start.request.settings.image.iter().map(|image| image_unused(image)).collect(),
        admin,
        own: true,
        running: Box::new(Cluster(keeper)),
    })
}

async fn run(
    start: &ProviderStart<'_>,
    binaries: &Binaries,
) -> Result<(Keeper, PgConnectOptions), ProviderError> {
    let account = cluster_folder::account()?;
    let place = cluster_folder::choose(&start.request.run, account.as_ref())?;
    let admin = connect::own_server(&start.request.run, ADMINISTRATOR).socket(&place.directory);
    let plan = PostmasterPlan {
        folder: binaries.folder.clone(),
        place,
        account,
        settings: settings(start.request.jobs),
    };
    let mut keeper = Keeper::start(plan)?;
    keeper.running().await?;
    answers(&keeper, &admin, binaries).await?;
    Ok((keeper, admin))
}

fn settings(jobs: usize) -> Vec<(&'static str, String)> {
    let mut settings = own_server_settings(jobs);
    // In the data folder, so that it goes with it: a killed server leaves what it has in `/dev/shm`.
    settings.push(("dynamic_shared_memory_type", "mmap".to_owned()));
    settings
}

async fn answers(
    keeper: &Keeper,
    admin: &PgConnectOptions,
    binaries: &Binaries,
) -> Result<(), ProviderError> {
    let begun = Instant::now();
    loop {
        let error = match connect::connect(admin, READY_WITHIN).await {
            Ok(connection) => {
                connect::close(connection).await;
                return Ok(());
            }
            Err(error) => error,
        };
        if let Some(refused) = connect::refused_for_options(&error) {
            return Err(refused);
        }
        if let Some(log) = keeper.ended() {
            return Err(ProviderError::ServerDied { folder: binaries.folder.clone(), log });
        }
        if begun.elapsed() > READY_WITHIN {
            return Err(ProviderError::ServerSilent {
                folder: binaries.folder.clone(),
                within: READY_WITHIN,
                reason: describe(&error),
                log: keeper.log(),
            });
        }
        tokio::time::sleep(POLL).await;
    }
}

fn image_unused(image: &str) -> Note {
    Note::warning(format!(
        "postgres.image is `{image}`, but local binaries were used, without that image's extensions and \
         settings"
    ))
}

struct Cluster(Keeper);

impl RunningServer for Cluster {
    fn stop(self: Box<Self>) -> BoxFuture<'static, StoppedServer> {
        self.0.stop().boxed()
    }
}

#[cfg(test)]
mod tests;
