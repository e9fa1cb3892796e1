//! Tenants with the same starting state must end with the same shape, and changes outside of their schemas are reported.

use crate::common::{Project, Report, at, project};

const CONFIG: &str = "[databases.app]\n[databases.app.tenants]\nmigrations = \"m\"\nformat = \"sqlx\"\n\
                      target = \"tenant_{tenant}\"\nsamples = \"samples/*.sql\"\n";

const GUARD: &str = "-- the guard sees every tenant's constraint\nDO $$ BEGIN\n    \
    IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'users_email_key') THEN\n        \
    ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email);\n    END IF;\nEND $$;\n";

/// A base with a table, one sample, and a branch.
fn app() -> Project {
    configured(CONFIG)
}

/// With this configuration, also in the base.
fn configured(config: &str) -> Project {
    project()
        .file("mig-ci.toml", config)
        .file("m/1_users.sql", "CREATE TABLE users (id int PRIMARY KEY, email text);\n")
        .file("samples/acme.sql", "INSERT INTO users VALUES (1, 'a@acme.example');\n")
        .git_commit("base")
        .git_branch("feature")
}

fn verified(project: &Project, jobs: usize, exit: i32) -> Report {
    project.verify().arg(format!("--jobs={jobs}")).report(exit)
}

#[test]
fn a_guard_across_tenants_affects_only_the_first() {
    let app = app().file("m/2_email.sql", GUARD);
    for jobs in [1, 4] {
        let report = verified(&app, jobs, 1);
        assert_eq!(report.units_of("shape-differs"), ["fresh_2"], "{jobs} jobs");
        let finding = report.finding("shape-differs");
        assert_eq!(at(&finding["place"]), "m/2_email.sql:2:1");
        let message = finding["message"].as_str().unwrap();
        assert!(
            message.contains("fresh_1, which starts from the same state: constraint users.users_email_key is missing"),
            "{message}"
        );
        let shape = &report.unit("fresh_2")["shape"];
        assert_eq!(shape["expected"], "fresh_1");
        assert_eq!(shape["result"], "different");
        assert_eq!(report.unit("fresh_2")["verdict"], "failed");
        assert_eq!(report.unit("fresh_1")["verdict"], "passed");
    }
}

/// The same script, limited to the own table.
#[test]
fn a_guard_for_the_own_table_causes_no_difference() {
    let own = GUARD.replace("WHERE conname", "WHERE conrelid = 'users'::regclass AND conname");
    let report = verified(&app().file("m/2_email.sql", own), 4, 0);
    assert_eq!(report.unit("fresh_2")["shape"]["result"], "same");
    assert_eq!(report.unit("fresh_2")["outside"]["result"], "same");
    assert!(report.unit("base").get("shape").is_none(), "nothing starts as it does");
}

#[test]
fn an_extension_in_the_first_tenants_schema_is_reported() {
    let app = app().file("m/2_crypto.sql", "CREATE EXTENSION IF NOT EXISTS pgcrypto;\n");
    let report = verified(&app, 2, 1);
    let finding = report.finding("shape-differs");
    assert_eq!(at(&finding["place"]), "m/2_crypto.sql:1:1");
    assert!(finding["message"].as_str().unwrap().ends_with("extension pgcrypto is missing"));
}

#[test]
fn a_function_in_public_that_each_tenant_replaces_is_reported() {
    let app = app().file(
        "m/2_next.sql",
        "CREATE OR REPLACE FUNCTION public.next_number() RETURNS int LANGUAGE sql AS 'SELECT 1';\n\
         CREATE OR REPLACE VIEW public.numbers AS SELECT public.next_number() AS number;\n",
    );
    let report = verified(&app, 4, 0);
    let findings = report.json["findings"].as_array().unwrap();
    let told: Vec<_> = findings
        .iter()
        .filter(|finding| finding["code"] == "changed-outside-target")
        .map(|finding| (at(&finding["place"]), finding["message"].as_str().unwrap()))
        .collect();
    assert_eq!(told.len(), 2, "{findings:#?}");
    let has = |place: &str, text: &str| {
        told.iter().any(|(at, message)| at == place && message.contains(text))
    };
    assert!(has("m/2_next.sql:1:1", "function public.next_number() was created"), "{told:?}");
    assert!(has("m/2_next.sql:2:1", "view public.numbers was created"), "{told:?}");
    assert_eq!(report.unit("fresh_1")["outside"]["result"], "different");
}

/// A change of the second tenant only is attributed to the later ones.
#[test]
fn changes_of_later_tenants_are_not_attributed_to_the_first() {
    let app = app().file(
        "m/2_registry.sql",
        "DO $$ BEGIN\n    IF to_regclass('public.registry') IS NULL THEN\n        CREATE TABLE public.registry ();\n    \
         ELSE\n        ALTER TABLE public.registry ADD COLUMN IF NOT EXISTS second int;\n    END IF;\nEND $$;\n",
    );
    let report = verified(&app, 1, 0);
    let changes = |unit: &str| report.unit(unit)["outside"]["changes"].to_string();
    assert_eq!(changes("fresh_1"), "[\"table public.registry was created\"]");
    for other in ["acme", "fresh_2", "base"] {
        assert_eq!(changes(other), "[\"column public.registry.second was created\"]");
    }
}

/// A database for each tenant: they share the server, here a setting of the run's role.
#[test]
fn status_compares_tenant_databases() {
    let config = CONFIG.replace("format", "tenancy = \"database\"\nformat");
    let app = project()
        .file("mig-ci.toml", config)
        .file("m/1_users.sql", "CREATE TABLE users (id int, email text);\nCREATE SCHEMA extra;\n")
        .file("samples/acme.sql", "INSERT INTO users VALUES (1);\n")
        .git_commit("base")
        .git_branch("feature")
        .file(
        "m/2_first.sql",
        "DO $$ BEGIN\n    IF NOT EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = current_user::regrole\n        \
         AND 'application_name=first' = ANY (setconfig)) THEN\n        EXECUTE format('ALTER ROLE %I SET application_name = first', current_user);\n        \
         CREATE TABLE extra.only_first (id int);\n    END IF;\nEND $$;\n",
    );
    let report = verified(&app, 4, 1);
    let finding = report.finding("shape-differs");
    assert_eq!(report.units_of("shape-differs"), ["fresh_2"]);
    let message = finding["message"].as_str().unwrap();
    assert!(message.contains("table extra.only_first is missing"), "{message}");
    assert!(report.unit("fresh_1").get("outside").is_none(), "nothing is around a database");
}

/// The migrations revoke the privileges and the connection that reading needs: the tenant does not pass.
#[test]
fn an_unreadable_catalog_does_not_pass() {
    let app =
        app().file("mig-ci.toml", format!("[postgres]\nrole = \"superuser\"\n{CONFIG}")).file(
            "m/2_closed.sql",
            "UPDATE pg_database SET datallowconn = false WHERE datname = current_database();\n",
        );
    let report = verified(&app, 1, 1);
    assert_eq!(report.unit("fresh_1")["verdict"], "failed");
    assert_eq!(report.unit("fresh_1")["outside"]["result"], "not-checked");
    let reason = report.unit("fresh_1")["outside"]["reason"].as_str().unwrap();
    assert!(reason.contains("not currently accepting connections"), "{reason}");
    assert!(report.units_of("catalog-not-read").contains(&"fresh_1"));
}

/// The tenant's own schema, in properties that PostgreSQL treats as text.
#[test]
fn the_own_name_in_texts_is_not_a_difference() {
    let app = app().file(
        "m/2_own.sql",
        "DO $do$ BEGIN\n\
         EXECUTE format('ALTER TABLE users ADD tenant text DEFAULT %L', current_schema());\n\
         EXECUTE format('CREATE INDEX %I ON users (email)', current_schema() || '_email');\n\
         EXECUTE format('CREATE FUNCTION own() RETURNS bigint LANGUAGE plpgsql AS %L', \
             format('BEGIN RETURN (SELECT count(*) FROM %I.users); END', current_schema()));\n\
         END $do$;\n",
    );
    let report = verified(&app, 2, 0);
    assert_eq!(report.unit("fresh_2")["shape"]["result"], "same");
}

/// The project's session settings are for migrations, not for reading catalogs.
#[test]
fn session_settings_do_not_break_catalog_reads() {
    let config = format!(
        "[postgres]\nsettings = {{ default_transaction_isolation = \"serializable\" }}\n{CONFIG}"
    );
    let app = app()
        .file("mig-ci.toml", config)
        .file("m/2_more.sql", "ALTER TABLE users ADD name text;\n");
    let report = verified(&app, 2, 0);
    assert_eq!(report.unit("fresh_2")["shape"]["result"], "same");
}

/// Times and checksums in the ledger differ between tenants.
#[test]
fn ledgers_of_all_formats_are_not_compared() {
    for (format, file, text) in [
        (
            "dbmate",
            "m/1_a.sql",
            "-- migrate:up\nCREATE TABLE a (id int);\n-- migrate:down\nDROP TABLE a;\n",
        ),
        ("golang-migrate", "m/1_a.up.sql", "CREATE TABLE a (id int);\n"),
        ("plain", "m/1_a.sql", "CREATE TABLE a (id int);\n"),
    ] {
        let config = CONFIG.replace("\"sqlx\"", &format!("\"{format}\""));
        let config = config.replace("samples = \"samples/*.sql\"\n", "");
        let app = project().file("mig-ci.toml", config).file(file, text);
        let report = verified(&app, 2, 0);
        assert_eq!(report.unit("fresh_2")["shape"]["result"], "same", "{format}");
        assert_eq!(report.unit("fresh_1")["outside"]["result"], "same", "{format}");
    }
}

mod at_head {
    use super::*;

    const SQLX_LEDGER: &str = "CREATE TABLE users (id int PRIMARY KEY, email text);\n\
        CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY, description text NOT NULL, installed_on timestamptz \
        NOT NULL DEFAULT now(), success boolean NOT NULL, checksum bytea NOT NULL, execution_time bigint NOT NULL);\n";

    fn row(version: u32, text: &str) -> String {
        use sha2::Digest as _;
        let sum = hex::encode(sha2::Sha384::digest(text));
        format!(
            "INSERT INTO _sqlx_migrations VALUES ({version}, 'x', now(), true, '\\x{sum}', 0);\n"
        )
    }

    const ONE: &str = "CREATE TABLE users (id int PRIMARY KEY, email text);\n";
    const TWO: &str = "ALTER TABLE users ADD name text;\n";
    const THREE: &str = "ALTER TABLE users ADD phone text;\n";

    fn two_pending() -> Project {
        two_pending_in(CONFIG)
    }

    fn two_pending_in(config: &str) -> Project {
        configured(config).file("m/2_name.sql", TWO).file("m/3_phone.sql", THREE)
    }

    /// The sample's tenant was not tested, and the report does not claim that it was.
    fn says_so(project: &Project) -> Report {
        let report = verified(project, 2, 0);
        assert_eq!(report.unit("acme")["nothing_applied"], true);
        assert_eq!(report.units_of("sample-at-head"), ["acme"]);
        let message = report.finding("sample-at-head")["message"].as_str().unwrap();
        assert!(message.starts_with("nothing was tested"), "{message}");
        assert_eq!(
            report.json["summary"],
            "Migrations pass for 3 of 4 tenants; nothing was applied to 1, which already had every pending migration"
        );
        report
    }

    #[test]
    fn a_sample_at_the_head_is_not_shown_as_tested() {
        let sample = format!(
            "{SQLX_LEDGER}ALTER TABLE users ADD name text, ADD phone text;\n{}{}{}",
            row(1, ONE),
            row(2, TWO),
            row(3, THREE)
        );
        let project = two_pending().file("samples/acme.sql", sample);
        let report = says_so(&project);
        assert_eq!(report.unit("acme")["already_applied"].to_string(), "[\"2\",\"3\"]");
        for (format, has, has_not) in [
            ("terminal", "– at head  tenant  acme", "passed   tenant  acme"),
            ("markdown", "at head", "4 passed"),
            ("junit", "<skipped message=\"nothing was applied", "tests=\"5\""),
        ] {
            let text = project.verify().args(["--format", format]).run().exit(0).stdout;
            assert!(text.contains(has), "{format}: {text}");
            assert!(!text.contains(has_not), "{format}: {text}");
        }
    }

    #[test]
    fn a_sample_with_some_pending_migrations_is_partly_tested() {
        let sample = format!(
            "{SQLX_LEDGER}ALTER TABLE users ADD name text;\n{}{}",
            row(1, ONE),
            row(2, TWO)
        );
        let report = verified(&two_pending().file("samples/acme.sql", sample), 2, 0);
        assert_eq!(report.unit("acme")["already_applied"].to_string(), "[\"2\"]");
        assert!(report.unit("acme").get("nothing_applied").is_none());
        let message = report.finding("sample-at-head")["message"].as_str().unwrap();
        assert!(message.starts_with("not everything was tested"), "{message}");
    }

    /// golang-migrate keeps one row, so the ledger does not show earlier migrations: they do not count as never applied.
    #[test]
    fn a_single_row_ledger_at_the_head_has_no_skipped_migrations() {
        let config = CONFIG.replace("\"sqlx\"", "\"golang-migrate\"");
        let project = project()
            .file("mig-ci.toml", config)
            .file("m/1_users.up.sql", ONE)
            .git_commit("base")
            .git_branch("feature")
            .file("m/2_name.up.sql", TWO)
            .file("m/3_phone.up.sql", THREE)
            .file(
                "samples/acme.sql",
                "CREATE TABLE users (id int PRIMARY KEY, email text, name text, phone text);\n\
                 CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);\n\
                 INSERT INTO schema_migrations VALUES (3, false);\n",
            );
        let report = says_so(&project);
        assert_eq!(report.codes(), ["sample-at-head"]);
    }

    #[test]
    fn data_at_the_head_was_loaded_after_pending_migrations() {
        says_so(&two_pending_in(&format!("{CONFIG}sample.acme.version = 3\n")));
    }

    #[test]
    fn a_tenant_database_is_reported_in_the_same_way() {
        let config = CONFIG.replace("format", "tenancy = \"database\"\nformat");
        says_so(&two_pending_in(&format!("{config}sample.acme.version = 3\n")));
    }

    /// Without pending migrations nothing can be tested, and the headline says so.
    #[test]
    fn with_nothing_pending_no_sample_is_at_the_head() {
        let report = verified(&app(), 2, 0);
        assert!(!report.codes().contains(&"sample-at-head"), "{:?}", report.codes());
        assert!(report.json["summary"].as_str().unwrap().starts_with("Nothing is pending"));
    }

    /// Without a base all migrations are pending, and samples below the head are normal.
    #[test]
    fn without_a_base_only_samples_at_the_head_are_reported() {
        let sample = format!("{SQLX_LEDGER}{}", row(1, ONE));
        let project = two_pending().file("samples/acme.sql", sample);
        let report = project.verify().arg("--no-base").report(0);
        assert!(!report.codes().contains(&"sample-at-head"), "{:?}", report.codes());
    }
}
