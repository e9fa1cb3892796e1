//! A failure that concurrent units may have caused is decided by a second run: from scratch, with one job, on a fresh
//! server. For any number of jobs the result equals that of `--jobs 1`, of the real tools (see `differential`) and of psql.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command as Process;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::{Command, Postgres, Project, Report, postgres, project};

const FORMATS: [&str; 4] = ["plain", "sqlx", "dbmate", "golang-migrate"];
const SUPERUSER: &str = "[postgres]\nrole = \"superuser\"\n";
const TENANTS: [&str; 3] = ["fresh_1", "fresh_2", "base"];

/// The text of a migration, and the name of its file.
fn migration(format: &str, number: usize, sql: &str) -> (String, String) {
    let name = match format {
        "golang-migrate" => format!("{number:06}_step.up.sql"),
        _ => format!("{number:04}_step.sql"),
    };
    let text = match format {
        "dbmate" => format!("-- migrate:up\n{sql}\n-- migrate:down\n"),
        _ => sql.to_owned(),
    };
    (format!("migrations/{name}"), text)
}

/// Tenants in schemas, with migrations of the base, and pending ones.
fn tenants(format: &str, base: &[&str], pending: &[&str]) -> Project {
    configured("", format, base, pending)
}

/// With this before the rest of the configuration, also in the base.
fn configured(postgres: &str, format: &str, base: &[&str], pending: &[&str]) -> Project {
    let config = format!(
        "{postgres}[databases.app]\nprepare = \"shared.sql\"\n[databases.app.tenants]\nmigrations = \"migrations\"\n\
         target = \"tenant_{{tenant}}\"\nformat = \"{format}\"\n"
    );
    let shared = "CREATE SCHEMA shared; GRANT ALL ON SCHEMA shared TO PUBLIC;\n\
                  CREATE TABLE shared.settings (name text PRIMARY KEY); GRANT ALL ON shared.settings TO PUBLIC;\n";
    let add = |project: Project, (index, sql): (usize, &&str)| {
        let (name, text) = migration(format, index + 1, sql);
        project.file(&name, text)
    };
    let project = project().file("mig-ci.toml", config).file("shared.sql", shared);
    let project = base.iter().enumerate().fold(project, add).git_commit("base");
    let numbered = pending.iter().enumerate().map(|(index, sql)| (base.len() + index, sql));
    numbered.fold(project, add)
}

fn verify(project: &Project, jobs: usize) -> Command {
    project.verify().arg("--base=HEAD").arg(format!("--jobs={jobs}"))
}

/// `tenant name verdict: step outcome sqlstate, …` for each unit: everything that does not depend on the time.
fn outcomes(report: &Report) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let step = |step: &Value| {
        format!(
            "{} {} {}",
            text(&step["version"]),
            text(&step["outcome"]),
            text(&step["failure"]["sqlstate"])
        )
    };
    let units = report.json["databases"].as_array().unwrap().iter();
    let units = units.flat_map(|database| database["units"].as_array().unwrap());
    let line = |unit: &Value| {
        let steps: Vec<String> = unit["steps"].as_array().unwrap().iter().map(step).collect();
        let [track, name, verdict] = ["track", "name", "verdict"].map(|key| text(&unit[key]));
        format!("{track} {name} {verdict}: {}", steps.join(", "))
    };
    units.map(line).collect()
}

fn reason(report: &Report, database: usize) -> Option<&str> {
    report.json["databases"][database]["replayed"]["reason"].as_str()
}

/// The same result with one job, where nothing is replayed again, and with many.
#[track_caller]
fn same_with_many_jobs(project: &Project, exit: i32) -> [Report; 2] {
    let one = verify(project, 1).report(exit);
    assert_eq!(reason(&one, 0), None, "with one job there is no second run");
    let many = verify(project, 8).report(exit);
    assert_eq!(outcomes(&one), outcomes(&many));
    [one, many]
}

const PLANS: &str = "CREATE TABLE plans (id serial PRIMARY KEY, name text);\n\
                     INSERT INTO plans (id, name) VALUES (1, 'free');";
const PRO: &str = "INSERT INTO plans (name) VALUES ('pro');";

/// A sequence does not roll back: a retry would get the next number.
#[test]
fn a_step_that_uses_a_sequence_is_not_retried_in_place() {
    for format in FORMATS {
        let project = tenants(format, &[PLANS], &[PRO]);
        let [_, many] = same_with_many_jobs(&project, 1);
        assert_eq!(many.units_of("migration-failed"), TENANTS, "{format}");
        assert_eq!(many.finding("migration-failed")["failure"]["sqlstate"], "23505");
        let reason = reason(&many, 0).unwrap();
        let file = migration(format, 2, "").0;
        assert!(reason.contains(&format!("SQLSTATE 23505 at {file}")), "{reason}");
    }
}

/// A session keeps its temporary tables: a retry in another session would not find them.
#[test]
fn a_step_is_not_retried_in_another_session() {
    let once = "CREATE TEMP TABLE old_ids (id int);";
    let then = "CREATE TEMP TABLE old_ids (id int);\nCREATE TABLE kept (id int);";
    for format in FORMATS {
        let project = tenants(format, &["CREATE TABLE a (id int);"], &[once, then]);
        let [one, _] = same_with_many_jobs(&project, 1);
        assert_eq!(one.units_of("migration-failed"), TENANTS, "{format}");
        assert_eq!(one.finding("migration-failed")["failure"]["sqlstate"], "42P07", "{format}");
    }
}

/// psql as the reference: both files in one session, as the tools send them.
#[tokio::test]
async fn psql_gives_the_same_result() {
    for (files, sqlstate) in [
        ([PLANS, PRO], "23505"),
        (["CREATE TEMP TABLE old_ids ();", "CREATE TEMP TABLE old_ids ();"], "42P07"),
        (["SET lock_timeout = 100;", "CREATE TABLE a (id int);"], ""),
    ] {
        let database = postgres().database().await;
        let project = tenants("plain", &[], &files);
        let psql = Process::new(postgres().program("psql"))
            .args(["-X", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=sqlstate", &database.url()])
            .args(["-1", "-c", files[0], "-c", files[1]])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&psql.stderr);
        assert!(said.contains(sqlstate), "{said}");
        let exit = i32::from(!psql.status.success());
        assert_eq!(exit, i32::from(!sqlstate.is_empty()), "{said}");
        let report = verify(&project, 8).report(exit);
        if exit == 1 {
            assert_eq!(report.finding("migration-failed")["failure"]["sqlstate"], sqlstate);
        }
    }
}

/// Conflicts between tenants are not failures, because the tool processes them sequentially.
#[test]
fn conflicts_between_tenants_are_not_failures() {
    let pause = "PERFORM pg_sleep(0.2)";
    // The first empty tenant runs before all others.
    let other = "current_schema() <> 'tenant_fresh_1'";
    for (name, sql) in [
        (
            "a row that is looked for",
            "INSERT INTO shared.settings SELECT 'x' WHERE NOT EXISTS (SELECT FROM shared.settings)\n AND current_schema() <> 'tenant_fresh_1';\nSELECT pg_sleep(0.2);"
                .to_owned(),
        ),
        (
            "a table that is looked for",
            format!(
                "DO $$ BEGIN IF to_regclass('shared.once') IS NULL AND {other} THEN {pause}; CREATE TABLE shared.once (); END IF; END $$;"
            ),
        ),
        (
            "a table that goes",
            format!(
                "DO $$ BEGIN IF to_regclass('shared.old') IS NOT NULL AND {other} THEN {pause}; DROP TABLE shared.old; END IF; END $$;"
            ),
        ),
        (
            "a marker that others respect",
            format!(
                "DO $$ BEGIN IF EXISTS (SELECT FROM shared.settings) THEN RAISE 'another migration runs'; END IF; END $$;\n\
                 INSERT INTO shared.settings VALUES ('marker');\nCOMMIT;\nBEGIN;\nDO $$ BEGIN {pause}; END $$;\n\
                 DELETE FROM shared.settings;"
            ),
        ),
        (
            "a lock that is waited for",
            "SET LOCAL lock_timeout = '50ms';\nLOCK TABLE shared.settings;\nSELECT pg_sleep(0.3);".to_owned(),
        ),
        ("a table that a function looks for", "SELECT shared.make_twice();".to_owned()),
    ] {
        // The role that drops the table must own it.
        let project = configured(SUPERUSER, "sqlx", &["CREATE TABLE a (id int);"], &[&sql]);
        let add = "CREATE TABLE shared.old (); ALTER TABLE shared.old OWNER TO CURRENT_USER;\n\
                   ALTER SCHEMA shared OWNER TO CURRENT_USER;";
        let function = format!(
            "CREATE FUNCTION shared.make_twice() RETURNS void LANGUAGE plpgsql AS $$ BEGIN \
             IF to_regclass('shared.twice') IS NULL AND {other} THEN {pause}; CREATE TABLE shared.twice (); END IF; END $$;"
        );
        let shared = project.read("shared.sql");
        let project = project.file("shared.sql", format!("{shared}{add}{function}"));
        let report = verify(&project, 8).report(0);
        assert_eq!(outcomes(&verify(&project, 1).report(0)), outcomes(&report), "{name}");
        // Scripts that commit in between, or define or drop shared objects, run alone in the database from the start.
        let is_beside = !["COMMIT", "CREATE TABLE", "DROP TABLE"].iter().any(|one| sql.contains(one));
        assert_eq!(reason(&report, 0).is_some(), is_beside, "{name}: {:#}", report.json);
    }
}

/// A sample that fails because of another one is loaded again; so are the `prepare` files of tenants.
#[test]
fn conflicting_samples_are_loaded_serially() {
    let code = "BEGIN IF to_regclass('shared.countries') IS NULL THEN PERFORM pg_sleep(0.3); \
                CREATE TABLE shared.countries (); END IF; END";
    // Effects that are visible in the text run alone from the start, and effects of functions are decided by the second run.
    for (make, meets) in
        [(format!("DO $$ {code} $$"), false), ("SELECT shared.make()".into(), true)]
    {
        let sample = format!("{make};\nINSERT INTO a VALUES (1);\n");
        let project =
            tenants("plain", &["CREATE TABLE a (id int);"], &["CREATE TABLE b (id int);"]);
        let config = project.read("mig-ci.toml");
        let shared = project.read("shared.sql");
        let function =
            format!("CREATE FUNCTION shared.make() RETURNS void LANGUAGE plpgsql AS $$ {code} $$;");
        let project = project
            .file("mig-ci.toml", format!("{config}samples = \"samples/*.sql\"\n"))
            .file("shared.sql", format!("{shared}{function}"))
            .file("samples/acme.sql", &sample)
            .file("samples/globex.sql", &sample);
        let [_, many] = same_with_many_jobs(&project, 0);
        let reason = reason(&many, 0);
        assert_eq!(reason.is_some_and(|reason| reason.contains("samples/")), meets, "{reason:?}");
    }
}

#[test]
fn every_report_format_shows_the_reason() {
    let project = tenants("plain", &[PLANS], &[PRO]);
    let words = "database `app` was replayed again from an empty state, with one job on a fresh server, and only that run counts";
    for format in ["terminal", "markdown"] {
        let ended = verify(&project, 4).arg(format!("--format={format}")).run().exit(1);
        let text = ended.stdout.replace('\\', "");
        assert!(text.contains(words), "{text}");
        assert!(
            ended.stderr.contains("database app: replayed again from an empty state"),
            "{}",
            ended.stderr
        );
    }
    let ended = verify(&project, 4).arg("--format=junit").run().exit(1);
    assert!(ended.stdout.contains("<property name=\"replayed\""), "{}", ended.stdout);
    let ended = verify(&project, 4).arg("--log-format=json").run().exit(1);
    let again = ended.stderr.lines().find(|line| line.contains("database-replayed-again"));
    assert!(again.is_some_and(|line| line.contains("\"database\":\"app\"")), "{}", ended.stderr);
}

/// Roles are server-wide: the second run creates those of `prepare` again, and nothing remains.
#[tokio::test]
async fn the_second_run_prepares_its_server_without_leftovers() {
    let server = Postgres::start();
    let roles = "SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_' UNION ALL SELECT datname FROM pg_database ORDER BY 1";
    let before = server.sql(roles).await;
    let project = tenants("plain", &[PLANS], &["GRANT SELECT ON plans TO app_reader;", PRO]);
    let config = project.read("mig-ci.toml");
    let project = project
        .file("mig-ci.toml", format!("[prepare]\nserver = \"roles.sql\"\n{config}"))
        .file("roles.sql", "CREATE ROLE app_reader;");
    let url = server.url("postgres");
    let run = |jobs: &str| {
        let args = ["verify", "--provider=url", "--base=HEAD", jobs];
        project.mig_ci(args).env("MIG_CI_POSTGRES_URL", &url).report(1)
    };
    let (one, many) = (run("--jobs=1"), run("--jobs=8"));
    assert_eq!(outcomes(&one), outcomes(&many));
    assert!(reason(&many, 0).is_some());
    assert_eq!(server.sql(roles).await, before);
}

/// An interrupted second run is cleaned up like any other. Must hold at every moment; these are samples.
#[tokio::test]
async fn the_second_run_can_be_interrupted() {
    let server = Postgres::start();
    let left = "SELECT datname FROM pg_database WHERE datname LIKE 'mig%' \
                UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'mig%'";
    let slow = format!("SELECT pg_sleep(0.3);\n{PLANS}");
    let project = tenants("plain", &[&slow], &[PRO]);
    let url = server.url("postgres");
    for pause in [0, 150, 600] {
        let args = ["verify", "--provider=url", "--base=HEAD", "--jobs=8"];
        let run = project.mig_ci(args).env("MIG_CI_POSTGRES_URL", &url).start();
        run.says("replayed again from an empty state");
        std::thread::sleep(std::time::Duration::from_millis(pause));
        run.signal(Signal::SIGINT);
        run.wait().exit(130);
        assert_eq!(server.sql(left).await, [""; 0], "after {pause} ms");
    }
}

/// Without a second server there is no result, regardless of the first run.
#[test]
fn a_second_server_that_does_not_start_is_a_failure_of_the_environment() {
    let real = postgres().program("initdb");
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for name in ["postgres", "pg_ctl", "psql"] {
        symlink(real.with_file_name(name), folder.path().join(name)).unwrap();
    }
    let started = folder.path().join("started");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) ;; *) [ -e {0} ] && {{ echo 'no second server' >&2; exit 1; }};; \
         esac\n{1} \"$@\"; ended=$?\ncase \"$*\" in *--version*) ;; *) [ $ended = 0 ] && touch {0};; esac\nexit $ended\n",
        started.display(),
        real.display()
    );
    fs::write(folder.path().join("initdb"), script).unwrap();
    fs::set_permissions(folder.path().join("initdb"), fs::Permissions::from_mode(0o755)).unwrap();
    let project = tenants("plain", &[PLANS], &[PRO]);
    let report = project
        .mig_ci(["verify", "--provider=local", "--base=HEAD", "--jobs=4"])
        .env("MIG_CI_PG_BIN", folder.path())
        .report(4);
    assert!(started.exists(), "the first server was not made by the script");
    assert_eq!(report.verdict(), "not-run");
    assert_eq!(reason(&report, 0), None, "nothing was replayed again");
    for name in TENANTS {
        let unit = report.unit(name);
        assert_eq!(unit["verdict"], "not-run");
        let reason = unit["reason"].as_str().unwrap();
        assert!(reason.starts_with("could not replay the database again: "), "{reason}");
        assert_eq!(unit["steps"].as_array().unwrap().len(), 0, "{unit:#}");
    }
}

/// Databases of one server share its roles: a role that one creates may be needed by another.
#[test]
fn databases_that_share_the_server_are_replayed_together() {
    let project = project()
        .file(
            "mig-ci.toml",
            "[postgres]\nrole = \"superuser\"\n[databases.first]\nmigrations = \"first\"\n\
             [databases.second.tenants]\nmigrations = \"second\"\ntarget = \"tenant_{tenant}\"\nformat = \"plain\"\n",
        )
        .file(
            "first/1_role.sql",
            "DO $$ BEGIN IF to_regrole('app_reader') IS NULL THEN CREATE ROLE app_reader; END IF; END $$;",
        )
        .file("second/1_plans.sql", PLANS)
        .git_commit("base")
        .file("second/2_pro.sql", format!("GRANT SELECT ON plans TO app_reader;\n{PRO}"));
    let run =
        |jobs: &str| project.mig_ci(["verify", "--provider=local", "--base=HEAD", jobs]).report(1);
    let (one, many) = (run("--jobs=1"), run("--jobs=8"));
    assert_eq!(outcomes(&one), outcomes(&many));
    assert_eq!(many.finding("migration-failed")["failure"]["sqlstate"], "23505");
    // Its own reason, because the two that create the role conflicted.
    assert!(reason(&many, 0).is_some() && reason(&many, 1).unwrap().contains("SQLSTATE 23505"));
}

/// Only definitions: proof that the databases do not affect each other, so only the failed one is replayed.
#[test]
fn an_unlinked_database_is_replayed_alone() {
    let tenants = |name: &str| {
        format!(
            "[databases.{name}.tenants]\nmigrations = \"{name}\"\ntarget = \"tenant_{{tenant}}\"\nformat = \"plain\"\n"
        )
    };
    let run = |pending: &str| {
        let project = project()
            .file("mig-ci.toml", format!("{}{}", tenants("first"), tenants("second")))
            .file("first/1_a.sql", "CREATE TABLE a (id int);")
            .file("second/1_a.sql", "CREATE TABLE a (id int);")
            .git_commit("base")
            .file("first/2_a.sql", "CREATE TABLE a (id int);")
            .file("second/2_b.sql", pending);
        let [one, many] = [1, 8].map(|jobs| verify(&project, jobs).report(1));
        assert_eq!(outcomes(&one), outcomes(&many));
        assert!(reason(&many, 0).unwrap().contains("SQLSTATE 42P07"), "{:#}", many.json);
        reason(&many, 1).map(ToOwned::to_owned)
    };
    assert_eq!(run("CREATE TABLE b (id int); -- CREATE ROLE r"), None);
    for may_reach in ["DO $$ BEGIN NULL; END $$;", "INSERT INTO a VALUES (1);"] {
        assert!(run(may_reach).unwrap().contains("`first`"), "{may_reach}");
    }
}

/// A role of a migration remains on a shared server, where a second run would find it.
#[tokio::test]
async fn a_role_of_the_first_run_prevents_a_second_run() {
    let server = Postgres::start();
    let project = configured(SUPERUSER, "plain", &[PLANS], &[PRO]);
    let role = "DO $$ BEGIN IF to_regrole('stray') IS NULL THEN CREATE ROLE stray; END IF; END $$;";
    let project =
        project.file(&migration("plain", 2, "").0, format!("{role}\nCOMMIT;\nBEGIN;\n{PRO}"));
    let report = project
        .mig_ci(["verify", "--provider=url", "--base=HEAD", "--jobs=8"])
        .env("MIG_CI_POSTGRES_URL", server.url("postgres"))
        .report(4);
    let reason = report.unit("base")["reason"].as_str().unwrap();
    assert!(reason.contains("`stray`") && reason.contains("`--jobs 1`"), "{reason}");
}

/// A value may depend on another tenant's lock or rows.
#[test]
fn values_that_depend_on_other_tenants_are_decided_by_the_second_run() {
    let busy = "SELECT 1 / pg_try_advisory_xact_lock(7)::int; SELECT pg_sleep(0.3);";
    let project = tenants("plain", &["CREATE TABLE a (id int);"], &[busy]);
    let [_, many] = same_with_many_jobs(&project, 0);
    let reason = reason(&many, 0).unwrap();
    assert!(reason.contains("SQLSTATE 22012"), "{reason}");
}
