//! Unusual kinds of checkouts: the same migrations are pending as in a plain checkout, or an error is reported.

use std::process::Command as Process;

use nix::unistd::{User, chown};
use serde_json::Value;

use crate::common::{Project, is_root, project};
use crate::skipped::have;

/// `feature` left `main` after its first migration; since then each has one more. Two samples.
fn shop() -> Project {
    let config = "[databases.app.tenants]\nmigrations = \"db/m\"\nformat = \"sqlx\"\nsamples = \"db/samples/*.sql\"\n\
        prepare = \"db/prepare/roles.sql\"\n";
    let shop = project()
        .file("mig-ci.toml", config)
        .file("db/m/1_a.sql", "CREATE TABLE a (id int);\n")
        .file("db/samples/acme.sql", "SELECT 1;\n")
        .file("db/samples/zeta.sql", "SELECT 1;\n")
        .file("db/prepare/roles.sql", "SELECT 1;\n")
        .file("other/x.sql", "SELECT 1;\n")
        .git_commit("one")
        .git_branch("feature")
        .file("db/m/3_c.sql", "CREATE TABLE c (id int);\n")
        .git_commit("three");
    shop.git(&["checkout", "--quiet", "main"]);
    let shop = shop.file("db/m/2_b.sql", "CREATE TABLE b (id int);\n").git_commit("two");
    shop.git(&["checkout", "--quiet", "feature"]);
    shop
}

/// The base, the state of each migration, and the samples, of the project at `folder`.
fn listed(
    shop: &Project,
    folder: &str,
    variables: &[(&str, &str)],
) -> (String, Vec<String>, usize) {
    let run = shop.mig_ci(["list", "--json"]).in_folder(folder);
    let run = variables.iter().fold(run, |run, (name, value)| run.env(name, *value));
    let value: Value = serde_json::from_str(&run.run().success().stdout).unwrap();
    let database = &value["databases"][0];
    let states = database["tracks"][0]["migrations"].as_array().unwrap().iter();
    let states = states.map(|one| {
        format!("{} {}", one["version"].as_str().unwrap(), one["state"].as_str().unwrap())
    });
    let samples =
        database["units"].as_array().unwrap().iter().filter(|unit| !unit["sample"].is_null());
    (value["base"].as_str().unwrap().to_owned(), states.collect(), samples.count())
}

fn expected(shop: &Project) -> (String, Vec<String>, usize) {
    let fork = shop.git(&["merge-base", "main", "feature"]);
    (fork, vec!["1 base".to_owned(), "3 pending".to_owned()], 2)
}

/// Variables that git sets for its hooks, and variables for debugging git.
#[test]
fn git_variables_have_no_effect() {
    let shop = shop();
    assert_eq!(listed(&shop, "", &[]), expected(&shop));
    for variable in [
        ("GIT_DIR", "/nowhere"),
        ("GIT_WORK_TREE", "/nowhere"),
        ("GIT_INDEX_FILE", "/nowhere/index"),
        ("GIT_COMMON_DIR", "/nowhere"),
        ("GIT_OBJECT_DIRECTORY", "/nowhere"),
        ("GIT_NAMESPACE", "x"),
        ("GIT_SHALLOW_FILE", "/dev/null"),
        ("GIT_GRAFT_FILE", "/dev/null"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("GIT_GLOB_PATHSPECS", "1"),
        ("GIT_ICASE_PATHSPECS", "1"),
        ("GIT_ATTR_SOURCE", "nothing"),
        ("GIT_TRACE", "1"),
        ("GIT_TRACE2", "1"),
        ("GIT_TRACE_SETUP", "1"),
        ("GIT_CEILING_DIRECTORIES", "/"),
        ("GIT_QUARANTINE_PATH", "/nowhere"),
    ] {
        assert_eq!(listed(&shop, "", &[variable]), expected(&shop), "{variable:?}");
        // Also a query without a result: no branch is the default one.
        shop.git(&["checkout", "--quiet", "--detach"]);
        assert_eq!(listed(&shop, "", &[variable]), expected(&shop), "{variable:?}");
        shop.git(&["checkout", "--quiet", "feature"]);
    }
}

#[test]
fn a_linked_worktree_a_partial_clone_and_line_ends_have_the_same_base() {
    let shop = shop();
    shop.git(&["checkout", "--quiet", "main"]);
    shop.git(&["worktree", "add", "--quiet", "linked", "feature"]);
    assert_eq!(listed(&shop, "linked", &[]), expected(&shop));
    shop.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", shop.path());
    let clone = |options: &[&str], name: &str| {
        let args = [&["clone", "--quiet", "--branch=feature"], options, &[&url, name]].concat();
        shop.git(&args);
        assert_eq!(listed(&shop, name, &[]), expected(&shop), "{options:?}");
    };
    clone(&["--filter=blob:none"], "blobless");
    clone(&["--filter=tree:0"], "treeless");
    clone(&["--depth=1"], "shallow");
    clone(&["--depth=1", "--filter=blob:none"], "both");
    clone(&["--depth=2", "--no-single-branch"], "two");
    clone(&["--config=core.autocrlf=true"], "crlf");
    clone(&["--config=core.symlinks=false"], "plain");
}

/// A submodule is a repository of its own, even if `.git` is a file.
#[test]
fn a_submodule_is_compared_with_its_own_base() {
    let shop = shop();
    shop.git(&["checkout", "--quiet", "main"]);
    let above = project().file("README", "x").git_commit("above");
    let url = format!("file://{}", shop.path());
    above.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        "-b",
        "feature",
        &url,
        "shop",
    ]);
    assert_eq!(listed(&above, "shop", &[]), expected(&shop));
}

#[test]
fn a_symlinked_migration_folder_is_followed_in_base_and_head() {
    let shop = shop();
    for branch in ["main", "feature"] {
        shop.git(&["checkout", "--quiet", branch]);
        shop.git(&["mv", "db/m", "db/real"]);
        std::os::unix::fs::symlink("real", shop.path().join("db/m")).unwrap();
        shop.git(&["add", "--all"]);
        shop.git(&["commit", "--quiet", "-m", "link"]);
    }
    // The base is from before the link.
    assert_eq!(listed(&shop, "", &[]), expected(&shop));
    shop.git(&["merge", "--quiet", "-m", "merge", "-s", "ours", "main"]);
    let main = shop.git(&["rev-parse", "main"]);
    assert_eq!(listed(&shop, "", &[]).0, main);
}

/// Files outside of a sparse checkout do not count as removed: migrations, samples, `prepare` files and the configuration.
#[test]
fn a_sparse_checkout_reports_missing_files() {
    for (kept, lacks) in [
        ("db/m db/prepare", "db/samples"),
        ("db/m db/samples", "db/prepare"),
        ("db/samples db/prepare", "db/m"),
        ("other", "db/"),
    ] {
        for options in [&["--cone"][..], &["--cone", "--sparse-index"]] {
            let shop = shop();
            let kept: Vec<&str> = kept.split(' ').collect();
            shop.git(&[&["sparse-checkout", "set"], options, &kept[..]].concat());
            for command in [&["list"][..], &["verify", "--provider=docker"]] {
                let run = command
                    .iter()
                    .skip(1)
                    .fold(shop.mig_ci([command[0]]), |run, word| run.arg(word));
                let failed = run.run().exit(4);
                assert!(
                    failed.stderr.contains("the checkout is a sparse one"),
                    "{}",
                    failed.stderr
                );
                assert!(failed.stderr.contains(lacks), "{kept:?}: {}", failed.stderr);
            }
        }
    }
    // One of two samples, by a pattern: the folder exists.
    let shop = shop();
    shop.git(&["sparse-checkout", "set", "--no-cone", "/*", "!/db/samples/zeta.sql"]);
    let failed = shop.mig_ci(["list"]).run().exit(4);
    assert!(failed.stderr.contains("db/samples/zeta.sql"), "{}", failed.stderr);
    // Files that are not read may be missing.
    shop.git(&["sparse-checkout", "set", "--cone", "db"]);
    assert!(!shop.path().join("other/x.sql").exists());
    assert_eq!(listed(&shop, "", &[]), expected(&shop));
}

/// The step of a container runs as root, and the checkout belongs to the runner.
#[test]
fn a_checkout_of_another_user_is_read_only_in_ci() {
    if !is_root() {
        return;
    }
    let user = User::from_name("nobody").unwrap().ok_or("getpwnam finds none");
    let Some(user) = have("MIG_CI_REQUIRE_ROOT", "user nobody", user) else { return };
    let shop = shop();
    let wanted = expected(&shop);
    let mut left = vec![shop.path().to_owned()];
    while let Some(path) = left.pop() {
        chown(path.as_std_path(), Some(user.uid), Some(user.gid)).unwrap();
        if path.is_dir() && !path.is_symlink() {
            left.extend(path.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path()));
        }
    }
    for variables in [[("CI", "true")], [("GITHUB_ACTIONS", "true")]] {
        assert_eq!(listed(&shop, "", &variables), wanted);
    }
    // Git itself refuses it.
    let git = Process::new("git").current_dir(shop.path()).arg("status").output().unwrap();
    if !git.status.success() && !camino::Utf8Path::new("/.dockerenv").exists() {
        let failed = shop.mig_ci(["list"]).env("CI", "").env("GITHUB_ACTIONS", "").run();
        assert!(failed.stderr.contains("dubious ownership"), "{}", failed.stderr);
    }
}
