//! A developer breaks a migration of the demo: is the report sufficient to fix it without prior knowledge?
//!
//! Review the snapshots from that point of view: what is wrong, where, for which tenants, and how to fix it.

use crate::common::{Project, demo};

/// The demo in a checkout whose main branch contains all of it.
fn checkout() -> Project {
    demo().git_commit("all is well")
}

/// The report from its first finding on.
fn findings(demo: &Project, database: &str) -> String {
    let run = demo.verify().args(["-n", database]).run().exit(1);
    let from = run.stdout.find("error[").unwrap_or_else(|| panic!("{}", run.stdout));
    run.stdout[from..].to_owned()
}

/// Replaces `old` in a file by `new`, and takes a snapshot of the findings of `database`.
fn edited(name: &str, database: &str, path: &str, old: &str, new: &str) {
    let demo = checkout();
    let text = demo.read(path);
    assert_eq!(text.matches(old).count(), 1, "{old:?} in {path}");
    let demo = demo.file(path, text.replace(old, new));
    let text = findings(&demo, database);
    demo.redactions().bind(|| insta::assert_snapshot!(name, text));
}

/// Adds a migration, and takes a snapshot of the findings of `database`.
fn added(name: &str, database: &str, path: &str, sql: &str) {
    let demo = checkout().file(path, sql);
    let text = findings(&demo, database);
    demo.redactions().bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn a_typo_in_a_column() {
    let path = "migrations/tenant/20250120090000_create_time_entries.sql";
    edited("typo_in_a_column", "app", path, "SELECT task.project_id,", "SELECT task.projet_id,");
}

#[test]
fn a_missing_comma() {
    let path = "migrations/tenant/20240115090000_create_members.sql";
    edited("missing_comma", "app", path, "(email LIKE '%_@_%'),", "(email LIKE '%_@_%')");
}

#[test]
fn not_null_on_a_column_with_nulls() {
    added(
        "not_null",
        "app",
        "migrations/tenant/20260101080000_everything_is_assigned.sql",
        "ALTER TABLE tasks\n    ALTER COLUMN assignee_id SET NOT NULL;\n",
    );
}

#[test]
fn a_reference_to_a_missing_table() {
    let path = "migrations/tenant/20240115091500_create_subscription.sql";
    edited("wrong_reference", "app", path, "REFERENCES shared.plans", "REFERENCES shared.plan");
}

#[test]
fn an_unknown_function() {
    let path = "migrations/users/20240902120000_split_display_name.sql";
    edited("unknown_function", "users", path, "regexp_replace(", "regex_replace(");
}

#[test]
fn a_missing_semicolon() {
    let path = "migrations/shared/20240812100000_add_plan_limits.sql";
    edited("missing_semicolon", "app", path, "(max_members > 0);", "(max_members > 0)");
}

#[test]
fn a_table_that_already_exists() {
    added(
        "duplicate_table",
        "analytics",
        "migrations/analytics/20260101080000_create_events.sql",
        "-- migrate:up\nCREATE TABLE events (id bigint);\n\n-- migrate:down\nDROP TABLE events;\n",
    );
}

#[test]
fn a_concurrent_index_in_a_transaction() {
    let path = "migrations/tenant/20250512080000_index_open_tasks.sql";
    edited("concurrently", "app", path, "-- no-transaction\n", "");
}

#[test]
fn an_edit_of_an_applied_migration() {
    let path = "migrations/users/20240108090000_create_accounts.sql";
    edited("edit_of_an_applied", "users", path, "-- One row", "-- A row");
}

#[test]
fn unexpected_existing_rows() {
    let path = "migrations/tenant/20241007083000_make_task_status_an_enum.sql";
    edited("forgotten_data", "app", path, "    WHEN 'doing' THEN 'in_progress'\n", "");
}

#[test]
fn an_unknown_role() {
    let path = "migrations/analytics/20250908100000_create_weekly_report.sql";
    edited("unknown_role", "analytics", path, "TO reporting", "TO reportin");
}

#[test]
fn an_unterminated_quote() {
    let path = "migrations/customer/000004_log_invoice_states.up.sql";
    edited("open_quote", "customer", path, "END;\n$$;", "END;");
}

#[test]
fn a_concurrent_index_beside_another_statement() {
    let path = "migrations/customer/000005_index_unpaid_invoices.up.sql";
    edited("concurrently_beside", "customer", path, "CREATE INDEX", "SELECT 1;\nCREATE INDEX");
}

#[test]
fn an_error_in_the_body_of_a_function() {
    let path = "migrations/shared/20241118093000_track_changes.sql";
    edited("function_body", "app", path, "NEW.updated_at := now();", "NEW.updated_at := now()");
}

#[test]
fn a_removed_migration() {
    let demo = checkout().without("migrations/users/20240311083000_add_account_status.sql");
    let text = findings(&demo, "users");
    demo.redactions().bind(|| insta::assert_snapshot!("gone", text));
}
