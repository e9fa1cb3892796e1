//! Programs that end with exit code 0 and did not migrate the tenant, and programs that fail.

use super::{NUMBER_INVOICES, TENANT, example};
use crate::common::{Report, at};

/// Edits env.py of the tenants, and returns the report of a run that fails.
fn with_env(old: &str, new: &str) -> Option<Report> {
    let example = example()?.edited(TENANT, old, new).git_commit("base");
    Some(example.verify(["-n", "app"]).report(1))
}

#[test]
fn an_env_py_that_never_commits_is_red_at_the_line_that_began_the_transaction() {
    let Some(report) = with_env("        connection.commit()\n", "") else { return };
    assert_eq!(report.codes().first(), Some(&"not-committed"), "{:#}", report.json["findings"]);
    assert_eq!(at(&report.first("not-committed")["place"]), "migrations/tenant/env.py:28");
    assert!(
        report
            .verdicts()
            .iter()
            .all(|verdict| { verdict.contains(" shared ") || verdict.ends_with(": failed") })
    );
}

#[test]
fn an_env_py_that_ignores_the_tenant_is_red() {
    let old =
        "SCHEMA = os.getenv(\"TENANT_SCHEMA\", config.get_main_option(\"schema\", \"public\"))";
    let Some(report) = with_env(old, "SCHEMA = \"public\"") else { return };
    let finding = report.first("wrong-target");
    assert!(at(&finding["place"]).starts_with("migrations/tenant/env.py:"), "{finding:#}");
    let verdicts = report.verdicts();
    assert!(verdicts.iter().all(|one| one.contains(" shared ") || one.ends_with(": failed")));
}

#[test]
fn an_env_py_that_swallows_the_failure_of_a_tenant_is_red() {
    let Some(example) = example() else { return };
    let example = example
        .edited(
            TENANT,
            "\n\nrun_migrations_online()\n",
            "\n\ntry:\n    run_migrations_online()\nexcept Exception as error:\n    print(error)\n",
        )
        .edited(
            NUMBER_INVOICES,
            "op.alter_column(\"invoices\", \"number\", nullable=False)",
            "op.execute(\"SELECT broken\")",
        )
        .git_commit("base");
    let report = example.verify(["-n", "app"]).report(1);
    let finding = report.first("migration-failed");
    assert_eq!(at(&finding["place"]), format!("{NUMBER_INVOICES}:22"));
    assert_eq!(finding["failure"]["sqlstate"], "42703");
    assert!(finding["failure"]["hint"].as_str().unwrap().contains("exit code 0"), "{finding:#}");
}

#[test]
fn a_failed_revision_has_its_place_and_the_words_of_the_server() {
    let Some(example) = example() else { return };
    let example = example
        .edited(NUMBER_INVOICES, "\"invoices_number_key\", \"invoices\"", "\"k\", \"no_table\"")
        .git_commit("base");
    let report = example.verify(["-n", "app"]).report(1);
    let finding = report.first("migration-failed");
    assert_eq!(at(&finding["place"]), format!("{NUMBER_INVOICES}:23"));
    assert_eq!(finding["failure"]["sqlstate"], "42P01");
    assert_eq!(finding["failure"]["message"], "relation \"no_table\" does not exist");
    assert_eq!(
        report.steps("fresh_1"),
        [
            "head a94772909047 applied",
            "head b9f08bd502a8 applied",
            "head cbe662ddcd7c applied",
            "head d80c1303fe37 failed",
            "head fa6ae6193696 not-run",
        ]
    );
}

#[test]
fn an_exception_of_python_is_a_failure_of_the_migration() {
    let Some(example) = example() else { return };
    let example =
        example.edited(NUMBER_INVOICES, "for number, invoice", "1 / 0\n    for number, invoice");
    let example = example.git_commit("base");
    let report = example.verify(["-n", "app"]).report(1);
    let finding = report.first("migration-failed");
    assert_eq!(finding["failure"]["message"], "ZeroDivisionError: division by zero");
    assert_eq!(finding["failure"]["cause"], "exception");
    assert_eq!(at(&finding["place"]), format!("{NUMBER_INVOICES}:18"));
}

#[test]
fn another_server_is_refused_before_a_connection_is_made() {
    let decoy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    decoy.set_nonblocking(true).unwrap();
    let port = decoy.local_addr().unwrap().port();
    let url =
        format!("{{\"sqlalchemy.url\": \"postgresql+psycopg://app:x@127.0.0.1:{port}/app\"}}");
    let old = "config.get_section(config.config_ini_section, {})";
    let Some(report) = with_env(old, &url) else { return };
    let finding = report.first("other-server");
    assert!(at(&finding["place"]).starts_with("migrations/tenant/env.py:26"), "{finding:#}");
    assert_eq!(finding["failure"]["cause"], "other-server");
    let reached = decoy.accept();
    assert!(reached.is_err(), "the decoy was reached: {reached:?}");
}

#[test]
fn the_name_of_another_server_is_refused_before_it_is_resolved() {
    let url = "{\"sqlalchemy.url\": \"postgresql+psycopg://app:x@db.prod.invalid/app\"}";
    let old = "config.get_section(config.config_ini_section, {})";
    let Some(report) = with_env(old, url) else { return };
    let message = report.first("other-server")["failure"]["message"].as_str().unwrap();
    assert!(message.contains("db.prod.invalid"), "{message}");
}

#[test]
fn an_env_py_without_a_connection_is_red() {
    let Some(report) = with_env("\n\nrun_migrations_online()\n", "\n") else { return };
    assert_eq!(report.first("other-server")["failure"]["cause"], "no-connection");
}

#[test]
fn a_process_that_ends_itself_is_a_failure() {
    for (code, cause) in [("os._exit(3)", "ended"), ("os.kill(os.getpid(), 9)", "ended")] {
        let Some(example) = example() else { return };
        let example = example
            .edited(
                NUMBER_INVOICES,
                "for number, invoice",
                &format!("import os\n    {code}\n    for number, invoice"),
            )
            .git_commit("base");
        let report = example.verify(["-n", "app", "--jobs", "1"]).report(1);
        assert_eq!(report.first("migration-failed")["failure"]["cause"], cause, "{code}");
    }
}
