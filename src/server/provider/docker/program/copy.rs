//! Copies the project's files into a container.

use std::io;
use std::path::PathBuf;

use camino::Utf8PathBuf;
use testcontainers::bollard;
use testcontainers::bollard::query_parameters::UploadToContainerOptionsBuilder;
use tokio::sync::mpsc;

use super::archive;
use super::container::FOLDER;
use super::error::ProgramImageError;
use crate::server::provider::docker::engine::Engine;

/// Parts of an archive that wait to be sent.
const PARTS: usize = 4;
const PART: usize = 256 * 1024;

/// A folder of this machine, and the folder of the container that it is copied to; below [`FOLDER`].
#[derive(Debug, Clone)]
pub(crate) struct CopiedTree {
    pub(crate) root: Utf8PathBuf,
    pub(crate) folder: &'static str,
}

/// Copies folders into a running container, as one archive that is never completely in memory.
pub(super) async fn copy(
    engine: &Engine,
    container: &str,
    trees: Vec<CopiedTree>,
) -> Result<(), ProgramImageError> {
    let (sender, receiver) = mpsc::channel(PARTS);
    let writing = tokio::task::spawn_blocking(move || {
        let mut parts = Parts { sender, buffer: Vec::with_capacity(PART) };
        let written = write(&mut parts, &trees);
        if let Err((_, error)) = &written {
            // The request fails, so that no half of a project is taken for all of it.
            let _ = parts.sender.blocking_send(Err(io::Error::other(error.to_string())));
        }
        written
    });
    let body = futures::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|part| (part, receiver))
    });
    let options = UploadToContainerOptionsBuilder::new().path(FOLDER).build();
    let sent = engine
        .client
        .upload_to_container(container, Some(options), bollard::body_try_stream(Box::pin(body)))
        .await;
    let files = |path: PathBuf, reason: String| ProgramImageError::Files {
        path: Utf8PathBuf::from(path.display().to_string()),
        reason,
    };
    match (writing.await, sent) {
        (Ok(Ok(())), Ok(())) => Ok(()),
        // If the engine does not take the archive, its reason counts.
        (Ok(Err((path, error))), _) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(files(path, error.to_string()))
        }
        (_, Err(error)) => Err(ProgramImageError::docker("copy the project's files", &error)),
        (Ok(Err((path, error))), Ok(())) => Err(files(path, error.to_string())),
        (Err(error), Ok(())) => Err(files(PathBuf::new(), error.to_string())),
    }
}

fn write(parts: &mut Parts, trees: &[CopiedTree]) -> Result<(), (PathBuf, io::Error)> {
    for tree in trees {
        let folder = tree.folder.trim_start_matches(FOLDER).trim_start_matches('/');
        archive::write_tree(parts, tree.root.as_std_path(), folder)?;
    }
    archive::finish(parts).map_err(|error| (PathBuf::new(), error))
}

/// A writer whose parts are sent to an engine.
struct Parts {
    sender: mpsc::Sender<io::Result<bytes::Bytes>>,
    buffer: Vec<u8>,
}

impl io::Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let part = std::mem::replace(&mut self.buffer, Vec::with_capacity(PART));
        let sent = self.sender.blocking_send(Ok(part.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
