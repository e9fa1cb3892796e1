//! Alembic projects in the layouts of the guide, without a configuration file: what `list` and `init` say, and which commands
//! refuse them.

use std::path::Path;
use std::process::Command as Process;

use camino::Utf8Path;

use crate::common::{Project, alembic, project};

/// A project of `tests/fixtures/alembic`.
fn fixture(name: &str) -> Project {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/alembic").join(name);
    let entries = root.read_dir_utf8().unwrap().map(|entry| entry.unwrap());
    entries.fold(project(), |project, entry| project.copy(entry.path(), entry.file_name()))
}

fn revision(id: &str, down: &str) -> String {
    format!("revision = '{id}'\ndown_revision = '{down}'\n\n\ndef upgrade():\n    pass\n")
}

fn list(project: &Project, args: &[&str]) -> serde_json::Value {
    let command = project.mig_ci(["list", "--json"]);
    let command = args.iter().fold(command, |command, argument| command.args([*argument]));
    let run = command.run().success();
    serde_json::from_str(&run.stdout).unwrap()
}

/// `version state` of each revision of a track.
fn states(track: &serde_json::Value) -> Vec<String> {
    let migrations = track["migrations"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    migrations.map(|one| format!("{} {}", text(&one["version"]), text(&one["state"]))).collect()
}

#[test]
fn list_shows_sections_heads_and_revisions_in_alembics_order() {
    let pull_request = fixture("shared_tables")
        .git_commit("main")
        .git_branch("feature")
        .file("migrations/tenant/versions/aaa_new.py", revision("aaa", "6d5c4b3a2f03"));
    let text = pull_request.mig_ci(["list"]).run().success().stdout;
    pull_request.redactions().bind(|| insta::assert_snapshot!(text));
    let json = list(&pull_request, &[]);
    let tracks = &json["databases"][0]["tracks"];
    assert_eq!(tracks[0]["alembic"]["section"], "shared");
    assert_eq!(tracks[1]["alembic"]["heads"], serde_json::json!(["aaa"]));
    assert_eq!(tracks[1]["alembic"]["env"], serde_json::json!(["TENANT_SCHEMA"]));
    assert_eq!(tracks[1]["migrations"][3]["down_revisions"][0], "6d5c4b3a2f03");
    assert_eq!(states(&tracks[0]), ["7a6b5c4d3e01 base", "2f1e0d9c8b02 base"]);
    assert_eq!(
        states(&tracks[1]),
        ["e8d7c6b5a401 base", "3b4c5d6e7f02 base", "6d5c4b3a2f03 base", "aaa pending"]
    );
}

/// The base's own files say where its revisions are.
#[test]
fn the_base_is_read_where_its_own_files_say() {
    let moved = |to: &str| {
        let project = fixture("schema_per_tenant").git_commit("main").git_branch("feature");
        let parent = project.path().join(to).parent().unwrap().to_owned();
        std::fs::create_dir_all(parent).unwrap();
        std::fs::rename(project.path().join("migrations"), project.path().join(to)).unwrap();
        project
            .file("alembic.ini", format!("[alembic]\nscript_location = {to}\n"))
            .file(&format!("{to}/versions/new.py"), revision("bbb", "c9b8a7f6e503"))
    };
    let base = ["d1e2f3a4b501 base", "1a2b3c4d5e02 base", "c9b8a7f6e503 base", "bbb pending"];
    let json = list(&moved("db/alembic"), &[]);
    assert_eq!(states(&json["databases"][0]["tracks"][0]), base);
    // A configuration that only the head has.
    let project = moved("alembic_folder");
    let text = project.mig_ci(["init", "--stdout"]).run().success().stdout;
    let json = list(&project.file("mig-ci.toml", text), &[]);
    assert_eq!(states(&json["databases"][0]["tracks"][0]), base);
}

#[test]
fn a_section_that_only_the_head_has_is_a_new_database() {
    let project = fixture("named").git_commit("main").git_branch("feature");
    let ini = project.read("alembic.ini") + "\n[billing]\nscript_location = migrations/billing\n";
    let project = project
        .file("alembic.ini", ini)
        .file("migrations/billing/env.py", "from alembic import context\n")
        .file("migrations/billing/versions/1.py", "revision = '1'\ndown_revision = None\n");
    let json = list(&project, &[]);
    let names = json["databases"].as_array().unwrap().iter().map(|one| one["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), ["users", "analytics", "billing"]);
    assert_eq!(states(&json["databases"][2]["tracks"][0]), ["1 pending"]);
    assert_eq!(
        states(&json["databases"][1]["tracks"][0]),
        ["9e1d5c7b3a01 base", "4c2b8a6f0e02 base"]
    );
}

/// `-n` accepts names of databases and of sections.
#[test]
fn sections_select_their_databases() {
    let shared = fixture("shared_tables");
    for name in ["app", "shared", "tenant"] {
        let json = list(&shared, &["--no-base", "-n", name]);
        assert_eq!(json["databases"][0]["tracks"].as_array().unwrap().len(), 2, "{name}");
    }
    let json = list(&fixture("named"), &["--no-base", "-n", "analytics"]);
    assert_eq!(json["databases"].as_array().unwrap().len(), 1);
    let error = shared.mig_ci(["list", "--no-base", "-n", "tenants"]).run().stderr;
    let expected = "there is no database `tenants` in this project; it has `app`, and the Alembic sections `shared`, `tenant`";
    assert!(error.contains(expected), "{error}");
}

/// What `init` writes is the project that was discovered.
#[test]
fn init_writes_the_configuration_that_was_discovered() {
    for name in ["named", "schema_per_tenant", "dynamic_url", "shared_tables"] {
        let project = fixture(name);
        let before = list(&project, &["--no-base"]);
        project.mig_ci(["init"]).run().success();
        let mut after = list(&project, &["--no-base"]);
        let databases = before["databases"].as_array().unwrap();
        for (index, database) in databases.iter().enumerate() {
            for (track, value) in database["tracks"].as_array().unwrap().iter().enumerate() {
                let inferred = &value["alembic"]["inferred"];
                after["databases"][index]["tracks"][track]["alembic"]["inferred"] =
                    inferred.clone();
            }
        }
        assert_eq!(before, after, "{name}");
    }
}

#[test]
fn commands_on_real_databases_say_what_to_run() {
    let project = fixture("shared_tables");
    let commands: [(&[&str], &str); 6] = [
        (&["upgrade", "--all-tenants"], "upgrade head"),
        (&["upgrade", "--shared"], "upgrade head"),
        (&["downgrade", "-1", "--all-tenants"], "downgrade -1"),
        (&["create", "acme"], "upgrade head"),
        (&["status"], "current"),
        (&["status", "--all-tenants", "-n", "tenant"], "current"),
    ];
    for (args, command) in commands {
        let run =
            args.iter().fold(project.mig_ci([]), |command, argument| command.args([*argument]));
        let run = run.run();
        let expected = format!(
            "Alembic runs the migrations of `app`: `mig-ci verify` checks them, and commands on real databases do not support \
             Alembic yet. For now, run `alembic -c alembic.ini -n shared {command}`, then `alembic -c alembic.ini -n tenant \
             {command}` for each tenant"
        );
        assert!(run.stderr.contains(&expected), "{args:?}: {}", run.stderr);
        assert_eq!(run.status.code(), Some(3), "{args:?}");
    }
    let run = project.mig_ci(["revision", "-m", "add x", "--track", "tenant"]).run();
    assert!(run.stderr.contains("run `alembic revision -m"), "{}", run.stderr);
}

/// The lines that the real Alembic prints.
fn real_alembic(project: &Project, environment: &Path, args: [&str; 3]) -> Vec<String> {
    let mut alembic = Process::new(environment.join("bin/alembic"));
    alembic.current_dir(project.path()).args(args).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = alembic.output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The sections, heads and revisions are those of the real Alembic, in its order.
#[test]
fn list_agrees_with_the_real_alembic() {
    for environment in ["old", "new"].into_iter().filter_map(alembic) {
        for name in ["named", "schema_per_tenant", "dynamic_url", "shared_tables"] {
            let project = fixture(name);
            let json = list(&project, &["--no-base"]);
            let databases = json["databases"].as_array().unwrap().iter();
            let tracks = databases.flat_map(|database| database["tracks"].as_array().unwrap());
            let mut compared = 0;
            for track in tracks {
                let section = track["alembic"]["section"].as_str().unwrap();
                let heads = real_alembic(&project, &environment, ["-n", section, "heads"]);
                let heads: Vec<&str> =
                    heads.iter().filter_map(|line| line.split(' ').next()).collect();
                assert_eq!(track["alembic"]["heads"], serde_json::json!(heads), "{name} {section}");
                // The newest first: `a -> b (head), create x`.
                let history = real_alembic(&project, &environment, ["-n", section, "history"]);
                let to = |line: &String| {
                    let (_, to) = line.split_once(" -> ").unwrap();
                    format!("{} pending", to.split([' ', ',']).next().unwrap())
                };
                let history: Vec<String> = history.iter().rev().map(to).collect();
                assert_eq!(states(track), history, "{name} {section}");
                compared += history.len();
            }
            assert!(compared >= 2, "{name}: {compared}");
        }
    }
}
