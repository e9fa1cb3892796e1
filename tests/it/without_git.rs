//! The base without git, as in the action's image: from the fake GitHub, with the commits of a real repository.

use serde_json::{Value, json};

use crate::common::github::{Fake, Fault, refusal};
use crate::common::{Command, Job, Project, project};

const MEMBERS: &str = "CREATE TABLE members (id int PRIMARY KEY, email text);\n";

/// GitHub's merge commit of a pull request is checked out. `main` has moved since the pull request was opened.
fn merged() -> Project {
    let shop = project()
        .file("migrations/1_members.sql", MEMBERS)
        .file("migrations/2_note.sql", "ALTER TABLE members ADD note text;\n")
        .git_commit("base")
        .git_branch("feature")
        .file("migrations/4_phone.sql", "ALTER TABLE members ADD phone text;\n")
        .git_commit("head");
    shop.git(&["checkout", "--quiet", "main"]);
    let shop = shop
        .file("migrations/3_age.sql", "ALTER TABLE members ADD age int;\n")
        .git_commit("main moves on");
    shop.git(&["checkout", "--quiet", "--detach", "main"]);
    shop.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "feature"]);
    shop
}

fn without_git(job: &Job, fake: &Fake, shop: &Project) -> Command {
    fake.serve_repository(shop.path());
    job.step_at(fake, shop).env("MIG_CI_GIT", "/nowhere/git")
}

fn payload(shop: &Project) -> Job {
    let hash = |revision: &str| shop.git(&["rev-parse", revision]);
    let payload = json!({"pull_request": {
        "number": 7,
        "head": {"sha": hash("feature"), "repo": {"id": 1}},
        "base": {"sha": hash("feature~1"), "ref": "main", "repo": {"id": 1}},
    }});
    Job::of_payload("pull_request", &payload.to_string())
}

fn git_data(fake: &Fake) -> Vec<String> {
    let requests = fake.requests();
    let below = |request: &String| request.strip_prefix("GET /repos/shop/app/").map(str::to_owned);
    let of_git = |route: &String| route.starts_with("git/") || route.starts_with("compare/");
    requests.iter().filter_map(below).filter(of_git).collect()
}

fn base_of(report: &Value) -> (&str, &str) {
    let revisions = &report["revisions"];
    let commit = revisions["base"]["commit"].as_str();
    (commit.unwrap(), revisions["base_reason"].as_str().unwrap())
}

#[test]
fn a_pull_request_is_compared_with_the_first_parent_of_its_merge() {
    let shop = merged();
    let (fake, job) = (Fake::start(), payload(&shop));
    let step = job.read(&without_git(&job, &fake, &shop).run().success());
    let report = step.report();
    assert_eq!(report["counts"]["pending_migrations"], 1, "{report:#}");
    let (commit, reason) = base_of(&report);
    assert_eq!(commit, shop.git(&["rev-parse", "main"]));
    assert_eq!(
        reason,
        "first parent of the merge commit HEAD (pull request #7's); read from GitHub"
    );
    let head = &report["revisions"]["head"];
    assert_eq!(head["commit"], shop.git(&["rev-parse", "HEAD"]));
    assert!(head.get("dirty").is_none(), "only git can tell");
    // The merge commit, the current base branch, and one request for the tree: all files are local.
    let merge = format!("git/commits/{}", shop.git(&["rev-parse", "HEAD"]));
    let tree_of_base = format!("git/trees/{}", shop.git(&["rev-parse", "main"]));
    let moved = format!("compare/main...{}", shop.git(&["rev-parse", "HEAD"]));
    assert_eq!(git_data(&fake), [merge, moved, tree_of_base]);
    assert_eq!(fake.comments().len(), 1, "the checked out commit is known without git");
    // Git finds the same base.
    let by_git = job.step_at(&Fake::start(), &shop).env("INPUT_BASE", "main").run().success();
    let by_git = job.read(&by_git).report();
    assert_eq!(by_git["revisions"]["base"]["commit"], commit);
    assert_eq!(by_git["counts"], report["counts"]);
}

#[test]
fn only_an_edited_migration_is_read() {
    let shop = merged().file("migrations/2_note.sql", "ALTER TABLE members ADD notes text;\n");
    let (fake, job) = (Fake::start(), payload(&shop));
    let step = job.read(&without_git(&job, &fake, &shop).run().exit(1));
    let codes: Vec<_> = step.report()["findings"].as_array().unwrap().clone();
    assert!(codes.iter().any(|finding| finding["code"] == "ledger-refused"), "{codes:#?}");
    let blob = format!("git/blobs/{}", shop.git(&["rev-parse", "main:migrations/2_note.sql"]));
    let blobs: Vec<_> = git_data(&fake).into_iter().filter(|one| one.contains("blobs")).collect();
    assert_eq!(blobs, [blob]);
}

#[test]
fn each_event_has_its_base() {
    let shop = merged();
    let hash = |revision: &str| shop.git(&["rev-parse", revision]);
    let (main, first) = (hash("main"), hash("feature~1"));
    shop.git(&["checkout", "--quiet", "--detach", "feature"]);
    let base = |event: &str, payload: Value, input: &str| {
        let (fake, job) = (Fake::start(), Job::of_payload(event, &payload.to_string()));
        let command = without_git(&job, &fake, &shop).env("INPUT_BASE", input);
        // Compared with a commit that it does not contain, the pull request would have lost a migration.
        let exit = i32::from(input == "main");
        base_of(&job.read(&command.run().exit(exit)).report()).0.to_owned()
    };
    let group = json!({"merge_group": {"head_sha": hash("feature"), "base_sha": first}});
    assert_eq!(base("merge_group", group, ""), first);
    let push = json!({
        "ref": "refs/heads/main", "after": hash("feature"), "before": first,
        "repository": {"default_branch": "main"},
    });
    assert_eq!(base("push", push, ""), first);
    // No base is given: the merge base with the default branch.
    assert_eq!(base("workflow_dispatch", json!({}), ""), first);
    assert_eq!(base("workflow_dispatch", json!({}), "main"), main);
}

/// With the head checked out: the merge base, and the newer commits of the base branch.
#[test]
fn the_head_of_a_pull_request_is_compared_with_the_merge_base() {
    let shop = merged();
    let hash = |revision: &str| shop.git(&["rev-parse", revision]);
    let (merge, head, main) = (hash("HEAD"), hash("feature"), hash("main"));
    shop.git(&["checkout", "--quiet", "--detach", "feature"]);
    // `main` had moved before the event, or moves after it.
    for tip in ["main", "feature~1"] {
        let payload = json!({"pull_request": {
            "number": 7,
            "head": {"sha": head, "repo": {"id": 2}},
            "base": {"sha": hash(tip), "ref": "main", "repo": {"id": 1}},
        }});
        let (fake, job) = (Fake::start(), Job::of_payload("pull_request", &payload.to_string()));
        let command = without_git(&job, &fake, &shop).env("GITHUB_SHA", &merge);
        let report = job.read(&command.run().success()).report();
        let (commit, reason) = base_of(&report);
        assert_eq!(commit, hash("feature~1"));
        let expected = format!(
            "merge base of HEAD, the head of pull request #7, with main at {}; main has 1 commit that HEAD does not \
             contain, so the merge can still fail; read from GitHub",
            &main[..7]
        );
        assert_eq!(reason, expected);
        assert_eq!(report["counts"]["pending_migrations"], 1);
    }
    // A commit outside of the pull request must not become the base of a passed verdict.
    shop.git(&["checkout", "--quiet", "--detach", "main"]);
    let (fake, job) = (Fake::start(), payload(&shop));
    let command = without_git(&job, &fake, &shop).env("GITHUB_SHA", &merge);
    let step = job.read(&command.run().exit(4));
    assert!(step.commands("error")[0].contains("a result would not be about pull request #7"));
    // The same for a commit whose relation to the pull request is not available.
    shop.git(&["checkout", "--quiet", "--detach", "feature"]);
    let (fake, job) = (Fake::start(), payload(&shop));
    fake.fail(Fault::new("GET", "/compare/", refusal("integration")).always());
    let command = without_git(&job, &fake, &shop).env("GITHUB_SHA", &merge);
    let step = job.read(&command.run().exit(4));
    assert!(step.commands("error")[0].contains("contents: read"), "{:?}", step.log);
}

/// A missing base must not lead to a passed verdict.
#[test]
fn a_base_without_permission_is_an_error() {
    let shop = merged();
    let failed = |fault: Option<Fault>, token: bool| {
        let (fake, job) = (Fake::start(), payload(&shop));
        fault.into_iter().for_each(|fault| fake.fail(fault));
        let command = without_git(&job, &fake, &shop);
        let command = if token { command } else { command.env("INPUT_GITHUB-TOKEN", "") };
        let step = job.read(&command.run().exit(4));
        assert_eq!(step.outputs["result"], "error");
        let errors = step.commands("error");
        assert!(errors[0].contains("cannot fetch the base revision from GitHub: "), "{errors:?}");
        errors[0].to_owned()
    };
    let forbidden = Fault::new("GET", "/git/trees/", refusal("integration")).always();
    let text = failed(Some(forbidden), true);
    assert!(
        text.contains(
            "cannot list the files of a commit: the job's token lacks the permission (403)"
        )
    );
    assert!(text.contains("contents: read"), "{text}");
    let hidden = Fault::new("GET", "/git/commits/", refusal("not found")).always();
    let text = failed(Some(hidden), true);
    assert!(text.contains("it has no commit ") && text.contains("contents: read"), "{text}");
    assert!(failed(None, false).contains("the input `github-token` is empty"));
}

/// If git's fetch fails, GitHub's API may still work: the checkout keeps no credentials.
#[test]
fn a_shallow_clone_that_cannot_fetch_uses_the_github_api() {
    let shop = merged();
    let (fake, job) = (Fake::start(), payload(&shop));
    fake.serve_repository(shop.path());
    let clone = project();
    let url = format!("file://{}", shop.path());
    shop.git(&["update-ref", "refs/pull/7/merge", "HEAD"]);
    for args in [
        &["init", "--quiet"][..],
        &["remote", "add", "origin", &url],
        &[
            "fetch",
            "--quiet",
            "--depth=1",
            "origin",
            "+refs/pull/7/merge:refs/remotes/pull/7/merge",
        ],
        &["checkout", "--quiet", "--detach", "refs/remotes/pull/7/merge"],
        &["remote", "set-url", "origin", "file:///nowhere"],
    ] {
        clone.git(args);
    }
    let step = job.read(&job.step_at(&fake, &clone).run().success());
    let report = step.report();
    assert_eq!(
        base_of(&report).1,
        "first parent of the merge commit HEAD (pull/7/merge); read from GitHub"
    );
    assert_eq!(report["counts"]["pending_migrations"], 1);
    assert_eq!(report["revisions"]["head"]["dirty"], false);
}
