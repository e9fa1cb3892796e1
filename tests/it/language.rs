//! Tests of the test framework: see `common`.

use std::io::Write as _;
use std::process::Command as Process;

use crate::common::{
    Command, Database, Outcome, Project, Running, demo, docker_answers, peer, postgres, project,
};
use crate::skipped;

const TABLES: &str = "
    CREATE TYPE state AS ENUM ('on', 'off');
    CREATE DOMAIN share AS numeric CHECK (VALUE <= 1);
    CREATE TABLE t (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, gone int, state state DEFAULT 'on', part share
    );
    ALTER TABLE t DROP COLUMN gone;
    CREATE INDEX i ON t (part) WHERE state = 'on';
    CREATE VIEW v AS SELECT count(*) AS count FROM t;
    CREATE FUNCTION f() RETURNS trigger
        LANGUAGE plpgsql SET search_path FROM CURRENT AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
    CREATE TABLE ledger ();
    GRANT SELECT ON v TO PUBLIC;
";

fn version(project: &Project) -> Command {
    project.mig_ci(["--version"])
}

#[test]
fn a_project_has_files_and_commits() {
    let project = project()
        .file("migrations/1_a.sql", "a")
        .git_commit("base")
        .git_branch("feature")
        .file("migrations/2_b.sql", "b")
        .without("migrations/1_a.sql")
        .git_commit("head");
    assert_eq!(project.read("migrations/2_b.sql"), "b");
    assert_eq!(
        project.git(&["diff", "--name-status", "main", "feature"]),
        "D\tmigrations/1_a.sql\nA\tmigrations/2_b.sql"
    );
}

#[test]
fn the_binary_runs_in_the_project_or_a_subfolder() {
    let project = project().file("a/b", "");
    let ended: Outcome = version(&project).run().success();
    let running: Running = version(&project).in_folder("a").arg("--version").start();
    assert_eq!(running.wait().status, ended.status);
}

#[test]
fn the_demo_is_copied_completely() {
    let demo = demo();
    let config: toml::Table = demo.read("mig-ci.toml").parse().unwrap();
    let mut directories = Vec::new();
    for database in config["databases"].as_table().unwrap().values() {
        let tables = [Some(database), database.get("shared"), database.get("tenants")];
        let named = tables.into_iter().flatten().filter_map(|table| table.get("migrations"));
        directories.extend(named.map(|path| path.as_str().unwrap().to_owned()));
    }
    directories.sort();
    assert_eq!(
        directories,
        [
            "migrations/analytics",
            "migrations/customer",
            "migrations/shared",
            "migrations/tenant",
            "migrations/users",
        ]
    );
    for directory in directories {
        let files = demo.path().join(&directory).read_dir_utf8().unwrap().count();
        assert!(files >= 5, "{directory}");
    }
}

#[test]
fn snapshots_do_not_depend_on_the_machine() {
    let project = project();
    let text = format!(
        "{}/m/1.sql in 12 ms (1.5s), /tmp/x.9/log\nPostgreSQL 15.18, postgres:17\n\
         \"version\": \"15.18\", \"version\": \"20240101000000\", \"duration_ms\": 17\n\
         run mig_ci_0a1b2c3d at 2026-01-02T03:04:05Z, commit {}",
        project.path(),
        "0a".repeat(20)
    );
    project.redactions().bind(|| {
        insta::assert_snapshot!(text, @r#"
        [PROJECT]/m/1.sql in [TIME] ([TIME]), [TEMP]
        PostgreSQL [VERSION], postgres:[VERSION]
        "version": "[VERSION]", "version": "20240101000000", "duration_ms": [N]
        run [RUN] at [WHEN], commit [HASH]
        "#);
    });
}

#[test]
fn test_requirements_are_detected() {
    assert!(peer("sh").unwrap().ends_with("sh"));
    // If Docker is required, this is the first test to fail without it.
    let required = std::env::var("MIG_CI_REQUIRE_DOCKER").is_ok_and(|value| value == "1");
    let answer = docker_answers();
    assert!(answer.is_ok() || !required, "{answer:?}");
}

/// Sleeps outside of `common`, by file: polls with a deadline, and samples of conditions that must always hold. A test that
/// sleeps and then expects an event fails on a slow machine, or passes without having tested it.
const SLEEPS: [(&str, usize, &str); 5] = [
    (
        "environment.rs",
        1,
        "a server that answers nothing for longer than the limit of a connection",
    ),
    ("signals.rs", 4, "samples of the first moments and of a container's start; polls"),
    ("replayed_again.rs", 1, "samples of a second run"),
    ("untrusted.rs", 1, "a poll of /proc beside the run"),
    (
        "upgrade/interruption.rs",
        3,
        "the poll that the other tests use; signals until they have an effect",
    ),
];

#[test]
fn no_test_sleeps_and_hopes() {
    let call = regex::Regex::new(r"\bsleep\(").unwrap();
    let root = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path()) {
            let path = entry.strip_prefix(&root).unwrap().to_owned();
            if entry.is_dir() {
                folders.extend((path != "common").then_some(entry));
            } else if path.extension() == Some("rs") {
                let text = std::fs::read_to_string(&entry).unwrap();
                let known = SLEEPS.iter().find(|(name, ..)| path == *name);
                let number = known.map_or(0, |(_, number, _)| *number);
                assert_eq!(call.find_iter(&text).count(), number, "{path}: see CONTRIBUTING.md");
            }
        }
    }
}

/// Under cargo-nextest this test prints the list, and runs after all others. Under libtest it registers the list, even if no
/// test is skipped.
#[test]
fn skipped_tests_are_listed_at_the_end() {
    if skipped::is_nextest() {
        std::io::stderr().write_all(skipped::list().as_bytes()).unwrap();
    } else {
        skipped::list_at_exit();
    }
    // A separate run of one test that needs pgbouncer, without pgbouncer.
    let folder = tempfile::tempdir().unwrap();
    let test = "upgrade::pooler::pgbouncer_is_detected_and_refused";
    let run = |required: &str| {
        let mut process = Process::new(std::env::current_exe().unwrap());
        process.args(["--exact", test]).env_remove("NEXTEST").env_remove("NEXTEST_TEST_NAME");
        process.env("PATH", "/nowhere").env_remove("MIG_CI_PEER_PGBOUNCER");
        process.env("MIG_CI_SKIPPED_TESTS", folder.path().join("record"));
        process.env("MIG_CI_REQUIRE_PEERS", required).output().unwrap()
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).unwrap();
    let ended = run("0");
    let list = format!(
        "\nskipped tests: 1 (the harness counts them as passed)\n  \
         no pgbouncer: neither in PATH nor in target/peers\n    it {test}\n"
    );
    assert!(ended.status.success() && text(&ended.stderr).ends_with(&list), "{ended:?}");
    let ended = run("1");
    assert!(!ended.status.success(), "{ended:?}");
    assert!(text(&ended.stdout).contains("MIG_CI_REQUIRE_PEERS=1, but there is no pgbouncer"));
}

#[tokio::test]
async fn each_test_has_a_database_with_an_unprivileged_owner() {
    let database: Database = postgres().database().await;
    database.sql("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (2, NULL)").await;
    assert_eq!(database.sql("SELECT a, b FROM t ORDER BY a").await, ["1|x", "2|"]);
    let role =
        "SELECT rolsuper, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = current_user";
    assert_eq!(database.sql(role).await, ["f|f|f"]);
    assert_ne!(postgres().database().await.name, database.name);
}

#[tokio::test]
async fn schemas_with_the_same_content_have_one_fingerprint() {
    let database = postgres().database().await;
    let names = ["one", "o'ne \"two\""];
    for (name, quoted) in names.into_iter().zip(["one", "\"o'ne \"\"two\"\"\""]) {
        let sql = format!("CREATE SCHEMA {quoted}; SET search_path = {quoted}; {TABLES}");
        database.sql(&sql).await;
        assert!(database.fingerprint(name, &[]).await.contains("ledger"));
    }
    let seen = database.fingerprint(names[0], &["ledger"]).await;
    assert_eq!(seen, database.fingerprint(names[1], &["ledger"]).await);
    insta::assert_snapshot!(seen, @r"
    column t.001: id integer not null identity a
    column t.002: state {schema}.state 'on'::{schema}.state
    column t.003: part {schema}.share
    column v.001: count bigint
    constraint t.t_pkey: PRIMARY KEY (id)
    domain share: numeric CHECK ((VALUE <= (1)::numeric))
    enum state: on, off
    function {schema}.f(): CREATE OR REPLACE FUNCTION {schema}.f()
     RETURNS trigger
     LANGUAGE plpgsql
     SET search_path TO '{schema}'
    AS $function$BEGIN RETURN NEW; END$function$

    grant v: - SELECT f
    index i: CREATE INDEX i ON {schema}.t USING btree (part) WHERE (state = 'on'::{schema}.state)
    index t_pkey: CREATE UNIQUE INDEX t_pkey ON {schema}.t USING btree (id)
    sequence t_id_seq: integer 1 1 1 2147483647 1 f
    table t: r p
    table v: v p
    trigger t.g: O CREATE TRIGGER g BEFORE INSERT ON {schema}.t FOR EACH ROW EXECUTE FUNCTION {schema}.f()
    view v:  SELECT count(*) AS count
       FROM {schema}.t;
    ");

    database.sql("ALTER TABLE one.t ALTER COLUMN state DROP DEFAULT").await;
    assert_ne!(seen, database.fingerprint(names[0], &["ledger"]).await);
}
