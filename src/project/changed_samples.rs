//! Samples whose contents differ between the base and the head.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::base::BaseProject;
use crate::model::{Files, Project, Sample, TrackKind};
use crate::source::{Snapshot, is_stored_as};

/// The samples of the base whose contents the head has changed.
pub(super) fn changed_samples(
    base: &BaseProject,
    head: &Project,
    snapshot: Option<&Snapshot>,
    files: &dyn Files,
) -> Vec<Utf8PathBuf> {
    let BaseProject::Known(base) = base else { return Vec::new() };
    let Some(Ok(names)) = snapshot.map(Snapshot::names) else { return Vec::new() };
    let changed = |(_, _, before, after): &(_, _, &Sample, &Sample)| {
        let is_there = names.contains_key(before.path.as_str());
        is_there && !is_unchanged(files, names, &before.path, &after.path)
    };
    let pairs = sample_pairs(base, head).filter(changed);
    pairs.map(|(_, _, before, _)| before.path.clone()).collect()
}

/// Each sample of the base, with the head's for the same tenant.
pub(crate) fn sample_pairs<'p>(
    base: &'p Project,
    head: &'p Project,
) -> impl Iterator<Item = (&'p str, TrackKind, &'p Sample, &'p Sample)> {
    let kinds = [TrackKind::Shared, TrackKind::Tenant];
    let databases = base
        .databases
        .iter()
        .filter_map(|one| Some((one, head.databases.iter().find(|other| other.name == one.name)?)));
    databases.flat_map(move |(one, other)| {
        kinds.into_iter().flat_map(move |kind| {
            one.samples(kind).filter_map(move |sample| {
                let same = other
                    .samples(kind)
                    .find(|other| kind == TrackKind::Shared || other.tenant == sample.tenant)?;
                Some((&*one.name, kind, sample, same))
            })
        })
    })
}

/// Whether the head has the base's content at another (or the same) path.
pub(crate) fn is_unchanged(
    files: &dyn Files,
    names: &BTreeMap<String, String>,
    in_base: &Utf8Path,
    in_head: &Utf8Path,
) -> bool {
    let Some(hash) = names.get(in_base.as_str()) else { return false };
    files.read(in_head).ok().flatten().is_some_and(|bytes| is_stored_as(&bytes, hash))
}
