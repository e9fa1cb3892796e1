//! The job's environment, event and inputs, and the request to `verify` that follows from them.

use std::fs;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use super::connection::Connection;
use super::host::GitHub;
use crate::config::{FileLimits, is_credential};
use crate::github::context::{ContextError, JobContext, Lookup};
use crate::github::event::{EventError, EventKind, JobEvent};
use crate::github::inputs::{InputError, Inputs};
use crate::source::{self, BaseRequest, ChangeRequest, RemoteRepo, SourceError};
use crate::verify::VerifyRequest;

/// The data of the job before anything runs.
#[derive(Debug)]
pub(crate) struct ActionJob {
    pub(crate) context: JobContext,
    pub(crate) inputs: Inputs,
    pub(crate) event: JobEvent,
    /// An invalid input or event: nothing is verified, and that is published.
    problem: Option<JobProblem>,
}

/// Why nothing is verified, although it is known where to publish that.
#[derive(Debug, Clone)]
enum JobProblem {
    Input(InputError),
    Event(EventError),
    Payload { path: Utf8PathBuf, reason: String },
}

/// The job's request to `verify`.
#[derive(Debug)]
pub(crate) struct JobRequest {
    pub(crate) request: VerifyRequest,
    /// The commit of the worktree; if git cannot return it, the commit that actions/checkout checks out by default.
    pub(crate) commit: Option<String>,
    /// A message if the worktree's commit is not that of the event, so that the verdict is for another commit.
    pub(crate) mismatch: Option<String>,
}

/// Why nothing could be verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error("cannot read the event's payload {path}: {reason}")]
    Payload { path: Utf8PathBuf, reason: String },
    #[error(
        "cannot work in {path}: {reason}; the input `working-directory` is relative to the workspace, and actions/checkout \
         has to run first"
    )]
    Folder { path: Utf8PathBuf, reason: String },
    #[error(
        "`provider: local` runs the SQL of the pull request on this machine, where {path} contains credentials of git: set \
         `with: {{ persist-credentials: false }}` on actions/checkout, or use `provider: docker`"
    )]
    KeptCredentials { path: Utf8PathBuf },
    #[error(
        "the migrations run the Python of the pull request on this machine, where {path} contains credentials of git: set \
         `with: {{ persist-credentials: false }}` on actions/checkout, or run them in an image (`runner-image`)"
    )]
    KeptCredentialsOfPrograms { path: Utf8PathBuf },
    #[error(
        "`provider: local` runs the SQL of the pull request as a user who can read {path}, which contains a credential: \
         remove the credential before this step, make the file readable only by its owner and run mig-ci as root, so that \
         the server gets a separate user, or use `provider: docker`"
    )]
    CredentialFile { path: String },
    #[error(
        "`provider: local` runs the SQL of the pull request as a user who can read a credential in the environment or the \
         arguments of the process {process}: run mig-ci as root, so that the server gets a separate user, pass the \
         credential to no other process of the job, or use `provider: docker`"
    )]
    ExposedSecret { process: String },
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{why}")]
    Refused { why: &'static str },
}

impl ActionJob {
    pub(crate) fn read(lookup: &Lookup<'_>) -> Result<Self, JobError> {
        let context = JobContext::read(lookup)?;
        let (inputs, problem) = Inputs::read_usable(lookup);
        let (event, problem) = match read_event(&context) {
            Ok(event) => (event, problem.map(JobProblem::Input)),
            Err(problem) => {
                let JobContext { event_name, git_ref, sha, .. } = &context;
                let event =
                    JobEvent::of_environment(event_name, git_ref.as_deref(), sha.as_deref());
                (event, Some(problem))
            }
        };
        let event = event.or_pull_request(inputs.pull_request);
        Ok(Self { context, inputs, event, problem })
    }

    /// One line with the subject of the run, which is the first thing to check if a verdict is wrong.
    pub(crate) fn describe(&self) -> String {
        let JobEvent { name, head_sha, base_ref, is_fork, .. } = &self.event;
        let number = self.event.number().map(|number| format!(" of pull request #{number}"));
        let head = head_sha.as_ref().map(|sha| format!(", head {sha}"));
        let base = base_ref.as_ref().map(|name| format!(", into {name}"));
        let fork = if *is_fork { ", from a fork" } else { "" };
        let [number, head, base] = [number, head, base].map(Option::unwrap_or_default);
        format!("event {name}{number}{head}{base}{fork}\n")
    }

    /// Changes to the folder in the inputs, and overrides flags and variables with the inputs.
    pub(crate) async fn request(&self, mut request: VerifyRequest) -> Result<JobRequest, JobError> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone().into());
        }
        self.enter_folder()?;
        let inputs = &self.inputs;
        let scope = &mut request.scope;
        replace(&mut scope.config, &inputs.config);
        replace(&mut scope.overrides.provider, &inputs.provider);
        replace(&mut scope.overrides.image, &inputs.postgres_image);
        if !inputs.runner_images.is_empty() {
            scope.overrides.runner_images.clone_from(&inputs.runner_images);
        }
        replace(&mut scope.overrides.fail_on, &inputs.fail_on);
        scope.overrides.limits = Some(self.limits()?);
        if !inputs.databases.is_empty() {
            scope.selection.databases.clone_from(&inputs.databases);
        }
        if !inputs.tenants.is_empty() {
            scope.selection.tenants.clone_from(&inputs.tenants);
        }
        replace(&mut scope.selection.partition, &inputs.partition);
        if let Some(base) = &inputs.base {
            scope.base = BaseRequest::Revision(base.clone());
        }
        let checked_out = self.checked_out().await;
        if scope.base == BaseRequest::Default {
            scope.base = self.base();
        }
        let mismatch = checked_out.as_ref().and_then(|commit| self.mismatch(commit));
        let commit = checked_out.or_else(|| self.context.sha.clone());
        Ok(JobRequest { request, commit, mismatch })
    }

    /// The limits for the files of the workspace. They are the same for all events: a push, a merge group and a
    /// `workflow_dispatch` can also have checked out a pull request's files.
    fn limits(&self) -> Result<FileLimits, InputError> {
        let inputs = &self.inputs;
        if let Some(name) = inputs.allow_variables.iter().find(|name| is_credential(name)) {
            return Err(InputError {
                name: "allow-variables",
                value: name.clone(),
                problem: "it is a credential, which files of a pull request can never read"
                    .to_owned(),
            });
        }
        let variables = inputs.allow_variables.iter().cloned().collect();
        let superuser = inputs.allow_superuser;
        Ok(FileLimits { variables, superuser })
    }

    /// The job's repository at GitHub.
    pub(crate) fn connection(&self) -> Connection {
        Connection::new(&self.context, self.inputs.token.clone())
    }

    /// The host for the base that git does not have.
    pub(crate) fn remote_repo(&self, github: &Connection) -> RemoteRepo {
        RemoteRepo {
            host: Arc::new(GitHub(github.client())),
            folder: self.context.workspace.clone(),
            commit: self.context.sha.clone(),
        }
    }

    /// The base of the event, if no input names one.
    fn base(&self) -> BaseRequest {
        let ActionJob { context, event, .. } = self;
        let repository = format!("{}/{}", context.repository.owner, context.repository.name);
        let change = ChangeRequest {
            head: event.head_sha.clone(),
            tip: event.base_sha.clone(),
            repository,
            ..ChangeRequest::default()
        };
        match (event.kind, &event.base_sha) {
            (EventKind::PullRequest, _) => {
                let number = event.number();
                let title = number.map(|number| format!("pull request #{number}"));
                BaseRequest::Change(Box::new(ChangeRequest {
                    title: title.unwrap_or_else(|| "the pull request".to_owned()),
                    merge: context.sha.clone(),
                    merge_ref: number.map(|number| format!("pull/{number}/merge")),
                    branch: event.base_ref.clone(),
                    ..change
                }))
            }
            // The group's base is exact: the queue may have stacked it on another group, which is on no branch.
            (EventKind::MergeGroup, _) => {
                let title = "the merge group".to_owned();
                BaseRequest::Change(Box::new(ChangeRequest { title, ..change }))
            }
            (EventKind::Push, Some(before)) => BaseRequest::Revision(before.clone()),
            _ => BaseRequest::Default,
        }
    }

    /// Whether a verdict on the worktree is valid for the pushed commit: the worktree is that commit, or one that contains it,
    /// such as one that the job has created. For pull requests and merge groups the search for the base checks it.
    pub(crate) async fn check_pushed(
        &self,
        job_request: JobRequest,
        github: &Connection,
    ) -> Result<JobRequest, JobError> {
        let (EventKind::Push, Some(_), None) =
            (self.event.kind, &job_request.mismatch, &self.inputs.base)
        else {
            return Ok(job_request);
        };
        let (Some(commit), Some(pushed)) = (&job_request.commit, &self.event.head_sha) else {
            return Ok(job_request);
        };
        let remote_repo = self.remote_repo(github);
        match source::head_contains(".".into(), pushed, Some(&remote_repo)).await {
            Some(false) => Err(JobError::Source(SourceError::AnotherCommit {
                commit: commit.clone(),
                title: "the push".to_owned(),
                head: pushed.clone(),
            })),
            // An unknown relation is a warning.
            Some(true) | None => Ok(job_request),
        }
    }

    fn mismatch(&self, checked_out: &str) -> Option<String> {
        let ActionJob { context, event, .. } = self;
        if event.applies_to(checked_out, context.sha.as_deref()) {
            return None;
        }
        Some(format!(
            "the workspace is at commit {checked_out}, and this `{}` event is about {}: the result is for the commit in the \
             workspace; remove `ref` of actions/checkout",
            event.name,
            event.head_sha.as_deref().unwrap_or("another")
        ))
    }

    fn enter_folder(&self) -> Result<(), JobError> {
        let path = self.context.workspace.join(&self.inputs.working_directory);
        std::env::set_current_dir(&path)
            .map_err(|error| JobError::Folder { path, reason: error.to_string() })
    }

    /// The commit of the worktree, if git can return it; without git there is none, and no error.
    pub(crate) async fn checked_out(&self) -> Option<String> {
        let here: &Utf8Path = ".".into();
        let revisions = source::read_revisions(here, &BaseRequest::None, &[], None).await.ok()?;
        revisions.head.map(|head| head.commit)
    }
}

fn read_event(context: &JobContext) -> Result<JobEvent, JobProblem> {
    let payload = match &context.event_path {
        Some(path) => fs::read_to_string(path).map_err(|error| JobProblem::Payload {
            path: path.clone(),
            reason: error.to_string(),
        })?,
        // Some events have no payload, in tools that imitate the runner.
        None => "{}".to_owned(),
    };
    JobEvent::read(&context.event_name, &payload, context.actor.as_deref())
        .map_err(JobProblem::Event)
}

impl From<JobProblem> for JobError {
    fn from(problem: JobProblem) -> Self {
        match problem {
            JobProblem::Input(error) => Self::Input(error),
            JobProblem::Event(error) => Self::Event(error),
            JobProblem::Payload { path, reason } => Self::Payload { path, reason },
        }
    }
}

fn replace<T: Clone>(value: &mut Option<T>, input: &Option<T>) {
    if input.is_some() {
        value.clone_from(input);
    }
}
