//! The files of a pull request are another person's: what they cannot read, choose, or send away in the action.

use serde_json::json;

use crate::common::{Job, Project, project};

const DATABASE: &str = "[databases.app]\nmigrations = \"migrations\"\nformat = \"sqlx\"\n";

/// A migration that raises what a setting holds.
const RAISE: &str = "DO $$ BEGIN RAISE EXCEPTION 'here' USING DETAIL = \
    coalesce(current_setting('app.x', true), 'nothing'); END $$;\n";

fn with_config(config: &str) -> Project {
    project()
        .file("mig-ci.toml", format!("{config}\n{DATABASE}"))
        .file("migrations/1_raise.sql", RAISE)
        .git_commit("head")
}

fn job() -> Job {
    Job::of_payload("workflow_dispatch", &json!({}).to_string())
}

#[test]
fn variables_are_read_by_permission_alone() {
    let shop = with_config("[postgres.settings]\n\"app.x\" = \"${PLANTED}\"\n");
    let job = job();
    let step = job.read(&job.step(&shop).env("PLANTED", "planted-value-1").run().exit(3));
    let [error] = step.commands("error")[..] else { panic!("{:?}", step.log) };
    assert!(error.contains("mig-ci.toml:2:11"), "{error}");
    assert!(error.contains("may not read the environment variable `PLANTED`"), "{error}");
    assert!(error.contains("`allow-variables: PLANTED`"), "{error}");
    assert!(!format!("{step:?}").contains("planted-value-1"));

    let step = job.step(&shop).env("PLANTED", "public").env("INPUT_ALLOW-VARIABLES", "PLANTED");
    let step = job.read(&step.run().exit(1));
    assert!(step.summary.contains("DETAIL:  public"), "{}", step.summary);

    // At a desk, and in CI without the action, the file reads all of it.
    let verify = shop.mig_ci(["verify", "--provider", "url", "--no-base"]);
    let url = crate::common::postgres().url("postgres");
    let verify = verify.env("CI", "true").env("MIG_CI_POSTGRES_URL", url).env("PLANTED", "public");
    assert!(verify.run().exit(1).stdout.contains("public"));
}

#[test]
fn credentials_are_not_readable_even_if_an_input_allows_them() {
    let job = job();
    let names =
        ["MIG_CI_POSTGRES_URL", "ACTIONS_RUNTIME_TOKEN", "INPUT_GITHUB_TOKEN", "PGPASSWORD"];
    for name in names {
        let shop = with_config(&format!("[postgres.settings]\n\"app.x\" = \"${{{name}}}\"\n"));
        let step = || job.step(&shop).env("ACTIONS_RUNTIME_TOKEN", "planted-runtime-token");
        let step = || step().env("INPUT_GITHUB_TOKEN", "planted-input-token");
        let denied = job.read(&step().run().exit(3));
        let [error] = denied.commands("error")[..] else { panic!("{:?}", denied.log) };
        assert!(error.contains(&format!("`{name}` is a credential")), "{error}");
        let refused = job.read(&step().env("INPUT_ALLOW-VARIABLES", name).run().exit(2));
        let [error] = refused.commands("error")[..] else { panic!("{:?}", refused.log) };
        assert!(error.contains(&format!("`allow-variables` is {name:?}")), "{error}");
    }
}

#[test]
fn the_file_chooses_neither_server_nor_role() {
    let refused = |config: &str, inputs: &[(&str, &str)]| {
        let (shop, job) = (with_config(config), job());
        let step = job.command(&shop, ["action"]);
        let step = inputs.iter().fold(step, |step, (name, value)| step.env(name, value));
        let step = job.read(&step.run().exit(3));
        assert_eq!(step.outputs["result"], "error");
        step.commands("error").join("\n")
    };
    let error = refused("[postgres]\nprovider = \"local\"\n", &[]);
    assert!(error.contains("add `provider: local` to the `with:`"), "{error}");
    let url = "[postgres]\nprovider = \"url\"\nurl = \"postgres://127.0.0.1:1/x\"\n";
    let error = refused(url, &[]);
    assert!(error.contains("add `provider: url` to the `with:`"), "{error}");
    let error = refused(url, &[("INPUT_PROVIDER", "url")]);
    assert!(error.contains("`postgres.url` is not used in the action"), "{error}");
    let error = refused("[postgres]\nrole = \"superuser\"\n", &[("INPUT_PROVIDER", "docker")]);
    assert!(error.contains("add `allow-superuser: true` to the `with:`"), "{error}");
    let image = "[postgres]\nimage = \"evil.example/${PLANTED}:1\"\n";
    let allowed = [("INPUT_ALLOW-VARIABLES", "PLANTED"), ("PLANTED", "planted-value-1")];
    let error = refused(image, &allowed);
    assert!(error.contains("holds the variable `PLANTED`"), "{error}");
    assert!(!error.contains("planted-value-1"), "{error}");
}

#[test]
fn an_input_allows_a_superuser() {
    let (shop, job) = (with_config("[postgres]\nrole = \"superuser\"\n"), job());
    let step = job.step(&shop).env("INPUT_ALLOW-SUPERUSER", "true").run().exit(1);
    assert_eq!(job.read(&step).outputs["result"], "failed");
}
