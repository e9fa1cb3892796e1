//! What a job says: its environment, its event and the action's inputs, and what they ask of `verify`.

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

/// All that is known before anything is done.
#[derive(Debug)]
pub(crate) struct ActionJob {
    pub(crate) context: JobContext,
    pub(crate) inputs: Inputs,
    pub(crate) event: JobEvent,
    /// An input or an event that cannot be understood: nothing is verified, and that is shown.
    problem: Option<JobProblem>,
}

/// Why nothing is verified, although it is known where to say so.
#[derive(Debug, Clone)]
enum JobProblem {
    Input(InputError),
    Event(EventError),
    Payload { path: Utf8PathBuf, reason: String },
}

/// What the job asks of `verify`.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: VerifyRequest,
    /// The commit of the worktree; where git cannot tell, what actions/checkout checks out unless it is told otherwise.
    pub(crate) commit: Option<String>,
    /// The commit of the worktree is another than that of the event, so that the verdict is about something else.
    pub(crate) astray: Option<String>,
}

/// Why there is nothing that could be verified.
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

    /// One line: what the run is taken to be about. A wrong verdict's first question is that.
    pub(crate) fn describe(&self) -> String {
        let JobEvent { name, head_sha, base_ref, is_fork, .. } = &self.event;
        let number = self.event.number().map(|number| format!(" of pull request #{number}"));
        let head = head_sha.as_ref().map(|sha| format!(", head {sha}"));
        let base = base_ref.as_ref().map(|name| format!(", into {name}"));
        let fork = if *is_fork { ", from a fork" } else { "" };
        let [number, head, base] = [number, head, base].map(Option::unwrap_or_default);
        format!("event {name}{number}{head}{base}{fork}\n")
    }

    /// Goes to the folder that the inputs name, and puts the inputs over what flags and variables say.
    pub(crate) async fn request(&self, mut request: VerifyRequest) -> Result<Asked, JobError> {
        if let Some(problem) = &self.problem {
            return Err(problem.clone().into());
        }
        self.enter_folder()?;
        let inputs = &self.inputs;
        let scope = &mut request.scope;
        replace(&mut scope.config, &inputs.config);
        replace(&mut scope.overrides.provider, &inputs.provider);
        replace(&mut scope.overrides.image, &inputs.postgres_image);
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
        let astray = checked_out.as_ref().and_then(|commit| self.astray(commit));
        let commit = checked_out.or_else(|| self.context.sha.clone());
        Ok(Asked { request, commit, astray })
    }

    /// What the files of the workspace may decide by themselves. They are held in every event alike: a push, a group of
    /// the merge queue and a `workflow_dispatch` can have a pull request's files checked out as well.
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
        Ok(FileLimits { variables, superuser: inputs.allow_superuser })
    }

    /// The job's repository at GitHub.
    pub(crate) fn connection(&self) -> Connection {
        Connection::new(&self.context, self.inputs.token.clone())
    }

    /// Who is asked for the base that git does not have.
    pub(crate) fn hosted(&self, github: &Connection) -> RemoteRepo {
        RemoteRepo {
            host: Arc::new(GitHub(github.client())),
            folder: self.context.workspace.clone(),
            commit: self.context.sha.clone(),
        }
    }

    /// The base that the event is about, where no input names one.
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
            // The group's base is exact: the queue may have put it on another group, which is on no branch.
            (EventKind::MergeGroup, _) => {
                let title = "the merge group".to_owned();
                BaseRequest::Change(Box::new(ChangeRequest { title, ..change }))
            }
            (EventKind::Push, Some(before)) => BaseRequest::Revision(before.clone()),
            _ => BaseRequest::Default,
        }
    }

    /// Whether a verdict on the worktree is one on what was pushed: on that commit, or on one that contains it, such as one
    /// that the job itself has made. For pull requests and merge groups the search for the base finds out.
    pub(crate) async fn check_pushed(
        &self,
        asked: Asked,
        github: &Connection,
    ) -> Result<Asked, JobError> {
        let (EventKind::Push, Some(_), None) = (self.event.kind, &asked.astray, &self.inputs.base)
        else {
            return Ok(asked);
        };
        let (Some(commit), Some(pushed)) = (&asked.commit, &self.event.head_sha) else {
            return Ok(asked);
        };
        let hosted = self.hosted(github);
        match source::head_contains(".".into(), pushed, Some(&hosted)).await {
            Some(false) => Err(JobError::Source(SourceError::AnotherCommit {
                commit: commit.clone(),
                title: "the push".to_owned(),
                head: pushed.clone(),
            })),
            // What cannot be told is a warning.
            Some(true) | None => Ok(asked),
        }
    }

    fn astray(&self, checked_out: &str) -> Option<String> {
        let ActionJob { context, event, .. } = self;
        if event.is_about(checked_out, context.sha.as_deref()) {
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

    /// The commit of the worktree, if there is one to be told: without git nothing is known, and no error either.
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
        // As it is for events that have none, under tools that imitate the runner.
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
