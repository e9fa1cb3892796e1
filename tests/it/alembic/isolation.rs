//! Forked processes: proven in each run, and replaced by new interpreters where they differ.

use super::{Example, TENANT, example};
use crate::common::Report;

/// A tenant at the first revision, with a row.
const SAMPLE: &str = "\
CREATE SCHEMA TENANT;
CREATE TABLE TENANT.alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);
INSERT INTO TENANT.alembic_version VALUES ('a94772909047');
CREATE TABLE TENANT.customers (id bigserial PRIMARY KEY, name varchar(200) NOT NULL, email varchar(320));
INSERT INTO TENANT.customers (name) VALUES ('a');
";

/// Ten samples: enough tenants for forked processes.
fn with_samples(example: Example) -> Example {
    (0..10).fold(example, |example, number| {
        let sql = SAMPLE.replace("TENANT", &format!("t{number}"));
        example.file(&format!("samples/t{number}.sql"), sql)
    })
}

#[test]
fn many_tenants_pass_with_forked_processes() {
    let Some(example) = example() else { return };
    let example = with_samples(example).git_commit("base");
    let report = example.verify(["-n", "app", "--no-base"]).report(0);
    assert_eq!(report.verdict(), "passed");
    assert!(report.notes().contains("forked"), "{}", report.notes());
}

/// Replaces how env.py of the tenants gets the schema: by a module that finds it with `code` when it is imported.
fn with_module(code: &str) -> Option<Report> {
    let example = with_samples(example()?)
        .file("app/settings.py", code)
        .edited(
            TENANT,
            "SCHEMA = os.getenv(\"TENANT_SCHEMA\", config.get_main_option(\"schema\", \"public\"))",
            "from app.settings import SCHEMA",
        )
        .file("mig-ci.toml", CONFIGURATION)
        .git_commit("base");
    let report = example.verify(["-n", "app", "--no-base"]).report(0);
    assert_eq!(report.verdict(), "passed");
    Some(report)
}

#[test]
fn a_module_that_reads_the_variable_of_a_tenant_at_import_is_right_in_a_forked_process() {
    let code = "import os\n\nSCHEMA = os.environ.get(\"TENANT_SCHEMA\", \"public\")\n";
    let Some(report) = with_module(code) else { return };
    let notes = report.notes();
    assert!(notes.contains("forked processes") && !notes.contains("replayed again"), "{notes}");
}

#[test]
fn a_project_that_is_wrong_in_a_forked_process_is_verified_with_new_interpreters() {
    let code = "\
variables = open(\"/proc/self/environ\").read().split(\"\\0\")
SCHEMA = dict(one.split(\"=\", 1) for one in variables if one).get(\"TENANT_SCHEMA\", \"public\")
";
    let Some(report) = with_module(code) else { return };
    let notes = report.notes();
    assert!(notes.contains("replayed again") && notes.contains("a forked process"), "{notes}");
}

const CONFIGURATION: &str = "\
[databases.app.shared]
alembic = { ini = \"alembic.ini\", section = \"shared\" }

[databases.app.tenants]
alembic = { ini = \"alembic.ini\", section = \"tenant\" }
env = { TENANT_SCHEMA = \"{target}\" }
samples = \"samples/*.sql\"
";
