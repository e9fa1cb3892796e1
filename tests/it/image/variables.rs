//! The environment that the runner gives a step.
//!
//! Source: actions/runner 2.336, `GitHubContext.cs`, `RunnerContext.cs`, `Handlers/Handler.cs`
//! (`AddInputsToEnvironment`), `Handlers/ContainerActionHandler.cs`.

use std::collections::BTreeMap;
use std::fs;

use camino::Utf8PathBuf;

use super::pull_request::PullRequest;
use super::runner::Machine;
use crate::common::github::TOKEN;

/// Every input of action.yml with its default: in capitals, with dashes unchanged.
pub(super) fn inputs() -> BTreeMap<String, String> {
    let text = action_yml();
    let (_, inputs) = text.split_once("\ninputs:\n").unwrap();
    let (inputs, _) = inputs.split_once("\noutputs:\n").unwrap();
    let mut values = BTreeMap::new();
    let mut variable = String::new();
    for line in inputs.lines() {
        if let Some(name) = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')) {
            variable = format!("INPUT_{}", name.to_uppercase());
        }
        if let Some(default) = line.strip_prefix("    default: ") {
            let default = default.trim_matches('"').replace("${{ github.token }}", TOKEN);
            values.insert(variable.clone(), default);
        }
    }
    assert_eq!(values["INPUT_GITHUB-TOKEN"], TOKEN);
    values
}

/// `runs.args`, which the runner appends to the image, also for the step after the job.
pub(super) fn arguments() -> Vec<String> {
    let text = action_yml();
    let (_, args) = text.split_once("\n  args:\n").unwrap();
    args.lines().map_while(|line| line.strip_prefix("    - ")).map(str::to_owned).collect()
}

fn action_yml() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml")).unwrap()
}

/// The variables of the job and the step, with the paths on the machine.
pub(super) fn variables(machine: &Machine, step: u32) -> Vec<(String, String)> {
    let mut all = fixed();
    all.extend(changing(machine, step));
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn changing(machine: &Machine, step: u32) -> Vec<(&'static str, String)> {
    let PullRequest { merge, .. } = &machine.pull_request;
    let file = |name: &str| machine.file(name, step).into_string();
    let text = Utf8PathBuf::into_string;
    let temp = machine.temp();
    vec![
        ("GITHUB_API_URL", machine.fake.url()),
        ("GITHUB_ENV", file("set_env")),
        ("GITHUB_EVENT_PATH", text(temp.join("_github_workflow/event.json"))),
        ("GITHUB_GRAPHQL_URL", machine.fake.graphql_url()),
        ("GITHUB_OUTPUT", file("set_output")),
        ("GITHUB_PATH", file("add_path")),
        ("GITHUB_SHA", merge.clone()),
        ("GITHUB_STATE", file("save_state")),
        ("GITHUB_STEP_SUMMARY", file("step_summary")),
        ("GITHUB_WORKFLOW_SHA", merge.clone()),
        ("GITHUB_WORKSPACE", text(machine.workspace())),
        ("RUNNER_TEMP", text(temp)),
        ("RUNNER_TOOL_CACHE", text(machine.work().join("_tool"))),
        ("RUNNER_WORKSPACE", text(machine.around())),
    ]
}

fn fixed() -> Vec<(&'static str, String)> {
    let known = [
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "an-id-token"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.example/"),
        ("ACTIONS_RESULTS_URL", "https://results.example/"),
        ("ACTIONS_RUNTIME_TOKEN", "a-runtime-token"),
        ("ACTIONS_RUNTIME_URL", "https://runtime.example/"),
        ("GITHUB_ACTION", "migrations"),
        ("GITHUB_ACTION_REF", "v1"),
        ("GITHUB_ACTION_REPOSITORY", "mig-ci/mig-action"),
        ("GITHUB_ACTOR", "octocat"),
        ("GITHUB_ACTOR_ID", "583231"),
        ("GITHUB_BASE_REF", "main"),
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_HEAD_REF", "feature"),
        ("GITHUB_JOB", "migrations"),
        ("GITHUB_REF", "refs/pull/2/merge"),
        ("GITHUB_REF_NAME", "2/merge"),
        ("GITHUB_REF_PROTECTED", "false"),
        ("GITHUB_REF_TYPE", "branch"),
        ("GITHUB_REPOSITORY", "shop/app"),
        ("GITHUB_REPOSITORY_ID", "186853002"),
        ("GITHUB_REPOSITORY_OWNER", "shop"),
        ("GITHUB_REPOSITORY_OWNER_ID", "21031067"),
        ("GITHUB_RETENTION_DAYS", "90"),
        ("GITHUB_RUN_ATTEMPT", "1"),
        ("GITHUB_RUN_ID", "9876543210"),
        ("GITHUB_RUN_NUMBER", "42"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_TRIGGERING_ACTOR", "octocat"),
        ("GITHUB_WORKFLOW", "migrations"),
        ("GITHUB_WORKFLOW_REF", "shop/app/.github/workflows/ci.yml@refs/pull/2/merge"),
        ("HOME", "/github/home"),
        ("RUNNER_ARCH", "X64"),
        ("RUNNER_ENVIRONMENT", "github-hosted"),
        ("RUNNER_NAME", "GitHub Actions 1"),
        ("RUNNER_OS", "Linux"),
        ("RUNNER_TRACKING_ID", "github_0123"),
    ];
    known.map(|(name, value)| (name, value.to_owned())).to_vec()
}
