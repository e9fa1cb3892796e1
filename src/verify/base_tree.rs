//! The files of the base as a folder. Programs run there if the head lacks migrations of the base or has edited them: its own
//! tree cannot make the state of the base any more.

use camino::{Utf8Path, Utf8PathBuf};

use super::VerifyError;
use crate::model::Files as _;
use crate::project::{Loaded, ProjectError, Scope};
use crate::replay::ProgramTree;
use crate::replay::plan::TrackPlan;
use crate::server::RunFolder;
use crate::source::{self, Snapshot};

/// A folder with the files of the base. It is removed when this is dropped.
#[derive(Debug)]
pub(super) struct BaseTree {
    folder: RunFolder,
    root: Utf8PathBuf,
    files: Snapshot,
}

impl BaseTree {
    /// `None` if no track with a program needs it.
    pub(super) async fn of(loaded: &Loaded, scope: &Scope) -> Result<Option<Self>, VerifyError> {
        if !loaded.plan.tracks().any(TrackPlan::needs_base_tree) {
            return Ok(None);
        }
        let all = [Utf8PathBuf::from(".")];
        let remote_repo = scope.remote_repo.as_ref();
        let read = source::read_revisions(&loaded.project.root, &scope.base, &all, remote_repo);
        let Some(files) = read.await.map_err(ProjectError::from)?.base.files else {
            return Ok(None);
        };
        let folder = RunFolder::create()?;
        for path in files.list(Utf8Path::new(".")).map_err(unreadable)? {
            let is_inside = !path.as_str().split('/').any(|part| part == "..");
            if let (true, Ok(Some(bytes))) = (is_inside, files.read(&path)) {
                folder.write(path.as_std_path(), &bytes)?;
            }
        }
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).map_err(|path| {
            let reason = format!("{} is not UTF-8", path.display());
            VerifyError::from(ProjectError::Folder { reason })
        })?;
        Ok(Some(Self { folder, root, files }))
    }

    pub(super) fn tree(&self) -> ProgramTree<'_> {
        debug_assert!(self.root.as_std_path() == self.folder.path());
        ProgramTree { files: &self.files, root: &self.root }
    }
}

fn unreadable(error: crate::model::FilesError) -> VerifyError {
    ProjectError::Folder { reason: error.to_string() }.into()
}
