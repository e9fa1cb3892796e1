//! Verdicts of runs in an image.

use super::{Images, NOT_NULL, adding, revision, shop};
use crate::common::at;

#[test]
fn migrations_pass_in_the_image() {
    let Some(images) = Images::found() else { return };
    let project = adding("ALTER TABLE members ADD note text");
    let report = images.verify(&project, &images.python).report(0);
    assert_eq!(report.verdict(), "passed", "{:#}", report.json);
    assert_eq!(report.steps("acme").last().map(String::as_str), Some("head 002 applied"));
    assert_eq!(report.json["server"]["provider"], "docker");
}

/// Places in the container are places of the project.
#[test]
fn one_tenant_fails_with_its_place_in_the_project() {
    let Some(images) = Images::found() else { return };
    let project = adding(NOT_NULL);
    let report = images.verify(&project, &images.python).report(1);
    assert_eq!(report.units_of("migration-failed"), ["globex"], "{:#}", report.json);
    let finding = report.finding("migration-failed");
    assert_eq!(at(&finding["place"]), "migrations/versions/002_change.py:8", "{finding:#}");
    assert!(!report.json.to_string().contains("/mig-ci/workspace"), "{:#}", report.json);
    assert!(report.verdicts().contains(&"app tenant acme: passed".to_owned()));
}

/// The head lacks a revision of the base, so that the base's own files are needed, in the same container.
#[test]
fn the_base_runs_from_its_own_copy() {
    let Some(images) = Images::found() else { return };
    let settings = "SCHEMA_VARIABLE = \"TENANT_SCHEMA\"\nNAME = \"of_the_base\"\n";
    let by_name = "from alembic import op\nfrom app.settings import NAME\n\nrevision = \"002\"\n\
                   down_revision = \"001\"\n\n\ndef upgrade():\n    op.execute(\"CREATE TABLE %s (id int)\" % NAME)\n";
    let project = shop()
        .file("app/settings.py", settings)
        .file("migrations/versions/002_name.py", by_name)
        .git_commit("base")
        .git_branch("feature")
        .without("migrations/versions/002_name.py")
        .file("app/settings.py", settings.replace("of_the_base", "of_the_head"))
        .file(
            "migrations/versions/002_name.py",
            by_name.replace("\"002\"", "\"002\"\n# edited\nEDITED = True"),
        )
        .file(
            "migrations/versions/003_use.py",
            revision("003", Some("002"), "SELECT 1 FROM of_the_base"),
        )
        .git_commit("head");
    let report = project
        .mig_ci(["verify", "--provider=docker", "--base=main"])
        .args(["--postgres-image", &images.postgres, "--runner-image", &images.python])
        .arg("--format=json")
        .run();
    let report = crate::common::Report { json: report.json() };
    let base = report.steps("base");
    assert_eq!(
        base,
        ["base 001 applied", "base 002 applied", "head 003 applied"],
        "{:#}",
        report.json
    );
}

/// The keys of a configuration do what the flag does.
#[test]
fn the_configuration_names_an_image_and_an_interpreter() {
    let Some(images) = Images::found() else { return };
    let project = adding("ALTER TABLE members ADD note text");
    let config = project.read("mig-ci.toml");
    let keys = format!(
        "[databases.app.tenants]\nimage = \"{}\"\npython = \"/venv/bin/python\"\n",
        images.python
    );
    let project = project.file("mig-ci.toml", config.replace("[databases.app.tenants]\n", &keys));
    let report = project
        .mig_ci(["verify", "--provider=docker", "--no-base"])
        .args(["--postgres-image", &images.postgres])
        .report(0);
    assert_eq!(report.verdict(), "passed");
}
