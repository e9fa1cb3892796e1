//! Tenants are isolated: hostile names, and effects that only a replay of several tenants shows (the rows of
//! `postgres-facts`: PostgreSQL's behaviour that a second tenant reveals).

use std::fmt::Write as _;

use crate::common::{Project, at, project};

/// Names that break manual quoting, splitting or formatting.
const HOSTILE: [&str; 14] = [
    "We'ird-\"Ténant\"",
    "select",
    "with space",
    "100%s",
    "$1 $$ ${HOME}",
    "back\\slash\\",
    "émoji👍",
    "UPPER",
    "a;drop schema public cascade;--",
    "'); drop table here; --",
    "[a].*?{b}",
    ".dot",
    "--dash",
    "NULL",
];

const SCHEMAS: &str = r#"
[databases.app]
shared = { migrations = "migrations/shared", schema = "shared" }
[databases.app.tenants]
migrations = "migrations/tenant"
target = "{tenant}"
"#;

/// A schema for each tenant, in plain SQL files.
fn app() -> Project {
    project()
        .file("mig-ci.toml", SCHEMAS)
        .file("migrations/shared/1.sql", "CREATE TABLE shared.seen (target text, tables text[]);")
}

/// A TOML key or value.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Each migration checks its own schema: an error fails the tenant.
fn checking(expected: &str) -> String {
    format!(
        "CREATE TABLE here (id int PRIMARY KEY, name text);\n\
         CREATE INDEX here_name_idx ON here (name);\n\
         DO $check$\nDECLARE\n    expected text := {expected};\nBEGIN\n    \
         ASSERT current_schema() = expected, format('in %s, not in %s', current_schema(), expected);\n    \
         ASSERT to_regclass(format('%I.here', expected)) IS NOT NULL, 'the table is elsewhere';\n    \
         ASSERT to_regclass('public.here') IS NULL, 'the table is in public';\n\
         END $check$;\n"
    )
}

#[test]
fn each_hostile_tenant_uses_only_its_own_schema() {
    let longest = "ü".repeat(31) + "x";
    let names: Vec<&str> = HOSTILE.into_iter().chain([longest.as_str()]).collect();
    let mut config = format!("{SCHEMAS}prepare = \"tenant.sql\"\nsamples = \"samples/*.sql\"\n");
    let mut app = app();
    for name in &names {
        // A name with `$` cannot be in the configuration, whose variables start with it; the name of its file is used.
        if !name.contains('$') {
            let _ = writeln!(
                config,
                "[databases.app.tenants.sample.{}]\nversion = \"1\"",
                quoted(name)
            );
        }
        app = app.file(
            &format!("samples/{name}.sql"),
            "INSERT INTO here VALUES (1, current_schema());\n",
        );
    }
    let app = app
        .file("mig-ci.toml", config)
        // The tenant's name in the administrator's settings, for the comparison in migrations.
        .file(
            "tenant.sql",
            "CREATE TABLE who AS SELECT current_setting('mig_ci.tenant') AS tenant, \
             current_setting('mig_ci.target') AS target;\nGRANT SELECT ON who TO PUBLIC;\n",
        )
        .file("migrations/tenant/1.sql", checking("(SELECT target FROM who)"))
        .git_commit("base")
        .git_branch("feature")
        // By now all tenants have their tables: exactly one in each schema.
        .file(
            "migrations/tenant/2.sql",
            "DO $$\nDECLARE\n    strays text;\nBEGIN\n    \
             ASSERT (SELECT count(*) FROM who WHERE target = current_schema()) = 1, 'whose schema is it?';\n    \
             ASSERT NOT EXISTS (SELECT FROM here WHERE name <> current_schema()), 'another tenant''s data';\n    \
             SELECT string_agg(c.oid::regclass::text, ', ') INTO strays FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace\n    \
             WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'\n    \
             AND (c.relname, n.nspname) NOT IN (SELECT 'here', nspname FROM pg_namespace WHERE nspname <> 'public')\n    \
             AND c.relname NOT IN ('who', 'mig_ci_migrations') AND n.nspname <> 'shared';\n    \
             ASSERT strays IS NULL, strays;\n    \
             ASSERT NOT EXISTS (SELECT FROM pg_class here WHERE relname = 'here' AND relkind = 'r' AND NOT EXISTS \
             (SELECT FROM pg_class who WHERE relname = 'who' AND who.relnamespace = here.relnamespace)), 'not a tenant''s';\nEND $$;\n",
        );
    let report = app.verify().report(0);
    for name in &names {
        assert_eq!(report.unit(name)["target"], *name);
        assert_eq!(report.steps(name), ["base 1 applied", "head 2 applied"], "{name}");
    }
    assert_eq!(report.verdicts().len(), 2 + names.len() + 3);
    for format in ["terminal", "markdown", "junit"] {
        let text =
            app.verify().args(["--format", format, "--tenant", HOSTILE[0]]).run().success().stdout;
        assert!(text.contains("Ténant"), "{text}");
    }
    // The command in a report works unchanged in a shell.
    let broken = app.file("migrations/tenant/3.sql", "SELECT 1/0;");
    let report = broken.verify().args(["--tenant", HOSTILE[8]]).report(1);
    assert_eq!(
        report.finding("migration-failed")["reproduce"],
        format!("mig-ci verify -n app --tenant '{}'", HOSTILE[8])
    );
}

#[test]
fn each_hostile_tenant_has_a_database_of_its_own() {
    let mut app = project().file(
        "mig-ci.toml",
        "[databases.app.tenants]\nmigrations = \"migrations\"\ntenancy = \"database\"\ntarget = \"{tenant}\"\n\
         prepare = \"tenant.sql\"\nsamples = \"samples/*.sql\"\n",
    );
    for name in HOSTILE {
        app = app.file(&format!("samples/{name}.sql"), "INSERT INTO here VALUES (1, 'x');\n");
    }
    let app = app
        .file("tenant.sql", "CREATE TABLE who AS SELECT current_setting('mig_ci.tenant') AS tenant;\nGRANT SELECT ON who TO PUBLIC;\n")
        .file("migrations/1.sql", "CREATE TABLE here (id int PRIMARY KEY, name text);\n")
        .git_commit("base")
        .git_branch("feature")
        .file(
            "migrations/2.sql",
            "DO $$ BEGIN\n    ASSERT current_schema() = 'public';\n    \
             ASSERT (SELECT count(*) FROM who) = 1, 'somebody else was here';\n    \
             ASSERT (SELECT count(*) FROM pg_class WHERE relname = 'here') = 1;\nEND $$;\n",
        );
    let report = app.verify().report(0);
    for name in HOSTILE {
        assert_eq!(report.steps(name), ["base 1 applied", "head 2 applied"], "{name}");
    }
}

/// Row 8: PostgreSQL would truncate both to the same 63 bytes.
#[test]
fn a_name_that_is_too_long_is_refused_before_the_run() {
    let long = "ü".repeat(32);
    let app = app()
        .file("mig-ci.toml", format!("{SCHEMAS}samples = \"samples/*.sql\"\n"))
        .file("migrations/tenant/1.sql", "SELECT 1;")
        .file(&format!("samples/{long}.sql"), "SELECT 1;");
    let run = app.verify().run().exit(3);
    assert!(run.stderr.contains("64 bytes"), "{}", run.stderr);
    assert!(run.stderr.contains("mig-ci.toml"), "{}", run.stderr);
    assert!(!run.stderr.contains("database app"), "nothing was started: {}", run.stderr);
}

/// Row 4: the first tenant "succeeds", because it alters the shared table.
#[test]
fn an_unqualified_alter_of_a_table_in_public_does_not_pass() {
    let app = app()
        .file("migrations/shared/2.sql", "CREATE TABLE public.users (id int);")
        .file("migrations/tenant/1.sql", "ALTER TABLE users ADD COLUMN phone text;");
    let report = app.verify().report(1);
    let passed = report
        .verdicts()
        .into_iter()
        .filter(|line| line.contains("tenant"))
        .filter(|line| line.ends_with("passed"));
    assert!(passed.count() <= 1);
    let finding = report.finding("migration-failed");
    assert_eq!(finding["failure"]["sqlstate"], "42701");
    assert!(
        finding["help"].as_str().unwrap().contains("outside of the tenant's schema"),
        "{finding:#}"
    );
}

/// Row 5: the extension is created in the first tenant's schema; the second one finds it existing, but not in its search
/// path.
#[test]
fn an_extension_in_a_tenants_schema_does_not_pass() {
    let app = app().file(
        "migrations/tenant/1.sql",
        "CREATE EXTENSION IF NOT EXISTS pg_trgm;\nCREATE TABLE notes (body text);\n\
         CREATE INDEX ON notes USING gin (body gin_trgm_ops);\n",
    );
    let report = app.verify().report(1);
    let finding = report.finding("migration-failed");
    assert_eq!(finding["failure"]["sqlstate"], "42704", "{finding:#}");
    assert_eq!(at(&finding["place"])[..25], *"migrations/tenant/1.sql:3");
    assert!(finding["help"].as_str().unwrap().contains("`extensions`"), "{finding:#}");
    // A configured extension is created once, visible for all.
    let listed =
        app.file("mig-ci.toml", format!("[postgres]\nextensions = [\"pg_trgm\"]\n{SCHEMAS}"));
    listed.verify().report(0);
}

/// Row 6: roles are server-wide, publications database-wide.
#[test]
fn server_and_database_wide_objects_cannot_be_created_for_each_tenant() {
    let app = app()
        .file("mig-ci.toml", format!("[postgres]\nrole = \"superuser\"\n{SCHEMAS}"))
        .file("migrations/tenant/1.sql", "CREATE PUBLICATION changes;");
    let report = app.verify().report(1);
    assert_eq!(report.finding("migration-failed")["failure"]["sqlstate"], "42710");
    assert_eq!(report.units_of("migration-failed").len(), 2, "the first of three makes it");

    let roles =
        app.file("mig-ci.toml", SCHEMAS).file("migrations/tenant/1.sql", "CREATE ROLE reader;");
    let report = roles.verify().report(1);
    let finding = report.finding("migration-failed");
    assert_eq!(finding["failure"]["sqlstate"], "42501");
    assert!(finding["help"].as_str().unwrap().contains("`prepare`"), "{finding:#}");
}

/// Row 9: the tenant's rows would get their numbers from the shared table's sequence. Each tenant passes, and the second
/// one's numbers continue after the first one's: a migration that relies on them fails.
#[test]
fn a_copied_serial_uses_the_sequence_in_public() {
    let app = app()
        .file("migrations/shared/2.sql", "CREATE TABLE public.template (id serial PRIMARY KEY, name text);")
        .file(
            "migrations/tenant/1.sql",
            "CREATE TABLE notes (LIKE public.template INCLUDING ALL);\nINSERT INTO notes (name) VALUES ('first');\n",
        )
        .file("migrations/tenant/2.sql", "CREATE TABLE marks (note int REFERENCES notes);\nINSERT INTO marks VALUES (1);\n");
    let report = app.verify().report(1);
    assert_eq!(report.finding("migration-failed")["failure"]["sqlstate"], "23503");
    assert_eq!(report.units_of("migration-failed").len(), 2, "all but the first");
}

/// Row 14: PostgreSQL ignores a missing schema, and creates everything in the next one.
#[test]
fn a_missing_schema_of_the_search_path_does_not_pass() {
    let app = app()
        .file(
            "mig-ci.toml",
            format!(
                "{SCHEMAS}search_path = [\"{{target}}\", \"extensoins\", \"shared\", \"public\"]\n"
            ),
        )
        .file("migrations/tenant/1.sql", "CREATE TABLE a (id int);");
    let report = app.verify().report(1);
    let finding = report.finding("base-not-reached");
    assert!(
        finding["message"].as_str().unwrap().contains("does not see \"extensoins\""),
        "{finding:#}"
    );
    assert!(finding["failure"]["hint"].as_str().unwrap().contains("`prepare`"), "{finding:#}");
    assert_eq!(report.units_of("base-not-reached"), ["fresh_1", "fresh_2", "base"]);

    let made = app
        .file(
            "shared.sql",
            "CREATE SCHEMA extensoins;\nGRANT USAGE ON SCHEMA extensoins TO PUBLIC;\n",
        )
        .file(
            "mig-ci.toml",
            format!(
                "{SCHEMAS}search_path = [\"{{target}}\", \"extensoins\", \"shared\", \"public\"]\n"
            )
            .replace("[databases.app]\n", "[databases.app]\nprepare = \"shared.sql\"\n"),
        );
    made.verify().report(0);
}

/// A migration that drops its own schema cannot continue.
#[test]
fn a_tenant_that_changes_another_does_not_pass() {
    let app = app()
        .file("migrations/tenant/1.sql", "CREATE TABLE a (id int);")
        .file("migrations/tenant/2.sql", "DROP SCHEMA fresh_2 CASCADE;");
    let report = app.verify().arg("--jobs=1").report(1);
    assert_eq!(report.verdict(), "failed");
    assert_eq!(report.unit("fresh_2")["verdict"], "failed", "{:#}", report.json["findings"]);
    assert_eq!(report.unit("base")["verdict"], "failed");
}
