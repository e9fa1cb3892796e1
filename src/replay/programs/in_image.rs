//! A driver in a container of the project's image.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::{ProgramRunner, Programs, RunnerKey};
use crate::driver::{DriverProcess, ProcessLife, PythonDriver, arguments, common_environment};
use crate::server::{
    CopiedTree, ImageRequest, PROGRAM_BASE, PROGRAM_WORKSPACE, ProgramContainer, ProgramImageError,
};

/// Where Python keeps compiled modules: in the container's memory.
const COMPILED: &str = "/tmp/.mig-ci-pycache";

/// The container of a driver, without its streams.
struct ContainerLife(ProgramContainer);

impl ProcessLife for ContainerLife {
    fn ended(&mut self) -> BoxFuture<'_, ()> {
        self.0.ended().boxed()
    }

    fn kill(&mut self) -> BoxFuture<'_, ()> {
        self.0.kill().boxed()
    }
}

impl Programs<'_> {
    /// Starts a driver in its image, and copies the files of both revisions into the container.
    pub(super) async fn in_image(&self, key: &RunnerKey) -> Result<ProgramRunner, String> {
        let RunnerKey::Image { image, python } = key else {
            return Err("internal error: this driver runs on this machine".to_owned());
        };
        let Some(host) = self.server.program_host() else {
            return Err(format!(
                "the migrations run in the image `{image}`, and the server of this run is in no container beside it: use \
                 `--provider docker`"
            ));
        };
        let arguments = arguments();
        let request = ImageRequest { image, interpreter: python.as_deref(), arguments: &arguments };
        let started = host.start(request).await.map_err(in_words)?;
        let (container, streams) = (started.container, started.streams);
        let id = container.id.clone();
        let name =
            format!("{} of the image {image}, as user {}", started.interpreter, started.user);
        tracing::debug!(image, interpreter = started.interpreter, user = started.user, "container");
        let process = DriverProcess {
            name: name.clone(),
            input: streams.input,
            output: streams.output,
            errors: streams.errors,
            life: Box::new(ContainerLife(container)),
        };
        let driver = PythonDriver::over(process).await.map_err(|error| error.to_string())?;
        host.copy(&id, self.copies()).await.map_err(in_words)?;
        let variable = |name: &str| started.environment.get(name).cloned();
        let mut environment = common_environment(&variable);
        // Python of the image may need what the image sets for its libraries.
        environment.extend(started.environment);
        // Images often have no compiled modules, and their file system cannot be written to: each process would compile all.
        environment.remove("PYTHONDONTWRITEBYTECODE");
        environment.insert("PYTHONPYCACHEPREFIX".to_owned(), COMPILED.to_owned());
        Ok(ProgramRunner {
            driver,
            environment: Arc::new(environment),
            server: Some(started.server),
            in_image: Some(name.into()),
        })
    }

    fn copies(&self) -> Vec<CopiedTree> {
        let head = CopiedTree { root: self.files.head.root.to_owned(), folder: PROGRAM_WORKSPACE };
        let base = self.files.base;
        let base = base.map(|base| CopiedTree { root: base.root.to_owned(), folder: PROGRAM_BASE });
        [head].into_iter().chain(base).collect()
    }
}

fn in_words(error: ProgramImageError) -> String {
    error.to_string()
}
