//! Which files and folders are read at the base.

use camino::Utf8PathBuf;

use crate::config::{FILE_NAME, alembic_files};
use crate::model::{AlembicTrack, Project, ProjectOrigin, Track};

/// Files and folders whose state at the base matters. `above` is the number of folders from the project's root to the root of
/// the checkout.
pub(super) fn base_paths(project: &Project, above: usize) -> Vec<Utf8PathBuf> {
    let tracks =
        project.databases.iter().flat_map(|database| database.tracks().map(|(_, track)| track));
    let with_settings = |track: &Track| {
        // sqlx's settings are in the directory or in an ancestor.
        let settings = track.migrations.ancestors().map(|folder| folder.join("sqlx.toml"));
        let alembic = track.alembic.iter().flat_map(|alembic| environment(alembic));
        settings.chain([track.migrations.clone()]).chain(alembic).collect::<Vec<_>>()
    };
    let outside = (1..=above).map(|count| Utf8PathBuf::from("../".repeat(count) + "sqlx.toml"));
    let mut paths: Vec<Utf8PathBuf> = tracks.flat_map(with_settings).chain(outside).collect();
    paths.sort();
    paths.dedup();
    paths.extend(configurations(&project.origin, above));
    paths.extend(alembic_files());
    paths
}

/// The files and folders of an Alembic environment, and what decides what it is.
fn environment(track: &AlembicTrack) -> impl Iterator<Item = Utf8PathBuf> {
    let files = track.ini.iter().chain(&track.pyproject).chain(&track.read_files);
    files.chain(&track.version_folders).cloned()
}

/// What is missing at the base after its own configuration is known: folders and files that the head does not have, or has
/// elsewhere.
pub(super) fn further_paths(base: &Project, read: &[Utf8PathBuf]) -> Vec<Utf8PathBuf> {
    let is_alembic = base.databases.iter().flat_map(|database| database.tracks());
    let tracks = is_alembic.filter_map(|(_, track)| Some((track, track.alembic.as_ref()?)));
    let wanted = tracks.flat_map(|(track, alembic)| {
        [track.migrations.clone()].into_iter().chain(environment(alembic)).collect::<Vec<_>>()
    });
    let is_read = |path: &Utf8PathBuf| read.iter().any(|folder| path.starts_with(folder));
    let mut further: Vec<Utf8PathBuf> = wanted.filter(|path| !is_read(path)).collect();
    further.sort();
    further.dedup();
    further
}

/// The possible configuration files of the base: the head's, the default name next to it, and those in the ancestors, from
/// which the head may have moved it. `above` is the number of ancestors.
pub(super) fn configurations(origin: &ProjectOrigin, above: usize) -> Vec<Utf8PathBuf> {
    let of_head = match origin {
        ProjectOrigin::File(path) => path.clone(),
        ProjectOrigin::Discovered => FILE_NAME.into(),
    };
    let mut all = vec![of_head, FILE_NAME.into()];
    all.dedup();
    all.extend((1..=above).map(|count| Utf8PathBuf::from("../".repeat(count) + FILE_NAME)));
    all
}
