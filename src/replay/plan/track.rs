//! A migration directory at both revisions, and what became of each migration between them.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use super::PlanError;
use crate::formats::{
    self, AllowedDirection, DetectedFormat, Directory, FormatError, Ledger, LoadedDirectory,
};
use crate::model::{ChangedMigration, Deploy, Files, Migration, MigrationChange, Track, TrackKind};
use crate::sql::{Certainty, effects, first_difference, place_in};

/// One migration directory, read at both revisions.
#[derive(Debug, Clone)]
pub(crate) struct TrackPlan {
    pub(crate) kind: TrackKind,
    pub(crate) directory: Utf8PathBuf,
    pub(crate) chosen: DetectedFormat,
    /// Who runs it in production.
    pub(crate) deploy: Deploy,
    /// Empty where there is no base, or where the base has no such directory.
    pub(crate) base: Vec<Migration>,
    pub(crate) head: Vec<Migration>,
    /// A migration, or a function that it makes, speaks of advisory locks of the session.
    pub(crate) takes_session_locks: bool,
    /// A migration may drop or rename something that another unit looks for, or take a right away.
    pub(crate) takes_away: bool,
    /// Names of objects that migrations make in the first schema of the search path.
    pub(crate) made_names: BTreeSet<String>,
    /// What the head changed in the base's migrations and the tool does not notice, since it keeps no checksum.
    pub(crate) unnoticed: Vec<ChangedMigration>,
    /// What looks like a down migration in the head's files, and runs forwards since `forward-only` names it.
    allowed_directions: Vec<AllowedDirection>,
    /// Names in `forward-only` that no file of the head has.
    unknown_names: Vec<String>,
}

/// A migration's state between the two revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum MigrationState {
    /// In both, the same.
    Base,
    /// In both, with another text in the head.
    Edited,
    /// In the head alone.
    Pending,
    /// In the base alone.
    Removed,
}

impl TrackPlan {
    pub(crate) fn new(
        database: &str,
        kind: TrackKind,
        track: &Track,
        head: &dyn Files,
        base: Option<&dyn Files>,
    ) -> Result<Self, PlanError> {
        let in_head = directory(track, head);
        let failed = |source| PlanError::Format { database: database.to_owned(), kind, source };
        let chosen = formats::detect_format(&in_head, track.format.as_deref()).map_err(failed)?;
        let LoadedDirectory { migrations: head, allowed: allowed_directions } =
            formats::load(chosen.format, &in_head).map_err(failed)?;
        let unknown_names = formats::unknown_names(&in_head).map_err(failed)?;
        let base = match base {
            Some(files) => load_base(&chosen, &directory(track, files)),
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
            chosen,
            deploy: track.deploy,
            base,
            head,
            takes_session_locks,
            takes_away,
            made_names,
            unnoticed: Vec::new(),
            allowed_directions,
            unknown_names,
        };
        Ok(Self { unnoticed: plan.unnoticed_changes(), ..plan })
    }

    /// The ledger where the search path begins with `schema`.
    pub(crate) fn ledger(
        &self,
        track: &Track,
        files: &dyn Files,
        schema: &str,
    ) -> Result<Ledger, FormatError> {
        self.chosen.format.ledger(&directory(track, files), schema)
    }

    /// All migrations of both revisions with their states: the head's in its order, then the removed ones.
    pub(crate) fn states(&self) -> Vec<(&Migration, MigrationState)> {
        let (head, removed) = self.twins();
        let state = |(migration, twin): (&Migration, Option<&Migration>)| match twin {
            None => MigrationState::Pending,
            Some(twin) if twin.up.text() == migration.up.text() => MigrationState::Base,
            Some(_) => MigrationState::Edited,
        };
        let head = head.into_iter().map(|pair| (pair.0, state(pair)));
        let removed = removed.into_iter().map(|migration| (migration, MigrationState::Removed));
        head.chain(removed).collect()
    }

    /// The head's migrations with what the base has for them, and those of the base that the head has no more.
    fn twins(&self) -> (Vec<(&Migration, Option<&Migration>)>, Vec<&Migration>) {
        let mut in_base: BTreeMap<&str, Vec<&Migration>> = BTreeMap::new();
        for migration in self.base.iter().rev() {
            in_base.entry(&migration.version).or_default().push(migration);
        }
        let twin = |migration| -> (&Migration, Option<&Migration>) {
            (migration, in_base.get_mut(migration.version.as_str()).and_then(Vec::pop))
        };
        let head = self.head.iter().map(twin).collect();
        let removed = |migration: &&Migration| {
            in_base.get(migration.version.as_str()).is_some_and(|left| {
                left.iter().any(|other| std::ptr::eq::<Migration>(*other, *migration))
            })
        };
        (head, self.base.iter().filter(removed).collect())
    }

    /// Edits of comments and spaces alone are none.
    fn unnoticed_changes(&self) -> Vec<ChangedMigration> {
        let (head, removed) = self.twins();
        let changed = |base: &Migration, change| ChangedMigration {
            version: base.version.clone(),
            path: base.up.path().to_owned(),
            change,
        };
        let edited = |(new, old): (&Migration, Option<&Migration>)| {
            let old = old.filter(|old| old.checksum.is_none())?;
            let at = first_difference(old.up.text(), new.up.text())?;
            Some(changed(
                old,
                MigrationChange::Edited(place_in(&new.up, new.up.range().start + at)),
            ))
        };
        let removed = removed.into_iter().filter(|old| old.checksum.is_none());
        let edited = head.into_iter().filter_map(edited);
        edited.chain(removed.map(|old| changed(old, MigrationChange::Removed))).collect()
    }

    /// The base does not have it: an empty target takes those of the base from the head too.
    pub(crate) fn is_pending(&self, migration: &Migration) -> bool {
        self.base.iter().all(|known| known.version != migration.version)
    }

    /// What `forward-only` lets run, and the names in it that allow nothing: a sentence each.
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

    pub(crate) fn pending(&self) -> usize {
        self.states().iter().filter(|(_, state)| *state == MigrationState::Pending).count()
    }
}

/// In its statements, or in the code of a function or a block.
fn names_session_lock(migration: &Migration) -> bool {
    effects(&migration.up).names_session_lock()
}

fn may_take_away(migration: &Migration) -> bool {
    effects(&migration.up).takes_away() != Certainty::No
}

/// The directory of a track, in one tree of files.
pub(crate) fn directory<'a>(track: &'a Track, files: &'a dyn Files) -> Directory<'a> {
    Directory {
        files,
        path: &track.migrations,
        ledger: track.ledger.as_deref(),
        order: track.order,
        forward_only: &track.forward_only,
    }
}

/// A directory that the base does not have yet has no migrations there; that is no error.
fn load_base(
    chosen: &DetectedFormat,
    directory: &Directory<'_>,
) -> Result<Vec<Migration>, FormatError> {
    if directory.files.list(directory.path)?.is_empty() {
        return Ok(Vec::new());
    }
    Ok(formats::load(chosen.format, directory)?.migrations)
}
