//! Programs of the project in containers of an image that has its Python, beside the server's container.
//!
//! ```text
//!  mig-ci ──streams──▶ program's container ──┐
//!     │                (image, no way out)   ├── internal network of the run
//!     └──SQL──▶ server's container ──────────┘
//! ```
//!
//! A program's container has no other network, no capabilities, no variables of the job, no socket of the engine, and a copy of
//! the project's files without git's data. It ends with its input, and has the labels of the run.

mod archive;
mod container;
mod copy;
mod error;
mod image;
mod network;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OnceCell;

use super::container::{lifetime, to_the_end, wait_for_starts};
use super::engine::Engine;
use super::label;
use super::network::{PORT, own_container};
use crate::server::run_id::RunId;
use container::{ProgramSpec, ProgramStreams, StartError};
use image::ProgramImage;
use network::ProgramNetwork;

pub(crate) use container::ProgramContainer;
pub(crate) use copy::CopiedTree;
pub(crate) use error::ProgramImageError;

/// The folder of the head's files in a container; below [`container::FOLDER`].
pub(crate) const WORKSPACE: &str = "/mig-ci/workspace";
/// The same for the base's.
pub(crate) const BASE: &str = "/mig-ci/base";

/// What starts containers for programs, beside the container of a server.
#[derive(Debug)]
pub(crate) struct ProgramHost {
    engine: Engine,
    run: RunId,
    /// The server's container.
    server: String,
    network: OnceCell<ProgramNetwork>,
    /// A container or a network may exist.
    is_used: AtomicBool,
}

/// A program to start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ImageRequest<'a> {
    pub(crate) image: &'a str,
    /// As configured: a name in the image's PATH, or a path in the image.
    pub(crate) interpreter: Option<&'a str>,
    pub(crate) arguments: &'a [String],
}

/// A started program.
#[derive(Debug)]
pub(crate) struct StartedProgram {
    pub(crate) container: ProgramContainer,
    pub(crate) streams: ProgramStreams,
    pub(crate) interpreter: String,
    pub(crate) user: String,
    /// The variables of its process.
    pub(crate) environment: BTreeMap<String, String>,
    /// The server's host and port, as seen from it.
    pub(crate) server: (String, u16),
}

impl ProgramHost {
    pub(super) fn new(engine: Engine, run: RunId, server: String) -> Self {
        let network = OnceCell::new();
        Self { engine, run, server, network, is_used: AtomicBool::new(false) }
    }

    /// Starts a program with the first interpreter that the image has, and the first user who may run it.
    ///
    /// # Errors
    /// The image is not available, has no interpreter, or the engine refuses.
    pub(crate) async fn start(
        &self,
        request: ImageRequest<'_>,
    ) -> Result<StartedProgram, ProgramImageError> {
        let image = ProgramImage::of(&self.engine, request.image).await?;
        let network = self.network.get_or_try_init(|| self.create_network()).await?;
        let interpreters = image.interpreters(request.interpreter);
        let mut refused = None;
        for interpreter in &interpreters {
            for user in image.users() {
                let spec = ProgramSpec {
                    image: &image,
                    user: &user,
                    interpreter,
                    arguments: request.arguments,
                    network: &network.id,
                    labels: self.labels()?,
                };
                match self.start_one(&image, &spec).await? {
                    Ok((container, streams)) => {
                        return Ok(StartedProgram {
                            container,
                            streams,
                            interpreter: interpreter.clone(),
                            user,
                            environment: image.environment(),
                            server: (network.server.clone(), PORT),
                        });
                    }
                    Err(StartError::Other(error)) => return Err(error),
                    Err(StartError::NotPermitted(reason)) => refused = Some(reason),
                    Err(StartError::NoProgram) => break,
                }
            }
        }
        Err(match refused {
            Some(reason) => ProgramImageError::Docker {
                doing: format!("run Python in `{}`", image.name),
                reason,
            },
            None => ProgramImageError::NoPython {
                tried: interpreters.join(", "),
                path: image.path().to_owned(),
                image: image.name,
            },
        })
    }

    async fn start_one(
        &self,
        image: &ProgramImage,
        spec: &ProgramSpec<'_>,
    ) -> Result<Result<(ProgramContainer, ProgramStreams), StartError>, ProgramImageError> {
        self.is_used.store(true, Ordering::Relaxed);
        let started = to_the_end(ProgramContainer::start(self.engine.clone(), spec.body())).await;
        started.ok_or_else(|| ProgramImageError::Interrupted { image: image.name.clone() })
    }

    /// Copies folders into a running container.
    pub(crate) async fn copy(
        &self,
        container: &str,
        trees: Vec<CopiedTree>,
    ) -> Result<(), ProgramImageError> {
        copy::copy(&self.engine, container, trees).await
    }

    async fn create_network(&self) -> Result<ProgramNetwork, ProgramImageError> {
        self.is_used.store(true, Ordering::Relaxed);
        let (engine, server, labels) = (self.engine.clone(), self.server.clone(), self.labels()?);
        let name = format!("mig-ci-{}", self.run);
        let created =
            to_the_end(async move { ProgramNetwork::create(&engine, name, labels, server).await });
        let interrupted = || ProgramImageError::Interrupted { image: "the network".to_owned() };
        created.await.ok_or_else(interrupted)?
    }

    fn labels(&self) -> Result<HashMap<String, String>, ProgramImageError> {
        let lifetime = lifetime().map_err(|error| ProgramImageError::Docker {
            doing: "start a container".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(label::of_run(&self.run, lifetime.as_secs(), own_container().as_deref()))
    }

    /// Removes the containers and the network of programs, and returns what could not be removed.
    pub(super) async fn remove(&self) -> Vec<String> {
        if !self.is_used.load(Ordering::Relaxed) {
            return Vec::new();
        }
        // A container that is still being created cannot be found yet.
        wait_for_starts().await;
        let mut problems = Vec::new();
        let of_run = format!("{}={}", label::RUN, self.run);
        match self.engine.labelled(&of_run).await {
            Ok(containers) => {
                let ids = containers.into_iter().filter_map(|container| container.id);
                let others = ids.filter(|id| *id != self.server);
                let removals = others.map(async |id| (self.engine.remove(&id).await, id));
                for (removed, id) in futures::future::join_all(removals).await {
                    let problem = |error| format!("cannot remove the container {id}: {error}");
                    problems.extend(removed.err().map(problem));
                }
            }
            Err(error) => problems.push(format!("cannot list containers: {error}")),
        }
        match self.engine.labelled_networks(&of_run).await {
            Ok(networks) => {
                for id in networks.into_iter().filter_map(|network| network.id) {
                    let removed = self.engine.remove_network(&id).await;
                    let problem = |error| format!("cannot remove the network {id}: {error}");
                    problems.extend(removed.err().map(problem));
                }
            }
            Err(error) => problems.push(format!("cannot list networks: {error}")),
        }
        problems
    }
}

impl ProgramContainer {
    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) {
        use futures::StreamExt as _;
        use testcontainers::bollard::query_parameters::WaitContainerOptions;
        let waiting = self.engine.client.wait_container(&self.id, None::<WaitContainerOptions>);
        // A container that is already removed is an error, and has ended, too.
        let _ = Box::pin(waiting).next().await;
    }

    /// Removes it.
    pub(crate) async fn kill(&mut self) {
        // What cannot be removed here is removed with the run, by its label.
        let _ = self.engine.remove(&self.id).await;
    }
}
