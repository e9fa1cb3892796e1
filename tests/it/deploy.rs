//! `deploy`: who runs a track in production determines the messages of `verify`.

use crate::common::{Project, project};

/// golang-migrate marks its ledger as dirty before a script; `mig-ci upgrade` writes the row in the script's transaction.
const SEES_ITS_MARK: &str = "DO $$ BEGIN IF EXISTS (SELECT FROM schema_migrations WHERE dirty) THEN \
    RAISE EXCEPTION 'the ledger is dirty'; END IF; END $$;\n";

fn golang(deploy: &str) -> Project {
    project()
        .file("migrations/000001_a.up.sql", "CREATE TABLE a (id int);\n")
        .file("migrations/000001_a.down.sql", "DROP TABLE a;\n")
        .file("migrations/000002_b.up.sql", SEES_ITS_MARK)
        .file("migrations/000002_b.down.sql", "SELECT 1;\n")
        .file("mig-ci.toml", config(deploy))
}

fn config(deploy: &str) -> String {
    format!("[databases.app]\nmigrations = \"migrations\"\nformat = \"golang-migrate\"\n{deploy}")
}

#[test]
fn verify_sends_what_the_tool_sends_by_default() {
    for deploy in ["", "deploy = \"tool\"\n"] {
        let report = golang(deploy).verify().report(1);
        let finding = report.finding("migration-failed");
        assert!(
            finding["message"].as_str().unwrap().contains("the ledger is dirty"),
            "{finding:#}"
        );
        assert_eq!(report.json["databases"][0]["tracks"][0]["deploy"], "tool");
        assert!(!report.notes().contains("deploy"), "{}", report.notes());
    }
}

#[test]
fn verify_sends_what_mig_ci_upgrade_sends_if_configured() {
    let report = golang("deploy = \"mig-ci\"\n").verify().report(0);
    assert_eq!(report.json["databases"][0]["tracks"][0]["deploy"], "mig-ci");
    assert!(
        report.notes().contains("migrations was replayed as `mig-ci upgrade` runs it"),
        "{}",
        report.notes()
    );
}

#[test]
fn a_change_of_deploy_is_reported() {
    let changed = golang("")
        .git_commit("base")
        .git_branch("feature")
        .file("mig-ci.toml", config("deploy = \"mig-ci\"\n"))
        .git_commit("head");
    let report = changed.verify().arg("--base=main").report(0);
    let finding = report.finding("coverage-reduced");
    let message = finding["message"].as_str().unwrap();
    assert!(message.contains("`deploy = \"mig-ci\"`"), "{message}");
}

#[test]
fn an_unknown_value_is_a_configuration_error() {
    let run = golang("deploy = \"migci\"\n").verify().run().exit(3);
    assert!(run.stderr.contains("deploy") && run.stderr.contains("mig-ci"), "{}", run.stderr);
}
