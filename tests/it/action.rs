//! `mig-ci action` as a runner executes it: inputs and event in, log, files and exit code out.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::common::{HEAD, Job, Line, Postgres, Project, project, wait_for, wait_for_sleepers};

const CONFIG: &str = r#"
[databases.app.tenants]
migrations = "migrations"
format = "sqlx"
target = "tenant_{tenant}"
samples = "samples/*.sql"
[databases.app.tenants.sample]
acme.version = 1
globex.version = 1
"#;

/// Tenants with data: acme has a member without an address.
fn shop() -> Project {
    project()
        .file("mig-ci.toml", CONFIG)
        .file(
            "migrations/1_members.sql",
            "CREATE TABLE members (id int PRIMARY KEY, email text);\n",
        )
        .file("samples/acme.sql", "INSERT INTO members VALUES (1, 'a@acme.example'), (2, NULL);\n")
        .file("samples/globex.sql", "INSERT INTO members VALUES (1, 'b@globex.example');\n")
        .git_commit("base")
        .git_branch("feature")
}

const NOT_NULL: &str = "ALTER TABLE members\n    ALTER COLUMN email SET NOT NULL;\n";

#[test]
fn one_failing_tenant_is_shown_everywhere() {
    let shop = shop().file("migrations/2_email.sql", NOT_NULL).git_commit("head");
    let job = Job::of_event("pull_request.opened.json");
    let step = job.read(&job.step(&shop).env("INPUT_BASE", "main").run().exit(1));

    let [error] = step.commands("error")[..] else { panic!("{:?}", step.log) };
    assert!(error.starts_with("column \"email\" of relation \"members\" contains null values\n"));
    assert!(error.contains("\nTenants: acme\n"), "{error}");
    let annotation = step.log.iter().find_map(|line| match line {
        Line::Command { name, properties, .. } if name == "error" => Some(properties),
        _ => None,
    });
    let annotation = annotation.unwrap();
    assert_eq!(annotation["file"], "migrations/2_email.sql");
    assert_eq!(annotation["line"], "1");
    assert_eq!(annotation["title"], "migration-failed: 1 tenant");

    assert_eq!(step.outputs["result"], "failed");
    assert_eq!(step.outputs["tenants-passed"], "4");
    assert_eq!(step.outputs["tenants-failed"], "1");
    assert_eq!(step.outputs["tenants-not-run"], "0");
    assert_eq!(step.outputs["report"], job.path("temp/mig-ci-report.json"));
    assert_eq!(step.report()["counts"]["tenants"]["failed"], 1);

    assert!(step.summary.starts_with("### ❌ Migrations fail for 1 of 5 tenants\n"));
    let url = format!("https://github.com/acme/shop/blob/{HEAD}/migrations/2_email.sql#L1");
    assert!(step.summary.contains(&url), "{}", step.summary);
    assert!(step.summary.contains("(https://github.com/acme/shop/actions/runs/9876543210)"));
    assert!(step.summary.contains("| `acme` | ❌ failed |"));

    let text = step.text();
    assert!(text.contains(&format!("event pull_request of pull request #2, head {HEAD}")));
    assert!(text.contains("✘ Migrations fail for 1 of 5 tenants"), "{text}");
    assert_eq!(step.state.keys().collect::<Vec<_>>(), ["finished", "started"]);
}

/// A sample that is already at the head tests nothing, and does not count as passed.
#[test]
fn a_sample_at_the_head_is_not_counted_as_passed() {
    let shop = shop()
        .file("migrations/2_note.sql", "ALTER TABLE members ADD note text;\n")
        .file("mig-ci.toml", CONFIG.replace("acme.version = 1", "acme.version = 2"))
        .git_commit("head");
    let job = Job::of_event("pull_request.opened.json");
    let run = job.step(&shop).env("INPUT_BASE", "main").run();
    let step = job.read(&run);
    let report = step.report();
    let units = report["databases"][0]["units"].as_array().unwrap().iter();
    let untested = units.filter(|unit| unit["nothing_applied"] == true).count();
    let outputs = |name: &str| step.outputs[name].parse::<usize>().unwrap();
    assert_eq!((untested, outputs("tenants-at-head")), (1, 1), "{run:?}");
    assert_eq!(outputs("tenants-passed"), 4, "{report}");
}

#[test]
fn a_passed_run_is_reported() {
    let shop = shop().file("migrations/2_note.sql", "ALTER TABLE members ADD note text;\n");
    let shop = shop.git_commit("head");
    let job = Job::of_event("pull_request.opened.json");
    let command = job.step(&shop).env("INPUT_BASE", "main").env("INPUT_COMMENT", "off");
    let command = command.env("INPUT_CHECK-RUN", "never").env("INPUT_GITHUB-TOKEN", "ghs_0123");
    let step = job.read(&command.run().success());
    assert_eq!(step.outputs["result"], "passed");
    assert_eq!(step.outputs["tenants-failed"], "0");
    assert!(step.summary.starts_with("### ✅ Migrations pass for all 5 tenants\n"));
    assert_eq!(step.command_names(), ["add-mask", "add-mask", "group", "endgroup"]);
    assert_eq!(step.commands("add-mask")[0], "ghs_0123");
    assert_eq!(step.stderr, "", "all of the log is in one stream");
}

/// The head itself is checked out, and the current base branch cannot be queried.
#[test]
fn the_base_of_the_event_is_used() {
    let shop = shop();
    let base = shop.git(&["rev-parse", "HEAD"]);
    let shop = shop.file("migrations/2_note.sql", "SELECT 1;\n").git_commit("first");
    let shop = shop.file("migrations/3_note.sql", "SELECT 1;\n").git_commit("second");
    let head = shop.git(&["rev-parse", "HEAD"]);
    let parent = shop.git(&["rev-parse", "HEAD~1"]);
    let pending = |payload_base: &str, sha: &str| {
        let job = pull_request(&head, payload_base);
        let step = job.read(&job.step(&shop).env("GITHUB_SHA", sha).run().success());
        step.report()["counts"]["pending_migrations"].clone()
    };
    let elsewhere = "1".repeat(40);
    assert_eq!(pending(&parent, &elsewhere), 1);
    assert_eq!(pending(&base, &elsewhere), 2);
    // Other tools that imitate the runner pass the head itself in the event.
    assert_eq!(pending(&parent, &head), 1);
}

fn pull_request(head: &str, base: &str) -> Job {
    let payload = json!({"pull_request": {
        "number": 7,
        "head": {"sha": head, "repo": {"id": 1}},
        "base": {"sha": base, "ref": "main", "repo": {"id": 1}},
    }});
    Job::of_payload("pull_request", &payload.to_string())
}

/// `ref: ${{ github.event.pull_request.head.sha }}`, while the base branch has a new migration.
#[test]
fn the_head_is_compared_with_the_merge_base() {
    let shop = shop();
    let fork = shop.git(&["rev-parse", "HEAD"]);
    let shop = shop.file("migrations/3_note.sql", "SELECT 1;\n").git_commit("head");
    let head = shop.git(&["rev-parse", "HEAD"]);
    shop.git(&["checkout", "--quiet", "main"]);
    let shop = shop.file("migrations/2_other.sql", "SELECT 2;\n").git_commit("main moves on");
    let main = shop.git(&["rev-parse", "HEAD"]);
    shop.git(&["checkout", "--quiet", "--detach", &head]);
    let job = pull_request(&head, &main);
    let step = job.read(&job.step(&shop).env("GITHUB_SHA", "1".repeat(40)).run().success());
    let report = step.report();
    assert_eq!(report["revisions"]["base"]["commit"], fork);
    assert_eq!(report["counts"]["pending_migrations"], 1);
    assert_eq!(report["findings"], json!([]));
    let reason = report["revisions"]["base_reason"].as_str().unwrap();
    assert!(reason.starts_with("merge base of HEAD, the head of pull request #7, with main at "));
    assert!(reason.contains("main has 1 commit that HEAD does not contain"), "{reason}");
    assert!(step.text().contains(reason), "the log says it");
    assert!(
        step.summary.contains("main has 1 commit that HEAD"),
        "the summary says it: {}",
        step.summary
    );

    // The base branch itself, by mistake.
    shop.git(&["checkout", "--quiet", "main"]);
    let step = job.read(&job.step(&shop).env("GITHUB_SHA", "1".repeat(40)).run().exit(4));
    assert_eq!(step.outputs["result"], "error");
    let error = step.commands("error").join("\n");
    assert!(error.contains(&format!("the checkout is at commit {main}, which is neither")));
    assert!(error.contains(&format!("the head of pull request #7 ({head})")), "{error}");
}

#[test]
fn database_messages_are_not_workflow_commands() {
    let nasty = "DO $$ BEGIN\n\
        RAISE WARNING E'a\\n::set-output name=result::passed\\n##[error]one\\n::add-mask::e\\n';\n\
        RAISE EXCEPTION E'x\\n::error file=y::two\\n::stop-commands::t\\n b ##[add-mask]three\\n::endgroup::'\n\
        USING DETAIL = E'\\n::notice::four', HINT = E'```\\n</details>@everyone';\n\
        END $$;\n";
    let shop = shop().file("migrations/2_\u{1b}[31m::error::x.sql", nasty).git_commit("head");
    let job = Job::of_event("pull_request.opened.json");
    let step = job.read(&job.step(&shop).env("INPUT_BASE", "main").run().exit(1));
    assert_eq!(step.command_names(), ["add-mask", "group", "endgroup", "error"]);
    assert_eq!(step.outputs["result"], "failed");
    assert_eq!(step.outputs.len(), 6);
    assert!(!step.commands("error")[0].contains("##["));
    assert!(step.summary.contains("\n````\nERROR:  P0001: x\n"), "{}", step.summary);
}

#[test]
fn an_unsupported_event_is_a_reported_error() {
    let shop = shop().file("mig-ci.toml", "[databses]\n");
    let job = Job::of_event("pull_request.opened.json");
    let step = job.read(&job.step(&shop).run().exit(3));
    assert_eq!(step.outputs["result"], "error");
    assert_eq!(step.outputs.len(), 1);
    assert!(step.commands("error")[0].contains("databses"), "{:?}", step.log);
    assert!(step.summary.starts_with("### ❌ Migrations could not be verified\n"));
    assert!(step.summary.contains("No tenant has a result."));
    assert!(step.summary.contains("databses"));
}

#[test]
fn a_pull_request_target_is_refused() {
    let job = Job::of_event("pull_request_target.opened.from-fork.json");
    let step = job.read(&job.step(&shop()).run().exit(2));
    assert_eq!(step.outputs["result"], "error");
    let [error] = step.commands("error")[..] else { panic!("{:?}", step.log) };
    assert!(error.contains("mig-ci does not run a pull request's migrations there"), "{error}");
    assert!(step.summary.contains("on: pull_request"));
    assert!(step.state.is_empty(), "nothing was begun");
}

#[test]
fn a_deleted_branch_is_not_run() {
    let job = Job::of_event("push.tag.deleted.json");
    let step = job.read(&job.step(&shop()).run().success());
    assert_eq!(step.outputs["result"], "not-run");
    let notices = step.commands("notice");
    assert_eq!(notices, ["a branch or tag was deleted: there is nothing to verify"]);
}

#[test]
fn invalid_inputs_are_named() {
    let job = Job::of_event("pull_request.opened.json");
    let refused = |name: &str, value: &str, exit| {
        let shop = shop();
        let step = job.step(&shop).env("INPUT_BASE", "main").env(name, value);
        let step = job.read(&step.run().exit(exit));
        step.commands("error").join("\n")
    };
    assert_eq!(
        refused("INPUT_COMMENT", "on", 2),
        "the input `comment` is \"on\": possible values: update, new, off"
    );
    assert!(refused("INPUT_PARTITION", "3/2", 2).contains("INDEX/COUNT"));
    // Two samples and the generated tenants.
    let text = refused("INPUT_PARTITION", "4/4", 3);
    assert!(text.contains("nothing in partition 4/4") && text.contains("at most 3 jobs"), "{text}");
    assert!(refused("INPUT_WORKING-DIRECTORY", "nowhere", 4).contains("actions/checkout"));
    assert!(refused("GITHUB_RUN_ID", "", 4).contains("GITHUB_RUN_ID is not set"));
}

/// A passed verdict for the wrong commit would be worse than an error.
#[test]
fn a_workspace_with_another_commit_is_reported() {
    let shop = shop().file("migrations/2_note.sql", "SELECT 1;\n").git_commit("head");
    let job = Job::of_event("pull_request.opened.json");
    let step = job.step(&shop).env("INPUT_BASE", "main").env("GITHUB_SHA", "1".repeat(40));
    let step = job.read(&step.run().success());
    let [warning] = step.commands("warning")[..] else { panic!("{:?}", step.log) };
    let commit = shop.git(&["rev-parse", "HEAD"]);
    assert!(warning.starts_with(&format!("the workspace is at commit {commit}, and this")));
    assert!(warning.contains(&format!("event is about {HEAD}: ")), "{warning}");
}

/// A push verifies its commit, or a descendant of it.
#[test]
fn a_push_verifies_its_commit_or_a_descendant() {
    let shop = shop();
    let pushed = shop.git(&["rev-parse", "HEAD"]);
    let shop = shop.file("migrations/2_note.sql", "SELECT 1;\n").git_commit("made by the job");
    let head = shop.git(&["rev-parse", "HEAD"]);
    let push = |after: &str, branch: &str| {
        let payload = serde_json::json!({
            "ref": format!("refs/heads/{branch}"), "before": pushed, "after": after,
            "repository": {"id": 1, "full_name": "acme/shop", "default_branch": "main"},
        });
        (Job::of_payload("push", &payload.to_string()), after.to_owned())
    };
    // A commit that the job adds on top is verified, and reported.
    let (job, after) = push(&pushed, "main");
    let step = job.read(&job.step(&shop).env("GITHUB_SHA", after).run().success());
    assert!(step.commands("warning")[0].contains(&format!("the workspace is at commit {head}")));
    // The branch has diverged, or an older commit is checked out.
    shop.git(&["checkout", "--quiet", "--detach", &pushed]);
    for branch in ["main", "feature"] {
        let (job, after) = push(&head, branch);
        let step = job.read(&job.step(&shop).env("GITHUB_SHA", after).run().exit(4));
        let [error] = step.commands("error")[..] else { panic!("{:?}", step.log) };
        assert!(
            error.contains(&format!(
                "the checkout is at commit {pushed}, which is neither the head of the push ({head})"
            )),
            "{error}"
        );
        assert_eq!(step.outputs["result"], "error");
    }
    // The base is configured explicitly.
    let (job, after) = push(&head, "main");
    let step = job.step(&shop).env("GITHUB_SHA", after).env("INPUT_BASE", &pushed);
    job.read(&step.run().success());
}

/// The exit code is that of `verify`, regardless of other failures.
#[test]
fn an_unwritable_runner_file_is_a_warning() {
    let job = Job::of_event("pull_request.opened.json");
    let step = job
        .step(&shop())
        .env("INPUT_BASE", "main")
        .env("GITHUB_STEP_SUMMARY", "/nowhere/summary")
        .env("INPUT_REPORT-PATH", "/dev/null/report.json")
        .run()
        .success();
    let step = job.read(&step);
    let warnings = step.commands("warning");
    assert!(warnings[0].starts_with("cannot write the job summary to /nowhere/summary: "));
    assert!(warnings[1].starts_with("cannot write /dev/null/report.json: "), "{warnings:?}");
    assert_eq!(step.outputs["result"], "passed");
    assert!(!step.outputs.contains_key("report"));
}

#[test]
fn paths_of_a_project_in_a_subfolder_start_at_the_repository_root() {
    let broken = "CREATE TABLE a (id int);\nSELECT nothing;\n";
    let workspace = project().file("services/shop/migrations/1_a.sql", broken).git_commit("base");
    let job = Job::of_event("workflow_dispatch.json");
    let step = job
        .step(&workspace)
        .env("INPUT_WORKING-DIRECTORY", "services/shop")
        .env("INPUT_REPORT-PATH", "out/mig-ci/report.json")
        .run()
        .exit(1);
    let step = job.read(&step);
    assert_eq!(step.outputs["report"], "out/mig-ci/report.json");
    assert!(workspace.read("out/mig-ci/report.json").contains("\"mig-ci.report/1\""));
    let path = "services/shop/migrations/1_a.sql";
    let place = step.log.iter().find_map(|line| match line {
        Line::Command { name, properties, .. } if name == "error" => properties.get("file"),
        _ => None,
    });
    assert_eq!(place.map(String::as_str), Some(path), "{:?}", step.log);
    assert!(step.summary.contains(&format!("/{path}#L2")), "{}", step.summary);
}

#[test]
fn annotations_can_be_disabled() {
    let shop = shop().file("migrations/2_email.sql", NOT_NULL).git_commit("head");
    let job = Job::of_event("pull_request.opened.json");
    let run = job.step(&shop).env("INPUT_BASE", "main").env("INPUT_ANNOTATIONS", "false").run();
    assert!(job.read(&run.exit(1)).commands("error").is_empty());
}

#[tokio::test]
async fn leftovers_of_a_killed_run_are_removed_once_by_the_post_step() {
    let server = Postgres::start();
    let url = server.url("postgres");
    let databases = "SELECT count(*) FROM pg_database WHERE datname LIKE 'mig\\_ci\\_%'";
    let slow = project().file("migrations/1_slow.sql", "SELECT pg_sleep(600);\n");
    let job = Job::of_event("pull_request.opened.json");
    let step = |args: &[&str]| {
        let command = job.command(&slow, ["action"]).env("MIG_CI_POSTGRES_URL", &url);
        args.iter().fold(command, |command, arg| command.arg(arg))
    };
    let running = step(&["--no-base"]).start();
    wait_for_sleepers(&url, "pg_sleep(600)", 2).await;
    running.signal(Signal::SIGKILL);
    running.wait();
    // The server detects after a moment that its client is gone.
    let anchors =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'mig-ci % anchor'";
    wait_for(&url, anchors, 0).await;
    let state = fs::read_to_string(job.path("state")).unwrap();
    assert!(state.contains("started<<") && !state.contains("finished<<"), "{state}");
    assert_ne!(server.sql(databases).await, ["0"]);

    // Without the state of a started run nothing is removed, and the databases remain.
    let idle = step(&["--post"]).run().success();
    assert_eq!(idle.stdout, "nothing to remove\n");
    assert_ne!(server.sql(databases).await, ["0"]);

    let post = step(&["--post"]).env("STATE_started", "true");
    let text = job.read(&post.run().success()).text();
    assert!(text.contains("removed database mig_ci_"), "{text}");
    assert_eq!(server.sql(databases).await, ["0"]);
    let again = step(&["--post"]).env("STATE_started", "true").run().success();
    assert!(job.read(&again).text().contains("nothing to remove"), "{}", again.stdout);
    let finished = step(&["--post"]).env("STATE_started", "true").env("STATE_finished", "true");
    assert_eq!(finished.run().success().stdout, "nothing to remove\n");
}

#[tokio::test]
async fn a_cancelled_job_ends_in_order() {
    let server = Postgres::start();
    let url = server.url("postgres");
    let slow = project().file("migrations/1_slow.sql", "SELECT pg_sleep(600);\n");
    let job = Job::of_event("pull_request.opened.json");
    let command = job.command(&slow, ["action", "--no-base"]).env("MIG_CI_POSTGRES_URL", &url);
    let running = command.start();
    wait_for_sleepers(&url, "pg_sleep(600)", 2).await;
    running.signal(Signal::SIGINT);
    let step = job.read(&running.wait().exit(130));
    assert!(step.text().contains("interrupted; everything that this run created was removed"));
    assert!(step.state.contains_key("finished"));
    assert_eq!((step.outputs.len(), step.outputs["result"].as_str()), (1, "error"));
    assert!(step.summary.contains("The run was interrupted before it had a result."));
    let left =
        server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'mig\\_ci\\_%'").await;
    assert!(left.is_empty(), "{left:?}");
}

/// The inputs and outputs of action.yml are exactly those that the program uses.
#[test]
fn action_yml_has_the_outputs_that_a_step_has() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/action.yml")).unwrap();
    let (_, outputs) = text.split_once("\noutputs:\n").unwrap();
    let (outputs, runs) = outputs.split_once("\nruns:\n").unwrap();
    let name = |line: &str| Some(line.strip_prefix("  ")?.strip_suffix(':')?.to_owned());
    let declared: Vec<_> = outputs.lines().filter_map(name).collect();
    let shop = shop();
    let job = Job::of_event("pull_request.opened.json");
    let step = job.read(&job.step(&shop).env("INPUT_BASE", "main").run().success());
    for name in step.outputs.keys() {
        assert!(declared.contains(name), "{name} is not in action.yml");
    }
    assert!(runs.contains("post-entrypoint: /usr/local/bin/mig-ci-post\n"));
    let dockerfile =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile")).unwrap();
    let instructions = dockerfile.lines().filter(|line| !line.starts_with('#'));
    let words: Vec<_> = instructions.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(words, ["FROM", "COPY", "ENTRYPOINT"]);
}

#[test]
fn the_command_is_not_in_the_short_help() {
    let help = project().mig_ci(["--help"]).run().success().stdout;
    assert!(help.contains("verify") && !help.contains("action"), "{help}");
}
