//! Which files and folders are read at the base.

use camino::Utf8PathBuf;

use crate::config::FILE_NAME;
use crate::model::{Project, ProjectOrigin, Track};

/// Files and folders whose state at the base matters. `above` is the number of folders from the project's root to the root of
/// the checkout.
pub(super) fn base_paths(project: &Project, above: usize) -> Vec<Utf8PathBuf> {
    let tracks =
        project.databases.iter().flat_map(|database| database.tracks().map(|(_, track)| track));
    let with_settings = |track: &Track| {
        // sqlx's settings are in the directory or in an ancestor.
        let settings = track.migrations.ancestors().map(|folder| folder.join("sqlx.toml"));
        settings.chain([track.migrations.clone()]).collect::<Vec<_>>()
    };
    let outside = (1..=above).map(|count| Utf8PathBuf::from("../".repeat(count) + "sqlx.toml"));
    let mut paths: Vec<Utf8PathBuf> = tracks.flat_map(with_settings).chain(outside).collect();
    paths.sort();
    paths.dedup();
    paths.extend(configurations(&project.origin, above));
    paths
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
