//! Failures of the server or of the machine are not a migration's: affected tenants are not judged, and the exit code is 4.

use nix::sys::signal::Signal;

use crate::common::{Cluster, Postgres, Project, postgres, project, wait_for_sleepers};

const CONFIG: &str = "[databases.app.tenants]\nmigrations = \"migrations\"\ntarget = \"tenant_{tenant}\"\nformat = \"plain\"\n";

const SUPERUSER: &str = "[postgres]\nrole = \"superuser\"\n";

fn app(pending: &str) -> Project {
    configured("", pending)
}

/// With this before the rest of its configuration, also in the base.
fn configured(postgres: &str, pending: &str) -> Project {
    project()
        .file("mig-ci.toml", format!("{postgres}{CONFIG}"))
        .file("migrations/1_t.sql", "CREATE TABLE t (n int);")
        .git_commit("base")
        .file("migrations/2_pending.sql", pending)
}

#[test]
fn a_missing_configured_extension_is_an_environment_failure() {
    let project = configured("[postgres]\nextensions = [\"no_such_extension\"]\n", "SELECT 1;");
    let report = project.verify().report(4);
    assert_eq!((report.verdict(), report.codes()), ("not-run", vec!["environment-failed"]));
    let reason = report.unit("base")["reason"].as_str().unwrap();
    for words in ["no_such_extension", "postgres.extensions", "is not available", "`image`"] {
        assert!(reason.contains(words), "{words}: {reason}");
    }
    assert!(project.verify().arg("--format=junit").run().exit(4).stdout.contains("<skipped"));
}

/// Servers of managed services and CI images lack different extensions; the error contains the solution.
#[test]
fn a_missing_extension_of_a_migration_is_its_failure() {
    let project = configured(SUPERUSER, "CREATE EXTENSION no_such_extension;");
    let report = project.verify().report(1);
    let help = report.finding("migration-failed")["help"].as_str().unwrap();
    assert!(help.contains("set `image` in `[postgres]`"), "{help}");
}

/// One limit of the server's configuration represents all resources.
#[test]
fn exhausted_server_resources_are_an_environment_failure() {
    let full = "SET temp_file_limit = '1MB'; SET work_mem = '64kB';\n\
                SELECT count(*) FROM (SELECT n FROM generate_series(1, 500000) n ORDER BY -n) s;";
    let only_base = format!(
        "DO $$ BEGIN IF current_schema() = 'tenant_base' THEN EXECUTE {}; END IF; END $$;",
        quoted(full)
    );
    let project = configured(SUPERUSER, &only_base);
    let report = project.verify().arg("--base=HEAD").report(4);
    assert_eq!(report.codes(), ["environment-failed"]);
    let verdicts = report.verdicts();
    for (name, verdict) in [("fresh_1", "passed"), ("fresh_2", "passed"), ("base", "not-run")] {
        assert!(verdicts.contains(&format!("app tenant {name}: {verdict}")), "{verdicts:?}");
    }
    let failure = &report.unit("base")["steps"][1]["failure"];
    let words = (&failure["kind"], &failure["cause"]);
    assert_eq!(words, (&"environment".into(), &"configuration-limit".into()));
    let ended = project.verify().arg("--base=HEAD").run().exit(4);
    assert!(ended.stdout.contains("no result for 1 of 3 tenants"), "{}", ended.stdout);

    // Another failure at the same time still counts.
    let both = format!(
        "{only_base}\nDO $$ BEGIN IF current_schema() = 'tenant_fresh_2' THEN PERFORM 1/0; END IF; END $$;"
    );
    let project = configured(SUPERUSER, &both);
    let report = project.verify().arg("--base=HEAD").report(1);
    assert_eq!(report.units_of("migration-failed"), ["fresh_2"]);
    assert_eq!(report.unit("base")["verdict"], "not-run");
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Each of these codes can be raised by a script.
#[test]
fn a_sqlstate_raised_by_a_script_is_a_migration_failure() {
    for sqlstate in ["53100", "57P01", "XX001"] {
        let raise = format!(
            "DO $$ BEGIN RAISE EXCEPTION 'by itself' USING ERRCODE = '{sqlstate}'; END $$;"
        );
        let report = app(&raise).verify().args(["--base=HEAD", "--jobs=1"]).report(1);
        assert_eq!(report.finding("migration-failed")["failure"]["sqlstate"], sqlstate);
    }
}

/// Production has that limit, too.
#[test]
fn too_many_locks_are_a_migration_failure() {
    let many = "DO $$ BEGIN FOR i IN 1..30000 LOOP EXECUTE format('CREATE TABLE l%s ()', i); END LOOP; END $$;";
    let report = app(many).verify().args(["--base=HEAD", "--jobs=1", "--tenant=base"]).report(1);
    assert_eq!(report.finding("migration-failed")["failure"]["sqlstate"], "53200");
    assert_eq!(report.finding("migration-failed")["failure"]["kind"], "sql");
}

#[test]
fn a_server_with_few_connections_is_retried() {
    let server = Postgres::start_with_connection_limit(6);
    let config = format!("{CONFIG}samples = \"samples/*.sql\"\n");
    let project = app("SELECT pg_sleep(0.2);").file("mig-ci.toml", config);
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let sample = |project: Project, name: &&str| {
        project.file(&format!("samples/{name}.sql"), "INSERT INTO t VALUES (1);")
    };
    let report = names
        .iter()
        .fold(project, sample)
        .mig_ci(["verify", "--provider=url", "--base=HEAD", "--jobs=8"])
        .env("MIG_CI_POSTGRES_URL", server.url("postgres"))
        .report(0);
    assert_eq!(report.json["counts"]["tenants"]["passed"], 10);
}

/// The server does not respond for some seconds, and then continues.
#[tokio::test]
async fn a_server_that_hangs_temporarily_is_retried() {
    let server = Postgres::start();
    let url = server.url("postgres");
    let project = app("SELECT pg_sleep(1) /* hangs */;");
    let run = project
        .mig_ci(["verify", "--provider=url", "--base=HEAD", "--jobs=2", "--format=json"])
        .env("MIG_CI_POSTGRES_URL", &url)
        .start();
    wait_for_sleepers(&url, "hangs", 1).await;
    server.signal(Signal::SIGSTOP);
    std::thread::sleep(std::time::Duration::from_secs(8));
    server.signal(Signal::SIGCONT);
    run.wait().exit(0);
}

/// The sessions continue without their postmaster, and no new ones can be opened.
#[tokio::test]
async fn a_lost_server_is_not_a_migration_failure() {
    let project = app("SELECT pg_sleep(100) /* goes */;");
    let run = project
        .mig_ci(["verify", "--provider=local", "--base=HEAD", "--jobs=2", "--format=json"])
        .start();
    let cluster = Cluster::ready(&run);
    wait_for_sleepers(&cluster.url(), "goes", 1).await;
    cluster.signal(Signal::SIGQUIT);
    let report = run.wait().exit(4).json();
    let units = report["databases"][0]["units"].as_array().unwrap();
    assert!(units.iter().all(|unit| unit["verdict"] == "not-run"), "{report:#}");
    assert_eq!(report["verdict"], "not-run");
}

/// A session that a migration terminates itself is its failure, also in the second run.
#[test]
fn a_migration_that_ends_its_own_session_has_failed() {
    for jobs in ["--jobs=1", "--jobs=4"] {
        let project = app("SELECT pg_terminate_backend(pg_backend_pid());");
        let report = project
            .mig_ci(["verify", "--provider=url", "--base=HEAD", jobs])
            .env("MIG_CI_POSTGRES_URL", postgres().url("postgres"))
            .report(1);
        assert_eq!(report.units_of("migration-failed"), ["fresh_1", "fresh_2", "base"]);
    }
}
