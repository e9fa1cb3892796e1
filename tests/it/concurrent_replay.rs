//! Tenants are replayed concurrently, with the verdict of a sequential run as in production: conflicts between tenants are
//! no failure, and no two of them wait for each other indefinitely.

use std::time::{Duration, Instant};

use crate::common::{Command, Project, Report, project};

const CONFIG: &str = "[databases.app]\nshared = { migrations = \"migrations/shared\", schema = \"shared\" }\n\
                      [databases.app.tenants]\nmigrations = \"migrations/tenant\"\ntarget = \"tenant_{tenant}\"\nformat = \"sqlx\"\n";

/// Far longer than any of these runs, and shorter than the limit that ends a deadlock.
const LONG: Duration = Duration::from_secs(15);

fn app() -> Project {
    project()
        .file("mig-ci.toml", CONFIG)
        .file(
            "migrations/shared/1_counter.sql",
            "CREATE TABLE shared.counter (n int);\nINSERT INTO shared.counter VALUES (0);\n\
             CREATE TABLE shared.settings (name text PRIMARY KEY);\n",
        )
        .file("migrations/tenant/1_members.sql", "CREATE TABLE members (id int);\n")
}

/// With a lock timeout on the server, so that a deadlock is a failure instead of a test that hangs.
fn limited(project: &Project) -> Command {
    let url = crate::common::postgres().url("postgres");
    let config = format!("[postgres]\nsettings = {{ statement_timeout = \"20s\" }}\n{CONFIG}");
    std::fs::write(project.path().join("mig-ci.toml"), config).unwrap();
    project.mig_ci(["verify", "--provider=url", "--jobs=4"]).env("MIG_CI_POSTGRES_URL", url)
}

fn passes(project: &Project) -> Report {
    let begun = Instant::now();
    let report = limited(project).report(0);
    assert!(begun.elapsed() < LONG, "it has waited for a limit: {:?}", begun.elapsed());
    report
}

#[test]
fn an_open_transaction_blocks_no_other_tenant() {
    let project = app()
        .file(
            "migrations/tenant/2_open.sql",
            "-- no-transaction\nBEGIN;\nSELECT pg_sleep(0.3);\nUPDATE shared.counter SET n = n + 1;\n",
        )
        .file("migrations/tenant/3_next.sql", "ALTER TABLE members ADD COLUMN name text;\n");
    let begun = Instant::now();
    let report = limited(&project).report(1);
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    // Its ledger row was written in the open transaction.
    assert_eq!(report.units_of("ledger-not-written"), ["fresh_1", "fresh_2", "base"]);
}

#[test]
fn a_session_advisory_lock_blocks_no_other_tenant() {
    let project = app()
        .file(
            "migrations/tenant/2_lock.sql",
            "SELECT pg_advisory_lock(4242);\nSELECT pg_sleep(0.2);\nUPDATE shared.counter SET n = n + 1;\n",
        )
        .file(
            "migrations/tenant/3_index.sql",
            "-- no-transaction\nCREATE INDEX CONCURRENTLY members_id ON members (id);\n",
        );
    passes(&project);
}

#[test]
fn concurrent_inserts_into_a_shared_table_are_not_a_failure() {
    let project = app().file(
        "migrations/tenant/2_setting.sql",
        "INSERT INTO shared.settings SELECT 'flag' WHERE NOT EXISTS (SELECT FROM shared.settings)\n    \
         AND current_schema() <> 'tenant_fresh_1';\nSELECT pg_sleep(0.3);\n",
    );
    let report = passes(&project);
    let reason = report.json["databases"][0]["replayed"]["reason"].as_str().unwrap();
    assert!(reason.contains("SQLSTATE 23505 at migrations/tenant/2_setting.sql:1"), "{reason}");
}

#[test]
fn concurrent_prepare_files_do_not_fail() {
    let project =
        app().file("prepare.sql", "CREATE SCHEMA IF NOT EXISTS platform;\nSELECT pg_sleep(0.2);\n");
    let url = crate::common::postgres().url("postgres");
    let project = project.file("mig-ci.toml", format!("{CONFIG}prepare = [\"prepare.sql\"]\n"));
    project
        .mig_ci(["verify", "--provider=url", "--jobs=4"])
        .env("MIG_CI_POSTGRES_URL", url)
        .report(0);
}

/// The tool would find everything applied for the second tenant, which would stay empty.
#[test]
fn one_ledger_for_all_tenants_is_refused() {
    let project = app()
        .without("migrations/tenant/1_members.sql")
        .file(
            "migrations/tenant/1_a.sql",
            "-- migrate:up\nCREATE TABLE a (id int);\n-- migrate:down\n",
        )
        .file(
            "mig-ci.toml",
            format!("{}ledger = \"meta.schema_migrations\"\n", CONFIG.replace("sqlx", "dbmate")),
        );
    let ended = project.verify().run().exit(3);
    for part in ["\"meta\".\"schema_migrations\"", "for all tenants", "migrations/tenant"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}

/// dbmate writes the schema without quotes, so the server folds its case.
#[test]
fn a_schema_that_dbmate_would_fold_is_refused() {
    let project = app()
        .without("migrations/tenant/1_members.sql")
        .file(
            "migrations/tenant/1_a.sql",
            "-- migrate:up\nCREATE TABLE a (id int);\n-- migrate:down\n",
        )
        .file("mig-ci.toml", CONFIG.replace("sqlx", "dbmate").replace("tenant_{", "Tenant_{"));
    let ended = project.verify().run().exit(3);
    for part in ["dbmate cannot use the schema `Tenant_fresh_1`", "does not quote"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}
