//! Loads a project: its configuration or its folders, both revisions, and the plan.

use camino::{Utf8Path, Utf8PathBuf};

use super::base::BaseProject;
use super::base_paths::{base_paths, further_paths};
use super::changed_samples::changed_samples;
use super::error::ProjectError;
use super::scope::Scope;
use crate::checks;
use crate::config::{self, ConfigErrors, LoadOptions, Overrides, ProjectLocation};
use crate::model::{Files as _, Project};
use crate::replay::plan::{PlanBase, ReplayPlan, TrackPlan};
use crate::source::{self, Revisions, Snapshot, Worktree};

/// A project, read at both revisions.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) project: Project,
    pub(crate) head: Worktree,
    pub(crate) revisions: Revisions,
    pub(crate) plan: ReplayPlan,
    /// The base's project.
    pub(crate) base: BaseProject,
    /// The base's contents of the samples that the head has changed.
    pub(crate) changed_samples: Option<Snapshot>,
    /// The flags that select the same project and base in a later run.
    pub(crate) flags: Vec<String>,
}

/// The validated project of the current folder.
pub(crate) fn load_project(
    config: Option<&Utf8Path>,
    overrides: Overrides,
) -> Result<(Project, Worktree), ProjectError> {
    load_at(config::locate(&current_folder()?, config)?, overrides)
}

/// The same, discovered without a configuration file.
pub(crate) fn discover() -> Result<Project, ProjectError> {
    let location = config::locate(&current_folder()?, None)?;
    let (project, files) =
        load_at(ProjectLocation { file: None, ..location }, Overrides::default())?;
    for database in &project.databases {
        for (kind, track) in database.tracks() {
            // Other errors of a directory may need the file that is to be written.
            if let Err(error) = TrackPlan::new(&database.name, kind, track, &files, None)
                && error.is_direction_error()
            {
                return Err(error.into());
            }
        }
    }
    Ok(project)
}

fn load_at(
    location: ProjectLocation,
    overrides: Overrides,
) -> Result<(Project, Worktree), ProjectError> {
    let head = Worktree::new(location.root.clone());
    let project = load_from(&location, &head, overrides)?;
    Ok((project, head))
}

fn load_from(
    location: &ProjectLocation,
    head: &Worktree,
    overrides: Overrides,
) -> Result<Project, ConfigErrors> {
    let codes: Vec<&str> = checks::all_meta().map(|meta| meta.code).collect();
    config::load(&LoadOptions {
        location,
        files: head,
        environment: &config::process_environment,
        check_codes: &codes,
        overrides,
    })
}

/// Everything up to the plan: needs files and git, and no server. `mig-ci list` stops here.
pub(crate) async fn load(scope: &Scope) -> Result<Loaded, ProjectError> {
    let location = config::locate(&current_folder()?, scope.config.as_deref())?;
    let head = Worktree::new(location.root.clone());
    let project = load_from(&location, &head, scope.overrides.clone());
    // Files that a sparse checkout excludes are not missing, and samples that it excludes were not removed.
    head.check_sparse()?;
    let project = project?;
    let mut wanted = base_paths(&project, head.folders_above());
    let remote_repo = scope.remote_repo.as_ref();
    let mut revisions =
        source::read_revisions(&project.root, &scope.base, &wanted, remote_repo).await?;
    let read_base = |revisions: &Revisions| {
        let snapshot = revisions.base.files.as_ref();
        BaseProject::read(&project, &head, snapshot, scope.overrides.clone())
    };
    let mut base = read_base(&revisions);
    // The base's own Alembic configuration names the folders of its revisions.
    if let BaseProject::Known(known) = &base {
        let further = further_paths(known, &wanted);
        if !further.is_empty() {
            wanted.extend(further);
            revisions =
                source::read_revisions(&project.root, &scope.base, &wanted, remote_repo).await?;
            base = read_base(&revisions);
        }
    }
    let snapshot = revisions.base.files.as_ref();
    let base_tree = snapshot.map(|files| PlanBase { files, project: base.project() });
    let plan = ReplayPlan::new(&project, &head, base_tree, &scope.selection)?;
    let flags = scope.flags(&revisions);
    let changed = changed_samples(&base, &project, snapshot, &head);
    let changed_samples = if changed.is_empty() {
        None
    } else {
        // Only their comparison needs the contents.
        source::read_revisions(&project.root, &scope.base, &changed, remote_repo).await?.base.files
    };
    Ok(Loaded { project, head, revisions, plan, base, changed_samples, flags })
}

fn current_folder() -> Result<Utf8PathBuf, ProjectError> {
    let found = std::env::current_dir().and_then(|path| {
        Utf8PathBuf::from_path_buf(path)
            .map_err(|path| std::io::Error::other(format!("{} is not UTF-8", path.display())))
    });
    found.map_err(|error| ProjectError::Folder { reason: error.to_string() })
}
