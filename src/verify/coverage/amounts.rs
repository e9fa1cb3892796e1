//! What samples hold: of one that the head has emptied or cut short, less is tried than at the base.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::base::BaseProject;
use super::{acknowledge, is_unchanged, reduction, samples_of, tenant_part};
use crate::model::{
    CoverageChange, CoverageReduction, FailureKind, Files, Phase, Project, ProjectRecord, Sample,
    TrackKind, UnitEnd, UnitRecord,
};
use crate::samples::SampleFile;
use crate::source::Snapshot;
use crate::verify::Loaded;

/// A sample of the base that the head has otherwise, and that turned out to hold nothing.
pub(crate) fn add_emptied_samples(
    record: &mut ProjectRecord,
    loaded: &Loaded,
    units: &[UnitRecord],
) {
    let BaseProject::Known(base) = &loaded.base else { return };
    let Some(Ok(names)) = loaded.revisions.base.files.as_ref().map(Snapshot::names) else { return };
    for unit in units {
        let Some(load) = &unit.sample else { continue };
        if load.statements > 0 || load.copied_rows > 0 || !is_loaded(unit) {
            continue;
        }
        let database = base.databases.iter().find(|one| one.name == unit.database);
        let in_base = database.and_then(|one| {
            samples_of(one, unit.track).find(|sample| {
                sample.path == load.path
                    || (unit.track == TrackKind::Tenant && sample.tenant == unit.name)
            })
        });
        let is_same = |sample: &Sample| is_unchanged(&loaded.head, names, &sample.path, &load.path);
        if in_base.is_some_and(|sample| !is_same(sample)) {
            let path = &load.path;
            record.reductions.push(CoverageReduction {
                part: tenant_part(&unit.database, &unit.name),
                change: CoverageChange::Removed,
                database: unit.database.clone(),
                track: unit.track,
                message: format!(
                    "the sample {path} of `{}` no longer contains a statement",
                    unit.name
                ),
                reason: None,
            });
        }
    }
    acknowledge(record, &loaded.project);
}

/// Its sample has been read to its end, so that it is known what that holds. A file without a statement is refused.
fn is_loaded(unit: &UnitRecord) -> bool {
    match &unit.end {
        UnitEnd::Completed => true,
        UnitEnd::Failed { phase: Phase::Prepare, failure } => {
            failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::File)
        }
        UnitEnd::Failed { .. } => true,
        UnitEnd::NotRun { .. } => false,
    }
}

/// The samples of the base whose contents the head has changed.
pub(crate) fn changed_samples(
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
    let pairs = pairs(base, head).filter(changed);
    pairs.map(|(_, _, before, _)| before.path.clone()).collect()
}

/// Those of them that hold less than before. What cannot be read is told where it is loaded.
pub(crate) fn shortened_samples(
    base: &BaseProject,
    head: &Project,
    (before, changed): (&dyn Files, &[Utf8PathBuf]),
    files: &dyn Files,
) -> Vec<CoverageReduction> {
    let BaseProject::Known(base) = base else { return Vec::new() };
    let amount = |files: &dyn Files, sample: &Sample| {
        SampleFile::read(files, &sample.path).ok().map(|file| file.amount())
    };
    let mut read: BTreeMap<&Utf8PathBuf, Option<(usize, usize)>> = BTreeMap::new();
    let mut found = Vec::new();
    for (database, kind, one, other) in pairs(base, head) {
        if !changed.contains(&one.path) {
            continue;
        }
        let was = *read.entry(&one.path).or_insert_with(|| amount(before, one));
        let (Some(was), Some(is)) = (was, amount(files, other)) else { continue };
        if is.0 >= was.0 && is.1 >= was.1 {
            continue;
        }
        let message = format!(
            "the sample of `{}` ({}) contains {}, and {} at the base: migrations are tested on less data",
            other.tenant,
            other.path,
            said(is),
            said(was)
        );
        let part = tenant_part(database, &other.tenant);
        let change = CoverageChange::Suspicious;
        found.push(CoverageReduction { change, ..reduction(part, database, kind, message) });
    }
    found
}

fn said((rows, others): (usize, usize)) -> String {
    let number = |count: usize, what: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {what}{plural}")
    };
    format!("{} and {}", number(rows, "row"), number(others, "other statement"))
}

/// Each sample of the base, with the head's for the same tenant.
fn pairs<'p>(
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
            samples_of(one, kind).filter_map(move |sample| {
                let same = samples_of(other, kind)
                    .find(|other| kind == TrackKind::Shared || other.tenant == sample.tenant)?;
                Some((&*one.name, kind, sample, same))
            })
        })
    })
}
