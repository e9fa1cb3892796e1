//! The amount of data in samples: one that the head has emptied or truncated tests less than at the base.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::{acknowledge, reduction, tenant_part};
use crate::model::{
    CoverageChange, CoverageReduction, FailureKind, Files, Phase, Project, ProjectRecord, Sample,
    TrackKind, UnitEnd, UnitRecord,
};
use crate::project::{BaseProject, Loaded, is_unchanged, sample_pairs};
use crate::samples::SampleFile;
use crate::source::Snapshot;

/// Samples of the base that the head has changed, and that turned out to be empty.
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
            one.samples(unit.track).find(|sample| {
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

/// Its sample was read completely, so its contents are known. A file without a statement is refused.
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

/// Samples that contain less than at the base. Unreadable ones are reported when they are loaded.
pub(super) fn shortened_samples(base: &Project, loaded: &Loaded) -> Vec<CoverageReduction> {
    let Some(before) = &loaded.changed_samples else { return Vec::new() };
    let amount = |files: &dyn Files, sample: &Sample| {
        SampleFile::read(files, &sample.path).ok().map(|file| file.amount())
    };
    let mut read: BTreeMap<&Utf8PathBuf, Option<(usize, usize)>> = BTreeMap::new();
    let mut found = Vec::new();
    for (database, kind, one, other) in sample_pairs(base, &loaded.project) {
        let was = *read.entry(&one.path).or_insert_with(|| amount(before, one));
        let (Some(was), Some(is)) = (was, amount(&loaded.head, other)) else { continue };
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
