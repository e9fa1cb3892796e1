//! `mig-ci verify` from outside: what it replays, its output, and its exit codes.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::{Postgres, Project, at, project};

const CONFIG: &str = r#"
[databases.app]
shared = { migrations = "migrations/shared", format = "sqlx", schema = "shared" }
[databases.app.tenants]
migrations = "migrations/tenant"
format = "sqlx"
target = "tenant_{tenant}"
"#;

/// A schema for each tenant, and no base: every migration is pending.
fn app() -> Project {
    project()
        .file("mig-ci.toml", CONFIG)
        .file(
            "migrations/shared/1_plans.sql",
            "CREATE TABLE shared.plans (id int PRIMARY KEY);\nINSERT INTO shared.plans VALUES (1);\n",
        )
        .file(
            "migrations/tenant/1_members.sql",
            "CREATE TABLE members (id int PRIMARY KEY, email text);\n",
        )
}

/// The same with tenants that have data: acme has a member without an address.
fn app_with_samples() -> Project {
    app()
        .file(
            "mig-ci.toml",
            format!(
                "{CONFIG}samples = \"samples/*.sql\"\n\
                 [databases.app.tenants.sample]\nacme.version = 1\nglobex.version = 1\n"
            ),
        )
        .file("samples/acme.sql", "INSERT INTO members VALUES (1, 'a@acme.example'), (2, NULL);\n")
        .file("samples/globex.sql", "INSERT INTO members VALUES (1, 'b@globex.example');\n")
        .git_commit("base")
        .git_branch("feature")
}

/// One database, plain SQL files.
fn plain() -> Project {
    project().file("migrations/01.sql", "CREATE TABLE a (id int);\n")
}

/// The terminal report without its first line, which describes the server.
fn terminal(project: &Project, exit: i32) -> String {
    let run = project.verify().run().exit(exit);
    run.stdout.split_once('\n').unwrap().1.to_owned()
}

#[test]
fn a_failed_migration_is_shown_with_location_and_server_messages() {
    let app = app_with_samples().file(
        "migrations/tenant/2_email.sql",
        "-- everybody has one by now\nALTER TABLE members\n    ALTER COLUMN email SET NOT NULL;\n",
    );
    let text = terminal(&app, 1);
    app.redactions().bind(|| insta::assert_snapshot!("not_null", text));

    let report = app.verify().report(1);
    let failure = &report.unit("acme")["steps"][1]["failure"];
    assert_eq!(failure["sqlstate"], "23502");
    assert_eq!(failure["message"], "column \"email\" of relation \"members\" contains null values");
    assert_eq!(failure["statement"], "ALTER TABLE members\n    ALTER COLUMN email SET NOT NULL;");
    assert_eq!(at(&failure["place"]), "migrations/tenant/2_email.sql:2");
    assert_eq!(
        report.finding("migration-failed")["reproduce"],
        "mig-ci verify -n app --tenant acme"
    );
}

#[test]
fn detail_hint_and_context_come_from_the_server() {
    let app = app().file(
        "migrations/tenant/2_check.sql",
        "SELECT 1;\n\nDO $$\nBEGIN\n    PERFORM 1;\n    RAISE EXCEPTION 'plan % is gone', 7\n        \
         USING DETAIL = 'it was retired', HINT = 'move them first', ERRCODE = 'P0002';\nEND $$;\n",
    );
    let report = app.verify().report(1);
    let failure = &report.unit("fresh_1")["steps"][1]["failure"];
    assert_eq!(failure["sqlstate"], "P0002");
    assert_eq!(failure["message"], "plan 7 is gone");
    assert_eq!(failure["detail"], "it was retired");
    assert_eq!(failure["hint"], "move them first");
    assert!(failure["context"].as_str().unwrap().contains("line 4 at RAISE"), "{failure:#}");
    assert_eq!(failure["place"]["line"], 6, "{failure:#}");
    let text = terminal(&app, 1);
    app.redactions().bind(|| insta::assert_snapshot!("do_block", text));
}

#[test]
fn the_caret_is_below_the_location() {
    let app = app().file(
        "migrations/tenant/2_é.sql",
        "-- Straße, 東京, 👍\nCREATE INDEX ON members (lower(/* é */ emial));\n",
    );
    let text = terminal(&app, 1);
    assert!(text.contains("2_é.sql:2:40"), "{text}");
    app.redactions().bind(|| insta::assert_snapshot!("caret", text));
}

#[test]
fn a_failed_shared_track_leaves_its_tenants_not_run() {
    let app = app()
        .file(
            "migrations/shared/2_bad.sql",
            "CREATE TABLE shared.limits (plan int REFERENCES plan);",
        )
        .file("migrations/shared/3_more.sql", "SELECT 1;");
    let report = app.verify().report(1);
    assert_eq!(
        report.verdicts(),
        [
            "app shared base: failed",
            "app shared fresh: failed",
            "app tenant fresh_1: not-run",
            "app tenant fresh_2: not-run",
            "app tenant base: not-run",
        ]
    );
    assert_eq!(report.verdict(), "failed");
    assert_eq!(report.steps("shared base"), ["head 1 applied", "head 2 failed", "head 3 not-run"]);
    assert_eq!(report.unit("fresh_1")["reason"], "the shared track failed");
    assert_eq!(report.json["counts"]["tenants"]["passed"], 0);
    let text = terminal(&app, 1);
    app.redactions().bind(|| insta::assert_snapshot!("shared_failed", text));
}

#[test]
fn a_failed_tenant_stops_alone() {
    let app = app_with_samples()
        .file(
            "migrations/tenant/2_email.sql",
            "ALTER TABLE members ALTER COLUMN email SET NOT NULL;",
        )
        .file("migrations/tenant/3_index.sql", "CREATE INDEX ON members (email);");
    let report = app.verify().report(1);
    assert_eq!(
        report.verdicts(),
        [
            "app shared base: passed",
            "app shared fresh: passed",
            "app tenant acme: failed",
            "app tenant globex: passed",
            "app tenant fresh_1: passed",
            "app tenant fresh_2: passed",
            "app tenant base: passed",
        ]
    );
    assert_eq!(report.steps("acme"), ["base 1 applied", "head 2 failed", "head 3 not-run"]);
    assert_eq!(report.steps("globex"), ["base 1 applied", "head 2 applied", "head 3 applied"]);
    assert_eq!(report.units_of("migration-failed"), ["acme"]);
}

#[test]
fn results_are_in_plan_order_for_any_number_of_jobs() {
    let mut app = app();
    let mut config =
        format!("{CONFIG}samples = \"samples/*.sql\"\n[databases.app.tenants.sample]\n");
    for number in 0..12 {
        config.push_str(&format!("t{number:02}.version = 1\n"));
        // The first are the slowest.
        let sql = format!(
            "INSERT INTO members VALUES (1, '{number}'); SELECT pg_sleep(0.{:02});",
            24 - number * 2
        );
        app = app.file(&format!("samples/t{number:02}.sql"), sql);
    }
    config.push_str("[databases.zoo]\nmigrations = \"migrations/zoo\"\n[databases.ant]\nmigrations = \"migrations/zoo\"\n");
    let app = app
        .file("mig-ci.toml", config)
        .file(
            "migrations/tenant/2_email.sql",
            "ALTER TABLE members ADD CHECK (email <> '3' AND email <> '7');",
        )
        .file("migrations/zoo/1.sql", "CREATE TABLE cages (id int);");
    let one = app.verify().arg("--jobs=1").report(1);
    let many = app.verify().arg("--jobs=8").report(1);
    assert_eq!(one.units_of("migration-failed"), ["t03", "t07"]);
    assert_eq!(one.verdicts().len(), 2 + 12 + 3 + 2 + 2);
    assert_eq!(one.verdicts().last().unwrap(), "ant shared fresh: passed");
    let same = |report: &Value| {
        let mut report = report.clone();
        // Notes may contain results of other tests on the shared server.
        report.as_object_mut().unwrap().remove("notes");
        let text = serde_json::to_string_pretty(&report).unwrap();
        let varies = |line: &&str| ["_ms\":", "started_at"].iter().all(|key| !line.contains(key));
        text.lines().filter(varies).map(str::to_owned).collect::<Vec<_>>()
    };
    pretty_assertions::assert_eq!(same(&one.json), same(&many.json));
}

#[test]
fn several_databases_are_shown_separately() {
    let project = project()
        .file(
            "mig-ci.toml",
            "[databases.users]\nmigrations = \"db/users\"\n[databases.stats]\nmigrations = \"db/stats\"\n",
        )
        .file("db/users/1.sql", "CREATE TABLE users (id int);")
        .file("db/stats/1.sql", "CREATE TABLE days (id int REFERENCES users);");
    let report = project.verify().report(1);
    assert_eq!(
        report.verdicts(),
        [
            "users shared base: passed",
            "users shared fresh: passed",
            "stats shared base: failed",
            "stats shared fresh: failed",
        ]
    );
    let report = project.verify().args(["-n", "users"]).report(0);
    assert_eq!(report.verdicts(), ["users shared base: passed", "users shared fresh: passed"]);
    let text = terminal(&project, 1);
    project.redactions().bind(|| insta::assert_snapshot!("several_databases", text));
}

#[test]
fn stdout_has_only_the_report_and_stderr_the_progress() {
    let app = app();
    let json = app.verify().arg("--format=json").run().success();
    assert_eq!(json.json()["schema"], "mig-ci.report/1");
    assert!(json.stderr.contains("PostgreSQL"), "{}", json.stderr);
    assert!(json.stderr.contains("database app"), "{}", json.stderr);
    let markdown = app.verify().arg("--format=markdown").run().success();
    assert!(markdown.stdout.starts_with("### ✅ Migrations pass"), "{}", markdown.stdout);
    let junit = app.verify().arg("--format=junit").run().success();
    assert!(junit.stdout.starts_with("<?xml"), "{}", junit.stdout);
    assert!(junit.stdout.trim_end().ends_with("</testsuites>"), "{}", junit.stdout);
    for run in [&json, &markdown, &junit] {
        assert!(!run.stdout.contains("mig-ci: "), "progress on stdout: {}", run.stdout);
    }
    let quiet = app.verify().args(["--quiet", "--format=terminal"]).run().success();
    assert_eq!(quiet.stderr, "");
    assert!(quiet.stdout.trim_end().lines().last().unwrap().starts_with("✔ "), "{}", quiet.stdout);
}

#[test]
fn several_output_files_are_written_in_addition_to_stdout() {
    let app = app();
    let run = app
        .verify()
        .args(["--output=json=out/a/report.json", "--output=junit=junit.xml"])
        .args(["--output", "markdown=summary.md", "--output", "terminal=log=1.txt"])
        .run()
        .success();
    assert!(run.stdout.contains("Migrations pass"));
    let json: Value = serde_json::from_str(&app.read("out/a/report.json")).unwrap();
    assert_eq!(json["verdict"], "passed");
    assert!(app.read("junit.xml").starts_with("<?xml"));
    assert!(app.read("summary.md").contains("Migrations pass"));
    assert!(app.read("log=1.txt").contains("Migrations pass"));
    assert!(!app.read("log=1.txt").contains('\u{1b}'));

    let run = app.verify().arg("--output=json=mig-ci.toml/no/report.json").run().exit(4);
    assert!(run.stderr.contains("cannot write mig-ci.toml/no/report.json"), "{}", run.stderr);
    assert_eq!(run.stdout, "", "it is known before the run");
}

#[test]
fn colours_follow_the_flag_and_the_terminal() {
    let plain = plain();
    let colourful = |args: [&str; 1], variable: (&str, &str)| {
        let run = plain.verify().args(args).env(variable.0, variable.1).run().success();
        run.stdout.contains("\u{1b}[")
    };
    assert!(!colourful(["--color=auto"], ("A", "1")), "stdout is no terminal");
    assert!(!colourful(["--color=auto"], ("NO_COLOR", "1")));
    assert!(colourful(["--color=always"], ("A", "1")));
    assert!(colourful(["--color=always"], ("NO_COLOR", "1")), "a flag says more than a variable");
    assert!(!colourful(["--color=never"], ("CLICOLOR_FORCE", "1")));
    assert!(colourful(["--color=auto"], ("CLICOLOR_FORCE", "1")));
    let json = plain.verify().args(["--color=always", "--format=json"]).run().success();
    assert!(!json.stdout.contains('\u{1b}'));
}

#[test]
fn an_invalid_command_line_exits_with_2() {
    let plain = plain();
    for args in [
        ["--formt", "json"],
        ["--format", "yaml"],
        ["--output", "report.json"],
        ["--jobs", "0"],
        ["--provider", "podman"],
        ["--fail-on", "never"],
    ] {
        let run = plain.mig_ci(["verify"]).args(args).run().exit(2);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains(args[0]) || run.stderr.contains(args[1]), "{}", run.stderr);
    }
    plain.mig_ci(["verify", "--base=x", "--no-base"]).run().exit(2);
    plain.mig_ci([]).run().exit(2);
    plain.mig_ci(["explain", "no-such-check"]).run().exit(2);
    plain.mig_ci(["--help"]).run().exit(0);
}

#[test]
fn an_invalid_project_exits_with_3() {
    let empty = project().mig_ci(["verify"]).run().exit(3);
    assert!(empty.stderr.contains("migrations"), "{}", empty.stderr);
    let run = plain().file("mig-ci.toml", "[postgres]\nverison = 17\n").verify().run().exit(3);
    assert!(run.stderr.contains("version"), "{}", run.stderr);

    let app = app();
    let run = app.verify().args(["-n", "ap"]).run().exit(3);
    assert!(run.stderr.contains("there is no database `ap`"), "{}", run.stderr);
    assert!(run.stderr.contains("`app`"), "{}", run.stderr);
    let run = app.verify().args(["--tenant", "acme"]).run().exit(3);
    assert!(run.stderr.contains("there is no tenant `acme`"), "{}", run.stderr);
    assert!(run.stderr.contains("`fresh_1`"), "{}", run.stderr);

    let run = plain()
        .file("roles.sql", "CREATE ROLE a;\n\nCREATE ROEL b;\n")
        .file(
            "mig-ci.toml",
            "prepare.server = \"roles.sql\"\n[databases.a]\nmigrations = \"migrations\"\n",
        )
        .verify()
        .run()
        .exit(3);
    assert!(run.stderr.contains("cannot prepare the server: syntax error"), "{}", run.stderr);
    assert!(run.stderr.contains("roles.sql:3"), "{}", run.stderr);
}

#[test]
fn an_environment_failure_exits_with_4() {
    let plain = plain();
    let url = "postgres://admin:hunter2@127.0.0.1:1/postgres";
    let run =
        plain.mig_ci(["verify", "--provider=url"]).env("MIG_CI_POSTGRES_URL", url).run().exit(4);
    assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
    let nowhere = "unix:///nowhere/docker.sock";
    plain.mig_ci(["verify", "--provider=docker"]).env("DOCKER_HOST", nowhere).run().exit(4);
    let run = plain.verify().arg("--base=main").run().exit(4);
    assert!(run.stderr.contains("git"), "{}", run.stderr);
    let run = plain.git_commit("a").verify().arg("--base=no-such").run().exit(4);
    assert!(run.stderr.contains("no-such"), "{}", run.stderr);
}

#[test]
fn required_but_missing_work_exits_with_5() {
    let app = app().git_commit("base").git_branch("feature");
    let report = app.verify().report(0);
    assert_eq!(report.json["counts"]["pending_migrations"], 0);
    assert!(report.notes().contains("no migration is pending"), "{}", report.notes());
    assert!(report.notes().contains("no sample tenants"), "{}", report.notes());
    let run = app.verify().arg("--require-migrations").run().exit(5);
    assert!(run.stderr.contains("--require-migrations"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
    let run = app.verify().arg("--require-tenants").run().exit(5);
    assert!(run.stderr.contains("--require-tenants"), "{}", run.stderr);
    let with = app_with_samples().file("migrations/tenant/2.sql", "");
    let with =
        with.without("migrations/tenant/2.sql").file("migrations/tenant/2_x.sql", "SELECT 1;");
    with.verify().args(["--require-migrations", "--require-tenants"]).run().success();
}

#[test]
fn one_tenant_can_be_selected() {
    let app = app_with_samples().file(
        "migrations/tenant/2_email.sql",
        "ALTER TABLE members ALTER COLUMN email SET NOT NULL;",
    );
    let report = app.verify().arg("--tenant=globex").report(0);
    assert_eq!(
        report.verdicts(),
        ["app shared base: passed", "app shared fresh: passed", "app tenant globex: passed"]
    );
    let report = app.verify().args(["--tenant=globex", "--tenant=acme"]).report(1);
    assert_eq!(report.units_of("migration-failed"), ["acme"]);
    assert_eq!(app.verify().env("MIG_CI_TENANTS", "globex,base").report(0).verdicts().len(), 4);
}

#[test]
fn the_json_report_matches_its_schema() {
    let schema = project().mig_ci(["schema", "report"]).run().success().json();
    let committed = include_str!("../../docs/report.schema.json");
    assert_eq!(schema, serde_json::from_str::<Value>(committed).unwrap());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let check = |report: &Value| {
        let errors: Vec<_> = validator.iter_errors(report).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0]);
    };
    let app = app_with_samples()
        .file("migrations/tenant/2_email.sql", "CREATE TABLE IF NOT EXISTS members (id int);")
        .file("migrations/tenant/3_email.sql", "ALTER TABLE members ALTER email SET NOT NULL;");
    check(&app.verify().arg("--timings").report(1).json);
    check(&plain().verify().report(0).json);
}

#[test]
fn migrations_have_their_state_between_base_and_head() {
    let plain = plain()
        .file("migrations/02.sql", "CREATE TABLE b (id int);")
        .file("migrations/03.sql", "CREATE TABLE c (id int);")
        .git_commit("base")
        .git_branch("feature")
        .without("migrations/03.sql")
        .file("migrations/02.sql", "CREATE TABLE b (id bigint);")
        .file("migrations/04.sql", "CREATE TABLE d (id int);");
    let report = plain.verify().report(1);
    let migrations = report.json["databases"][0]["tracks"][0]["migrations"].as_array().unwrap();
    let states: Vec<String> =
        migrations.iter().map(|m| format!("{} {}", m["version"], m["state"])).collect();
    assert_eq!(
        states,
        ["\"01\" \"base\"", "\"02\" \"edited\"", "\"04\" \"pending\"", "\"03\" \"removed\""]
    );
    assert_eq!(report.json["counts"]["pending_migrations"], 1);
    let notes = report.notes();
    assert!(notes.contains("migrations/02.sql (edited), migrations/03.sql (removed)"), "{notes}");
    // From zero all migrations pass; after the base the tool would refuse.
    assert_eq!(report.unit("shared fresh")["verdict"], "passed");
    assert_eq!(report.units_of("ledger-refused"), ["base"]);
}

#[test]
fn a_given_base_with_newer_commits_is_a_note() {
    let plain = plain().git_commit("base").git_branch("feature");
    plain.git(&["checkout", "--quiet", "main"]);
    let plain = plain.file("migrations/02.sql", "CREATE TABLE b (id int);").git_commit("two");
    plain.git(&["checkout", "--quiet", "feature"]);
    let plain = plain.file("migrations/03.sql", "CREATE TABLE c (id int);").git_commit("three");
    let notes = plain.verify().arg("--base=main").report(1).notes();
    assert!(
        notes.contains(
            "HEAD does not contain 1 commit of main. `--base` compares with exactly main"
        ),
        "{notes}"
    );
    assert!(notes.contains("migrations/02.sql (removed)"), "{notes}");
    let notes = plain.verify().report(0).notes();
    assert!(!notes.contains("HEAD does not contain"), "{notes}");

    let clone = project();
    let url = format!("file://{}", plain.path());
    clone.git(&["clone", "--quiet", "--depth=1", "--branch=feature", &url, "."]);
    let notes = clone.verify().arg("--base=main").report(1).notes();
    assert!(notes.contains("HEAD may not contain all commits of main"), "{notes}");
}

#[test]
fn a_migration_folder_that_is_missing_in_the_base_is_a_note() {
    let plain = plain().git_commit("base").git_branch("feature");
    assert!(!plain.verify().report(0).notes().contains("was moved"));
    plain.git(&["mv", "migrations", "db"]);
    plain.git(&["commit", "--quiet", "-m", "moved"]);
    std::fs::create_dir(plain.path().join("db/migrations")).unwrap();
    plain.git(&["mv", "db/01.sql", "db/migrations/01.sql"]);
    let notes = plain.verify().report(0).notes();
    let wanted = "the base (main) has no migrations in db/migrations: if the folder was moved";
    assert!(notes.contains(wanted), "{notes}");
    assert!(!plain.verify().arg("--no-base").report(0).notes().contains("was moved"));
}

#[test]
fn sqlx_refuses_an_applied_migration_that_was_edited() {
    let app = app()
        .git_commit("base")
        .git_branch("feature")
        .file("migrations/tenant/1_members.sql", "CREATE TABLE members (id bigint PRIMARY KEY);\n")
        .file("migrations/tenant/2_more.sql", "CREATE TABLE more (id int);\n");
    let report = app.verify().report(1);
    assert_eq!(report.units_of("ledger-refused"), ["base"]);
    let finding = report.finding("ledger-refused");
    assert_eq!(finding["message"], "migration 1 was previously applied but has been modified");
    assert_eq!(finding["place"]["path"], "migrations/tenant/1_members.sql", "{finding:#}");
    assert_eq!(report.unit("fresh_1")["verdict"], "passed");
    let text = terminal(&app, 1);
    app.redactions().bind(|| insta::assert_snapshot!("edited", text));
}

#[test]
fn a_late_migration_that_golang_migrate_skips_is_an_error() {
    let late = project()
        .file(
            "mig-ci.toml",
            "[databases.db]\nmigrations = \"migrations\"\nformat = \"golang-migrate\"\n",
        )
        .file("migrations/000001_a.up.sql", "CREATE TABLE a (id int);")
        .file("migrations/000001_a.down.sql", "DROP TABLE a;")
        .file("migrations/000003_c.up.sql", "CREATE TABLE c (id int);")
        .file("migrations/000003_c.down.sql", "DROP TABLE c;")
        .git_commit("base")
        .git_branch("feature")
        .file("migrations/000002_b.up.sql", "CREATE TABLE b (id int);");
    let report = late.verify().report(1);
    assert_eq!(report.units_of("migration-skipped"), ["base"]);
    assert_eq!(at(&report.finding("migration-skipped")["place"]), "migrations/000002_b.up.sql:1");
    assert_eq!(report.verdicts(), ["db shared base: failed", "db shared fresh: passed"]);

    // It does not detect an edited applied migration, or a removed one below the newest, either.
    let edited = late
        .without("migrations/000002_b.up.sql")
        .file("migrations/000001_a.up.sql", "-- ids are large\nCREATE TABLE a (id bigint);");
    let report = edited.verify().report(1);
    assert_eq!(report.units_of("applied-migration-edited"), ["base"]);
    assert_eq!(
        at(&report.finding("applied-migration-edited")["place"]),
        "migrations/000001_a.up.sql:2:20"
    );
    assert!(!report.notes().contains("have the same"), "{}", report.notes());
    let commented =
        edited.file("migrations/000001_a.up.sql", "CREATE TABLE a (\n    id int -- of whom?\n);");
    assert!(commented.verify().report(0).codes().is_empty());
    let removed =
        commented.without("migrations/000001_a.up.sql").without("migrations/000001_a.down.sql");
    let report = removed.verify().report(1);
    assert_eq!(report.units_of("applied-migration-edited"), ["base"]);
    assert_eq!(report.verdicts(), ["db shared base: failed", "db shared fresh: passed"]);
}

#[test]
fn a_location_far_to_the_right_is_shown_with_its_column() {
    let values = "(1), ".repeat(500);
    let sql = format!("INSERT INTO a VALUES {values}(nobody), {values}(1);\n");
    let column = sql.find("nobody").unwrap() + 1;
    let plain = plain().file("migrations/02.sql", &sql);
    let report = plain.verify().report(1);
    let place = format!("migrations/02.sql:1:{column}");
    assert_eq!(at(&report.finding("migration-failed")["place"]), place);
    let text = terminal(&plain, 1);
    assert!(text.contains(&format!("--> {place}\n")), "{text}");
    let (line, caret) = below(&text, "1 | ");
    assert!(line[caret.find('^').unwrap()..].starts_with("nobody"), "{text}");
    let markdown = plain.verify().args(["--format", "markdown"]).run().exit(1).stdout;
    let (line, caret) = below(&markdown, "LINE 1: ");
    let at = caret.chars().take_while(|char| *char == ' ').count();
    assert!(line.chars().skip(at).collect::<String>().starts_with("nobody"), "{markdown}");
}

/// A directory of one tool, with one migration in the base.
fn of(format: &str, name: &str, sql: &str) -> Project {
    let config = format!("[databases.db]\nmigrations = \"m\"\nformat = \"{format}\"\n");
    project()
        .file("mig-ci.toml", config)
        .file(&format!("m/{name}"), sql)
        .git_commit("base")
        .git_branch("feature")
}

#[test]
fn transaction_commands_inside_of_the_tools_transaction_are_a_warning() {
    let wrapped = "-- all or nothing\nBEGIN;\nCREATE TABLE b (id int);\nCOMMIT;\n";
    for (format, name, next) in [("sqlx", "1_a.sql", "2_b.sql"), ("plain", "1.sql", "2.sql")] {
        let project =
            of(format, name, "CREATE TABLE a (id int);").file(&format!("m/{next}"), wrapped);
        let report = project.verify().report(0);
        let finding = report.finding("transaction-control");
        assert_eq!(finding["severity"], "warning");
        assert_eq!(at(&finding["place"]), format!("m/{next}:2:1"));
        assert!(finding["message"].as_str().unwrap().contains("already a transaction in progress"));
        project.verify().arg("--fail-on=warning").run().exit(1);
    }
    let golang = of("golang-migrate", "1_a.up.sql", "CREATE TABLE a (id int);")
        .file("m/2_b.up.sql", "CREATE TABLE b (id int);\nCOMMIT;\n");
    let report = golang.verify().report(0);
    assert_eq!(at(&report.finding("transaction-control")["place"]), "m/2_b.up.sql:2:1");
    // It is harmless there, and the server issues no warning.
    let golang = golang.file("m/2_b.up.sql", wrapped);
    assert!(golang.verify().report(0).codes().is_empty());
}

#[test]
fn objects_left_by_a_failed_migration_are_reported() {
    let help = |project: &Project| {
        let report = project.verify().report(1);
        report.finding("migration-failed")["help"].as_str().unwrap_or_default().to_owned()
    };
    let sqlx = |sql: &str| of("sqlx", "1_a.sql", "CREATE TABLE a (id int);").file("m/2_b.sql", sql);
    let stays = "stay applied";
    assert!(help(&sqlx("CREATE TABLE b (id int);\nCOMMIT;\nSELECT 1/0;\n")).contains(stays));
    assert!(!help(&sqlx("CREATE TABLE b (id int);\nSELECT 1/0;\nCOMMIT;\n")).contains(stays));
    assert!(!help(&sqlx("CREATE TABLE b (id int);\nSELECT 1/0;\n")).contains(stays));
    let one_by_one = of("plain", "1.sql", "CREATE TABLE a (id int);")
        .file("m/2.sql", "-- mig-ci: no-transaction\nCREATE TABLE b (id int);\nSELECT 1/0;\n");
    assert!(help(&one_by_one).contains(stays));
}

#[test]
fn a_version_of_two_files_is_reported() {
    let empty = "-- migrate:up\nSELECT 1;\n-- migrate:down\n";
    let dbmate = of("dbmate", "1_a.sql", empty).file("m/1_b.sql", empty);
    let report = dbmate.verify().report(1);
    let finding = report.finding("migration-failed");
    assert_eq!(finding["units"], serde_json::json!(["fresh"]));
    assert!(finding["help"].as_str().unwrap().starts_with("m/1_a.sql and m/1_b.sql both have"));
    let hint = finding["failure"]["hint"].as_str().unwrap();
    assert!(hint.contains("the ledger already has this version"), "{hint}");

    // There the tool compares the new file with the checksum of the old one.
    let sqlx = of("sqlx", "1_a.sql", "SELECT 1;").file("m/1_b.sql", "SELECT 2;");
    let report = sqlx.verify().report(1);
    let finding = report.finding("ledger-refused");
    assert_eq!(finding["failure"]["hint"], "two files have this version: m/1_b.sql and m/1_a.sql");
    assert!(finding["help"].as_str().unwrap().contains("a unique version"), "{finding:#}");
}

#[test]
fn another_owner_works_with_the_documented_statements() {
    // Roles are server-wide: on the shared server other runs would detect them.
    let server = Postgres::start();
    let report = |project: &Project, exit| {
        let url = server.url("postgres");
        project.mig_ci(["verify", "--provider=url", "--postgres-url", &url]).report(exit)
    };
    let page = include_str!("../../docs/checks/migration-failed.md");
    let lines = page.split("```sql\nDO").nth(1).unwrap().split("```").next().unwrap();
    let config = "[prepare]\nserver = \"roles.sql\"\n[databases.db]\nmigrations = \"m\"\nformat = \"sqlx\"\n";
    let project = project()
        .file("roles.sql", "CREATE ROLE app_owner;")
        .file("mig-ci.toml", config)
        .file("m/1_a.sql", "CREATE TABLE a (id int);\nALTER TABLE a OWNER TO app_owner;\n")
        .file("m/2_b.sql", "ALTER TABLE a ADD COLUMN b int;\n");
    let refused = report(&project, 1);
    let finding = refused.finding("migration-failed");
    assert_eq!(finding["failure"]["sqlstate"], "42501");
    assert!(finding["help"].as_str().unwrap().contains("has to be a member"), "{finding:#}");
    let prepared = project
        .file("mig-ci.toml", format!("{config}prepare = \"db.sql\"\n"))
        .file("db.sql", format!("DO{lines}"));
    assert!(report(&prepared, 0).codes().is_empty());
}

#[test]
fn notify_messages_are_ignored() {
    let up = |sql: &str| format!("-- migrate:up\n{sql}\n-- migrate:down\n");
    let project = of("dbmate", "1_a.sql", &up("CREATE TABLE a (id int);"))
        .file("m/2_b.sql", up("LISTEN news;\nNOTIFY news, 'now';\nCREATE TABLE b (id int);"))
        .file("m/3_c.sql", up("NOTIFY news;\nALTER TABLE b ADD COLUMN c int;"));
    assert!(project.verify().report(0).codes().is_empty());
    // A failure after one is still detected.
    let failing = project.file("m/4_d.sql", up("NOTIFY news;\nALTER TABLE nothing ADD c int;"));
    let report = failing.verify().report(1);
    let finding = report.finding("migration-failed");
    assert_eq!(finding["failure"]["sqlstate"], "42P01");
    assert_eq!(at(&finding["place"]), "m/4_d.sql:3");
}

/// The line that starts with this text, and the next one with a caret.
fn below<'t>(text: &'t str, start: &str) -> (&'t str, &'t str) {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(start));
    (lines.next().unwrap(), lines.find(|line| line.contains('^')).unwrap())
}

#[test]
fn a_notice_belongs_to_its_step_and_a_skipped_object_is_a_warning() {
    let app = app().git_commit("base").git_branch("feature").file(
        "migrations/tenant/2_again.sql",
        "SELECT 1;\nCREATE TABLE IF NOT EXISTS members (id int, name text);",
    );
    let report = app.verify().report(0);
    let notice = &report.unit("fresh_2")["steps"][1]["notices"][0];
    assert_eq!(notice["message"], "relation \"members\" already exists, skipping");
    assert_eq!(report.finding("already-exists-skipped")["severity"], "warning");
    assert_eq!(
        at(&report.finding("already-exists-skipped")["place"]),
        "migrations/tenant/2_again.sql:2:1"
    );
    assert_eq!(report.units_of("already-exists-skipped"), ["fresh_1", "fresh_2", "base"]);
    app.verify().arg("--fail-on=warning").run().exit(1);
    let off = app.file(
        "mig-ci.toml",
        format!("{CONFIG}[checks]\nfail-on = \"warning\"\nalready-exists-skipped = {{ severity = \"off\" }}\n"),
    );
    // With a base, the reduced coverage would be reported, too.
    assert!(off.verify().arg("--no-base").report(0).codes().is_empty());
}

#[test]
fn a_moved_search_path_is_an_error() {
    // Its ledger has a qualified name, so the run continues in another schema.
    let app = app()
        .file("mig-ci.toml", CONFIG.replace("\"sqlx\"", "\"plain\""))
        .file("migrations/tenant/2_moves.sql", "SELECT 1;\nSET search_path = public;")
        .file("migrations/tenant/3_lost.sql", "SELECT 1;");
    let report = app.verify().report(1);
    // The migration that moves it, not those that then run in another schema.
    let finding = report.finding("search-path-moved");
    assert_eq!(at(&finding["place"]), "migrations/tenant/2_moves.sql:2:1");
    assert!(
        finding["message"].as_str().unwrap().ends_with("it now contains \"public\""),
        "{finding:#}"
    );

    // sqlx uses an unqualified name for its ledger, and fails itself.
    let sqlx = app.file("mig-ci.toml", CONFIG).file(
        "migrations/tenant/2_moves.sql",
        "SELECT pg_catalog.set_config('search_path', '', false);\nCREATE TABLE public.t (id int);\n",
    );
    let report = sqlx.verify().arg("--tenant=fresh_1").report(1);
    let finding = report.finding("migration-failed");
    assert_eq!(finding["failure"]["sqlstate"], "42P01");
    assert_eq!(finding["place"]["path"], "migrations/tenant/2_moves.sql", "{finding:#}");
    let text = sqlx.verify().arg("--tenant=fresh_1").run().exit(1).stdout;
    let text = text.split_once('\n').unwrap().1;
    sqlx.redactions().bind(|| insta::assert_snapshot!("search_path_emptied", text));
}

#[test]
fn a_migration_that_the_ledger_does_not_show_is_an_error() {
    // dbmate prints "Applied" and exits with 0, although nothing happened.
    let open = project()
        .file(
            "db/migrations/1_a.sql",
            "-- migrate:up\nCREATE TABLE a (id int);\n\n-- migrate:down\nDROP TABLE a;\n",
        )
        .file(
            "db/migrations/2_b.sql",
            "-- migrate:up transaction:false\nBEGIN;\nCREATE TABLE b (id int);\n-- migrate:down\n",
        )
        .file("mig-ci.toml", "[databases.a]\nmigrations = \"db/migrations\"\n");
    let report = open.verify().report(1);
    let finding = report.finding("ledger-not-written");
    assert_eq!(at(&finding["place"]), "db/migrations/2_b.sql:1");
    assert_eq!(report.units_of("ledger-not-written"), ["base", "fresh"]);

    let drops = plain()
        .file("migrations/02.sql", "-- mig-ci: no-transaction\nDROP TABLE mig_ci_migrations;\n");
    let report = drops.verify().report(1);
    let finding = &report.json["findings"][0];
    assert_eq!(finding["place"]["path"], "migrations/02.sql", "{finding:#}");
}

#[test]
fn an_owner_cannot_create_objects_that_need_a_superuser() {
    let extension =
        plain().file("migrations/02.sql", "CREATE EXTENSION IF NOT EXISTS postgres_fdw;\n");
    let report = extension.verify().report(1);
    let finding = report.finding("migration-failed");
    assert_eq!(finding["failure"]["sqlstate"], "42501");
    assert!(
        finding["help"].as_str().unwrap().contains("`extensions` in `[postgres]`"),
        "{finding:#}"
    );
    assert_eq!(report.json["server"]["role"], "owner");

    let listed =
        "[postgres]\nextensions = [\"postgres_fdw\"]\n[databases.a]\nmigrations = \"migrations\"\n";
    let report = extension.file("mig-ci.toml", listed).verify().report(0);
    assert_eq!(report.codes(), [""; 0]);

    let superuser =
        "[postgres]\nrole = \"superuser\"\n[databases.a]\nmigrations = \"migrations\"\n";
    let made = plain()
        .file("migrations/02.sql", "CREATE EXTENSION postgres_fdw;\n")
        .file("mig-ci.toml", superuser);
    assert_eq!(made.verify().report(0).json["server"]["role"], "superuser");
    let run = made.verify().run().success();
    assert!(
        run.stdout.lines().next().unwrap().ends_with("migrations run as superuser"),
        "{}",
        run.stdout
    );
}

#[test]
fn row_level_security_applies_to_the_owner() {
    let forced = plain().file(
        "migrations/02.sql",
        "ALTER TABLE a ENABLE ROW LEVEL SECURITY;\nALTER TABLE a FORCE ROW LEVEL SECURITY;\n\
         INSERT INTO a VALUES (1);\n",
    );
    let report = forced.verify().report(1);
    let finding = report.finding("migration-failed");
    assert_eq!(at(&finding["place"]), "migrations/02.sql:3");
    assert!(finding["help"].as_str().unwrap().contains("FORCE ROW LEVEL SECURITY"), "{finding:#}");
}

#[test]
fn configured_settings_are_visible_to_migrations() {
    let regional = plain()
        .file(
            "mig-ci.toml",
            "[postgres]\nsettings = { \"app.region\" = \"eu 'west'\\\\\", work_mem = \"7MB\" }\n\
             [databases.a]\nmigrations = \"migrations\"\n",
        )
        .file(
            "migrations/02.sql",
            "DO $$ BEGIN\n  ASSERT current_setting('app.region') = E'eu \\'west\\'\\\\', current_setting('app.region');\n  \
             ASSERT current_setting('work_mem') = '7MB';\nEND $$;\n",
        );
    regional.verify().report(0);
    let without = regional.file("mig-ci.toml", "[databases.a]\nmigrations = \"migrations\"\n");
    let report = without.verify().report(1);
    let finding = report.finding("migration-failed");
    assert!(
        finding["help"].as_str().unwrap().contains("`settings` of `[postgres]`"),
        "{finding:#}"
    );
}

#[test]
fn a_failure_of_the_commit_points_to_the_migration() {
    let deferred = plain().file(
        "migrations/02.sql",
        "CREATE TABLE p (id int PRIMARY KEY);\n\
         CREATE TABLE c (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO c VALUES (7);\n",
    );
    let report = deferred.verify().report(1);
    let finding = report.finding("migration-failed");
    assert_eq!(finding["failure"]["sqlstate"], "23503");
    assert_eq!(at(&finding["place"]), "migrations/02.sql:1");
    assert_eq!(
        at(&report.unit("shared base")["steps"][1]["failure"]["place"]),
        "migrations/02.sql:1"
    );
    let text = terminal(&deferred, 1);
    deferred.redactions().bind(|| insta::assert_snapshot!("deferred", text));
}

/// In production the tool processes the tenants sequentially, so this cannot happen there.
#[test]
fn a_deadlock_between_tenants_is_not_their_failure() {
    let crossing = app()
        .file(
            "migrations/shared/2_two.sql",
            "CREATE TABLE shared.x (id int);\nCREATE TABLE shared.y (id int);\n",
        )
        .file(
            "migrations/tenant/2_crossing.sql",
            "DO $$\nDECLARE\n    names text[] := ARRAY['x', 'y'];\nBEGIN\n    \
             IF current_schema() = 'tenant_fresh_2' THEN names := ARRAY['y', 'x']; END IF;\n    \
             EXECUTE format('LOCK TABLE shared.%I', names[1]);\n    PERFORM pg_sleep(0.4);\n    \
             EXECUTE format('LOCK TABLE shared.%I', names[2]);\nEND $$;\n",
        );
    // The first empty tenant runs before these two.
    let report = crossing.verify().arg("--jobs=4").report(0);
    let reason = report.json["databases"][0]["replayed"]["reason"].as_str().unwrap();
    assert!(reason.contains("SQLSTATE 40P01"), "{reason}");
}

#[test]
fn indexes_can_be_built_concurrently_for_many_tenants() {
    let app = app().file(
        "migrations/tenant/2_index.sql",
        "-- no-transaction\nCREATE INDEX CONCURRENTLY members_email_idx ON members (email);\n",
    );
    app.verify().arg("--jobs=8").report(0);

    let inside = app.file(
        "migrations/tenant/2_index.sql",
        "CREATE INDEX CONCURRENTLY members_email_idx ON members (email);\n",
    );
    let report = inside.verify().report(1);
    let finding = report.finding("migration-failed");
    assert_eq!(finding["failure"]["sqlstate"], "25001");
    assert!(finding["help"].as_str().unwrap().contains("outside of a transaction"), "{finding:#}");
    assert_eq!(report.units_of("migration-failed"), ["fresh_1", "fresh_2", "base"]);
}

#[test]
fn a_shared_server_has_no_leftovers() {
    let names = "SELECT datname FROM pg_database WHERE datname LIKE 'mig%' UNION ALL \
                 SELECT rolname FROM pg_roles WHERE rolname LIKE 'mig%'";
    let ours = |run: &str| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let database = runtime.block_on(crate::common::postgres().database());
        let left: BTreeSet<String> = runtime.block_on(database.sql(names)).into_iter().collect();
        left.into_iter().filter(|name| name.contains(run)).collect::<Vec<_>>()
    };
    // Its role is named after the run.
    let named =
        plain().file("migrations/02.sql", "DO $$ BEGIN RAISE 'I am %', current_user; END $$;");
    let report = named.verify().report(1);
    let message = report.finding("migration-failed")["message"].as_str().unwrap().to_owned();
    let role = message.strip_prefix("I am ").unwrap();
    let run = role.rsplit('_').find(|part| part.len() >= 6).unwrap();
    assert_eq!(ours(run), [""; 0], "{role}");
}

#[test]
fn no_output_contains_secrets() {
    let app = plain().file(
        "mig-ci.toml",
        "[postgres]\nprovider = \"url\"\nurl = \"${CI_SERVER}\"\n\
         [databases.a]\nurl = \"postgres://app:${APP_PASSWORD}@db.internal/a\"\nmigrations = \"migrations\"\n",
    );
    let server = crate::common::postgres().tcp_url("postgres");
    let password = server.split([':', '@']).nth(2).unwrap();
    for server in [
        server.as_str(),
        &server.replace("127.0.0.1", "[::1]x"),
        &server.replace("admin", "nobody_here"),
    ] {
        let run = app
            .mig_ci(["verify", "--format=json", "--output=terminal=report.txt"])
            .env("CI_SERVER", server)
            .env("APP_PASSWORD", "hunter2")
            .env("MIG_CI_LOG", "trace")
            .run();
        assert!([0, 4].contains(&run.status.code().unwrap()), "{}", run.stderr);
        for text in [&run.stdout, &run.stderr] {
            for secret in [password, "hunter2", "db.internal", server] {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }
    assert!(!app.read("report.txt").contains(password));
}
