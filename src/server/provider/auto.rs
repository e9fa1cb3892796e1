//! The provider `auto`: Docker if it works, because it can run production's version; otherwise local binaries. The server's
//! description contains the choice and its reason.

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::docker::Docker;
use super::local::Local;
use super::{Provider, ProviderStart, Started};
use crate::model::{PostgresSettings, ProviderChoice};
use crate::server::clean_report::{CleanReport, CleanupScope};
use crate::server::error::ProviderError;
use crate::server::note::Note;

pub(crate) struct Auto;

impl Provider for Auto {
    fn choice(&self) -> ProviderChoice {
        ProviderChoice::Auto
    }

    fn start<'a>(
        &'a self,
        start: &'a ProviderStart<'a>,
    ) -> BoxFuture<'a, Result<Started, ProviderError>> {
        choose(start, &Docker, &Local).boxed()
    }

    fn clean_up<'a>(
        &'a self,
        settings: &'a PostgresSettings,
        scope: &'a CleanupScope,
    ) -> BoxFuture<'a, CleanReport> {
        async move {
            let (docker, local) =
                futures::join!(Docker.clean_up(settings, scope), Local.clean_up(settings, scope));
            docker.join(local)
        }
        .boxed()
    }
}

async fn choose(
    start: &ProviderStart<'_>,
    docker: &dyn Provider,
    local: &dyn Provider,
) -> Result<Started, ProviderError> {
    let refused = match docker.start(start).await {
        Ok(started) => return Ok(explained(started, "auto: Docker works")),
        // Only a server in a container is reachable from the image.
        Err(error) if start.request.program_image.is_some() => return Err(error),
        Err(error) => error,
    };
    match local.start(start).await {
        Ok(started) => {
            let mut started = explained(started, "auto: Docker does not work here");
            started.notes.insert(0, why_not_docker(&refused));
            Ok(started)
        }
        Err(error) => {
            Err(ProviderError::Neither { docker: Box::new(refused), local: Box::new(error) })
        }
    }
}

fn explained(mut started: Started, why: &str) -> Started {
    started.description = format!("{} ({why})", started.description);
    started
}

/// A machine without Docker is normal; a failing engine deserves a warning.
fn why_not_docker(refused: &ProviderError) -> Note {
    let text = format!("local binaries were used, because Docker does not work here: {refused}");
    match refused {
        ProviderError::NoEngine { .. } => Note::info(text),
        _ => Note::warning(text),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgConnectOptions;
    use tokio::sync::mpsc;

    use super::*;
    use crate::model::Severity;
    use crate::server::provider::RunningServer;
    use crate::server::provider::StoppedServer;
    use crate::server::request::ServerRequest;
    use crate::server::run_id::RunId;

    struct Fake(ProviderChoice, Option<fn() -> ProviderError>);

    struct Nothing;

    impl RunningServer for Nothing {
        fn stop(self: Box<Self>) -> BoxFuture<'static, StoppedServer> {
            async { StoppedServer::default() }.boxed()
        }
    }

    impl Provider for Fake {
        fn choice(&self) -> ProviderChoice {
            self.0
        }

        fn start<'a>(
            &'a self,
            _: &'a ProviderStart<'a>,
        ) -> BoxFuture<'a, Result<Started, ProviderError>> {
            async move {
                match self.1 {
                    Some(error) => Err(error()),
                    None => Ok(Started {
                        provider: self.0,
                        description: format!("a {} server", self.0),
                        notes: Vec::new(),
                        admin: PgConnectOptions::new_without_pgpass(),
                        port: None,
                        own: true,
                        running: Box::new(Nothing),
                    }),
                }
            }
            .boxed()
        }

        fn clean_up<'a>(
            &'a self,
            _: &'a PostgresSettings,
            _: &'a CleanupScope,
        ) -> BoxFuture<'a, CleanReport> {
            async { CleanReport::default() }.boxed()
        }
    }

    fn no_engine() -> ProviderError {
        ProviderError::NoEngine { address: "unix:///x".to_owned(), reason: "nobody".to_owned() }
    }

    fn no_binaries() -> ProviderError {
        ProviderError::NoBinaries { searched: "PATH".to_owned() }
    }

    fn no_image() -> ProviderError {
        ProviderError::ImageUnknown { image: "postgrs:17".to_owned(), reason: "denied".to_owned() }
    }

    async fn choose_from(
        docker: Option<fn() -> ProviderError>,
        local: Option<fn() -> ProviderError>,
    ) -> Result<Started, ProviderError> {
        let request = ServerRequest {
            settings: PostgresSettings::default(),
            run: RunId::new(),
            jobs: 1,
            programs: false,
            program_image: None,
        };
        let (events, _events) = mpsc::unbounded_channel();
        let start = ProviderStart { request: &request, events: &events };
        let docker = Fake(ProviderChoice::Docker, docker);
        let local = Fake(ProviderChoice::Local, local);
        choose(&start, &docker, &local).await
    }

    #[tokio::test]
    async fn docker_is_preferred() {
        let started = choose_from(None, None).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(started.provider, ProviderChoice::Docker);
        assert_eq!(started.description, "a docker server (auto: Docker works)");
        assert_eq!(started.notes, []);
    }

    #[tokio::test]
    async fn without_docker_local_binaries_are_used_with_a_note() {
        let started =
            choose_from(Some(no_engine), None).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(started.provider, ProviderChoice::Local);
        assert_eq!(started.notes[0].severity, Severity::Info);
        assert!(started.notes[0].message.contains("nobody"));
        let started =
            choose_from(Some(no_image), None).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(started.notes[0].severity, Severity::Warning);
    }

    #[tokio::test]
    async fn without_any_provider_both_reasons_are_reported() {
        let text = match choose_from(Some(no_engine), Some(no_binaries)).await {
            Err(error) => error.to_string(),
            Ok(_) => panic!("something was started"),
        };
        assert!(text.contains("docker info") && text.contains("MIG_CI_PG_BIN"), "{text}");
    }
}
