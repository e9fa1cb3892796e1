//! The image in which a program of the project runs: where it comes from, and what it says about itself.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::error::ProgramImageError;
use crate::server::provider::docker::engine::Engine;
use crate::server::provider::docker::image::{self, ImageName};

/// What Docker uses if an image sets no PATH (moby, `oci.DefaultPathEnv`).
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Variables of the image that Python itself needs. All others are removed: they may be addresses of other servers.
const KEPT: [&str; 7] =
    ["PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "TZ"];
/// The container's own: its root file system cannot be written to.
const HOME: &str = "/tmp";
/// `nobody`, also in images without such an entry.
const UNPRIVILEGED: &str = "65534:65534";

/// An image that the engine has.
#[derive(Debug, Clone)]
pub(crate) struct ProgramImage {
    /// As configured.
    pub(super) name: String,
    /// As the image sets them.
    variables: BTreeMap<String, String>,
    user: String,
    folder: String,
}

impl ProgramImage {
    /// Pulls the image if the engine does not have it.
    pub(super) async fn of(engine: &Engine, name: &str) -> Result<Self, ProgramImageError> {
        let split = ImageName::with_default_tag(name);
        let split = split.map_err(|error| ProgramImageError::of_pull(name, error))?;
        let reference = split.to_string();
        if !engine.has_image(&split).await {
            let pulled = image::pull(&split).await;
            pulled.map_err(|error| ProgramImageError::of_pull(name, error))?;
        }
        let found = engine.client.inspect_image(&reference).await;
        let found = found.map_err(|error| {
            ProgramImageError::docker(format!("inspect the image `{name}`"), &error)
        })?;
        let config = found.config.unwrap_or_default();
        let variables = config.env.unwrap_or_default();
        let variables = variables.iter().filter_map(|line| line.split_once('='));
        Ok(Self {
            name: reference,
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            user: config.user.unwrap_or_default(),
            folder: config.working_dir.unwrap_or_default(),
        })
    }

    pub(super) fn path(&self) -> &str {
        self.variables.get("PATH").map_or(DEFAULT_PATH, String::as_str)
    }

    /// The variables of a process in the container.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let kept = KEPT.iter().filter_map(|name| self.variables.get_key_value(*name));
        let mut environment: BTreeMap<String, String> =
            kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        environment.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
        environment.insert("HOME".to_owned(), HOME.to_owned());
        environment
    }

    /// The same for the engine, where a name without a value removes a variable of the image (API, ContainerCreate).
    pub(super) fn engine_environment(&self) -> Vec<String> {
        let environment = self.environment();
        let removed = self.variables.keys().filter(|name| !environment.contains_key(*name));
        let set = environment.iter().map(|(name, value)| format!("{name}={value}"));
        set.chain(removed.cloned()).collect()
    }

    /// The interpreters to try, in order. A relative path is one below the image's working folder.
    pub(super) fn interpreters(&self, configured: Option<&str>) -> Vec<String> {
        if let Some(configured) = configured {
            let folder = if self.folder.is_empty() { "/" } else { &self.folder };
            let path = match configured.contains('/') {
                true => Utf8Path::new(folder).join(configured).into_string(),
                false => configured.to_owned(),
            };
            return vec![path];
        }
        let own = self.variables.get("VIRTUAL_ENV").filter(|prefix| !prefix.is_empty());
        let own = own.map(|prefix| format!("{prefix}/bin/python"));
        own.into_iter().chain(["python3".to_owned(), "python".to_owned()]).collect()
    }

    /// The users to try, in order: the image's own one if it is not root; else `nobody`, and root only if `nobody` cannot read
    /// the interpreter, as in images that install it in /root.
    pub(super) fn users(&self) -> Vec<String> {
        let user = self.user.split(':').next().unwrap_or_default();
        match user {
            "" | "0" | "root" => vec![UNPRIVILEGED.to_owned(), "0:0".to_owned()],
            _ => vec![self.user.clone()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(variables: &[(&str, &str)], user: &str, folder: &str) -> ProgramImage {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        ProgramImage {
            name: "app:1".to_owned(),
            variables: variables.collect(),
            user: user.to_owned(),
            folder: folder.to_owned(),
        }
    }

    #[test]
    fn variables_of_the_image_are_removed() {
        let image = image(&[("DATABASE_URL", "postgres://production"), ("PATH", "/a")], "", "");
        assert_eq!(image.engine_environment(), ["HOME=/tmp", "PATH=/a", "DATABASE_URL"]);
        assert!(!image.environment().contains_key("DATABASE_URL"));
    }

    #[test]
    fn interpreters_are_the_images_own() {
        let plain = image(&[], "", "/app");
        assert_eq!(plain.interpreters(None), ["python3", "python"]);
        assert_eq!(plain.interpreters(Some(".venv/bin/python")), ["/app/.venv/bin/python"]);
        assert_eq!(plain.interpreters(Some("/opt/bin/python")), ["/opt/bin/python"]);
        assert_eq!(plain.interpreters(Some("python3.12")), ["python3.12"]);
        let active = image(&[("VIRTUAL_ENV", "/venv")], "", "");
        assert_eq!(active.interpreters(None)[0], "/venv/bin/python");
    }

    #[test]
    fn root_is_the_last_choice() {
        for root in ["", "root", "0:0", "0"] {
            assert_eq!(image(&[], root, "").users(), ["65534:65534", "0:0"], "{root}");
        }
        assert_eq!(image(&[], "app", "").users(), ["app"]);
    }
}
