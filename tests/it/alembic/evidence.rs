//! The example passes; what is recorded of each revision.

use super::{NUMBER_INVOICES, example};
use crate::common::at;

#[test]
fn the_example_passes() {
    let Some(example) = example() else { return };
    let example = example.git_commit("base");
    let report = example.verify([]).report(0);
    assert_eq!(
        report.verdicts(),
        [
            "app shared base: passed",
            "app shared fresh: passed",
            "app tenant fresh_1: passed",
            "app tenant fresh_2: passed",
            "app tenant base: passed",
            "users shared base: passed",
            "users shared fresh: passed",
            "analytics shared base: passed",
            "analytics shared fresh: passed",
            "customer tenant fresh_1: passed",
            "customer tenant fresh_2: passed",
            "customer tenant base: passed",
        ]
    );
    assert!(report.codes().is_empty(), "{:#}", report.json["findings"]);
}

#[test]
fn a_pending_revision_runs_on_the_state_of_the_base() {
    let Some(example) = example() else { return };
    let text = "\"\"\"add phone\"\"\"\nfrom alembic import op\nimport sqlalchemy as sa\n\n\
                revision = \"aaaaaaaaaaaa\"\ndown_revision = \"fa6ae6193696\"\n\n\n\
                def upgrade():\n    op.add_column(\"customers\", sa.Column(\"phone\", sa.String(20)))\n";
    let example = example
        .git_commit("base")
        .git_branch("change")
        .file("migrations/tenant/versions/aaaaaaaaaaaa_add_phone.py", text)
        .git_commit("head");
    let report = example.verify(["-n", "app"]).report(0);
    let steps = report.steps("base");
    assert_eq!(steps[4..], ["base fa6ae6193696 applied", "head aaaaaaaaaaaa applied"]);
    assert_eq!(report.steps("fresh_1").len(), 6);
}

#[test]
fn a_caught_error_is_listed_and_does_not_fail_the_run() {
    let Some(example) = example() else { return };
    let caught = "try:\n        with op.get_bind().begin_nested():\n            op.execute(\"SELECT broken\")\n    \
                  except Exception:\n        pass\n    for number, invoice";
    let example = example.edited(NUMBER_INVOICES, "for number, invoice", caught).git_commit("base");
    // Everything is pending without a base.
    let report = example.verify(["-n", "app", "--no-base"]).report(0);
    let finding = report.finding("failure-swallowed");
    assert_eq!(at(&finding["place"]), format!("{NUMBER_INVOICES}:20"));
    assert!(finding["message"].as_str().unwrap().contains("42703"), "{finding:#}");
}

#[test]
fn a_revision_that_changes_nothing_anywhere_is_a_warning() {
    let Some(example) = example() else { return };
    let text = |revision: &str, down: &str, body: &str| {
        format!(
            "\"\"\"x\"\"\"\nfrom alembic import op\n\nrevision = \"{revision}\"\ndown_revision = \"{down}\"\n\n\n\
             def upgrade():\n    {body}\n"
        )
    };
    let example = example
        .git_commit("base")
        .git_branch("change")
        .file("migrations/tenant/versions/1.py", text("aaa1", "fa6ae6193696", "pass"))
        .file(
            "migrations/tenant/versions/2.py",
            text("aaa2", "aaa1", "if False:\n        op.execute(\"x\")"),
        )
        .git_commit("head");
    let report = example.verify(["-n", "app"]).report(0);
    let finding = report.finding("migration-without-effect");
    assert_eq!(finding["place"]["path"], "migrations/tenant/versions/2.py");
    assert_eq!(finding["severity"], "warning");
}
