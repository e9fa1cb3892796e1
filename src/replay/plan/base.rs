//! The base revision as the input of a plan.

use crate::formats::AlembicEnvironment;
use crate::model::{Files, Project, Track, TrackKind};

/// The files of the base, and the base's own project if it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanBase<'b> {
    pub(crate) files: &'b dyn Files,
    pub(crate) project: Option<&'b Project>,
}

impl<'b> PlanBase<'b> {
    pub(super) fn track(self, database: &str, kind: TrackKind) -> PlanBaseTrack<'b> {
        let databases = self.project.into_iter().flat_map(|project| &project.databases);
        let track = databases.filter(|one| one.name == database).find_map(|one| one.track(kind));
        PlanBaseTrack { files: self.files, track }
    }
}

/// One track of the base.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlanBaseTrack<'b> {
    pub(super) files: &'b dyn Files,
    /// As the base's own configuration has it.
    track: Option<&'b Track>,
}

impl<'b> PlanBaseTrack<'b> {
    /// The track whose migrations the base has. `head` is the head's track; `None`, if the base has no such track.
    ///
    /// SQL migrations are in the folder that the head names. Alembic's are where the base's own files say: a section or a folder
    /// may have moved. An environment of the head that the base's files do not describe does not exist there, which is no error:
    /// the pull request adds it.
    pub(super) fn counterpart<'t>(self, head: &'t Track) -> Option<&'t Track>
    where
        'b: 't,
    {
        let Some(alembic) = head.alembic.as_deref() else { return Some(head) };
        if let Some(own) = self.track.filter(|track| track.alembic.is_some()) {
            return Some(own);
        }
        AlembicEnvironment::resolve(alembic, self.files).is_ok().then_some(head)
    }
}
