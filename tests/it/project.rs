//! Projects from outside: `list`, `init`, `schema`, `explain`, discovery, configuration errors, the base.

use serde_json::Value;

use crate::common::{Project, demo, project};

const SQLX: &str = "[dependencies]\nsqlx = { version = \"0.9\", features = [\"migrate\"] }\n";

/// The lines of `list` about databases, without those about the folder and the revision.
fn listed(project: &Project) -> String {
    let text = project.mig_ci(["list"]).run().success().stdout;
    text.split_once("\n\n").unwrap().1.to_owned()
}

#[test]
fn the_demo_is_listed_without_a_server() {
    let demo = demo()
        .git_commit("base")
        .git_branch("feature")
        .file("migrations/tenant/20260101080000_more.sql", "CREATE TABLE more (id int);\n");
    let run = demo.mig_ci(["list"]).env("PATH", "/usr/bin:/bin:/usr/local/bin").run().success();
    demo.redactions().bind(|| insta::assert_snapshot!("list", run.stdout));
    assert_eq!(run.stderr, "");

    let json = demo.mig_ci(["list", "--json", "-n", "customer"]).run().success().json();
    assert_eq!(json["databases"].as_array().unwrap().len(), 1);
    let units = json["databases"][0]["units"].as_array().unwrap();
    let names: Vec<&Value> = units.iter().map(|unit| &unit["name"]).collect();
    assert_eq!(names, ["stark", "wayne", "fresh_1", "fresh_2", "base"]);
    assert_eq!(json["databases"][0]["tracks"][0]["migrations"][0]["state"], "base");
}

#[test]
fn one_folder_of_migrations_is_a_project() {
    let plain = project().file("migrations/1.sql", "CREATE TABLE a (id int);");
    assert!(listed(&plain).contains("shared track   migrations (plain"), "{}", listed(&plain));
    plain.verify().run().success();
    // Also from a subfolder, as with cargo.
    plain.verify().in_folder("migrations").run().success();
}

#[test]
fn folders_for_shared_and_tenant_tracks_are_a_project() {
    let folders = project()
        .file("Cargo.toml", SQLX)
        .file("migrations/shared/1_plans.sql", "CREATE TABLE plans (id int PRIMARY KEY);")
        .file(
            "migrations/tenant/1_members.sql",
            "CREATE TABLE members (plan int REFERENCES plans);",
        );
    let report = folders.verify().report(0);
    assert_eq!(report.verdicts().len(), 2 + 3);
    let text = listed(&folders);
    folders.redactions().bind(|| insta::assert_snapshot!("discovered", text));
}

#[test]
fn the_file_of_init_lists_the_same_project() {
    let folders = project()
        .file("Cargo.toml", SQLX)
        .file("migrations/shared/1_plans.sql", "CREATE TABLE plans (id int);")
        .file("migrations/tenant/1_members.sql", "CREATE TABLE members (id int);");
    let before = listed(&folders);
    let printed = folders.mig_ci(["init", "--stdout"]).run().success().stdout;
    assert!(!folders.path().join("mig-ci.toml").exists());
    let run = folders.mig_ci(["init"]).run().success();
    assert!(run.stderr.contains("wrote "), "{}", run.stderr);
    assert_eq!(folders.read("mig-ci.toml"), printed);
    // The same except for the reason: now the file sets the format.
    let without_reasons = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(", because").next().unwrap().to_owned()).collect()
    };
    pretty_assertions::assert_eq!(without_reasons(&before), without_reasons(&listed(&folders)));
    folders.verify().run().success();
    folders.redactions().bind(|| insta::assert_snapshot!("init", printed));

    let again = folders.mig_ci(["init"]).run().exit(2);
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    folders.mig_ci(["init", "--force"]).run().success();
    project().mig_ci(["init"]).run().exit(3);
}

#[test]
fn configuration_errors_have_a_line_and_a_fix() {
    let text = "[postgres]\nverison = \"17\"\n\n[databases.app]\nmigrations = \"db/migrate\"\nschema = 7\n\n\
                [databases.app.tenants]\nmigrations = \"migrations\"\ntarget = \"tenant\"\n\n[checks]\nfail-on = \"never\"\n\
                migration-faild = { severity = \"off\" }\n";
    let broken = project().file("migrations/1.sql", "").file("mig-ci.toml", text);
    for command in ["verify", "list"] {
        let run = broken.mig_ci([command]).run().exit(3);
        assert_eq!(run.stdout, "");
        broken.redactions().bind(|| insta::assert_snapshot!("config_errors_shape", run.stderr));
    }
    let text = "[databases.app]\nmigrations = \"db/migrate\"\nurl = \"${NOT_SET_ANYWHERE}\"\n\n\
                [databases.two.tenants]\nmigrations = \"migrations\"\ntarget = \"tenant\"\n\n[checks]\nfail-on = \"never\"\n";
    let run = broken.file("mig-ci.toml", text).mig_ci(["list"]).run().exit(3);
    project().redactions().bind(|| insta::assert_snapshot!("config_errors_meaning", run.stderr));
}

#[test]
fn two_tenants_with_one_target_are_refused() {
    let twins = project()
        .file("migrations/1.sql", "SELECT 1;")
        .file("samples/a.sql", "")
        .file("samples/old/a.sql", "")
        .file(
            "mig-ci.toml",
            "[databases.app.tenants]\nmigrations = \"migrations\"\nsamples = \"samples/**/*.sql\"\n",
        );
    let run = twins.mig_ci(["list"]).run().exit(3);
    assert!(run.stderr.contains("samples/a.sql"), "{}", run.stderr);
    assert!(run.stderr.contains("samples/old/a.sql"), "{}", run.stderr);
}

#[test]
fn the_configuration_is_found_in_a_parent_folder_and_by_its_flag() {
    let project = project()
        .file("ci/own.toml", "[databases.own]\nmigrations = \"../migrations\"\n")
        .file("mig-ci.toml", "[databases.root]\nmigrations = \"migrations\"\n")
        .file("migrations/1.sql", "SELECT 1;")
        .file("deep/er/x", "");
    let run = project.mig_ci(["list"]).in_folder("deep/er").run().success();
    assert!(run.stdout.contains("database root"), "{}", run.stdout);
    let run = project.mig_ci(["list", "--config", "nowhere.toml"]).run().exit(3);
    assert!(run.stderr.contains("nowhere.toml"), "{}", run.stderr);
    // Paths are relative to the project, and must not leave the folder of the file.
    let run = project.mig_ci(["list"]).env("MIG_CI_CONFIG", "ci/own.toml").run().exit(3);
    assert!(run.stderr.contains("../migrations"), "{}", run.stderr);
}

#[test]
fn the_demo_configuration_matches_the_schema() {
    let schema = project().mig_ci(["schema"]).run().success().json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let demo: toml::Value = toml::from_str(&demo().read("mig-ci.toml")).unwrap();
    let demo = serde_json::to_value(demo).unwrap();
    let errors: Vec<_> = validator.iter_errors(&demo).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    let wrong = serde_json::json!({ "postgres": { "verison": "17" } });
    assert!(!validator.is_valid(&wrong));
    assert_eq!(project().mig_ci(["schema", "config"]).run().success().json(), schema);
}

#[test]
fn each_check_is_explained() {
    let list = project().mig_ci(["explain"]).run().success().stdout;
    assert!(list.lines().count() >= 10, "{list}");
    for line in list.lines() {
        let code = line.split_whitespace().next().unwrap();
        let page = project().mig_ci(["explain"]).arg(code).run().success().stdout;
        assert!(page.starts_with(&format!("# {code}\n")), "{page}");
        for part in ["## Problem", "## Example", "## Fix", "## Configuration"] {
            assert!(page.contains(part), "{code} lacks {part}");
        }
    }
    let run = project().mig_ci(["explain", "migration-faild"]).run().exit(2);
    assert!(run.stderr.contains("migration-faild"), "{}", run.stderr);
}

/// One migration on main, one more on the branch.
fn branched() -> Project {
    project()
        .file("migrations/1.sql", "CREATE TABLE a (id int);")
        .git_commit("one")
        .git_branch("feature")
        .file("migrations/2.sql", "CREATE TABLE b (id int);")
        .git_commit("two")
}

fn states(project: &Project, args: [&str; 2]) -> Vec<String> {
    let json = project.mig_ci(["list", "--json"]).args(args).run().success().json();
    let migrations = json["databases"][0]["tracks"][0]["migrations"].as_array().unwrap();
    migrations
        .iter()
        .map(|m| format!("{} {}", m["version"].as_str().unwrap(), m["state"].as_str().unwrap()))
        .collect()
}

#[test]
fn the_base_is_the_merge_base_or_the_given_revision() {
    let branched = branched();
    let quiet = ["--color", "never"];
    assert_eq!(states(&branched, quiet), ["1 base", "2 pending"]);
    assert_eq!(states(&branched, ["--base", "HEAD"]), ["1 base", "2 base"]);
    assert_eq!(states(&branched, ["--base", "main"]), ["1 base", "2 pending"]);
    assert_eq!(states(&branched, ["--no-base", "--quiet"]), ["1 pending", "2 pending"]);
    // main gets another commit; the merge base stays the same.
    branched.git(&["checkout", "--quiet", "main"]);
    let branched = branched.file("migrations/3.sql", "SELECT 1;").git_commit("three");
    branched.git(&["checkout", "--quiet", "feature"]);
    assert_eq!(states(&branched, quiet), ["1 base", "2 pending"]);
    let run = branched.mig_ci(["list"]).env("MIG_CI_BASE", "no-such").run().exit(4);
    assert!(run.stderr.contains("no-such"), "{}", run.stderr);
}

#[test]
fn a_shallow_clone_fetches_the_base_or_fails() {
    let origin = branched();
    // The branch checked out there is the default branch here.
    origin.git(&["checkout", "--quiet", "main"]);
    let clone = project();
    let url = format!("file://{}", origin.path());
    clone.git(&[
        "clone",
        "--quiet",
        "--depth=1",
        "--branch=feature",
        "--no-single-branch",
        &url,
        ".",
    ]);
    assert_eq!(states(&clone, ["--color", "never"]), ["1 base", "2 pending"]);

    let single = project();
    single.git(&["clone", "--quiet", "--depth=1", "--branch=feature", &url, "."]);
    assert_eq!(states(&single, ["--base", "origin/main"]), ["1 base", "2 pending"]);
    // Twice: the first run fetches objects for the second, and stores no ref.
    for _ in 0..2 {
        assert_eq!(states(&single, ["--color", "never"]), ["1 base", "2 pending"]);
    }

    let orphan = project();
    orphan.git(&["clone", "--quiet", "--depth=1", "--branch=feature", &url, "."]);
    orphan.git(&["remote", "set-url", "origin", "file:///nowhere"]);
    let run = orphan.verify().run().exit(4);
    assert!(run.stderr.contains("does not contain the base"), "{}", run.stderr);
    assert!(run.stderr.contains("--no-base"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
    assert_eq!(states(&orphan, ["--no-base", "--quiet"]), ["1 pending", "2 pending"]);
}

#[test]
fn a_symlink_out_of_the_project_is_not_read() {
    let elsewhere = project().file("secret", "SELECT 'a secret';");
    let project = branched();
    let link = project.path().join("migrations/9.sql");
    std::os::unix::fs::symlink(elsewhere.path().join("secret"), link).unwrap();
    let run = project.verify().run();
    assert_ne!(run.status.code(), Some(0));
    let said = run.stdout + &run.stderr;
    assert!(said.contains("migrations/9.sql") && said.contains("it is a symlink to"), "{said}");
    assert!(!said.contains("a secret"), "{said}");
}

#[test]
fn a_damaged_repository_is_an_error() {
    let project = branched();
    let objects = project.path().join(".git/objects");
    std::fs::remove_dir_all(&objects).unwrap();
    std::fs::create_dir(&objects).unwrap();
    let run = project.mig_ci(["list"]).run().exit(4);
    assert!(run.stderr.contains("damaged"), "{}", run.stderr);
}

#[test]
fn line_endings_that_git_converts_are_not_an_edit() {
    for (attributes, autocrlf) in [("*.sql text eol=crlf\n", "false"), ("* text=auto\n", "true")] {
        let origin = project()
            .file(".gitattributes", attributes)
            .file("migrations/1.sql", "CREATE TABLE a (\n  id int\n);\n")
            .git_commit("one");
        let clone = project();
        let url = format!("file://{}", origin.path());
        clone.git(&[
            "clone",
            "--quiet",
            "--config",
            &format!("core.autocrlf={autocrlf}"),
            &url,
            ".",
        ]);
        assert!(clone.read("migrations/1.sql").contains("\r\n"));
        let clone = clone.git_branch("feature").file("migrations/2.sql", "SELECT 1;\r\n");
        assert_eq!(states(&clone, ["--color", "never"]), ["1 base", "2 pending"]);
        let edited = clone.file("migrations/1.sql", "CREATE TABLE b ();\r\n");
        assert_eq!(states(&edited, ["--color", "never"]), ["1 edited", "2 pending"]);
    }
}

#[test]
fn a_single_branch_clone_fetches_the_default_branch() {
    let origin = branched();
    origin.git(&["checkout", "--quiet", "main"]);
    let clone = project();
    let url = format!("file://{}", origin.path());
    clone.git(&["clone", "--quiet", "--single-branch", "--branch=feature", &url, "."]);
    assert_eq!(states(&clone, ["--color", "never"]), ["1 base", "2 pending"]);
    assert_eq!(states(&clone, ["--base", "main"]), ["1 base", "2 pending"]);
    clone.git(&["remote", "set-url", "origin", "file:///nowhere"]);
    let run = clone.verify().run().exit(4);
    assert!(run.stderr.contains("--no-base"), "{}", run.stderr);
}

/// The action's image has no git, which is needed only for a base.
#[test]
fn without_git_a_configured_base_is_an_error() {
    let project =
        project().file("migrations/1_a.sql", "CREATE TABLE a (id int);").git_commit("base");
    let list =
        |arguments: [&str; 2]| project.mig_ci(arguments).env("MIG_CI_GIT", "/nowhere/git").run();
    list(["list", "--no-base"]).success();
    let ended = list(["list", "--base=main"]).exit(4);
    assert!(ended.stderr.contains("`/nowhere/git` cannot be run"), "{}", ended.stderr);
}
