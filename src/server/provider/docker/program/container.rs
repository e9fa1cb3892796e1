//! A container in which one program of the project runs: unprivileged, without a way out, and without anything of the job.

use std::collections::HashMap;
use std::pin::Pin;

use futures::StreamExt as _;
use testcontainers::bollard::container::{AttachContainerResults, LogOutput};
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, Mount, MountType, ResourcesUlimits,
};
use testcontainers::bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, StartContainerOptions,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream};

use super::error::ProgramImageError;
use super::image::ProgramImage;
use crate::server::provider::docker::engine::Engine;

/// The folder of the project's files. It is a volume, since an engine copies nothing into a read-only file system.
pub(super) const FOLDER: &str = "/mig-ci";
/// Processes and threads: a process for each tenant that runs, and what it starts.
const MOST_PROCESSES: i64 = 2048;
/// A process that has imported a large application needs some hundred megabytes, and one runs for each core.
const MEMORY: i64 = 4 << 30;
const SHARED_MEMORY: i64 = 64 << 20;
const TEMPORARY: &str = "rw,nosuid,nodev,mode=1777,size=1g";
/// Bytes that are buffered of each stream.
const BUFFER: usize = 64 * 1024;

/// The specification of a container.
pub(super) struct ProgramSpec<'a> {
    pub(super) image: &'a ProgramImage,
    pub(super) user: &'a str,
    pub(super) interpreter: &'a str,
    pub(super) arguments: &'a [String],
    /// The network's ID.
    pub(super) network: &'a str,
    pub(super) labels: HashMap<String, String>,
}

impl ProgramSpec<'_> {
    pub(super) fn body(&self) -> ContainerCreateBody {
        ContainerCreateBody {
            image: Some(self.image.name.clone()),
            user: Some(self.user.to_owned()),
            entrypoint: Some(vec![self.interpreter.to_owned()]),
            cmd: Some(self.arguments.to_vec()),
            env: Some(self.image.engine_environment()),
            // Python puts the working folder into the path of its modules.
            working_dir: Some("/".to_owned()),
            labels: Some(self.labels.clone()),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            open_stdin: Some(true),
            // The input ends with mig-ci, even if it is killed, and the driver with its input.
            stdin_once: Some(true),
            tty: Some(false),
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
            host_config: Some(self.host()),
            ..ContainerCreateBody::default()
        }
    }

    fn host(&self) -> HostConfig {
        HostConfig {
            auto_remove: Some(true),
            network_mode: Some(self.network.to_owned()),
            // The engine forwards the names that it does not know, also for networks without a way out (CVE-2024-29018). From
            // inside of the container nothing listens there.
            dns: Some(vec!["127.0.0.1".to_owned()]),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            privileged: Some(false),
            readonly_rootfs: Some(true),
            tmpfs: Some(HashMap::from([("/tmp".to_owned(), TEMPORARY.to_owned())])),
            mounts: Some(vec![Mount {
                target: Some(FOLDER.to_owned()),
                typ: Some(MountType::VOLUME),
                ..Mount::default()
            }]),
            memory: Some(MEMORY),
            memory_swap: Some(MEMORY),
            shm_size: Some(SHARED_MEMORY),
            pids_limit: Some(MOST_PROCESSES),
            ulimits: Some(vec![ResourcesUlimits {
                name: Some("core".to_owned()),
                soft: Some(0),
                hard: Some(0),
            }]),
            ..HostConfig::default()
        }
    }
}

/// Why a container with one interpreter did not start.
#[derive(Debug)]
pub(super) enum StartError {
    /// The image has no such program.
    NoProgram,
    /// Its user may not execute it.
    NotPermitted(String),
    Other(ProgramImageError),
}

impl StartError {
    /// By the message of the container's runtime, since the engine has no error codes for it.
    fn of(error: &DockerError) -> Self {
        let text = error.to_string();
        let lower = text.to_lowercase();
        let any = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
        if any(&["permission denied"]) {
            Self::NotPermitted(text)
        } else if any(&[
            "executable file not found",
            "no such file or directory",
            "not a directory",
        ]) {
            Self::NoProgram
        } else {
            Self::Other(ProgramImageError::docker("start a container for the migrations", error))
        }
    }
}

/// A running program in a container.
#[derive(Debug)]
pub(crate) struct ProgramContainer {
    pub(super) engine: Engine,
    pub(crate) id: String,
}

/// The streams of a program. The input is the program's end.
pub(crate) struct ProgramStreams {
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
    pub(crate) output: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) errors: Box<dyn AsyncRead + Send + Unpin>,
}

impl std::fmt::Debug for ProgramStreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgramStreams").finish_non_exhaustive()
    }
}

impl ProgramContainer {
    /// Creates a container, connects to its streams, and starts it. A container that does not start is removed.
    pub(super) async fn start(
        engine: Engine,
        body: ContainerCreateBody,
    ) -> Result<(Self, ProgramStreams), StartError> {
        let failed = |doing: &'static str| {
            move |error: DockerError| {
                StartError::Other(ProgramImageError::docker(
                    format!("{doing} a container for the migrations"),
                    &error,
                ))
            }
        };
        let created = engine.client.create_container(None::<CreateContainerOptions>, body).await;
        let id = created.map_err(failed("create"))?.id;
        let options = AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .build();
        let attached = engine.client.attach_container(&id, Some(options)).await;
        let started = match attached {
            Ok(streams) => {
                let started = engine.client.start_container(&id, None::<StartContainerOptions>);
                started.await.map(|()| streams).map_err(|error| StartError::of(&error))
            }
            Err(error) => Err(failed("attach to")(error)),
        };
        match started {
            Ok(AttachContainerResults { output, input }) => {
                let (out, out_writer) = tokio::io::duplex(BUFFER);
                let (errors, errors_writer) = tokio::io::duplex(BUFFER);
                tokio::spawn(divide(output, out_writer, errors_writer));
                let (output, errors) = (Box::new(out), Box::new(errors));
                Ok((Self { engine, id }, ProgramStreams { input, output, errors }))
            }
            Err(error) => {
                // What cannot be removed here is removed with the run, by its label.
                let _ = engine.remove(&id).await;
                Err(error)
            }
        }
    }
}

/// Writes the two streams of a container to their readers.
async fn divide(
    mut from: Pin<Box<dyn futures::Stream<Item = Result<LogOutput, DockerError>> + Send>>,
    mut output: DuplexStream,
    mut errors: DuplexStream,
) {
    while let Some(Ok(part)) = from.next().await {
        let written = match part {
            LogOutput::StdErr { message } => errors.write_all(&message).await,
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                output.write_all(&message).await
            }
            LogOutput::StdIn { .. } => Ok(()),
        };
        if written.is_err() {
            break;
        }
    }
}
