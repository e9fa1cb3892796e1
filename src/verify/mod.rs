//! The main job, from the project to the report: load, plan, provide, replay, judge, report.

use camino::{Utf8Path, Utf8PathBuf};
use tokio_util::sync::CancellationToken;

use crate::checks;
use crate::config::{self, ConfigErrors, LoadOptions, Overrides, ProjectLocation};
use crate::model::{
    CoverageReduction, Database, Failure, Files, Project, Track, TrackKind, UnitRecord,
};
use crate::replay::plan::{DatabasePlan, PlanError, ReplayPlan, Selection, TrackPlan};
use crate::replay::{Attempt, Mode};
use crate::report;
use crate::report::verify::v1;
use crate::server::{EventSink, ProviderError};
use crate::source::{self, BaseRequest, RemoteRepo, Revisions, SourceError, Worktree};

mod again;
mod coverage;
mod facts;
mod run;
mod timing;
mod unread;

use coverage::{
    BaseProject, add_emptied_samples, changed_samples, configurations, project_record,
    shortened_samples,
};
use facts::{check_there_is_something, paths_of};
use run::{FIRST_LAPS, RunContext};
use timing::Stopwatch;

/// What of which project, compared with what.
#[derive(Debug)]
pub(crate) struct Scope {
    /// `--config`.
    pub(crate) config: Option<Utf8PathBuf>,
    pub(crate) overrides: Overrides,
    pub(crate) base: BaseRequest,
    /// Whoever keeps the repository, to be asked where git does not have the base.
    pub(crate) hosted: Option<RemoteRepo>,
    pub(crate) selection: Selection,
}

impl Scope {
    /// How the command line says which project and which base, where it has to be said.
    fn flags(&self, revisions: &Revisions) -> Vec<String> {
        let config = self.config.iter().flat_map(|path| ["--config", path.as_str()]);
        let base = match &self.base {
            BaseRequest::Default => vec![],
            // The event is not there when the command is typed.
            BaseRequest::Change(_) => match &revisions.base.revision {
                Some(revision) => vec!["--base", &revision.commit],
                None => vec![],
            },
            BaseRequest::Revision(revision) => vec!["--base", revision],
            BaseRequest::None => vec!["--no-base"],
        };
        config.chain(base).map(str::to_owned).collect()
    }
}

/// What to verify, and how.
#[derive(Debug)]
pub(crate) struct VerifyRequest {
    pub(crate) scope: Scope,
    /// Units at work at one time.
    pub(crate) jobs: usize,
    pub(crate) timings: bool,
    pub(crate) require_migrations: bool,
    pub(crate) require_tenants: bool,
}

/// Why there is no report. Each variant is one of the rooms' own errors; the exit code follows from it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A `prepare` file for the server does not run.
    #[error("cannot prepare the server: {}", .0.message)]
    Prepare(Box<Failure>),
    #[error("{0}")]
    Nothing(String),
    #[error("cannot write {path}: {reason}")]
    Output { path: Utf8PathBuf, reason: String },
    #[error("cannot read the current folder: {reason}")]
    Folder { reason: String },
    #[error("interrupted; {}", in_words(.left))]
    Interrupted {
        /// What could not be removed.
        left: Vec<String>,
    },
}

fn in_words(left: &[String]) -> String {
    if left.is_empty() {
        return "everything that was started has been removed".to_owned();
    }
    format!("{}; `mig-ci clean` removes leftovers", left.join("; "))
}

/// A project, read at both revisions.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) project: Project,
    pub(crate) head: Worktree,
    pub(crate) revisions: Revisions,
    pub(crate) plan: ReplayPlan,
    /// What the base verifies.
    pub(crate) base: BaseProject,
    /// Samples that hold less than at the base.
    pub(crate) shortened: Vec<CoverageReduction>,
    /// The flags that lead a later run to the same project and the same base.
    pub(crate) flags: Vec<String>,
}

/// The project of the current folder, checked.
pub(crate) fn load_project(
    config: Option<&Utf8Path>,
    overrides: Overrides,
) -> Result<(Project, Worktree), VerifyError> {
    load_at(config::locate(&current_folder()?, config)?, overrides)
}

/// The same, as it would be understood without a configuration file.
pub(crate) fn discover() -> Result<Project, VerifyError> {
    let location = config::locate(&current_folder()?, None)?;
    let (project, files) =
        load_at(ProjectLocation { file: None, ..location }, Overrides::default())?;
    for (database, kind, track) in tracks(&project.databases) {
        // What else is wrong with a directory may need the file that is to be written.
        if let Err(error) = TrackPlan::new(&database.name, kind, track, &files, None)
            && error.is_about_direction()
        {
            return Err(error.into());
        }
    }
    Ok(project)
}

fn tracks(databases: &[Database]) -> impl Iterator<Item = (&Database, TrackKind, &Track)> {
    databases.iter().flat_map(|database| {
        let shared = database.shared.iter().map(|track| (TrackKind::Shared, track));
        let tenants = database.tenants.iter().map(|tenants| (TrackKind::Tenant, &tenants.track));
        shared.chain(tenants).map(move |(kind, track)| (database, kind, track))
    })
}

fn load_at(
    location: ProjectLocation,
    overrides: Overrides,
) -> Result<(Project, Worktree), VerifyError> {
    let head = Worktree::new(location.root.clone());
    let project = load_from(&location, &head, overrides)?;
    Ok((project, head))
}

fn load_from(
    location: &ProjectLocation,
    head: &Worktree,
    overrides: Overrides,
) -> Result<Project, ConfigErrors> {
    let codes: Vec<&str> = checks::abouts().map(|about| about.code).collect();
    config::load(&LoadOptions {
        location,
        files: head,
        environment: &config::process_environment,
        check_codes: &codes,
        overrides,
    })
}

/// Everything up to the plan: needs files and git, and no server. `mig-ci list` stops here.
pub(crate) async fn load(scope: &Scope) -> Result<Loaded, VerifyError> {
    let location = config::locate(&current_folder()?, scope.config.as_deref())?;
    let head = Worktree::new(location.root.clone());
    let project = load_from(&location, &head, scope.overrides.clone());
    // What a sparse checkout leaves out is not missing, and samples that it leaves out are not gone.
    head.check_sparse()?;
    let project = project?;
    let mut wanted = paths_of(&project.databases, head.folders_above());
    wanted.extend(configurations(&project.origin, head.folders_above()));
    let hosted = scope.hosted.as_ref();
    let revisions = source::read_revisions(&project.root, &scope.base, &wanted, hosted).await?;
    let base_files = revisions.base.files.as_ref().map(|files| files as &dyn Files);
    let plan = ReplayPlan::new(&project, &head, base_files, &scope.selection)?;
    let flags = scope.flags(&revisions);
    let snapshot = revisions.base.files.as_ref();
    let base = BaseProject::read(&project, &head, snapshot, scope.overrides.clone());
    let changed = changed_samples(&base, &project, snapshot, &head);
    let mut shortened = Vec::new();
    if !changed.is_empty() {
        // Their contents, for which no other question asks.
        let again = source::read_revisions(&project.root, &scope.base, &changed, hosted).await?;
        if let Some(before) = &again.base.files {
            shortened = shortened_samples(&base, &project, (before, &changed), &head);
        }
    }
    Ok(Loaded { project, head, revisions, plan, base, shortened, flags })
}

fn current_folder() -> Result<Utf8PathBuf, VerifyError> {
    let found = std::env::current_dir().and_then(|path| {
        Utf8PathBuf::from_path_buf(path)
            .map_err(|path| std::io::Error::other(format!("{} is not UTF-8", path.display())))
    });
    found.map_err(|error| VerifyError::Folder { reason: error.to_string() })
}

/// Runs it all. Once `interrupted` is cancelled it stops what it does, removes what it made, and returns
/// [`VerifyError::Interrupted`].
pub(crate) async fn verify(
    request: &VerifyRequest,
    events: EventSink,
    interrupted: &CancellationToken,
) -> Result<v1::Report, VerifyError> {
    let mut watch = Stopwatch::start();
    let loaded = interrupted.run_until_cancelled(load(&request.scope)).await;
    let loaded = loaded.ok_or(VerifyError::Interrupted { left: Vec::new() })??;
    check_there_is_something(request, &loaded.plan)?;
    let mut record = project_record(&loaded)?;
    watch.lap("read the project");

    let context = RunContext { loaded: &loaded, events: &events, interrupted };
    let plans: Vec<&DatabasePlan> = loaded.plan.databases.iter().collect();
    let mode = Mode { jobs: request.jobs, attempt: Attempt::First };
    let mut ran = context.run(&plans, mode, &FIRST_LAPS, &mut watch).await?;
    let replayed = context.run_again_in_doubt(&mut ran, &mut watch).await?;

    let units: Vec<UnitRecord> = ran.evidence.databases.iter().flatten().cloned().collect();
    add_emptied_samples(&mut record, &loaded, &units);
    let mut findings = checks::judge(&units, &loaded.project.checks);
    findings.extend(checks::judge_project(&record, &loaded.project.checks));
    checks::sort(&mut findings);
    let timings = request.timings.then(|| watch.timings(&units, ran.stopped.server_cpu));
    let run = facts::of_run(&loaded, &ran, replayed, &watch, timings);
    Ok(report::build(&loaded.plan, &units, &findings, run))
}
