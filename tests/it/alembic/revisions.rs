//! Heads, ledgers of samples, and histories that the head has rewritten.

use super::{Example, NUMBER_INVOICES, TENANT, example};

#[test]
fn a_sample_at_a_revision_that_no_file_has_is_that_tenants_failure() {
    let Some(example) = example() else { return };
    let sample = "CREATE SCHEMA acme; \
                  CREATE TABLE acme.alembic_version (version_num varchar(32) PRIMARY KEY); \
                  INSERT INTO acme.alembic_version VALUES ('gone');";
    let example = example.file("samples/acme.sql", sample).git_commit("base");
    let report = example.verify(["-n", "app"]).report(1);
    let verdicts = report.verdicts();
    assert!(verdicts.contains(&"app tenant acme: failed".to_owned()), "{verdicts:?}");
    assert!(verdicts.contains(&"app tenant fresh_1: passed".to_owned()), "{verdicts:?}");
    assert!(report.json["findings"].to_string().contains("gone"));
}

#[test]
fn an_edited_revision_of_the_base_runs_with_the_bases_own_files() {
    let Some(example) = example() else { return };
    let example = example
        .git_commit("base")
        .git_branch("change")
        .edited(NUMBER_INVOICES, "{number:06}", "{number:08}")
        .git_commit("head");
    let report = example.verify(["-n", "app"]).report(1);
    let codes = report.codes();
    assert!(codes.contains(&"applied-migration-edited"), "{codes:?}");
    assert_eq!(report.steps("base").len(), 5, "the base is reached");
}

/// The first revision of the tenants needs a table that no revision creates.
fn with_incomplete_history() -> Option<Example> {
    let create = "migrations/tenant/versions/a94772909047_create_customers.py";
    let needs = "op.execute(\"ALTER TABLE made_by_the_application ADD COLUMN a int\")\n    op.create_table(";
    Some(example()?.edited(create, "op.create_table(", needs))
}

const SAMPLE: &str = "\
CREATE SCHEMA acme;
CREATE TABLE acme.alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY);
INSERT INTO acme.alembic_version VALUES ('a94772909047');
CREATE TABLE acme.customers (id bigserial PRIMARY KEY, name varchar(200) NOT NULL, email varchar(320));
";

#[test]
fn an_incomplete_history_is_reported_once_and_the_samples_decide() {
    let Some(example) = with_incomplete_history() else { return };
    let example = example.file("samples/acme.sql", SAMPLE).git_commit("base");
    let report = example.verify(["-n", "app"]).report(0);
    assert_eq!(report.codes(), ["history-incomplete"]);
    let message = report.finding("history-incomplete")["message"].as_str().unwrap();
    assert!(message.contains("`fresh_1`, `fresh_2`, `base`"), "{message}");
    assert_eq!(report.verdicts().last().unwrap(), "app tenant acme: passed");
}

#[test]
fn an_incomplete_history_without_samples_fails_and_names_the_remedy() {
    let Some(example) = with_incomplete_history() else { return };
    let example = example.git_commit("base");
    let report = example.verify(["-n", "app"]).report(1);
    let help = report.finding("history-incomplete")["help"].as_str().unwrap();
    assert!(help.contains("`setup`") && help.contains("samples"), "{help}");
}

#[test]
fn a_setup_file_makes_an_incomplete_history_start_from_nothing() {
    let Some(example) = with_incomplete_history() else { return };
    let configuration = "\
[databases.app.shared]
alembic = { ini = \"alembic.ini\", section = \"shared\" }

[databases.app.tenants]
alembic = { ini = \"alembic.ini\", section = \"tenant\" }
env = { TENANT_SCHEMA = \"{target}\" }
setup = \"setup.sql\"
";
    let example = example
        .file("mig-ci.toml", configuration)
        .file("setup.sql", "CREATE TABLE made_by_the_application ();")
        .git_commit("base");
    let report = example.verify(["-n", "app"]).report(0);
    assert!(report.codes().is_empty(), "{:#}", report.json["findings"]);
}

#[test]
fn a_ledger_that_the_head_renames_makes_existing_tenants_start_again() {
    let Some(example) = example() else { return };
    let example = example
        .git_commit("base")
        .git_branch("change")
        .edited(
            TENANT,
            "version_table_schema=SCHEMA,",
            "version_table_schema=SCHEMA,\n            version_table=\"versions\",",
        )
        .git_commit("head");
    let report = example.verify(["-n", "app"]).report(1);
    let verdicts = report.verdicts();
    assert!(verdicts.contains(&"app tenant base: failed".to_owned()), "{verdicts:?}");
    assert!(verdicts.contains(&"app tenant fresh_1: passed".to_owned()), "{verdicts:?}");
}

#[test]
fn a_revision_that_rolls_itself_back_changes_nothing() {
    let Some(example) = example() else { return };
    let text = "\"\"\"x\"\"\"\nfrom alembic import op\nimport sqlalchemy as sa\n\nrevision = \"aaa1\"\n\
                down_revision = \"fa6ae6193696\"\n\n\ndef upgrade():\n    \
                op.add_column(\"customers\", sa.Column(\"phone\", sa.String(20)))\n    op.execute(\"ROLLBACK\")\n";
    let example = example
        .edited(
            TENANT,
            "version_table_schema=SCHEMA,",
            "version_table_schema=SCHEMA,\n            transaction_per_migration=True,",
        )
        .git_commit("base")
        .git_branch("change")
        .file("migrations/tenant/versions/aaa1.py", text)
        .git_commit("head");
    let report = example.verify(["-n", "app"]).report(0);
    assert_eq!(report.finding("migration-without-effect")["severity"], "warning");
}
