//! Forked processes: proven in each run, and replaced by new interpreters where they differ.

use super::{Example, TENANT, example};
use crate::common::postgres;

/// Ten samples: enough tenants for forked processes.
fn with_samples(example: Example) -> Example {
    (0..10).fold(example, |example, number| {
        let sql =
            format!("CREATE SCHEMA tenant_{number}; CREATE TABLE tenant_{number}.own (n int);");
        example.file(&format!("samples/tenant_{number}.sql"), sql)
    })
}

#[test]
fn many_tenants_pass_with_forked_processes() {
    let Some(example) = example() else { return };
    let example = with_samples(example).git_commit("base");
    let run = example.verify(["-n", "app", "--no-base", "--format", "json"]);
    let run = run.env("MIG_CI_LOG", "mig_ci=debug").run();
    let report = run.exit(0).json();
    assert_eq!(report.verdict(), "passed");
    assert!(report.notes().contains("forked"), "{}", report.notes());
    let _ = postgres();
}

#[test]
fn a_module_that_reads_the_tenant_at_import_is_verified_with_new_interpreters() {
    let Some(example) = example() else { return };
    let example = with_samples(example)
        .file(
            "app/settings.py",
            "import os\n\nSCHEMA = os.environ.get(\"TENANT_SCHEMA\", \"public\")\n",
        )
        .edited(
            TENANT,
            "SCHEMA = os.getenv(\"TENANT_SCHEMA\", config.get_main_option(\"schema\", \"public\"))",
            "from app.settings import SCHEMA  # os.environ[\"TENANT_SCHEMA\"]",
        )
        .file("mig-ci.toml", CONFIGURATION)
        .git_commit("base");
    let report =
        example.verify(["-n", "app", "--no-base", "--format", "json"]).run().exit(0).json();
    assert_eq!(report.verdict(), "passed");
    assert!(report.notes().contains("new interpreter"), "{}", report.notes());
}

const CONFIGURATION: &str = "\
[databases.app.shared]
alembic = { ini = \"alembic.ini\", section = \"shared\" }

[databases.app.tenants]
alembic = { ini = \"alembic.ini\", section = \"tenant\" }
env = { TENANT_SCHEMA = \"{target}\" }
samples = \"samples/*.sql\"
";
