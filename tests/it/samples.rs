//! Samples in practice: real dumps, manual files, and invalid files.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::common::{Database, Project, at, postgres, project};

/// The first migration of the tenants, as in the file.
const FIRST: &str = "CREATE TABLE members (\n    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,\n    email text NOT NULL UNIQUE,\n    note text\n);\n";
const SECOND: &str = "ALTER TABLE members ADD COLUMN plan int REFERENCES shared.plans;\n";
/// The migration of the pull request: it fails for tenants whose plan is too large.
const THIRD: &str = "ALTER TABLE members ADD CHECK (plan < 9);\n";

const CONFIG: &str = r#"
[databases.app]
shared = { migrations = "migrations/shared", format = "dbmate", schema = "shared" }
[databases.app.tenants]
migrations = "migrations/tenant"
format = "dbmate"
target = "tenant_{tenant}"
samples = "samples/*"
"#;

fn dbmate(up: &str) -> String {
    format!("-- migrate:up\n{up}-- migrate:down\n")
}

/// A tenant is at version 1 or 2; the pull request adds 3.
fn app() -> Project {
    project()
        .file("mig-ci.toml", CONFIG)
        .file(
            "migrations/shared/1_plans.sql",
            dbmate("CREATE TABLE shared.plans (id int PRIMARY KEY);\nINSERT INTO shared.plans VALUES (1), (9);\n"),
        )
        .file("migrations/tenant/1_members.sql", dbmate(FIRST))
        .file("migrations/tenant/2_plan.sql", dbmate(SECOND))
        .git_commit("base")
        .git_branch("feature")
        .file("migrations/tenant/3_small.sql", dbmate(THIRD))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Production, created by the real tools: plans, and the tenants' schemas at different versions.
async fn production() -> Database {
    let database = postgres().database().await;
    let shared = "CREATE SCHEMA shared; CREATE TABLE shared.plans (id int PRIMARY KEY); \
                  INSERT INTO shared.plans VALUES (1), (9); \
                  CREATE TABLE shared.schema_migrations (version varchar PRIMARY KEY); \
                  INSERT INTO shared.schema_migrations VALUES ('1');";
    database.sql(shared).await;
    for (tenant, members) in [
        (
            "old",
            "INSERT INTO members (email, note) VALUES (E'tab\\there', E'line\\nfeed \\\\.'), ('ü@x', NULL);",
        ),
        ("new", "INSERT INTO members (email, plan) VALUES ('a@b', 1);"),
        ("big", "INSERT INTO members (email, plan) VALUES ('c@d', 9);"),
    ] {
        let second = if tenant == "old" { "" } else { SECOND };
        let versions = if tenant == "old" { "('1')" } else { "('1'), ('2')" };
        let sql = format!(
            "CREATE SCHEMA tenant_{tenant}; SET search_path = tenant_{tenant}; {FIRST} {second} {members} \
             CREATE TABLE schema_migrations (version varchar PRIMARY KEY); \
             INSERT INTO schema_migrations VALUES {versions};"
        );
        database.sql(&sql).await;
    }
    database
}

#[tokio::test]
async fn unmodified_dumps_are_valid_samples() {
    let production = production().await;
    let dump = |args: &[&str]| production.pg_dump(args);
    let app = app()
        .file("samples/old.sql", dump(&["--schema=tenant_old"]))
        .file("samples/new.sql", dump(&["--schema=tenant_new", "--inserts", "--no-owner"]))
        .file("samples/big.sql.gz", gzip(&dump(&["--schema=tenant_big", "--column-inserts"])));
    let report = app.verify().report(1);
    assert_eq!(report.steps("old"), ["base 2 applied", "head 3 applied"]);
    assert_eq!(report.steps("new"), ["head 3 applied"]);
    assert_eq!(report.steps("big"), ["head 3 failed"]);
    assert_eq!(
        report.units_of("migration-failed"),
        ["big"],
        "it alone has the data that is in the way"
    );
    let old = &report.unit("old")["sample"];
    assert_eq!((&old["version"], &old["copied_rows"]), (&"1".into(), &3.into()));
    // This server has the role that owns everything in production, but another one runs the migrations.
    assert_eq!(
        report.unit("old")["sample"]["skipped"][0]["reason"],
        "owner \"plain\": all objects of a sample belong to the migrations' role"
    );
    assert_eq!(report.unit("new")["sample"]["skipped"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_dump_of_a_database_is_a_tenant_with_its_own_database() {
    let production = postgres().database().await;
    let sql = format!(
        "{FIRST} INSERT INTO members (email) VALUES ('a@b'); CREATE SCHEMA audit; CREATE TABLE audit.log (at date); \
         CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); \
         INSERT INTO schema_migrations VALUES (1, false);"
    );
    production.sql(&sql).await;
    let base = project()
        .file(
            "mig-ci.toml",
            "[databases.customer.tenants]\nmigrations = \"migrations\"\nformat = \"golang-migrate\"\n\
             tenancy = \"database\"\nsamples = \"samples/*\"\n",
        )
        .file("migrations/1_members.up.sql", FIRST)
        .file("samples/plain.sql", production.pg_dump(&[]))
        .file("samples/clean.sql", production.pg_dump(&["--clean", "--if-exists"]))
        .file("samples/create.sql.gz", gzip(&production.pg_dump(&["--create"])))
        .git_commit("base")
        .git_branch("feature")
        .file("migrations/2_day.up.sql", "ALTER TABLE audit.log ADD COLUMN who text;\n");
    let report = base.verify().report(1);
    for name in ["plain", "clean", "create"] {
        assert_eq!(report.steps(name), ["head 2 applied"], "{name}: {:#}", report.unit(name));
    }
    let skipped = report.unit("create")["sample"]["skipped"].as_array().unwrap();
    let reasons: Vec<_> = skipped.iter().map(|each| each["reason"].as_str().unwrap()).collect();
    assert!(reasons.contains(&"statement about the database itself"), "{reasons:?}");
    assert!(reasons.contains(&"connection to the database itself"), "{reasons:?}");
    // The migrations do not create that schema: only the samples contain it.
    assert_eq!(report.units_of("migration-failed"), ["fresh_1", "fresh_2", "base"]);
}

/// Each tenant is a schema, which exists before its sample.
#[tokio::test]
async fn a_dump_with_clean_does_not_drop_the_tenants_schema() {
    let production = production().await;
    let app = app().file(
        "samples/old.sql",
        production.pg_dump(&["--schema=tenant_old", "--clean", "--if-exists"]),
    );
    let report = app.verify().report(0);
    assert_eq!(report.steps("old"), ["base 2 applied", "head 3 applied"]);
    let skipped = report.unit("old")["sample"]["skipped"].as_array().unwrap();
    let left_out = skipped.iter().find(|each| {
        each["reason"] == "removal of a schema that existed before the sample" && each["count"] == 1
    });
    assert!(left_out.is_some(), "{skipped:#?}");
}

/// Database-wide objects as `pg_dump` writes them; a migration can use those that an owner may have.
#[tokio::test]
async fn the_migration_role_owns_publications_and_foreign_servers() {
    let production = postgres().database().await;
    let ledger = "CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL); \
                  INSERT INTO schema_migrations VALUES (1, false);";
    production
        .sql(&format!(
            "{FIRST} {ledger} CREATE PUBLICATION pub FOR TABLE members; COMMENT ON PUBLICATION pub IS 'x'; \
             ALTER PUBLICATION pub SET (publish = 'insert');"
        ))
        .await;
    // Only an administrator creates these.
    let by_hand = format!(
        "{FIRST}{ledger}
        CREATE PUBLICATION \"all\" FOR ALL TABLES;
        ALTER PUBLICATION \"all\" OWNER TO app;
        COMMENT ON PUBLICATION \"all\" IS 'x';
        CREATE PUBLICATION pub WITH (publish = 'insert');
        ALTER PUBLICATION pub ADD TABLES IN SCHEMA public;
        CREATE FOREIGN DATA WRAPPER elsewhere;
        CREATE SERVER remote FOREIGN DATA WRAPPER elsewhere OPTIONS (host 'x');
        COMMENT ON SERVER remote IS 'x';
        CREATE USER MAPPING FOR app SERVER remote OPTIONS (\"user\" 'x');
        CREATE USER MAPPING FOR PUBLIC SERVER remote;
        CREATE FOREIGN TABLE far (id int) SERVER remote;
        CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
        CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION watch();
        ALTER EVENT TRIGGER watching DISABLE;
        COMMENT ON EVENT TRIGGER watching IS 'x';\n"
    );
    let report = project()
        .file(
            "mig-ci.toml",
            "[databases.customer.tenants]\nmigrations = \"migrations\"\nformat = \"golang-migrate\"\n\
             tenancy = \"database\"\nsamples = \"samples/*\"\n",
        )
        .file("migrations/1_members.up.sql", FIRST)
        .file("samples/dumped.sql", production.pg_dump(&[]))
        .file("samples/by_hand.sql", by_hand)
        .git_commit("base")
        .git_branch("feature")
        .file(
            "migrations/2_more.up.sql",
            "CREATE TABLE more (id int);\n\
             DO $$ BEGIN\n  IF EXISTS (SELECT FROM pg_publication_tables WHERE pubname = 'pub' AND tablename = 'members') THEN\n    \
             IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'all') THEN ALTER PUBLICATION pub ADD TABLE more; END IF;\n    \
             ALTER PUBLICATION pub SET (publish = 'update');\n  END IF;\n  \
             IF EXISTS (SELECT FROM pg_foreign_server) THEN\n    \
             ALTER PUBLICATION \"all\" SET (publish = 'update');\n    \
             ALTER SERVER remote OPTIONS (SET host 'y');\n    \
             CREATE FOREIGN TABLE farther (id int) SERVER remote;\n  END IF;\nEND $$;\n",
        )
        .verify()
        .report(0);
    for name in ["dumped", "by_hand"] {
        assert_eq!(report.steps(name), ["head 2 applied"], "{name}: {:#}", report.unit(name));
    }
    let skipped = report.unit("by_hand")["sample"]["skipped"].as_array().unwrap();
    let reasons: Vec<_> = skipped.iter().map(|each| each["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["owner of unknown role \"app\"", "user mapping of unknown role \"app\""]);
}

#[test]
fn manual_data_is_loaded_after_the_migrations_of_its_version() {
    let app = app()
        .file("samples/at_one.sql", "INSERT INTO members (email) VALUES ('a@b');\n")
        .file("samples/at_base.sql", "INSERT INTO members (email, plan) VALUES ('a@b', 9);\n")
        .file("mig-ci.toml", format!("{CONFIG}sample.at_one.version = \"1\"\n"));
    let report = app.verify().report(1);
    assert_eq!(report.steps("at_one"), ["base 1 applied", "base 2 applied", "head 3 applied"]);
    assert_eq!(report.steps("at_base"), ["base 1 applied", "base 2 applied", "head 3 failed"]);
    assert_eq!(report.unit("at_one")["sample"]["version"], "1");
    assert_eq!(report.unit("at_base")["sample"]["version"], "2");
}

#[test]
fn a_complete_sample_without_a_ledger_has_the_configured_or_base_version() {
    let by_hand = format!("{FIRST}INSERT INTO members (email) VALUES ('a@b');\n");
    let app = app()
        .file("samples/told.sql", &by_hand)
        .file("samples/untold.sql", format!("{by_hand}{SECOND}"))
        .file("mig-ci.toml", format!("{CONFIG}sample.told.version = \"1\"\n"));
    let report = app.verify().report(0);
    assert_eq!(report.steps("told"), ["base 2 applied", "head 3 applied"]);
    assert_eq!(report.steps("untold"), ["head 3 applied"]);
    assert_eq!(report.units_of("sample-version-assumed"), ["untold"]);
    let message = report.finding("sample-version-assumed")["message"].as_str().unwrap();
    assert!(message.contains("assumed version \"2\""), "{message}");

    // Without a base and a configured version it is unknown.
    let report = app.verify().arg("--no-base").report(1);
    assert_eq!(report.steps("told"), ["head 2 applied", "head 3 applied"]);
    assert_eq!(report.units_of("sample-not-loaded"), ["untold"]);
    let failure = &report.unit("untold")["failure"];
    assert_eq!(failure["message"], "the version of this sample is unknown");
    assert!(failure["hint"].as_str().unwrap().contains("version = "), "{failure:#}");
    assert_eq!(failure["place"]["path"], "samples/untold.sql");
}

#[test]
fn a_complete_sample_with_another_ledger_is_refused() {
    let state = format!("{FIRST}INSERT INTO members (email) VALUES ('a@b');\n");
    let legacy = "CREATE SCHEMA legacy;\nCREATE TABLE legacy.schema_migrations (version varchar PRIMARY KEY);\n\
                  INSERT INTO legacy.schema_migrations VALUES ('1');\n";
    let sqlx = "CREATE TABLE _sqlx_migrations (version bigint PRIMARY KEY);\nINSERT INTO _sqlx_migrations VALUES (1);\n";
    let app = app()
        .file("samples/elsewhere.sql", format!("{state}{legacy}"))
        .file("samples/other_tool.sql", format!("{state}{sqlx}"))
        .file("samples/told.sql", format!("{state}{sqlx}"))
        .file("mig-ci.toml", format!("{CONFIG}sample.told.version = \"1\"\n"));
    let report = app.verify().report(1);
    assert_eq!(report.codes(), ["sample-not-loaded"; 2]);
    for (name, place, words) in [
        ("elsewhere", "samples/elsewhere.sql:8:1", "\"legacy\".\"schema_migrations\""),
        (
            "other_tool",
            "samples/other_tool.sql:7:1",
            "\"_sqlx_migrations\", the version table of sqlx",
        ),
    ] {
        let failure = &report.unit(name)["failure"];
        assert_eq!(at(&failure["place"]), place);
        assert!(failure["message"].as_str().unwrap().contains(words), "{failure:#}");
        assert!(failure["hint"].as_str().unwrap().contains("`version`"), "{failure:#}");
    }
    assert_eq!(report.steps("told"), ["base 2 applied", "head 3 applied"]);
}

/// The dumped rows of the ledger, in all forms that `pg_dump` writes, determine the version of the data.
#[tokio::test]
async fn dumped_data_has_the_version_of_its_ledger_rows() {
    let production = production().await;
    let dump = |schema: &str, args: &[&str]| {
        production.pg_dump(&[&["--data-only", schema], args].concat())
    };
    let (old, new) = ("--schema=tenant_old", "--schema=tenant_new");
    let replica = format!(
        "SET session_replication_role = replica;\nSET default_tablespace = fast;\n{}",
        String::from_utf8(dump(new, &["--inserts"])).unwrap()
    );
    let unknown = "INSERT INTO schema_migrations VALUES ('7');\n";
    let app = app()
        .file("samples/old.sql", dump(old, &["--inserts"]))
        .file("samples/new.sql", dump(new, &["--disable-triggers"]))
        .file("samples/replica.sql", replica.replace("tenant_new", "tenant_replica"))
        .file("samples/unknown.sql", unknown);
    let report = app.verify().report(1);
    assert_eq!(report.steps("old"), ["base 1 applied", "base 2 applied", "head 3 applied"]);
    assert_eq!(report.steps("new"), ["base 1 applied", "base 2 applied", "head 3 applied"]);
    let version = |name: &str| report.unit(name)["sample"]["version"].as_str().unwrap().to_owned();
    assert_eq!(["old", "new", "replica"].map(version), ["1", "2", "2"]);
    let skipped = |name: &str| -> Vec<String> {
        let skipped = report.unit(name)["sample"]["skipped"].as_array().unwrap();
        skipped.iter().map(|each| format!("{} {}", each["count"], each["reason"])).collect()
    };
    let rows = "\"rows of the version table, which the migrations have written\"";
    assert_eq!(skipped("old"), [format!("1 {rows}")]);
    assert_eq!(skipped("new"), ["1 \"change of role\"".to_owned(), format!("1 {rows}")]);
    assert_eq!(
        skipped("replica"),
        [
            "1 \"`default_tablespace` that this server does not have\"".to_owned(),
            format!("2 {rows}")
        ]
    );
    assert_eq!(report.units_of("sample-not-loaded"), ["unknown"]);
    let message = report.unit("unknown")["failure"]["message"].as_str().unwrap();
    assert!(message.contains("contains 7"), "{message}");
    // Even without a base, because the data contain the version.
    let report = app.verify().args(["--no-base", "--tenant=old"]).report(0);
    assert_eq!(report.steps("old"), ["base 1 applied", "head 2 applied", "head 3 applied"]);
}

#[test]
fn a_version_without_a_migration_is_an_error_before_the_run() {
    let app = app()
        .file("samples/acme.sql", "SELECT 1;")
        .file("mig-ci.toml", format!("{CONFIG}sample.acme.version = \"7\"\n"));
    let run = app.verify().run().exit(3);
    app.redactions().bind(|| insta::assert_snapshot!("sample_version", run.stderr));

    // A sample can be at a version that only the head has.
    let ahead = app.file("mig-ci.toml", format!("{CONFIG}sample.acme.version = \"3\"\n"));
    assert_eq!(
        ahead.verify().report(0).steps("acme"),
        ["base 1 applied", "base 2 applied", "base 3 applied"]
    );
}

/// dbmate folds the name: the tables would be created in the next schema.
#[test]
fn an_unsupported_tenant_fails_alone() {
    let members = "INSERT INTO members (email) VALUES ('a@b');";
    let project = app()
        .file("mig-ci.toml", CONFIG.replace("tenant_{tenant}", "{tenant}"))
        .file("samples/Acme.sql", members)
        .file("samples/globex.sql", members);
    let report = project.verify().report(1);
    assert_eq!(report.unit("Acme")["verdict"], "failed");
    for name in ["globex", "fresh_1", "fresh_2", "base"] {
        assert_eq!(report.unit(name)["verdict"], "passed", "{name}");
    }
    let said = report.unit("Acme").to_string();
    assert!(said.contains("dbmate cannot use the schema `Acme`"), "{said}");
}

#[test]
fn a_sample_ahead_of_the_base_gets_the_remaining_migrations() {
    let ahead = format!(
        "{FIRST}{SECOND}{THIRD}CREATE TABLE schema_migrations (version varchar PRIMARY KEY);\n\
         INSERT INTO schema_migrations VALUES ('1'), ('2'), ('3');\n"
    );
    let app = app()
        .file("samples/ahead.sql", ahead)
        .file("migrations/tenant/4_more.sql", dbmate("SELECT 4;\n"));
    let report = app.verify().report(0);
    assert_eq!(report.steps("ahead"), ["head 4 applied"]);
    assert_eq!(report.unit("ahead")["sample"]["version"], "3");
}

#[tokio::test]
async fn a_dump_of_another_schema_is_refused() {
    let production = production().await;
    let app = app().file("samples/acme.sql", production.pg_dump(&["--schema=tenant_old"]));
    let report = app.verify().report(1);
    assert_eq!(report.units_of("sample-not-loaded"), ["acme"]);
    let failure = &report.unit("acme")["failure"];
    assert!(failure["message"].as_str().unwrap().contains("\"tenant_acme\""), "{failure:#}");
    assert!(failure["hint"].as_str().unwrap().contains("sample"), "{failure:#}");
}

/// `pg_dump | head`, or a full disk: the rest is valid SQL.
#[tokio::test]
async fn a_truncated_dump_is_refused() {
    let production = production().await;
    let dump = production.pg_dump(&["--schema=tenant_old"]);
    let dump = String::from_utf8(dump).unwrap();
    let upto = |marker: &str| &dump[..dump.find(marker).unwrap()];
    let end = upto("-- PostgreSQL database dump complete");
    let app = app()
        .file("samples/before_data.sql", upto("COPY "))
        .file("samples/before_constraints.sql", upto("ALTER TABLE ONLY tenant_old."))
        .file("samples/before_its_end.sql.gz", gzip(end.as_bytes()))
        .file("samples/old.sql", &dump);
    let report = app.verify().report(1);
    let cut = ["before_constraints", "before_data", "before_its_end"];
    assert_eq!(report.codes()[..3], ["sample-not-loaded"; 3], "each at its place");
    for name in cut {
        let failure = &report.unit(name)["failure"];
        assert!(failure["message"].as_str().unwrap().contains("truncated"), "{failure:#}");
    }
    assert_eq!(at(&report.unit("before_data")["failure"]["place"]), "samples/before_data.sql:2:1");
    assert_eq!(report.unit("old")["verdict"], "passed");
}

/// Each with its location and its message. The other tenants continue.
#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn an_invalid_sample_fails_its_tenant_with_a_location() {
    let copy = "COPY members (email, note) FROM stdin;\n";
    let cases: [(&str, Vec<u8>, &str, &str); 14] = [
        ("unterminated", format!("{copy}a\tb\n").into(), "samples/unterminated.sql:1", "truncated"),
        (
            "bad_row",
            format!("SELECT 1;\n{copy}a\tb\nc\td\te\n\\.\n").into(),
            "samples/bad_row.sql:4",
            "extra data after last expected column",
        ),
        (
            "bad_value",
            format!("{copy}a\tb\na\tc\n\\.\n").into(),
            "samples/bad_value.sql:3",
            "duplicate key value",
        ),
        (
            "sql_error",
            "SELECT 1;\n\nINSERT INTO members (emial) VALUES ('x');\n".into(),
            "samples/sql_error.sql:3:22",
            "column \"emial\"",
        ),
        ("include", "SELECT 1;\n\\i other.sql\n".into(), "samples/include.sql:2:1", "psql command"),
        ("latin", b"SELECT 1;\nSELECT '\xe9';\n".into(), "samples/latin.sql:2", "not UTF-8"),
        ("custom", b"PGDMP\x01\x0e\x00\x04\x08\x01\x01\x00\xff".into(), "samples/custom.sql:1", "custom format"),
        (
            "damaged",
            gzip(b"INSERT INTO members (email) VALUES ('x');")[..30].into(),
            "samples/damaged.sql:1",
            "gzip file is damaged",
        ),
        ("open_quote", "SELECT 1;\nSELECT 'no end\n".into(), "samples/open_quote.sql:2:8", "unterminated quoted string"),
        (
            "in_a_transaction",
            "BEGIN;\nINSERT INTO members (email) VALUES ('x');\nINSERT INTO members (email) VALUES ('x');\nCOMMIT;\n".into(),
            "samples/in_a_transaction.sql:3",
            "duplicate key value",
        ),
        (
            "pg_dumpall",
            "\\connect one\nSELECT 1;\n\\connect two\n".into(),
            "samples/pg_dumpall.sql:3:1",
            "another database",
        ),
        ("empty", Vec::new(), "samples/empty.sql:1", "no statement"),
        ("comment", "-- nothing yet\n\\restrict x\n".into(), "samples/comment.sql:1", "no statement"),
        ("utf16", b"\xff\xfeS\0E\0L\0".into(), "samples/utf16.sql:1", "UTF-16"),
    ];
    let mut app = app().file("samples/fine.sql", "INSERT INTO members (email) VALUES ('x');");
    for (name, bytes, ..) in &cases {
        app = app.file(&format!("samples/{name}.sql"), bytes);
    }
    let report = app.verify().report(1);
    let mut seen = String::new();
    for (name, _, place, words) in &cases {
        let unit = report.unit(name);
        let failure = &unit["failure"];
        let _ = writeln!(seen, "{name}: {} {}", at(&failure["place"]), failure["message"]);
        assert_eq!(unit["verdict"], "failed", "{name}: {unit:#}");
        let found = at(&failure["place"]);
        assert!(
            found == *place || found.starts_with(&format!("{place}:")),
            "{name}: {found} {failure:#}"
        );
        assert!(failure["message"].as_str().unwrap().contains(words), "{name}: {failure:#}");
        let finding = report.json["findings"].as_array().unwrap().iter();
        let mut codes =
            finding.filter(|each| each["units"][0] == **name).map(|each| each["code"].as_str());
        assert_eq!(codes.next(), Some(Some("sample-not-loaded")), "{name}: {unit:#}");
        assert_eq!(codes.next(), None);
    }
    for name in ["fine", "fresh_1", "fresh_2", "base"] {
        assert_eq!(report.unit(name)["verdict"], "passed");
    }
    app.redactions().bind(|| insta::assert_snapshot!("samples_refused", seen));
}

#[test]
fn a_sample_that_ends_in_a_transaction_is_a_failure() {
    let app = app()
        .file("samples/open.sql", "SELECT 1;\nBEGIN;\nINSERT INTO members (email) VALUES ('x');\n");
    let report = app.verify().report(1);
    let failure = &report.unit("open")["failure"];
    assert_eq!(failure["message"], "the file ends inside a transaction that starts here");
    assert_eq!(at(&failure["place"]), "samples/open.sql:2:1");
}

#[test]
fn statements_with_unknown_roles_are_skipped_and_counted() {
    let reader = format!("reader_{}", std::process::id());
    let sample = format!(
        "{FIRST}{SECOND}SET SESSION AUTHORIZATION 'app_owner';\nALTER TABLE members OWNER TO app_owner;\n\
         ALTER TABLE members OWNER TO {reader};\nGRANT SELECT ON members TO app_reader;\n\
         GRANT INSERT ON members TO app_reader;\nGRANT SELECT ON members TO {reader};\nREVOKE ALL ON members FROM PUBLIC;\n\
         ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA tenant_acme GRANT SELECT ON TABLES TO {reader};\n\
         SET transaction_timeout = 0;\nSET row_security = off;\n"
    );
    let app = app()
        .file("samples/acme.sql", sample)
        // On a shared server it still exists after the first run.
        .file("roles.sql", format!("DO $$ BEGIN\n  IF to_regrole('{reader}') IS NULL THEN CREATE ROLE {reader}; END IF;\nEND $$;\n"))
        .file("mig-ci.toml", format!("prepare.server = \"roles.sql\"\n{CONFIG}sample.acme.version = \"2\"\n"))
        .file(
            "migrations/tenant/3_small.sql",
            dbmate(&format!(
                "DO $$ BEGIN\n  IF current_schema() = 'tenant_acme' THEN\n    \
                 ASSERT has_table_privilege('{reader}', 'members', 'SELECT');\n    \
                 ASSERT NOT has_table_privilege('{reader}', 'members', 'INSERT');\n    \
                 ASSERT (SELECT relowner = current_user::regrole FROM pg_class WHERE oid = 'members'::regclass);\n  \
                 END IF;\nEND $$;\n"
            )),
        );
    let report = app.verify().report(0);
    let skipped = report.unit("acme")["sample"]["skipped"].as_array().unwrap();
    let skipped: Vec<String> =
        skipped.iter().map(|each| format!("{} {}", each["count"], each["reason"])).collect();
    assert_eq!(
        skipped,
        [
            "1 \"change of role\"".to_owned(),
            "1 \"owner of unknown role \\\"app_owner\\\"\"".to_owned(),
            format!(
                "1 \"owner \\\"{reader}\\\": all objects of a sample belong to the migrations' role\""
            ),
            "2 \"grant of unknown role \\\"app_reader\\\"\"".to_owned(),
            "1 \"default privileges of unknown role \\\"app_owner\\\"\"".to_owned(),
            "1 \"setting that this server does not know\"".to_owned(),
        ]
    );
    // The new `prepare` file is reported, too.
    assert_eq!(report.codes()[0], "coverage-reduced");
    assert_eq!(report.codes()[1..], ["sample-statements-skipped"; 6]);
}

#[test]
fn twenty_megabytes_load_quickly() {
    let mut sample = String::from("COPY members (email, note) FROM stdin;\n");
    for row in 0..100_000 {
        let _ = writeln!(sample, "{row}@example.com\t{}", "x".repeat(110));
    }
    sample.push_str("\\.\n");
    for row in 0..100_000 {
        let _ = writeln!(
            sample,
            "INSERT INTO members (email, note) VALUES ('{row}@example.net', '{}');",
            "y".repeat(30)
        );
    }
    assert!(sample.len() > 20_000_000);
    let app = app().file("samples/huge.sql", sample);
    let run = app.verify().args(["--tenant=huge", "--format=json"]).run().success();
    assert_eq!(run.json()["databases"][0]["units"][2]["sample"]["copied_rows"], 100_000);
    assert!(run.took.as_secs() < 60, "it took {:?}", run.took);
}

#[test]
fn prepare_files_run_first_and_have_the_tenants_name() {
    let app = app()
        .file(
            "mig-ci.toml",
            format!("{CONFIG}prepare = [\"prepare/tenant.sql\", \"prepare/tenant_too.sql\"]\n")
                .replace("[databases.app]\n", "[databases.app]\nprepare = \"prepare/database.sql\"\n"),
        )
        .file(
            "prepare/database.sql",
            "CREATE SCHEMA auth;\nCREATE FUNCTION auth.uid() RETURNS int LANGUAGE sql AS 'SELECT 7';\n\
             GRANT USAGE ON SCHEMA auth TO PUBLIC;\n",
        )
        .file(
            "prepare/tenant.sql",
            "CREATE TABLE platform AS\n    SELECT current_setting('mig_ci.tenant') AS tenant, current_setting('mig_ci.target') AS target;\n\
             GRANT SELECT ON platform TO PUBLIC;\n",
        )
        .file("prepare/tenant_too.sql", "COPY platform FROM stdin;\nsecond\tfile\n\\.\n")
        .file("samples/acme.sql", "INSERT INTO members (email) VALUES ('x');\n")
        .file(
            "migrations/tenant/3_small.sql",
            dbmate(
                "DO $$ BEGIN\n  ASSERT auth.uid() = 7;\n  ASSERT (SELECT count(*) FROM platform) = 2;\n  \
                 ASSERT (SELECT 'tenant_' || tenant = target AND target = current_schema() FROM platform LIMIT 1);\nEND $$;\n",
            ),
        );
    let report = app.verify().report(0);
    assert_eq!(report.steps("acme"), ["base 1 applied", "base 2 applied", "head 3 applied"]);

    let broken = app.file("prepare/tenant_too.sql", "SELECT 1;\nSELECT no_such();\n");
    let report = broken.verify().report(1);
    let finding = report.finding("base-not-reached");
    assert_eq!(at(&finding["place"]), "prepare/tenant_too.sql:2:8");
    assert_eq!(report.units_of("base-not-reached"), ["acme", "fresh_1", "fresh_2", "base"]);
}

#[test]
fn a_shared_track_can_start_from_a_sample() {
    let users = project()
        .file(
            "mig-ci.toml",
            "[databases.users]\nmigrations = \"migrations\"\nsample = { file = \"users.sql\", version = \"1_users\" }\n",
        )
        .file("migrations/1_users.sql", "CREATE TABLE users (id int);")
        .file("users.sql", "INSERT INTO users VALUES (1), (1);\n")
        .file("migrations/2_unique.sql", "ALTER TABLE users ADD PRIMARY KEY (id);");
    let report = users.verify().report(1);
    assert_eq!(report.verdicts(), ["users shared sample: failed", "users shared fresh: passed"]);
    assert_eq!(
        report.finding("migration-failed")["failure"]["detail"],
        "Key (id)=(1) is duplicated."
    );
}
