//! A migration directory at both revisions, and the state of each migration between them.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use super::PlanError;
use super::base::PlanBaseTrack;
use crate::formats::{
    self, AllowedDirection, DetectedFormat, Directory, FormatError, Ledger, LoadedDirectory,
};
use crate::model::{
    AlembicTrack, ChangedMigration, Deploy, Files, Migration, MigrationChange, Phase, Script,
    ScriptLanguage, Track, TrackKind,
};
use crate::sql::{Certainty, effects, first_difference, place_in};

#[derive(Debug, Clone)]
pub(crate) struct TrackPlan {
    pub(crate) kind: TrackKind,
    pub(crate) directory: Utf8PathBuf,
    pub(crate) detected: DetectedFormat,
    /// Who runs it in production.
    pub(crate) deploy: Deploy,
    /// Empty if there is no base, or if the base has no such directory.
    pub(crate) base: Vec<Migration>,
    pub(crate) head: Vec<Migration>,
    /// A migration, or a function that it creates, uses session-level advisory locks.
    pub(crate) takes_session_locks: bool,
    /// A migration may drop or rename an object that another unit uses, or revoke a privilege.
    pub(crate) takes_away: bool,
    /// Names of objects that migrations create in the first schema of the search path.
    pub(crate) made_names: BTreeSet<String>,
    /// Edits of the base's migrations that the tool does not detect, since it stores no checksum.
    pub(crate) unnoticed: Vec<ChangedMigration>,
    /// The program that runs it, if its migrations are not SQL.
    pub(crate) alembic: Option<Box<AlembicTrack>>,
    /// env.py differs between base and head.
    is_run_otherwise: bool,
    /// The same at the base, by the base's own configuration.
    pub(crate) base_alembic: Option<Box<AlembicTrack>>,
    /// Files of the head that look like down migrations, and run forwards since `forward-only` lists them.
    allowed_directions: Vec<AllowedDirection>,
    /// Names in `forward-only` that match no file of the head.
    unknown_names: Vec<String>,
}

/// A migration's state between the two revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum MigrationState {
    /// In both revisions, unchanged.
    Base,
    /// In both revisions, with different text.
    Edited,
    /// Only in the head.
    Pending,
    /// Only in the base.
    Removed,
}

impl TrackPlan {
    pub(crate) fn new(
        database: &str,
        kind: TrackKind,
        track: &Track,
        head: &dyn Files,
        base: Option<PlanBaseTrack<'_>>,
    ) -> Result<Self, PlanError> {
        let in_head = directory(track, head);
        let head_files = head;
        let failed = |source| PlanError::Format { database: database.to_owned(), kind, source };
        let detected = formats::detect_format(&in_head, track.format.as_deref()).map_err(failed)?;
        let LoadedDirectory { migrations: head, allowed: allowed_directions } =
            formats::load(detected.format, &in_head).map_err(failed)?;
        let unknown_names = formats::unknown_names(&in_head).map_err(failed)?;
        let base = base.and_then(|base| Some((base.files, base.counterpart(track)?)));
        let base_alembic = base.and_then(|(_, track)| track.alembic.clone());
        let is_run_otherwise = base.is_some_and(|base| is_run_otherwise((head_files, track), base));
        let base = match base {
            Some((files, track)) => load_base(&detected, &directory(track, files)),
            None => Ok(Vec::new()),
        }
        .map_err(|source| PlanError::BaseFormat {
            database: database.to_owned(),
            kind,
            source,
        })?;
        let takes_session_locks = base.iter().chain(&head).any(names_session_lock);
        let takes_away = base.iter().chain(&head).any(may_take_away);
        let all = base.iter().chain(&head);
        let made_names = all.flat_map(|one| effects(&one.up).places().made().clone()).collect();
        let plan = Self {
            kind,
            directory: track.migrations.clone(),
            detected,
            deploy: track.deploy,
            base,
            head,
            takes_session_locks,
            takes_away,
            made_names,
            unnoticed: Vec::new(),
            alembic: track.alembic.clone(),
            base_alembic,
            is_run_otherwise,
            allowed_directions,
            unknown_names,
        };
        Ok(Self { unnoticed: plan.unnoticed_changes(), ..plan })
    }

    /// The ledger if the search path begins with `schema`.
    pub(crate) fn ledger(
        &self,
        track: &Track,
        files: &dyn Files,
        schema: &str,
    ) -> Result<Ledger, FormatError> {
        self.detected.format.ledger(&directory(track, files), schema)
    }

    /// All migrations of both revisions with their states: the head's in its order, then the removed ones.
    pub(crate) fn states(&self) -> Vec<(&Migration, MigrationState)> {
        let (head, removed) = self.counterparts();
        let state = |(migration, counterpart): (&Migration, Option<&Migration>)| match counterpart {
            None => MigrationState::Pending,
            Some(counterpart) if counterpart.up.text() == migration.up.text() => {
                MigrationState::Base
            }
            Some(_) => MigrationState::Edited,
        };
        let head = head.into_iter().map(|pair| (pair.0, state(pair)));
        let removed = removed.into_iter().map(|migration| (migration, MigrationState::Removed));
        head.chain(removed).collect()
    }

    /// The head's migrations with their counterparts in the base, and the base's migrations that the head lacks.
    fn counterparts(&self) -> (Vec<(&Migration, Option<&Migration>)>, Vec<&Migration>) {
        let mut in_base: BTreeMap<&str, Vec<&Migration>> = BTreeMap::new();
        for migration in self.base.iter().rev() {
            in_base.entry(&migration.version).or_default().push(migration);
        }
        let counterpart = |migration| -> (&Migration, Option<&Migration>) {
            (migration, in_base.get_mut(migration.version.as_str()).and_then(Vec::pop))
        };
        let head = self.head.iter().map(counterpart).collect();
        let removed = |migration: &&Migration| {
            in_base.get(migration.version.as_str()).is_some_and(|left| {
                left.iter().any(|other| std::ptr::eq::<Migration>(*other, *migration))
            })
        };
        (head, self.base.iter().filter(removed).collect())
    }

    /// Undetected edits and removals. Edits of comments and whitespace do not count.
    fn unnoticed_changes(&self) -> Vec<ChangedMigration> {
        let (head, removed) = self.counterparts();
        let changed = |base: &Migration, change| ChangedMigration {
            version: base.version.clone(),
            path: base.up.path().to_owned(),
            change,
        };
        let edited = |(new, old): (&Migration, Option<&Migration>)| {
            let old = old.filter(|old| old.checksum.is_none())?;
            let at = difference(&old.up, &new.up)?;
            Some(changed(
                old,
                MigrationChange::Edited(place_in(&new.up, new.up.range().start + at)),
            ))
        };
        let removed = removed.into_iter().filter(|old| old.checksum.is_none());
        let edited = head.into_iter().filter_map(edited);
        edited.chain(removed.map(|old| changed(old, MigrationChange::Removed))).collect()
    }

    /// The base does not contain it. An empty target takes the base's migrations from the head, too.
    pub(crate) fn is_pending(&self, migration: &Migration) -> bool {
        self.base.iter().all(|known| known.version != migration.version)
    }

    /// A sentence for each file that `forward-only` allows, and for each of its names that matches no file.
    pub(crate) fn allowed_directions(&self) -> impl Iterator<Item = String> {
        let allowed = self.allowed_directions.iter().map(|allowed| {
            format!(
                "{} looks like a down migration, and runs as an up migration because `forward-only` lists \
                 it: {}",
                allowed.place, allowed.reason
            )
        });
        let unknown = self.unknown_names.iter().map(|name| {
            format!(
                "`forward-only` lists `{name}`, and there is no such file in {}",
                self.directory
            )
        });
        allowed.chain(unknown)
    }

    /// Whether a program needs the base's files to reach the state of the base: the head lacks or has edited its migrations, or
    /// runs them otherwise. An env.py that names another ledger would make a state that no tenant has.
    pub(crate) fn needs_base_tree(&self) -> bool {
        let is_other = |state| matches!(state, MigrationState::Edited | MigrationState::Removed);
        let is_rewritten = || self.states().iter().any(|(_, state)| is_other(*state));
        self.alembic.is_some() && (self.is_run_otherwise || is_rewritten())
    }

    /// The environment of the program that runs in a phase: with the base's files, the base's own.
    pub(crate) fn environment(&self, phase: Phase) -> Option<&AlembicTrack> {
        let of_base = || self.base_alembic.as_deref().filter(|_| self.needs_base_tree());
        let base = if phase == Phase::Base { of_base() } else { None };
        base.or(self.alembic.as_deref())
    }

    pub(crate) fn pending(&self) -> usize {
        self.states().iter().filter(|(_, state)| *state == MigrationState::Pending).count()
    }
}

/// The byte of the new script at which it starts to differ from the old one in what it does.
fn difference(old: &Script, new: &Script) -> Option<usize> {
    match new.language() {
        ScriptLanguage::Sql => first_difference(old.text(), new.text()),
        ScriptLanguage::Python => formats::first_python_difference(old.text(), new.text()),
    }
}

/// In its statements, or in the code of a function or a block.
fn names_session_lock(migration: &Migration) -> bool {
    effects(&migration.up).names_session_lock()
}

fn may_take_away(migration: &Migration) -> bool {
    effects(&migration.up).takes_away() != Certainty::No
}

/// Whether env.py of an Alembic environment differs between two revisions of a project.
fn is_run_otherwise(head: (&dyn Files, &Track), base: (&dyn Files, &Track)) -> bool {
    let env = |(files, track): (&dyn Files, &Track)| {
        files.read(&track.migrations.join("env.py")).ok().flatten()
    };
    head.1.alembic.is_some() && env(head) != env(base)
}

/// The directory of a track in one file tree.
pub(crate) fn directory<'a>(track: &'a Track, files: &'a dyn Files) -> Directory<'a> {
    Directory {
        files,
        path: &track.migrations,
        ledger: track.ledger.as_deref(),
        order: track.order,
        forward_only: &track.forward_only,
        alembic: track.alembic.as_deref(),
    }
}

/// A directory that does not exist in the base has no migrations there; this is not an error.
fn load_base(
    detected: &DetectedFormat,
    directory: &Directory<'_>,
) -> Result<Vec<Migration>, FormatError> {
    if directory.files.list(directory.path)?.is_empty() {
        return Ok(Vec::new());
    }
    match formats::load(detected.format, directory) {
        // An environment without revisions is how an Alembic project begins.
        Err(FormatError::NoMigrations { .. }) if directory.alembic.is_some() => Ok(Vec::new()),
        loaded => Ok(loaded?.migrations),
    }
}
