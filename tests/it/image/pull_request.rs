//! Pull requests of a repository, and their checkout in a job.

use std::process::Command as Process;

use camino::Utf8Path;
use serde_json::{Value, json};

use crate::common::github::Fake;
use crate::common::{Project, project, scrub};

/// The number in `pull_request.opened.json`.
pub(super) const NUMBER: u64 = 2;

/// The repository at GitHub, with a pull request.
#[derive(Debug)]
pub(super) struct PullRequest {
    pub(super) origin: Project,
    pub(super) base: String,
    pub(super) head: String,
    /// GitHub's merge commit of the two, which a job verifies.
    pub(super) merge: String,
}

const CONFIG: &str = r#"
[databases.app.tenants]
migrations = "migrations"
format = "sqlx"
target = "tenant_{tenant}"
samples = "samples/*.sql"
[databases.app.tenants.sample]
acme.version = 2
globex.version = 2
initech.version = 2
umbrella.version = 2
"#;

/// A row of the sample tenant initech violates this.
pub(super) const NOT_NULL: &str = "ALTER TABLE members\n    ALTER COLUMN email SET NOT NULL;\n";

/// Four sample tenants at the second migration.
pub(super) fn shop() -> Project {
    let members = "CREATE TABLE members (id int PRIMARY KEY, email text);\n";
    let sample =
        |name: &str| format!("INSERT INTO members VALUES (1, 'someone@{name}.example');\n");
    ["acme", "globex", "umbrella"]
        .into_iter()
        .fold(project(), |shop, name| shop.file(&format!("samples/{name}.sql"), sample(name)))
        .file("samples/initech.sql", "INSERT INTO members VALUES (1, NULL);\n")
        .file("migrations/1_members.sql", members)
        .file("migrations/2_note.sql", "ALTER TABLE members ADD note text;\n")
        .file("README.md", "# The shop\n")
        .file("mig-ci.toml", CONFIG)
}

/// One database, whose new migration sleeps in both of its units.
pub(super) fn sleepy() -> PullRequest {
    let base = project().file("migrations/1_table.sql", "CREATE TABLE t (id int);\n");
    PullRequest::of(base, |head| head.file("migrations/2_slow.sql", "SELECT pg_sleep(600);\n"))
}

/// A third migration for all tenants.
pub(super) fn adding(migration: &str) -> PullRequest {
    PullRequest::of(shop(), |head| head.file("migrations/3_email.sql", migration))
}

impl PullRequest {
    pub(super) fn of(base: Project, change: impl FnOnce(Project) -> Project) -> Self {
        let origin = base.git_commit("base");
        let base = origin.git(&["rev-parse", "HEAD"]);
        let origin = change(origin.git_branch("feature")).git_commit("head");
        let head = origin.git(&["rev-parse", "HEAD"]);
        origin.git(&["checkout", "--quiet", "main"]);
        let message = format!("Merge {head} into {base}");
        origin.git(&["merge", "--quiet", "--no-ff", "-m", &message, "feature"]);
        let merge = origin.git(&["rev-parse", "HEAD"]);
        origin.git(&["update-ref", "refs/pull/2/merge", &merge]);
        origin.git(&["reset", "--quiet", "--hard", &base]);
        Self { origin, base, head, merge }
    }

    /// Registers the pull request with the fake GitHub.
    pub(super) fn is_at(&self, fake: &Fake) {
        fake.pull_request(NUMBER, &self.head);
        let mut state = fake.state();
        state.pulls[0]["merge_commit_sha"] = json!(self.merge);
        state.pulls[0]["base"]["sha"] = json!(self.base);
    }

    /// As actions/checkout does by default: only the merge commit.
    pub(super) fn check_out(&self, workspace: &Utf8Path) {
        let git = |args: &[&str]| {
            let mut git = Process::new("git");
            git.current_dir(workspace).args(args);
            scrub(&mut git);
            let output = git.output().unwrap();
            assert!(output.status.success(), "git {args:?}: {output:?}");
        };
        git(&["init", "--quiet"]);
        git(&["remote", "add", "origin", "https://github.com/shop/app"]);
        let origin = format!("file://{}", self.origin.path());
        let merge = "+refs/pull/2/merge:refs/remotes/pull/2/merge";
        git(&["fetch", "--quiet", "--no-tags", "--depth=1", &origin, merge]);
        git(&["checkout", "--quiet", "--force", "refs/remotes/pull/2/merge"]);
    }

    /// The hash of the git blob of a file in the base.
    pub(super) fn blob_of_base(&self, path: &str) -> String {
        self.origin.git(&["rev-parse", &format!("{}:{path}", self.base)])
    }

    /// The payload of the event for its first push.
    pub(super) fn event(&self) -> String {
        let example = include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/github/events/pull_request.opened.json"
        ));
        let mut event: Value = serde_json::from_str(example).unwrap();
        event["pull_request"]["head"]["sha"] = json!(self.head);
        event["pull_request"]["head"]["ref"] = json!("feature");
        event["pull_request"]["base"]["sha"] = json!(self.base);
        event["pull_request"]["base"]["ref"] = json!("main");
        event.to_string()
    }
}
