//! A pull request that tests less than its base, and files that are not read.

use serde_json::Value;

use crate::common::{Project, Report, project};

const CONFIG: &str = r#"
[databases.app]
shared = { migrations = "migrations/shared", format = "sqlx", schema = "shared" }
[databases.app.tenants]
migrations = "migrations/tenant"
format = "sqlx"
target = "tenant_{tenant}"
samples = "samples/*.sql"
[databases.users]
migrations = "migrations/users"
format = "sqlx"
"#;

/// Two tenants; the pull request's migration fails only for `acme`.
fn base() -> Project {
    project()
        .file("mig-ci.toml", CONFIG)
        .file("migrations/shared/1_s.sql", "CREATE TABLE shared.plans (id int);")
        .file("migrations/tenant/1_t.sql", "CREATE TABLE t (id int);")
        .file("migrations/users/1_u.sql", "CREATE TABLE u (id int);")
        .file("samples/acme.sql", "INSERT INTO t VALUES (NULL);")
        .file("samples/globex.sql", "INSERT INTO t VALUES (1);")
}

fn pull_request() -> Project {
    base()
        .git_commit("base")
        .git_branch("feature")
        .file("migrations/tenant/2_n.sql", "ALTER TABLE t ALTER id SET NOT NULL;")
}

fn reduced(report: &Report) -> Vec<&Value> {
    let findings = report.json["findings"].as_array().unwrap().iter();
    findings.filter(|finding| finding["code"] == "coverage-reduced").collect()
}

fn messages(report: &Report) -> String {
    let all = reduced(report).into_iter().map(|finding| finding["message"].as_str().unwrap());
    all.collect::<Vec<_>>().join("\n")
}

fn with_config(project: Project, change: impl Fn(String) -> String) -> Project {
    let config = change(project.read("mig-ci.toml"));
    project.file("mig-ci.toml", config)
}

fn ack(project: Project, entry: &str) -> Project {
    with_config(project, |config| format!("{config}\n[[coverage.removed]]\n{entry}\n"))
}

#[test]
fn removing_the_sample_of_the_failing_tenant_is_a_finding() {
    let whole = pull_request().verify().report(1);
    assert_eq!(whole.units_of("migration-failed"), ["acme"]);
    assert!(reduced(&whole).is_empty(), "{}", whole.json);

    let gone = pull_request().without("samples/acme.sql");
    let report = gone.verify().report(1);
    assert_eq!(report.verdict(), "failed");
    let [finding] = reduced(&report)[..] else { panic!("{}", report.json) };
    assert_eq!(finding["message"], "the sample of tenant `acme` (samples/acme.sql) was removed");
    assert_eq!((&finding["severity"], &finding["fails_run"]), (&"error".into(), &true.into()));
    let terminal = gone.verify().run().exit(1).stdout;
    assert!(terminal.contains("error[coverage-reduced]"), "{terminal}");
    let junit = gone.mig_ci(["verify", "--format=junit"]).run().exit(1).stdout;
    assert!(junit.contains("type=\"coverage-reduced\""), "{junit}");
    let comment = gone.mig_ci(["verify", "--format=markdown"]).run().exit(1).stdout;
    assert!(comment.contains("was removed"), "{comment}");

    // The same for a narrower pattern, and for a file that gets another tenant's name.
    let narrowed =
        with_config(pull_request(), |config| config.replace("samples/*.sql", "samples/g*.sql"));
    assert!(messages(&narrowed.verify().report(1)).contains("tenant `acme`"));
    let other = pull_request().without("samples/acme.sql").file("samples/acme2.sql", "SELECT 1;");
    assert!(messages(&other.verify().report(1)).contains("tenant `acme`"));
}

#[test]
fn an_acknowledged_reduction_is_a_warning_with_its_reason() {
    let gone = || pull_request().without("samples/acme.sql");
    let entry = "tenant = \"acme\"\nreason = \"no customer any more\"";
    let report = ack(gone(), entry).verify().report(0);
    let [finding] = reduced(&report)[..] else { panic!("{}", report.json) };
    assert_eq!(finding["severity"], "warning");
    assert!(messages(&report).ends_with("Acknowledged: no customer any more"));
    // Warnings that the base allows are not affected.
    let strict = base()
        .file("mig-ci.toml", format!("{CONFIG}[checks]\nfail-on = \"warning\"\n"))
        .git_commit("base")
        .git_branch("feature")
        .without("samples/acme.sql");
    ack(strict, entry).verify().report(0);

    for bad in ["tenant = \"acme\"", "tenant = \"acme\"\nreason = \" \"", "reason = \"x\""] {
        let refused = ack(gone(), bad).verify().run().exit(3);
        assert!(refused.stderr.contains("coverage.removed"), "{refused:?}");
    }
    let stale = ack(pull_request(), entry).verify().report(1);
    assert!(messages(&stale).contains("tenant = \"acme\", but nothing of it was removed"));
    let other_database = "database = \"users\"\ntenant = \"acme\"\nreason = \"x\"";
    ack(gone(), other_database).verify().report(1);
}

#[test]
fn removed_tracks_databases_and_configuration_are_findings() {
    let no_tenants = with_config(pull_request(), |config| {
        let (before, after) = config.split_once("[databases.app.tenants]").unwrap();
        let (_, users) = after.split_once("[databases.users]").unwrap();
        format!("{before}[databases.users]{users}")
    });
    let report = no_tenants.verify().report(1);
    let words = "the tenant track of database `app` (migrations/tenant) is no longer verified";
    assert_eq!(messages(&report), words);
    let entry = "database = \"app\"\ntrack = \"tenant\"\nreason = \"moved to another repository\"";
    ack(no_tenants, entry).verify().report(0);

    let no_users = with_config(pull_request().without("samples/acme.sql"), |config| {
        config.split_once("[databases.users]").unwrap().0.to_owned()
    });
    let report = no_users.verify().report(1);
    assert!(messages(&report).contains("database `users` (migrations/users)"), "{}", report.json);

    // Without the file the project is discovered, and `users` next to `shared` and `tenant` is another database.
    let no_file = base()
        .file("other/1_o.sql", "CREATE TABLE o ();")
        .file(
            "mig-ci.toml",
            format!("{CONFIG}[databases.other]\nmigrations = \"other\"\nformat = \"sqlx\"\n"),
        )
        .git_commit("base")
        .git_branch("feature")
        .without("mig-ci.toml");
    let report = no_file.verify().report(1);
    assert!(messages(&report).contains("database `other` (other)"), "{}", report.json);
}

#[test]
fn moved_samples_do_not_reduce_coverage() {
    let renamed = pull_request()
        .without("migrations/tenant/2_n.sql")
        .without("samples/acme.sql")
        .file("samples/acme_corp.sql", "INSERT INTO t VALUES (NULL);");
    assert_eq!(messages(&renamed.verify().report(0)), "");
    let other_name = with_config(pull_request().without("migrations/tenant/2_n.sql"), |config| {
        config.replace("databases.users", "databases.accounts")
    });
    assert_eq!(messages(&other_name.verify().report(0)), "");
    let moved = pull_request()
        .without("migrations/tenant/2_n.sql")
        .without("migrations/users/1_u.sql")
        .file("db/users/1_u.sql", "CREATE TABLE u (id int);");
    let moved = with_config(moved, |config| config.replace("migrations/users", "db/users"));
    assert_eq!(messages(&moved.verify().report(0)), "");
    for args in [["--tenant=globex", "-napp"], ["--partition=1/2", "-napp"], ["-nusers", "--quiet"]]
    {
        let part = pull_request().without("migrations/tenant/2_n.sql");
        assert_eq!(messages(&part.verify().args(args).report(0)), "", "{args:?}");
    }
    let no_base = pull_request().without("samples/acme.sql");
    // Without a base the other sample's version is unknown.
    assert_eq!(messages(&no_base.verify().arg("--no-base").report(1)), "");
    // The first pull request with a configuration, and no earlier one.
    let adopted = project().file("README.md", "").git_commit("base").git_branch("feature");
    let adopted =
        adopted.file("mig-ci.toml", "[databases.a]\nmigrations = \"a\"\nformat = \"sqlx\"\n");
    assert_eq!(messages(&adopted.file("a/1_a.sql", "SELECT 1;").verify().report(0)), "");
}

#[test]
fn weights_and_settings_come_from_the_base() {
    let base = base()
        .file(
            "mig-ci.toml",
            format!(
                "{CONFIG}[postgres]\nversion = 15\n[checks]\nfail-on = \"warning\"\n\
                 applied-migration-edited = {{ severity = \"error\" }}\n"
            ),
        )
        .file("roles.sql", "SELECT 1;")
        .git_commit("base")
        .git_branch("feature");
    let off = format!(
        "{CONFIG}[prepare]\nserver = \"roles.sql\"\n[postgres]\nrole = \"superuser\"\nsettings = {{ \"app.x\" = \"1\" }}\n\
         extensions = [\"plpgsql\"]\n[checks]\ncoverage-reduced = {{ severity = \"off\" }}\n\
         applied-migration-edited = {{ severity = \"off\" }}\n"
    );
    let report = base.file("mig-ci.toml", off).verify().report(1);
    let said = messages(&report);
    for words in [
        "migrations run as superuser instead of a plain owner",
        "`postgres.version` is none, and was 15",
        "the session setting `app.x` was changed",
        "the extension `plpgsql` is now created before the migrations",
        "the `prepare` file roles.sql is new",
        "`checks.fail-on` is error, and was warning",
        "the check `applied-migration-edited` is off, and was error",
        "the check `coverage-reduced` is off, and was error",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(reduced(&report).iter().all(|finding| finding["fails_run"] == true), "{said}");
}

#[test]
fn a_sample_without_statements_counts_as_removed() {
    let emptied = pull_request().file("samples/acme.sql", "-- nothing\n").verify().report(1);
    let words = "the sample samples/acme.sql of `acme` no longer contains a statement";
    assert_eq!(messages(&emptied), words);
    let later = with_config(pull_request(), |config| {
        format!("{config}[databases.app.tenants.sample.acme]\nversion = \"2\"\n")
    });
    let later = later.file("samples/acme.sql", "INSERT INTO t VALUES (1);").verify().report(1);
    assert!(
        messages(&later).contains("`acme` (samples/acme.sql) is configured with a later version")
    );
    let format = with_config(pull_request().without("migrations/tenant/2_n.sql"), |config| {
        config.replace(
            "migrations/users\"\nformat = \"sqlx\"",
            "migrations/users\"\nformat = \"plain\"",
        )
    });
    let words = "the format of the shared track of database `users` is plain, and was sqlx";
    assert!(messages(&format.verify().report(1)).contains(words));
}

#[test]
fn an_invalid_base_configuration_is_reported() {
    let broken = base().file("mig-ci.toml", "[databases").git_commit("base").git_branch("feature");
    let report = broken.file("mig-ci.toml", CONFIG).verify().report(0);
    let said = messages(&report);
    assert!(
        said.starts_with("the coverage was not compared with the base: mig-ci.toml of the base"),
        "{said}"
    );
    assert_eq!(reduced(&report)[0]["severity"], "warning");
}

#[test]
fn files_that_are_not_read_are_reported() {
    let project = pull_request()
        .without("migrations/tenant/2_n.sql")
        .file("migrations/tenant/v2/2_x.sql", "SELECT 1;")
        .file("migrations/tenant/3_x.SQL", "SELECT 1;")
        .file("migrations/tenant/4_x.psql", "SELECT 1;")
        .file("migrations/tenant/README.md", "prose")
        .file("migrations/tenant/.5_x.sql.swp", "")
        .file("migrations/tenant/6_x.sql~", "")
        .file("migrations/tenant/.gitkeep", "")
        .file("samples/hooli.SQL", "SELECT 1;")
        .file("samples/initech.sql.zst", "")
        .file("samples/README.md", "prose");
    let report = project.verify().report(0);
    let findings = report.json["findings"].as_array().unwrap().iter();
    let unread = findings.filter(|finding| finding["code"] == "files-not-read");
    let mut said: Vec<String> = unread
        .map(|finding| format!("{}: {}", finding["severity"], finding["message"]).replace('"', ""))
        .collect();
    said.sort();
    assert_eq!(
        said,
        [
            "warning: not read: `migrations/tenant/3_x.SQL`. It does not have the extension `.sql` in lower case",
            "warning: not read: `migrations/tenant/4_x.psql`. It does not have the extension `.sql`",
            "warning: not read: `migrations/tenant/v2/2_x.sql`. It is in a folder that the format does not search",
            "warning: not read: `samples/hooli.SQL`, `samples/initech.sql.zst`. Each does not match any pattern of `samples`",
        ]
    );
}

/// A shorter sample is reported, but not a failure: the tenant may have fewer rows.
#[test]
fn a_shorter_sample_is_reported() {
    let data = "INSERT INTO t VALUES (1), (2), (NULL);\nCREATE VIEW v AS SELECT * FROM t;\nCOPY t (id) FROM stdin;\n4\n5\n\\.\n";
    // Statements that other versions of `pg_dump`, or dumps without owners and grants, omit.
    let trimmings = "SET statement_timeout = 0;\nSELECT pg_catalog.set_config('search_path', current_schema(), false);\n\
        BEGIN;\nDROP TABLE IF EXISTS old;\nCOMMENT ON TABLE t IS 'x';\nGRANT SELECT ON t TO PUBLIC;\n\
        ALTER TABLE t OWNER TO CURRENT_USER;\nCOMMIT;\n";
    let long = &format!("{trimmings}{data}");
    let base = || {
        base()
            .file("samples/acme.sql", long.as_str())
            .git_commit("base")
            .git_branch("feature")
            .file("migrations/tenant/2_n.sql", "ALTER TABLE t ALTER id SET NOT NULL;")
    };
    let held = ", and 5 rows and 1 other statement at the base";
    for (text, holds) in [
        (
            "INSERT INTO t VALUES (1), (2);\nCREATE VIEW v AS SELECT * FROM t;\n",
            "contains 2 rows and 1 other statement",
        ),
        (
            "INSERT INTO t VALUES (1), (2), (3);\nINSERT INTO t VALUES (4), (5);",
            "contains 5 rows and 0 other statements",
        ),
    ] {
        let report = base().file("samples/acme.sql", text).verify().report(0);
        let [finding] = reduced(&report)[..] else { panic!("{}", report.json) };
        assert_eq!(finding["severity"], "warning");
        let said = messages(&report);
        assert!(said.contains(holds) && said.contains(held), "{said}");
    }
    let report = base().file("samples/acme.sql", data).verify().report(1);
    assert_eq!(messages(&report), "");
    // More rows, in other statements.
    let other = "INSERT INTO t VALUES (1); INSERT INTO t SELECT 2;\nINSERT INTO t (id) VALUES (3), (4), (5), (6) ON CONFLICT DO NOTHING;";
    let report = base().file("samples/acme.sql", other).verify().report(0);
    assert_eq!(messages(&report), "");
}

/// After a renamed or moved file, the base's configuration still counts.
#[test]
fn a_moved_configuration_is_still_compared() {
    let narrowed = |project: Project, to: &str| {
        let config = project.read("mig-ci.toml").replace("samples/*.sql", "samples/g*.sql");
        project.without("mig-ci.toml").file(to, config)
    };
    let renamed = narrowed(pull_request(), "other.toml");
    let run =
        renamed.mig_ci(["verify", "--provider=local", "--config=other.toml", "--format=json"]);
    let report = run.run().exit(1).json();
    assert!(report.to_string().contains("the sample of tenant `acme`"), "{report}");

    let moved = |from: &str, to: &str, folder: &str| {
        let paths = [
            "migrations/shared/1_s.sql",
            "migrations/tenant/1_t.sql",
            "migrations/users/1_u.sql",
            "samples/a.sql",
        ];
        let project = paths
            .into_iter()
            .fold(project(), |project, path| project.file(&format!("sub/{path}"), "SELECT 1;"));
        let project = base().copy(project.path(), ".").without("mig-ci.toml");
        let project = project.file(from, CONFIG).git_commit("base").git_branch("feature");
        let moved = project.without(from).file(to, CONFIG);
        let run = moved.mig_ci(["verify", "--provider=local", "--format=json"]);
        run.in_folder(folder).run().json().to_string()
    };
    let down = moved("mig-ci.toml", "sub/mig-ci.toml", "sub");
    assert!(down.contains("configuration of the base is ../mig-ci.toml"), "{down}");
    let up = moved("sub/mig-ci.toml", "mig-ci.toml", ".");
    assert!(up.contains("configuration of the base is sub/mig-ci.toml"), "{up}");
}

/// Changes that allow more or prepare less.
#[test]
fn changed_exceptions_and_preparations_are_reported() {
    let config = CONFIG.replace("target =", "prepare = [\"p.sql\"]\ntarget =");
    let project = base()
        .file("mig-ci.toml", config)
        .file("p.sql", "SELECT 1;")
        .git_commit("base")
        .git_branch("feature")
        .file("migrations/tenant/2_n.sql", "SELECT 1;");
    let config = CONFIG
        .replace("[databases.app]\n", "[databases.app]\nother-ledgers = [\"river_migration\"]\n")
        .replace("samples =", "forward-only = [\"2_n.sql\"]\nsamples =");
    let report = project.file("mig-ci.toml", config).verify().report(0);
    let said = messages(&report);
    for words in [
        "the `prepare` file p.sql is no longer used",
        "`other-ledgers` of database `app` also allows `river_migration`",
        "`forward-only` of the tenant track of database `app` also lists `2_n.sql`",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
