//! Heads, ledgers of samples, and histories that the head has rewritten.

use super::{NUMBER_INVOICES, example};

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
