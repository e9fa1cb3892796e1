//! `mig-ci revision`: creates the next migration's files, in the format and numbering of their directory.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};

use crate::cli::args::{Global, RevisionArgs};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::stream::Streams;
use crate::config::Overrides;
use crate::formats::{NewFile, NextError, next_files};
use crate::model::{Database, Files as _, Track, TrackKind};
use crate::project::load_project;
use crate::replay::plan::{PlanError, Selection, directory};
use crate::report::visible;
use crate::source::Worktree;

/// Why nothing was written.
enum Refusal {
    /// The command needs other arguments.
    Usage {
        text: String,
        help: Option<&'static str>,
    },
    Other(CommandError),
}

impl<E: Into<CommandError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

pub(crate) fn run(
    global: &Global,
    args: &RevisionArgs,
    streams: &Streams,
) -> Result<Exit, CommandError> {
    match write_next(global, args) {
        Ok(paths) => {
            let lines = paths.iter().map(|path| format!("{path}\n")).collect::<String>();
            streams.print(&visible(&lines))?;
            Ok(Exit::Passed)
        }
        Err(Refusal::Usage { text, help }) => {
            streams.complain(&text);
            help.iter().for_each(|help| streams.remark(&format!("  help: {help}")));
            Ok(Exit::Usage)
        }
        Err(Refusal::Other(error)) => Err(error),
    }
}

/// The paths of the written files, relative to the current folder.
fn write_next(global: &Global, args: &RevisionArgs) -> Result<Vec<Utf8PathBuf>, Refusal> {
    // The folder of the first migration is empty or missing.
    let overrides = Overrides { empty_folders: true, ..Overrides::default() };
    let (project, files) = load_project(global.config.as_deref(), overrides)?;
    let selection = Selection { databases: global.databases.clone(), ..Selection::default() };
    let database = match selection.databases(&project.databases)?.as_slice() {
        [database] => *database,
        several => {
            let names: Vec<_> = several.iter().map(|database| database.name.as_str()).collect();
            let text = format!("choose a database with -n: {}", names.join(", "));
            return Err(Refusal::Usage { text, help: None });
        }
    };
    let (kind, track) = track(database, args.track)?;
    let new = next_files(
        &directory(track, &files),
        track.format.as_deref(),
        &args.message,
        SystemTime::now(),
    );
    let new = new.map_err(|error| match error {
        NextError::Message { help, .. } => {
            Refusal::Usage { text: error.to_string(), help: Some(help) }
        }
        NextError::Format(source) => {
            PlanError::Format { database: database.name.clone(), kind, source }.into()
        }
    })?;
    make_folder(&project.root, &track.migrations, &files)?;
    write(&project.root, &new)?;
    let here = std::env::current_dir().ok().and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
    let shown = |file: &NewFile| {
        let path = project.root.join(&file.path);
        let below = here.as_ref().and_then(|here| path.strip_prefix(here).ok());
        below.map_or_else(|| path.clone(), Utf8Path::to_owned)
    };
    Ok(new.iter().map(shown).collect())
}

fn track(database: &Database, wanted: Option<TrackKind>) -> Result<(TrackKind, &Track), Refusal> {
    let shared = database.shared.as_ref().map(|track| (TrackKind::Shared, track));
    let tenant = database.tenants.as_ref().map(|tenants| (TrackKind::Tenant, &tenants.track));
    let name = &database.name;
    let text = match (wanted, shared, tenant) {
        (None | Some(TrackKind::Shared), Some(shared), None)
        | (Some(TrackKind::Shared), Some(shared), Some(_)) => return Ok(shared),
        (None | Some(TrackKind::Tenant), None, Some(tenant))
        | (Some(TrackKind::Tenant), Some(_), Some(tenant)) => return Ok(tenant),
        (None, Some((_, shared)), Some((_, tenant))) => format!(
            "`{name}` has two directories: use --track shared ({}) or --track tenant ({})",
            shared.migrations, tenant.migrations
        ),
        (Some(kind), ..) => format!("`{name}` has no {kind} migrations"),
        (None, None, None) => format!("`{name}` has no migrations"),
    };
    Err(Refusal::Usage { text, help: None })
}

/// Creates the directory if it does not exist. No symlink in its path may leave the checkout: the files there would not be
/// read.
fn make_folder(root: &Utf8Path, folder: &Utf8Path, files: &Worktree) -> Result<(), CommandError> {
    let path = root.join(folder);
    let failed = |reason: String| CommandError::Output { path: path.clone(), reason };
    let there = folder.ancestors().find(|folder| root.join(folder).exists());
    let there = there.unwrap_or(folder);
    files.read(there).map_err(|error| failed(error.to_string()))?;
    fs::create_dir_all(&path).map_err(|error| failed(error.to_string()))
}

/// Writes all of the files or none, and replaces nothing.
fn write(root: &Utf8Path, files: &[NewFile]) -> Result<(), CommandError> {
    let mut made = Vec::new();
    for file in files {
        let path = root.join(&file.path);
        if let Err(error) = write_new(&path, &file.text, &mut made) {
            let reason = match error.kind() {
                ErrorKind::AlreadyExists => "it already exists, and nothing was written".to_owned(),
                _ => error.to_string(),
            };
            // Half a pair would be a migration without a down script.
            let left = made.iter().filter(|path| fs::remove_file(path).is_err());
            let left: String = left.map(|path| format!("; {path} was left behind")).collect();
            return Err(CommandError::Output { path, reason: reason + &left });
        }
    }
    Ok(())
}

fn write_new(path: &Utf8Path, text: &str, made: &mut Vec<Utf8PathBuf>) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    made.push(path.to_owned());
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> [NewFile; 2] {
        ["1_a.up.sql", "1_a.down.sql"]
            .map(|name| NewFile { path: name.into(), text: format!("{name}\n") })
    }

    #[test]
    fn either_both_files_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let root: &Utf8Path = folder.path().try_into().unwrap();
        let down = root.join("1_a.down.sql");
        fs::write(&down, "mine").unwrap();
        let error = write(root, &pair()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("cannot write {down}: it already exists, and nothing was written")
        );
        assert!(!root.join("1_a.up.sql").exists());
        assert_eq!(fs::read_to_string(&down).unwrap(), "mine");
        fs::remove_file(&down).unwrap();
        write(root, &pair()).unwrap();
        assert_eq!(fs::read_to_string(&down).unwrap(), "1_a.down.sql\n");
    }
}
