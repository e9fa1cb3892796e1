//! What the base checks and the head does not: compares the base's own configuration with the head's.

mod alembic;
mod amounts;
mod settings;

use std::collections::BTreeMap;

use crate::formats::detect_format;
use crate::model::{
    CoverageChange, CoveragePart, CoverageReduction, Database, Files, Project, ProjectRecord,
    Sample, Track, TrackKind,
};
use crate::project::{BaseProject, Loaded, ProjectError, is_unchanged};
use crate::replay::plan::{ReplayPlan, TrackPlan, directory, revision_graph};

pub(super) use amounts::add_emptied_samples;
use amounts::shortened_samples;

/// The facts about the project before anything is replayed.
pub(super) fn project_record(loaded: &Loaded) -> Result<ProjectRecord, ProjectError> {
    let unread = super::unread::files_not_read(&loaded.project, &loaded.plan, &loaded.head)
        .map_err(|error| ProjectError::Folder { reason: error.to_string() })?;
    let graphs = loaded.plan.databases.iter().flat_map(|database| {
        let tracks = database.shared.iter().chain(&database.tenants);
        tracks.filter_map(|track| revision_graph(&database.name, track))
    });
    let graphs = graphs.collect();
    let mut record = ProjectRecord { unread, graphs, ..ProjectRecord::default() };
    let Some(snapshot) = &loaded.revisions.base.files else { return Ok(record) };
    match &loaded.base {
        BaseProject::Nothing => {}
        BaseProject::Unknown(reason) => record.not_compared = Some(reason.clone()),
        BaseProject::Known(base) => {
            let names = snapshot.names().map_err(|reason| ProjectError::Folder { reason })?;
            let comparison = ProjectComparison {
                base,
                head: &loaded.project,
                plan: &loaded.plan,
                names,
                files: &loaded.head,
            };
            record.reductions = comparison.reductions();
            record.reductions.extend(shortened_samples(base, loaded));
            record.base_checks = Some(base.checks.clone());
            acknowledge(&mut record, &loaded.project);
        }
    }
    Ok(record)
}

/// Adds the head's reason to each reduction, and lists the reasons without a reduction.
fn acknowledge(record: &mut ProjectRecord, head: &Project) {
    let mut stale = Vec::new();
    for acknowledgement in &head.removed {
        let mut is_used = false;
        let about = |one: &&mut CoverageReduction| acknowledgement.part.covers(&one.part);
        for reduction in record.reductions.iter_mut().filter(about) {
            reduction.reason = Some(acknowledgement.reason.clone());
            is_used = true;
        }
        if !is_used {
            stale.push(acknowledgement.part.clone());
        }
    }
    record.stale = stale;
}

fn tenant_part(database: &str, tenant: &str) -> CoveragePart {
    CoveragePart::Tenant { database: Some(database.to_owned()), tenant: tenant.to_owned() }
}

/// Two revisions of a project.
struct ProjectComparison<'a> {
    base: &'a Project,
    head: &'a Project,
    plan: &'a ReplayPlan,
    names: &'a BTreeMap<String, String>,
    files: &'a dyn Files,
}

impl<'a> ProjectComparison<'a> {
    fn reductions(&self) -> Vec<CoverageReduction> {
        let mut found = Vec::new();
        for database in &self.base.databases {
            self.database(database, &mut found);
        }
        found.extend(settings::reductions(self.base, self.head));
        found
    }

    fn database(&self, database: &Database, found: &mut Vec<CoverageReduction>) {
        let kinds = [TrackKind::Shared, TrackKind::Tenant];
        let in_base = kinds.into_iter().filter(|kind| database.track(*kind).is_some());
        let gone: Vec<TrackKind> =
            in_base.filter(|kind| self.counterpart(database, *kind).is_none()).collect();
        let is_there = self.head.databases.iter().any(|one| one.name == database.name);
        let is_all_gone = !is_there && gone.len() == database.tracks().count();
        for kind in &gone {
            let track = database.track(*kind).map_or("", |track| track.migrations.as_str());
            let (name, kind) = (database.name.clone(), *kind);
            let part = if is_all_gone {
                CoveragePart::Database(name.clone())
            } else {
                CoveragePart::Track { database: name.clone(), track: kind }
            };
            let message =
                format!("the {kind} track of database `{name}` ({track}) is no longer verified");
            found.push(reduction(part, &name, kind, message));
        }
        for kind in kinds {
            if let Some((other, track)) = self.counterpart(database, kind) {
                self.samples(database, other, kind, found);
                self.format(database, track, kind, found);
                let before = database.track(kind);
                found.extend(before.into_iter().flat_map(|before| {
                    let name = &database.name;
                    let forward_only = settings::forward_only(before, track, name, kind);
                    let deploy = settings::deploy(before, track, name, kind);
                    let alembic = alembic::changes(before, track, name, kind);
                    forward_only.into_iter().chain(deploy).chain(alembic)
                }));
            }
        }
    }

    /// The head's track for one of the base: by its database's name, or, if that has changed, by its folder.
    fn counterpart(
        &self,
        database: &Database,
        kind: TrackKind,
    ) -> Option<(&'a Database, &'a Track)> {
        let folder = &database.track(kind)?.migrations;
        let all = || self.head.databases.iter().filter_map(|one| Some((one, one.track(kind)?)));
        all()
            .find(|(one, _)| one.name == database.name)
            .or_else(|| all().find(|(_, track)| track.migrations == *folder))
    }

    fn samples(
        &self,
        base: &Database,
        head: &Database,
        kind: TrackKind,
        found: &mut Vec<CoverageReduction>,
    ) {
        for sample in base.samples(kind) {
            let same = head
                .samples(kind)
                .find(|other| kind == TrackKind::Shared || other.tenant == sample.tenant);
            let is_new =
                |other: &&Sample| !base.samples(kind).any(|one| one.tenant == other.tenant);
            let renamed = || {
                head.samples(kind)
                    .filter(is_new)
                    .any(|other| is_unchanged(self.files, self.names, &sample.path, &other.path))
            };
            let (tenant, path) = (&sample.tenant, &sample.path);
            let message = match same {
                Some(other) if self.has_later_version(head, kind, sample, other) => format!(
                    "the sample of `{tenant}` ({path}) is configured with a later version, so fewer migrations are tested \
                     on it"
                ),
                Some(_) => continue,
                None if renamed() => continue,
                None if kind == TrackKind::Shared => {
                    format!("the sample of the shared track ({path}) was removed")
                }
                None => format!("the sample of tenant `{tenant}` ({path}) was removed"),
            };
            found.push(reduction(tenant_part(&base.name, tenant), &base.name, kind, message));
        }
    }

    /// Whether fewer of the head's migrations follow the version in the head than the version in the base.
    fn has_later_version(
        &self,
        head: &Database,
        kind: TrackKind,
        base: &Sample,
        other: &Sample,
    ) -> bool {
        let planned = self.plan.databases.iter().find(|one| *one.name == *head.name);
        let Some(track) = planned.and_then(|one| one.track(kind)) else { return false };
        other.version.is_some()
            && migrations_in_sample(track, other) > migrations_in_sample(track, base)
    }

    fn format(
        &self,
        database: &Database,
        head: &Track,
        kind: TrackKind,
        found: &mut Vec<CoverageReduction>,
    ) {
        let Some(base) = database.track(kind) else { return };
        // Evidence for a format may be outside of the directory, and is not read at the base: the head's files are used
        // instead.
        let detected = |format: Option<&str>| {
            let format = detect_format(&directory(head, self.files), format).ok()?.format;
            Some(format.name())
        };
        let of_base = base.format.as_deref().or_else(|| detected(None));
        let of_head = detected(head.format.as_deref());
        if let (Some(before), Some(after)) = (of_base, of_head)
            && before != after
        {
            let name = &database.name;
            let part = CoveragePart::Track { database: name.clone(), track: kind };
            let message = format!(
                "the format of the {kind} track of database `{name}` is {after}, and was {before}: its migrations and its \
                 ledger have another meaning"
            );
            found.push(reduction(part, name, kind, message));
        }
    }
}

/// The number of the head's migrations that a sample contains: one without a version is at the base.
fn migrations_in_sample(track: &TrackPlan, sample: &Sample) -> usize {
    let is_at = |version: &str| track.head.iter().position(|one| one.version == version);
    let at_base = || track.base.iter().filter_map(|one| is_at(&one.version)).max();
    let at = sample.version.as_deref().map_or_else(at_base, is_at);
    at.map_or(0, |index| index + 1)
}

fn reduction(
    part: CoveragePart,
    database: &str,
    track: TrackKind,
    message: String,
) -> CoverageReduction {
    let change = CoverageChange::Removed;
    CoverageReduction { part, change, database: database.to_owned(), track, message, reason: None }
}
