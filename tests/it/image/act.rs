//! A workflow that uses the action, run by nektos/act: the real action.yml with the local image instead of the published
//! one, which starts its server as a sibling on the job's network; a later step checks the outputs of the action.

use std::process::Command as Process;

use camino::Utf8Path;
use serde_json::{Value, json};

use super::line::the_base_was_read_from_github;
use super::network::Network;
use super::pull_request::{NOT_NULL, PullRequest, shop};
use super::runner::Machine;
use crate::common::github::TOKEN;
use crate::common::{
    Command, Outcome, Project, docker, docker_image, peer, project, python_image, runner_image,
};

/// `name` is the workflow's, after which act names its containers.
fn workflow(name: &str, postgres: &str) -> String {
    format!(
        r#"name: {name}
on: pull_request
jobs:
  migrations:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: mig-ci/mig-action@v0
        id: migrations
        with:
          provider: docker
          postgres-image: {postgres}
          check-run: never
          report-path: out/report.json
      - name: afterwards
        if: always()
        env:
          OUTCOME: ${{{{ steps.migrations.outcome }}}}
          OUTPUTS: ${{{{ toJSON(steps.migrations.outputs) }}}}
          REPORT: ${{{{ steps.migrations.outputs.report }}}}
        run: |
          echo "$OUTCOME"
          echo $OUTPUTS
          cat "$REPORT"
"#
    )
}

/// The output of act: a JSON object in each line, with its step.
struct Log(Vec<Value>);

impl Log {
    fn read(ended: &Outcome) -> Self {
        Self(ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// The lines of a step.
    fn said(&self, step: &str) -> String {
        let of_step = self.0.iter().filter(|line| line["step"] == step);
        of_step
            .filter(|line| line["raw_output"] == true)
            .filter_map(|line| line["msg"].as_str())
            .collect()
    }

    fn commands(&self, name: &str) -> Vec<&Value> {
        self.0.iter().filter(|line| line["command"] == name).collect()
    }

    /// The result of a step, before and after the job's end.
    fn result(&self, stage: &str, step: &str) -> &Value {
        let of_step = self.0.iter().filter(|line| line["stage"] == stage && line["step"] == step);
        let mut results =
            of_step.map(|line| &line["stepResult"]).filter(|result| !result.is_null());
        results.next().unwrap_or(&Value::Null)
    }
}

/// The action of this repository, with the local image.
fn action(machine: &Machine, folder: &Utf8Path) {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml")).unwrap();
    let published = text.lines().find(|line| line.starts_with("  image: docker://")).unwrap();
    let here = format!("  image: docker://{}", machine.image);
    std::fs::write(folder.join("action.yml"), text.replace(published, &here)).unwrap();
}

fn act(machine: &Machine, program: &std::path::Path, runner: &str, home: &Utf8Path) -> Command {
    action(machine, home);
    let event = machine.temp().join("_github_workflow/event.json");
    let mut act = Process::new(program);
    act.current_dir(machine.workspace())
        // The user's settings and cache of act must not affect this test.
        .env("HOME", home)
        .env("XDG_CACHE_HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .args(["pull_request", "--json", "--rm", "--pull=false", "--action-offline-mode"])
        .args(["--no-cache-server", "--network", &machine.network.name])
        .args(["--platform", &format!("ubuntu-latest={runner}")])
        .args(["--local-repository", &format!("mig-ci/mig-action@v0={home}")])
        .args(["--eventpath", event.as_str()])
        .args(["--secret", &format!("GITHUB_TOKEN={TOKEN}")])
        .args(["--env", &format!("GITHUB_API_URL={}", machine.fake.url())])
        .args(["--env", &format!("GITHUB_GRAPHQL_URL={}", machine.fake.graphql_url())]);
    Command::of(act)
}

#[test]
fn a_workflow_with_one_failing_tenant() {
    let (Some(program), Some(runner)) = (peer("act"), runner_image()) else { return };
    let Some(postgres) = docker_image() else { return };
    let name = format!("mig-ci-test-{}", std::process::id());
    let workflow = workflow(&name, &postgres);
    let base = shop().file(".github/workflows/migrations.yml", workflow);
    let pull_request = PullRequest::of(base, |head| head.file("migrations/3_email.sql", NOT_NULL));
    let Some(machine) = Machine::new(pull_request, Network::of_a_job) else { return };
    let home = project();
    let ended = act(&machine, &program, &runner, home.path()).run().exit(1);
    let log = Log::read(&ended);

    const ACTION: &str = "mig-ci/mig-action@v0";
    assert_eq!(log.result("Main", ACTION), "failure", "{}", ended.stdout);
    assert_eq!(log.result("Post", ACTION), "success", "{}", ended.stdout);
    let said = log.said(ACTION);
    assert!(said.contains(&format!("(docker: Docker image {postgres})")), "{said}");
    assert!(said.contains("✘ Migrations fail for 1 of 7 tenants"), "{said}");
    assert!(said.ends_with("nothing to remove\n"), "{said}");

    let [annotation] = log.commands("error")[..] else { panic!("{:?}", log.commands("error")) };
    assert_eq!(annotation["kvPairs"]["file"], "migrations/3_email.sql");
    assert_eq!(annotation["kvPairs"]["line"], "1");
    assert!(annotation["arg"].as_str().unwrap().contains("\nTenants: initech\n"));
    let [summary] = log.commands("summary")[..] else { panic!("{:?}", log.commands("summary")) };
    let summary = summary["content"].as_str().unwrap();
    assert!(summary.starts_with("### ❌ Migrations fail for 1 of 7 tenants\n"), "{summary}");

    let comments = machine.fake.comments();
    let [comment] = &comments[..] else { panic!("{comments:?}") };
    assert!(comment.body.contains("### ❌ Migrations fail for 1 of 7 tenants"));

    let after = log.said("afterwards");
    let (outcome, rest) = after.split_once('\n').unwrap();
    let (outputs, report) = rest.split_once('\n').unwrap();
    assert_eq!(outcome, "failure");
    let outputs: Value = serde_json::from_str(outputs).unwrap();
    let url = format!("https://github.com/shop/app/pull/2#issuecomment-{}", comment.id);
    let wanted = json!({
        "result": "failed", "tenants-passed": "6", "tenants-at-head": "0", "tenants-failed": "1", "tenants-not-run": "0",
        "report": "out/report.json", "comment-url": url,
    });
    assert_eq!(outputs, wanted);
    let report: Value = serde_json::from_str(report).unwrap();
    assert_eq!(report["server"]["provider"], "docker");
    assert_eq!(report["counts"]["pending_migrations"], 1);

    the_base_was_read_from_github(&machine, &[]);
    let left = docker(&["ps", "--all", "--quiet", "--filter", &format!("name=act-{name}")]);
    assert_eq!(left, "");
}

const ALEMBIC: &str = r#"
[databases.app.shared]
alembic = { ini = "alembic.ini", section = "shared" }
ledger = "shared.alembic_version"
schema = "shared"
search_path = ["shared", "public"]
[databases.app.tenants]
alembic = { ini = "alembic.ini", section = "tenant" }
env = { TENANT_SCHEMA = "{target}" }
target = "{tenant}"
search_path = ["{target}", "shared", "public"]
samples = "samples/*.sql"
[databases.app.tenants.sample]
acme.version = "fa6ae6193696"
globex.version = "fa6ae6193696"
"#;

const UNIQUE: &str = r#""""Require unique addresses."""
from alembic import op

revision = "e1c0ffee0001"
down_revision = "fa6ae6193696"


def upgrade() -> None:
    op.create_unique_constraint("customers_email", "customers", ["email"])
"#;

/// The example, with two sample tenants; two customers of globex have one address.
fn alembic_project() -> Project {
    let example = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/alembic");
    let sample = |second: &str| {
        format!(
            "INSERT INTO customers (id, name, email) VALUES (1, 'A', 'a@a.example'), (2, 'B', '{second}');\n"
        )
    };
    project()
        .copy(&example.join("alembic.ini"), "alembic.ini")
        .copy(&example.join("app"), "app")
        .copy(&example.join("migrations"), "migrations")
        .file("mig-ci.toml", ALEMBIC)
        .file("samples/acme.sql", sample("b@a.example"))
        .file("samples/globex.sql", sample("a@a.example"))
}

/// Alembic runs in a third container, since the action's image has no Python.
#[test]
fn an_alembic_project_in_its_own_image() {
    let (Some(program), Some(runner)) = (peer("act"), runner_image()) else { return };
    let (Some(postgres), Some(python)) = (docker_image(), python_image()) else { return };
    let name = format!("mig-ci-test-alembic-{}", std::process::id());
    let input = format!("          check-run: never\n          runner-image: {python}\n");
    let workflow = workflow(&name, &postgres).replace("          check-run: never\n", &input);
    let base = alembic_project().file(".github/workflows/migrations.yml", workflow);
    let path = "migrations/tenant/versions/e1c0ffee0001_unique.py";
    let pull_request = PullRequest::of(base, |head| head.file(path, UNIQUE));
    let Some(machine) = Machine::new(pull_request, Network::of_a_job) else { return };
    let home = project();
    let ended = act(&machine, &program, &runner, home.path()).run().exit(1);
    let log = Log::read(&ended);
    let said = log.said("mig-ci/mig-action@v0");
    assert!(said.contains("could not create unique index"), "{said}");
    let [annotation] = log.commands("error")[..] else { panic!("{:?}", log.commands("error")) };
    assert_eq!(annotation["kvPairs"]["file"], path);
    assert_eq!(annotation["kvPairs"]["line"], "9");

    let comments = machine.fake.comments();
    let [comment] = &comments[..] else { panic!("{comments:?}") };
    assert!(comment.body.contains("Migrations fail for 1 of "), "{}", comment.body);
    assert!(comment.body.contains("\nTenants: `globex`\n"), "{}", comment.body);
    let after = log.said("afterwards");
    assert!(after.contains("\"tenants-failed\": \"1\""), "{after}");
    let left = docker(&["ps", "--all", "--quiet", "--filter", &format!("ancestor={python}")]);
    assert_eq!(left, "");
}
