//! The `GITHUB_*` and `RUNNER_*` variables of a step: docs.github.com, "Variables reference", and
//! `src/Runner.Worker/GitHubContext.cs` of actions/runner.

use std::str::FromStr;

use camino::{Utf8Path, Utf8PathBuf};

use super::RunAttempt;

/// Looks up a variable: `None` means "not set".
pub(crate) type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The job and the run of this step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobContext {
    /// `https://api.github.com`, or `https://HOST/api/v3` of a GitHub Enterprise Server. URLs have no trailing slash.
    pub(crate) api_url: String,
    /// Not below `api_url` on an Enterprise Server: `https://HOST/api/graphql`.
    pub(crate) graphql_url: String,
    /// For links: `https://github.com`.
    pub(crate) server_url: String,
    pub(crate) repository: WorkflowRepository,
    pub(crate) run: RunAttempt,
    pub(crate) event_name: String,
    /// The payload. Absent in tools that imitate the runner.
    pub(crate) event_path: Option<Utf8PathBuf>,
    /// The commit of the event: GitHub's merge commit for a pull request.
    pub(crate) sha: Option<String>,
    /// `refs/pull/7/merge`.
    pub(crate) git_ref: Option<String>,
    /// The account whose permissions the job has.
    pub(crate) actor: Option<String>,
    pub(crate) workspace: Utf8PathBuf,
    /// A folder that the runner empties before each job.
    pub(crate) temp: Option<Utf8PathBuf>,
    /// The same folder as seen by steps outside of the action's container.
    pub(crate) host_temp: Option<Utf8PathBuf>,
    pub(crate) files: StepFiles,
}

/// The repository that the workflow runs in: that of the base, also for pull requests from forks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkflowRepository {
    pub(crate) owner: String,
    pub(crate) name: String,
}

/// Files for data that outlives a step. A runner always sets them; a manual run may not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StepFiles {
    pub(crate) output: Option<Utf8PathBuf>,
    pub(crate) state: Option<Utf8PathBuf>,
    pub(crate) summary: Option<Utf8PathBuf>,
}

/// Why this is not a valid step of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContextError {
    #[error(
        "{name} is not set: this command runs as a GitHub Actions step; elsewhere, use `mig-ci verify`"
    )]
    Unset { name: &'static str },
    #[error("{name} is {value:?}, which is not a {what}")]
    Malformed { name: &'static str, value: String, what: &'static str },
}

/// The mount point of the temporary folder in runners since 2.329 (`ContainerActionHandler.cs`).
const MOUNTED_TEMP: &str = "/github/runner_temp";

impl JobContext {
    /// # Errors
    /// If a variable that every runner sets is absent or malformed. An empty variable counts as absent.
    pub(crate) fn read(lookup: &Lookup<'_>) -> Result<Self, ContextError> {
        let given = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let needed = |name| given(name).ok_or(ContextError::Unset { name });
        let path = |name: &str| given(name).map(Utf8PathBuf::from);
        let url = |name, default: &str| checked_url(name, given(name), default);
        let temp = path("RUNNER_TEMP");
        Ok(Self {
            repository: repository(needed("GITHUB_REPOSITORY")?)?,
            run: RunAttempt {
                id: number("GITHUB_RUN_ID", &needed("GITHUB_RUN_ID")?)?,
                attempt: match given("GITHUB_RUN_ATTEMPT") {
                    Some(text) => number("GITHUB_RUN_ATTEMPT", &text)?,
                    None => 1,
                },
            },
            event_name: needed("GITHUB_EVENT_NAME")?,
            workspace: needed("GITHUB_WORKSPACE")?.into(),
            api_url: url("GITHUB_API_URL", "https://api.github.com")?,
            graphql_url: url("GITHUB_GRAPHQL_URL", "https://api.github.com/graphql")?,
            server_url: url("GITHUB_SERVER_URL", "https://github.com")?,
            event_path: path("GITHUB_EVENT_PATH"),
            sha: given("GITHUB_SHA"),
            git_ref: given("GITHUB_REF"),
            actor: given("GITHUB_ACTOR"),
            host_temp: host_temp(temp.as_deref(), path("RUNNER_WORKSPACE").as_deref()),
            temp,
            files: StepFiles {
                output: path("GITHUB_OUTPUT"),
                state: path("GITHUB_STATE"),
                summary: path("GITHUB_STEP_SUMMARY"),
            },
        })
    }

    /// `https://github.com/acme/shop`.
    pub(crate) fn repository_url(&self) -> String {
        format!("{}/{}/{}", self.server_url, self.repository.owner, self.repository.name)
    }

    /// The page of the run, with its log, its summary and its artifacts.
    pub(crate) fn run_url(&self) -> String {
        let RunAttempt { id, attempt } = self.run;
        let attempt = if attempt > 1 { format!("/attempts/{attempt}") } else { String::new() };
        format!("{}/actions/runs/{id}{attempt}", self.repository_url())
    }
}

/// `owner/name`, with the characters that GitHub allows, because it is used in URLs.
fn repository(value: String) -> Result<WorkflowRepository, ContextError> {
    let plain = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !matches!(part, "" | "." | "..") && part.bytes().all(is_plain)
    };
    match value.split_once('/') {
        Some((owner, name)) if plain(owner) && plain(name) => {
            Ok(WorkflowRepository { owner: owner.to_owned(), name: name.to_owned() })
        }
        _ => Err(ContextError::Malformed {
            name: "GITHUB_REPOSITORY",
            value,
            what: "repository, as in `acme/shop`",
        }),
    }
}

fn checked_url(
    name: &'static str,
    value: Option<String>,
    default: &str,
) -> Result<String, ContextError> {
    let Some(value) = value else { return Ok(default.to_owned()) };
    let host = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    // It is used in links, which a bracket or a blank would end.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/[]~%".contains(&byte);
    match host {
        Some(host) if !host.is_empty() && host.bytes().all(is_plain) => {
            Ok(value.trim_end_matches('/').to_owned())
        }
        _ => Err(ContextError::Malformed { name, value, what: "URL, as in `https://host/path`" }),
    }
}

fn number<T: FromStr>(name: &'static str, value: &str) -> Result<T, ContextError> {
    value.parse().map_err(|_| ContextError::Malformed {
        name,
        value: value.to_owned(),
        what: "number",
    })
}

/// In a container, the runner rewrites paths in variables, but not in the outputs of a step. Its temporary files are in `_temp`
/// of its work folder, next to the folder in `RUNNER_WORKSPACE`, which is not rewritten because it is not mounted
/// (`HostContext.GetDirectory(WellKnownDirectory.Temp)`).
fn host_temp(temp: Option<&Utf8Path>, workspace: Option<&Utf8Path>) -> Option<Utf8PathBuf> {
    match temp?.as_str() {
        MOUNTED_TEMP => Some(workspace?.parent()?.join("_temp")),
        temp => Some(temp.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As set for a container action by runner 2.336.
    const JOB: &[(&str, &str)] = &[
        ("GITHUB_ACTOR", "octocat"),
        ("GITHUB_API_URL", "https://api.github.com"),
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_EVENT_PATH", "/github/workflow/event.json"),
        ("GITHUB_GRAPHQL_URL", "https://api.github.com/graphql"),
        ("GITHUB_OUTPUT", "/github/file_commands/set_output_1"),
        ("GITHUB_REF", "refs/pull/7/merge"),
        ("GITHUB_REPOSITORY", "acme/shop.api"),
        ("GITHUB_RUN_ATTEMPT", "1"),
        ("GITHUB_RUN_ID", "9876543210"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_SHA", "1111111111111111111111111111111111111111"),
        ("GITHUB_STATE", "/github/file_commands/save_state_1"),
        ("GITHUB_STEP_SUMMARY", "/github/file_commands/step_summary_1"),
        ("GITHUB_WORKSPACE", "/github/workspace"),
        ("RUNNER_TEMP", "/github/runner_temp"),
        ("RUNNER_WORKSPACE", "/home/runner/_work/shop"),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<JobContext, ContextError> {
        JobContext::read(&|name| {
            let found = changes.iter().chain(JOB).find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_variables_of_a_job_are_read() {
        let context = read(&[]).unwrap();
        assert_eq!(context.repository.owner, "acme");
        assert_eq!(context.repository.name, "shop.api");
        assert_eq!(context.run, RunAttempt { id: 9_876_543_210, attempt: 1 });
        assert_eq!(context.run_url(), "https://github.com/acme/shop.api/actions/runs/9876543210");
        assert_eq!(context.event_path.unwrap(), "/github/workflow/event.json");
        assert_eq!(context.files.summary.unwrap(), "/github/file_commands/step_summary_1");
        assert_eq!(context.host_temp.unwrap(), "/home/runner/_work/_temp");
    }

    #[test]
    fn an_enterprise_server_has_its_own_urls() {
        let context = read(&[
            ("GITHUB_API_URL", "https://git.acme.example:8443/api/v3/"),
            ("GITHUB_GRAPHQL_URL", "https://git.acme.example:8443/api/graphql"),
            ("GITHUB_SERVER_URL", "https://git.acme.example:8443"),
            ("GITHUB_RUN_ATTEMPT", "3"),
        ])
        .unwrap();
        assert_eq!(context.api_url, "https://git.acme.example:8443/api/v3");
        assert_eq!(
            context.run_url(),
            "https://git.acme.example:8443/acme/shop.api/actions/runs/9876543210/attempts/3"
        );
    }

    #[test]
    fn outside_of_a_container_the_temporary_folder_is_unchanged() {
        let context = read(&[("RUNNER_TEMP", "/home/runner/_work/_temp")]).unwrap();
        assert_eq!(context.host_temp, context.temp);
        let context = read(&[("RUNNER_TEMP", "")]).unwrap();
        assert_eq!((context.host_temp, context.temp), (None, None));
    }

    #[test]
    fn absent_and_malformed_variables_are_named() {
        let error = |changes: &[(&str, &str)]| read(changes).unwrap_err().to_string();
        insta::assert_snapshot!(
            error(&[("GITHUB_REPOSITORY", "")]),
            @"GITHUB_REPOSITORY is not set: this command runs as a GitHub Actions step; elsewhere, use `mig-ci verify`"
        );
        for name in ["shop", "acme/", "/shop", "a/b/c", "acme/..", "acme/a b", "acme/x](y)"] {
            let text = error(&[("GITHUB_REPOSITORY", name)]);
            assert!(text.contains("not a repository, as in `acme/shop`"), "{text}");
        }
        for url in ["github.com", "https://", "https://a b", "https://a)b", "file:///x"] {
            let text = error(&[("GITHUB_SERVER_URL", url)]);
            assert!(text.contains("GITHUB_SERVER_URL is ") && text.contains("not a URL"), "{text}");
        }
        insta::assert_snapshot!(error(&[("GITHUB_RUN_ID", "x")]), @r#"GITHUB_RUN_ID is "x", which is not a number"#);
    }
}
