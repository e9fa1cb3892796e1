//! The base's project, from the base's own configuration file, or discovered from its folders.

use camino::{Utf8Path, Utf8PathBuf};

use super::base_paths::configurations;
use crate::checks;
use crate::config::{self, FILE_NAME, LoadOptions, Overrides, ProjectLocation};
use crate::model::{Files, FilesError, Project};
use crate::source::Snapshot;

/// The base's project.
#[derive(Debug)]
pub(crate) enum BaseProject {
    /// There is no base, or it has neither a configuration nor folders that are recognised.
    Nothing,
    Known(Box<Project>),
    /// It has a configuration that cannot be read, for this reason.
    Unknown(String),
}

impl BaseProject {
    pub(crate) fn project(&self) -> Option<&Project> {
        match self {
            Self::Known(project) => Some(project),
            Self::Nothing | Self::Unknown(_) => None,
        }
    }

    /// With the same flags as the head.
    pub(crate) fn read(
        head: &Project,
        head_files: &dyn Files,
        snapshot: Option<&Snapshot>,
        overrides: Overrides,
    ) -> Self {
        let Some(snapshot) = snapshot else { return Self::Nothing };
        if let Err(reason) = snapshot.names() {
            return Self::Unknown(format!("the files of the base cannot be listed: {reason}"));
        }
        let all = configurations(&head.origin, head_files.folders_above());
        let files = NamedFiles(snapshot);
        let is_gone = |path: &Utf8Path| head_files.read(path).is_ok_and(|text| text.is_none());
        // Another file is the base's configuration if the head does not have it any more: it was moved or renamed.
        let file = match all.split_first() {
            Some((same, _)) if files.has(same) => Some(same.clone()),
            _ => all.iter().find(|path| files.has(path) && is_gone(path)).cloned(),
        };
        let above = all.iter().filter(|path| path.starts_with(".."));
        let moved = || {
            let is_there =
                |path: &&Utf8PathBuf| snapshot.read(path).is_ok_and(|text| text.is_some());
            above.into_iter().find(|path| is_there(path) && is_gone(path))
        };
        let below = || {
            let names = snapshot.names().ok()?.keys().map(Utf8Path::new);
            let mut ours = names.filter(|path| path.file_name() == Some(FILE_NAME));
            ours.find(|path| is_gone(path))
        };
        let moved = moved().map(Utf8PathBuf::as_path).or_else(below);
        if file.is_none()
            && let Some(path) = moved
        {
            return Self::Unknown(format!(
                "the configuration of the base is {path}, and that of this revision is in another folder"
            ));
        }
        let codes: Vec<&str> = checks::all_meta().map(|meta| meta.code).collect();
        let location = ProjectLocation { root: head.root.clone(), file };
        let project = config::load(&LoadOptions {
            location: &location,
            files: &files,
            environment: &config::process_environment,
            check_codes: &codes,
            overrides: Overrides { empty_folders: true, ..overrides },
        });
        match (project, location.file) {
            (Ok(project), _) => Self::Known(Box::new(project)),
            (Err(_), None) => Self::Nothing,
            (Err(errors), Some(path)) => {
                let errors = errors.to_string();
                let first = errors.lines().next().unwrap_or_default();
                Self::Unknown(format!("{path} of the base cannot be used: {first}"))
            }
        }
    }
}

/// The base's files: those that were read, and the names of all others, whose contents no configuration needs.
#[derive(Debug)]
struct NamedFiles<'a>(&'a Snapshot);

impl NamedFiles<'_> {
    fn has(&self, path: &Utf8Path) -> bool {
        self.0.names().is_ok_and(|names| names.contains_key(path.as_str()))
    }
}

impl Files for NamedFiles<'_> {
    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, FilesError> {
        let prefix = match directory.as_str() {
            "" | "." => String::new(),
            directory => format!("{directory}/"),
        };
        let Ok(names) = self.0.names() else { return Ok(Vec::new()) };
        let from = names.range(prefix.clone()..).map(|(name, _)| name);
        Ok(from.take_while(|name| name.starts_with(&prefix)).map(Utf8PathBuf::from).collect())
    }

    fn read(&self, path: &Utf8Path) -> Result<Option<Vec<u8>>, FilesError> {
        let read = self.0.read(path)?;
        Ok(read.or_else(|| self.has(path).then(Vec::new)))
    }
}
