//! A server that is lost during a run: the run reports it, keeps the known results, and leaves nothing.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::common::{
    Cluster, Container, Outcome, Postgres, Project, Running, docker_image, postgres, project,
    until, wait_for_computing, wait_for_sleepers,
};

const CONFIG: &str = r#"
[databases.app]
shared = { migrations = "migrations/shared" }
[databases.app.tenants]
migrations = "migrations/tenant"
target = "tenant_{tenant}"
samples = "samples/*.sql"
"#;

/// Six tenants with samples, of which the first and the third have a long migration, and one pending migration for all.
fn six_tenants(pending: &str) -> Project {
    let project = project()
        .file("mig-ci.toml", CONFIG)
        .file("migrations/shared/1_plans.sql", "CREATE TABLE plans (id int);")
        .file("migrations/tenant/1_users.sql", "CREATE TABLE users (id int);");
    ["a", "b", "c", "d", "e", "f"]
        .into_iter()
        .fold(project, |project, tenant| {
            project.file(&format!("samples/{tenant}.sql"), "INSERT INTO users VALUES (1);")
        })
        .git_commit("base")
        .file("migrations/tenant/2_pending.sql", pending)
}

fn asleep_in(tenants: &str, mark: &str) -> String {
    format!(
        "CREATE TABLE before_it ();\n\
         SELECT pg_sleep(CASE WHEN current_schema() IN ({tenants}) THEN 100 ELSE 0 END) /* {mark} */;"
    )
}

/// Two units at a time, so that the first tenant sleeps, the second passes, and the third sleeps.
fn start(project: &Project, args: &[&str]) -> Running {
    let mut command = project.mig_ci(["verify", "--jobs", "2", "--output", "json=out/report.json"]);
    for arg in args {
        command = command.arg(arg);
    }
    command.start()
}

fn report(project: &Project) -> Value {
    serde_json::from_str(&project.read("out/report.json")).unwrap()
}

/// `track name verdict [kind of failure]`, for each unit.
fn verdicts(report: &Value) -> Vec<String> {
    let units = report["databases"].as_array().unwrap().iter();
    let units = units.flat_map(|database| database["units"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    units
        .map(|unit| {
            let failed =
                unit["steps"].as_array().unwrap().iter().map(|step| &step["failure"]["kind"]);
            let kinds = failed.chain([&unit["failure"]["kind"]]).map(text);
            let mut words = vec![text(&unit["track"]), text(&unit["name"]), text(&unit["verdict"])];
            words.extend(kinds.filter(|kind| !kind.is_empty()));
            words.join(" ")
        })
        .collect()
}

/// The known results if the server is lost while tenants a and c sleep: the first empty tenant has run before all others,
/// and then tenant a.
fn is_lost_with_a_and_c(project: &Project, ended: Outcome) {
    let ended = ended.exit(4);
    assert!(
        ended.stdout.contains("The server was lost: no result for 4 of 9 tenants"),
        "{}",
        ended.stdout
    );
    let report = report(project);
    assert_eq!(report["server"]["lost"], true);
    assert_eq!(report["verdict"], "not-run");
    assert_eq!(
        verdicts(&report),
        [
            "shared base passed",
            "shared fresh passed",
            "tenant a not-run server-lost",
            "tenant b passed",
            "tenant c not-run server-lost",
            "tenant d passed",
            "tenant e passed",
            "tenant f passed",
            "tenant fresh_1 passed",
            "tenant fresh_2 not-run",
            "tenant base not-run",
        ]
    );
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["code"] == "server-lost").unwrap();
    // It is unknown what the server had executed of the file; a failure of the tool's BEGIN would be wrong.
    assert!(!finding.to_string().contains("BEGIN"), "{finding}");
    assert!(finding.to_string().contains("migrations/tenant/2_pending.sql"), "{finding}");
}

#[tokio::test]
async fn local() {
    let project = six_tenants(&asleep_in("'tenant_a', 'tenant_c'", "lost-local"));
    let run = start(&project, &["--provider", "local"]);
    let cluster = Cluster::ready(&run);
    wait_for_sleepers(&cluster.url(), "lost-local", 2).await;
    cluster.signal(Signal::SIGKILL);
    is_lost_with_a_and_c(&project, run.wait());
    cluster.is_gone();
}

/// Its sessions do not detect the end of the postmaster before they finish.
#[tokio::test]
async fn local_with_busy_sessions() {
    let project = project().file(
        "migrations/1_long.sql",
        "DO $$ BEGIN PERFORM pg_sleep(1) /* lost-computing */; PERFORM count(*) FROM generate_series(1, 1e12::bigint); END $$;",
    );
    let run = start(&project, &["--provider", "local"]);
    let cluster = Cluster::ready(&run);
    wait_for_sleepers(&cluster.url(), "lost-computing", 2).await;
    wait_for_computing(&cluster.url(), "lost-computing", 2).await;
    cluster.signal(Signal::SIGKILL);
    // All other processes end with the server.
    let sessions = || Some(cluster.processes()).filter(|left| left.len() <= 2);
    let orphans = until("the end of all but the sessions", sessions);
    run.signal(Signal::SIGINT);
    let ended = run.wait();
    assert!(!orphans.is_empty(), "nothing was shown");
    assert_eq!(ended.status.code(), Some(130), "{}", ended.stderr);
    cluster.is_gone();
}

#[test]
fn docker() {
    let Some(image) = docker_image() else { return };
    let project = six_tenants(&asleep_in("'tenant_a', 'tenant_c'", "lost-docker"));
    let run = start(&project, &["--provider", "docker", "--postgres-image", &image]);
    let container = Container::begun(&run);
    container.wait_for_sleepers("lost-docker", 2);
    container.kill();
    is_lost_with_a_and_c(&project, run.wait());
    assert!(!container.is_there());
}

#[tokio::test]
async fn url() {
    let server = Postgres::start();
    let url = server.url("postgres");
    let project = six_tenants(&asleep_in("'tenant_a', 'tenant_c'", "lost-url"));
    let run = start(&project, &["--provider", "url", "--postgres-url", &url]);
    wait_for_sleepers(&url, "lost-url", 2).await;
    // As with `pg_ctl stop -m immediate`.
    server.signal(Signal::SIGQUIT);
    is_lost_with_a_and_c(&project, run.wait());
}

#[tokio::test]
async fn while_a_sample_is_loaded() {
    let project = six_tenants("SELECT 1;").file(
        "samples/b.sql",
        "INSERT INTO users VALUES (1);\nSELECT pg_sleep(100) /* lost-sample */;",
    );
    let run = start(&project, &["--provider", "local"]);
    let cluster = Cluster::ready(&run);
    wait_for_sleepers(&cluster.url(), "lost-sample", 1).await;
    cluster.signal(Signal::SIGQUIT);
    run.wait().exit(4);
    let report = report(&project);
    assert_eq!(report["server"]["lost"], true);
    // Its log is removed with it, so the report has the end of the log.
    let notes = report["notes"].to_string();
    assert!(
        notes.contains("the end of the server's log: LOG:  received immediate shutdown request"),
        "{notes}"
    );
    let verdicts = verdicts(&report);
    assert!(verdicts.contains(&"tenant b not-run server-lost".to_owned()), "{verdicts:?}");
    let passed: Vec<&String> = verdicts.iter().filter(|line| line.contains("passed")).collect();
    // No other unit had ended, except perhaps the shared track's other database.
    assert!(passed.iter().all(|line| *line == "shared fresh passed"), "{verdicts:?}");
    cluster.is_gone();
}

#[tokio::test]
async fn while_the_server_is_prepared() {
    let project = project()
        .file(
            "mig-ci.toml",
            "[prepare]\nserver = \"roles.sql\"\n[databases.app]\nmigrations = \"migrations\"\n",
        )
        .file("roles.sql", "SELECT pg_sleep(100) /* lost-prepare */;")
        .file("migrations/1_t.sql", "CREATE TABLE t ();");
    let run = start(&project, &["--provider", "local"]);
    let cluster = Cluster::ready(&run);
    wait_for_sleepers(&cluster.url(), "lost-prepare", 1).await;
    cluster.signal(Signal::SIGKILL);
    let ended = run.wait().exit(4);
    assert!(ended.stderr.contains("cannot prepare the server"), "{}", ended.stderr);
    cluster.is_gone();
}

/// A session that ends is the failure of its unit only.
#[test]
fn one_terminated_session() {
    let pending = "DO $$ BEGIN IF current_schema() = 'tenant_c' THEN PERFORM pg_terminate_backend(pg_backend_pid()); \
                   END IF; END $$;";
    let project = six_tenants(pending);
    let url = postgres().url("postgres");
    let ended = start(&project, &["--provider", "url", "--postgres-url", &url]).wait().exit(1);
    let report = report(&project);
    assert_eq!(report["server"]["lost"], false);
    for line in verdicts(&report) {
        let expected = if line.starts_with("tenant c ") {
            "tenant c failed connection-lost"
        } else {
            "passed"
        };
        assert!(line.ends_with(expected), "{line}");
    }
    assert!(
        ended.stdout.contains("terminating connection due to administrator command"),
        "{}",
        ended.stdout
    );
}

/// The crash of one session ends all others, and the server recovers: interrupted units are decided by a second run.
#[tokio::test]
async fn a_crash_with_recovery() {
    let server = Postgres::start();
    let url = server.url("postgres");
    let asleep = asleep_in("'tenant_a', 'tenant_c'", "lost-crash").replace("100", "3");
    let project = six_tenants(&asleep);
    let run = start(&project, &["--provider", "url", "--postgres-url", &url]);
    wait_for_sleepers(&url, "lost-crash", 2).await;
    let sleeper = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' LIMIT 1";
    let pid: i32 = server.sql(sleeper).await[0].parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    run.wait().exit(0);
    let report = report(&project);
    assert_eq!(report["server"]["lost"], false);
    let reason = report["databases"][0]["replayed"]["reason"].as_str().unwrap();
    assert!(reason.contains("the connection broke at migrations/tenant/2_pending.sql"), "{reason}");
    for line in verdicts(&report) {
        assert!(line.ends_with(" passed"), "{line}");
    }
    // The run's anchor is lost in the crash, too; the run cleans up anyway.
    let left = "SELECT datname FROM pg_database WHERE datname LIKE 'mig%' \
                UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'mig%'";
    assert_eq!(server.sql(left).await, [""; 0]);
}
