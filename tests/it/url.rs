//! The provider `url`: with any user, on a shared server, it changes nothing of others, leaves nothing, and shows no
//! password.

use std::fs;

use nix::sys::signal::Signal;

use crate::common::{
    Command, Outcome, PASSWORD, Postgres, Project, demo, postgres, project, wait_for_sleepers,
};

fn verify(project: &Project, url: &str) -> Command {
    project.mig_ci(["verify", "--provider", "url"]).env("MIG_CI_POSTGRES_URL", url)
}

fn small() -> Project {
    project().file("migrations/1_table.sql", "CREATE TABLE t (id int);")
}

/// All known objects of a server beyond those of `initdb`.
async fn inventory(server: &Postgres) -> Vec<String> {
    let sql = "SELECT 'database ' || datname FROM pg_database \
               UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' \
               UNION ALL SELECT 'comment ' || description FROM pg_shdescription \
               UNION ALL SELECT 'member ' || roleid::regrole || ' ' || member::regrole FROM pg_auth_members \
               WHERE roleid >= 16384 \
               UNION ALL SELECT 'access ' || datname || ' ' || datacl::text FROM pg_database WHERE datacl IS NOT NULL \
               UNION ALL SELECT 'schema ' || nspname || coalesce(' ' || nspacl::text, '') FROM pg_namespace \
               WHERE nspname !~ '^pg_(toast_)?temp_' ORDER BY 1";
    server.sql(sql).await
}

// users ---------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_role_with_createdb_is_sufficient() {
    let server = Postgres::start();
    server
        .sql("CREATE ROLE maker LOGIN CREATEDB CREATEROLE; CREATE ROLE plain LOGIN CREATEDB; CREATE ROLE nobody LOGIN")
        .await;
    let before = inventory(&server).await;
    let project =
        small().file("migrations/2_who.sql", "CREATE TABLE who AS SELECT current_user AS name;");
    for (user, note) in [
        ("admin", None),
        ("maker", None),
        (
            "plain",
            Some(
                "the migrations ran as `plain`, the user of postgres.url, who may not create roles",
            ),
        ),
    ] {
        let url = server.url_as(user, "postgres");
        let ended = verify(&project, &url).arg("--format").arg("json").run().success();
        let notes = ended.json()["notes"].to_string();
        assert!(note.is_none_or(|note| notes.contains(note)), "{user}: {notes}");
        assert_eq!(inventory(&server).await, before, "{user}");
    }
    let refused = verify(&project, &server.url_as("nobody", "postgres")).run().exit(4);
    assert!(
        refused.stderr.contains(
            "the user `nobody` of postgres.url may not create databases; run `ALTER ROLE … CREATEDB`"
        ),
        "{}",
        refused.stderr
    );
    let superuser = small().file(
        "mig-ci.toml",
        "[postgres]\nrole = \"superuser\"\n[databases.app]\nmigrations = \"migrations\"\n",
    );
    let refused = verify(&superuser, &server.url_as("maker", "postgres")).run().exit(4);
    assert!(
        refused.stderr.contains("the user `maker` of postgres.url is not a superuser"),
        "{}",
        refused.stderr
    );
    assert_eq!(inventory(&server).await, before);
}

#[tokio::test]
async fn the_demo_has_no_leftovers() {
    let server = Postgres::start();
    let before = inventory(&server).await;
    let ended = verify(&demo(), &server.url("postgres")).run().success();
    assert!(
        !ended.stdout.contains("could not") && !ended.stdout.contains("these roles were created"),
        "{}",
        ended.stdout
    );
    assert_eq!(inventory(&server).await, before);
}

// roles ---------------------------------------------------------------------------------------------------------------

/// Creates roles in all common ways, one of them over an existing one.
const ROLES: &str = "
    DO $$ BEGIN CREATE ROLE app_user; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'theirs') THEN CREATE ROLE theirs; END IF;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app_admin') THEN CREATE ROLE app_admin; END IF;
    END $$;
    DO $$ BEGIN CREATE USER \"odd \"\"name\"; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
    GRANT app_user TO app_admin;
    GRANT app_user TO theirs;
    GRANT CONNECT ON DATABASE postgres TO app_user;
";

fn with_roles(prepare: &str) -> Project {
    project()
        .file(
            "mig-ci.toml",
            "[prepare]\nserver = \"roles.sql\"\n[databases.app]\nmigrations = \"migrations\"\n",
        )
        .file("roles.sql", prepare)
        .file("migrations/1_grant.sql", "CREATE TABLE t (id int); GRANT SELECT ON t TO app_user;")
}

const NEW: [&str; 3] = ["app_admin", "app_user", "odd \"name"];

async fn new_roles(server: &Postgres) -> Vec<String> {
    let sql =
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'app%' OR rolname LIKE 'odd%' ORDER BY 1";
    server.sql(sql).await
}

#[tokio::test]
async fn only_roles_of_prepare_are_removed_with_the_run() {
    let server = Postgres::start();
    server
        .sql("CREATE ROLE maker LOGIN CREATEDB CREATEROLE; CREATE ROLE theirs; COMMENT ON ROLE theirs IS 'ours since 2019'; CREATE ROLE app_other")
        .await;
    let before = inventory(&server).await;
    let sleeper =
        with_roles(ROLES).file("migrations/2_sleep.sql", "SELECT pg_sleep(100) /* url-roles */;");
    let url = server.url("postgres");

    for (user, more) in [("admin", "SET ROLE app_user;"), ("maker", "SET search_path = '';")] {
        let project = with_roles(&format!("{ROLES}{more}"));
        let run = verify(&project, &server.url_as(user, "postgres")).run().success();
        assert!(!run.stdout.contains("these roles were created"), "{}", run.stdout);
        assert_eq!(without_access(inventory(&server).await), before, "{user}");
    }

    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let run = verify(&sleeper, &url).start();
        wait_for_sleepers(&url, "url-roles", 2).await;
        for role in NEW {
            assert!(new_roles(&server).await.contains(&role.to_owned()), "{role}");
        }
        run.signal(signal);
        run.wait();
        if signal == Signal::SIGKILL {
            assert!(new_roles(&server).await.len() == 4);
            sleeper.mig_ci(["clean", "--postgres-url", &url]).run().success();
        }
        assert_eq!(without_access(inventory(&server).await), before, "{signal}");
    }
}

/// After a GRANT, a database lists its default privileges explicitly.
fn without_access(inventory: Vec<String>) -> Vec<String> {
    inventory
        .into_iter()
        .filter(|line| line != "access postgres {=Tc/admin,admin=CTc/admin}")
        .collect()
}

#[tokio::test]
async fn a_run_killed_during_prepare_is_cleaned_up() {
    let server = Postgres::start();
    let before = inventory(&server).await;
    let url = server.url("postgres");
    let slow = format!("CREATE ROLE app_early;\nSELECT pg_sleep(100) /* url-prepare */;\n{ROLES}");
    let project = with_roles(&slow);
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let run = verify(&project, &url).start();
        wait_for_sleepers(&url, "url-prepare", 1).await;
        run.signal(signal);
        run.wait();
        if signal == Signal::SIGKILL {
            // The cleanup waits for no other session, including the one that still prepares.
            let next = verify(&small(), &url).run().success();
            assert!(!next.stdout.contains("could not"), "{}", next.stdout);
        }
        assert_eq!(inventory(&server).await, before, "{signal}");
    }
}

#[tokio::test]
async fn roles_that_another_run_uses_stay_until_it_ends() {
    let server = Postgres::start();
    let before = inventory(&server).await;
    let url = server.url("postgres");
    let prepare = ROLES.replace("GRANT app_user TO theirs;", "").replace("'theirs'", "'admin'");
    let sleeper =
        with_roles(&prepare).file("migrations/2_sleep.sql", "SELECT pg_sleep(100) /* url-both */;");
    let first = verify(&sleeper, &url).start();
    wait_for_sleepers(&url, "url-both", 2).await;
    verify(&with_roles(&prepare), &url).run().success();
    assert_eq!(new_roles(&server).await, NEW);

    // The second is still running when the first, which created the roles, ends.
    let second = verify(&sleeper, &url).start();
    wait_for_sleepers(&url, "url-both", 4).await;
    first.signal(Signal::SIGINT);
    first.wait().exit(130);
    assert_eq!(new_roles(&server).await, NEW);
    second.signal(Signal::SIGINT);
    second.wait().exit(130);
    assert_eq!(without_access(inventory(&server).await), before);
}

#[tokio::test]
async fn prepare_stays_within_its_transaction() {
    let server = Postgres::start();
    let before = inventory(&server).await;
    for (statement, line) in
        [("COMMIT;", 2), ("CREATE DATABASE more;", 2), ("ALTER SYSTEM SET work_mem = '1MB';", 2)]
    {
        let project = with_roles(&format!("CREATE ROLE app_user;\n{statement}\n"));
        let ended = verify(&project, &server.url("postgres")).run().exit(3);
        assert!(ended.stderr.contains("it cannot run inside a transaction"), "{}", ended.stderr);
        assert!(ended.stderr.contains(&format!("roles.sql:{line}")), "{}", ended.stderr);
        assert_eq!(inventory(&server).await, before, "{statement}");
    }
    let failing = with_roles("CREATE ROLE app_user;\nGRANT nobody_knows TO app_user;\n");
    let ended = verify(&failing, &server.url("postgres")).run().exit(3);
    assert!(
        ended.stderr.contains("nobody_knows") && ended.stderr.contains("roles.sql:2"),
        "{}",
        ended.stderr
    );
    assert_eq!(inventory(&server).await, before);
}

#[tokio::test]
async fn roles_that_migrations_create_remain_and_are_reported() {
    let server = Postgres::start();
    let project = project()
        .file(
            "mig-ci.toml",
            "[postgres]\nrole = \"superuser\"\n[databases.app]\nmigrations = \"migrations\"\n",
        )
        .file(
            "migrations/1_role.sql",
            "DO $$ BEGIN CREATE ROLE stray; EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
        );
    let ended = verify(&project, &server.url("postgres")).run().success();
    assert!(
        ended.stdout.contains(
            "these roles were created on the server of postgres.url during the run: `stray`"
        ),
        "{}",
        ended.stdout
    );
    assert_eq!(server.sql("SELECT rolname FROM pg_roles WHERE rolname = 'stray'").await, ["stray"]);
}

// passwords -----------------------------------------------------------------------------------------------------------

const OUTPUTS: [&str; 4] = ["json", "markdown", "junit", "terminal"];

/// Runs it with the most verbose output, and searches all output for secrets.
fn output_without_secrets(project: &Project, url: &str, secrets: &[&str]) -> Outcome {
    let mut command =
        verify(project, url).env("MIG_CI_LOG", "trace").env("RUST_BACKTRACE", "1").arg("--timings");
    for format in OUTPUTS {
        command = command.arg("--output").arg(format!("{format}=out/{format}"));
    }
    let ended = command.run();
    let mut written = vec![ended.stdout.clone(), ended.stderr.clone()];
    for format in OUTPUTS {
        written.extend(fs::read_to_string(project.path().join("out").join(format)).ok());
    }
    for text in written {
        for secret in secrets {
            let at = text.find(secret);
            assert!(at.is_none(), "{:?}", &text[at.unwrap().saturating_sub(200)..]);
        }
    }
    ended
}

#[test]
fn a_password_is_never_shown() {
    let good = postgres().tcp_url("postgres");
    let address = good.split('@').nth(1).unwrap().to_owned();
    output_without_secrets(&small(), &good, &[PASSWORD]).success();
    let failing = small().file("migrations/2_no.sql", "SELECT current_setting('no.such'), 1/0;");
    output_without_secrets(&failing, &good, &[PASSWORD]).exit(1);

    // A wrong one; with characters to escape; with an unreachable server; an invalid URL.
    let secrets = ["hunter2", "hünter", "h%C3%BCnter", "hun/ter", "hun%2Fter"];
    for (url, code) in [
        (format!("postgres://admin:hunter2@{address}"), 4),
        (format!("postgres://admin:h%C3%BCnter@{address}"), 4),
        (format!("postgres://admin:hun%2Fter@{address}"), 4),
        (format!("postgres://admin@{address}?password=hunter2"), 4),
        (format!("postgres://admin:hunter2@{}/nowhere", address.split('/').next().unwrap()), 4),
        ("postgres://admin:hunter2@127.0.0.1:1/postgres".to_owned(), 4),
        ("postgres://admin:hunter2@no-such-host.invalid/postgres".to_owned(), 4),
        ("postgres://admin:hun/ter@h/postgres".to_owned(), 4),
        ("postgres://admin:hunter2@h:port/postgres".to_owned(), 4),
        ("admin:hunter2@h/postgres".to_owned(), 4),
        ("mysql://admin:hunter2@h/postgres".to_owned(), 4),
        (format!("postgres://admin:hunter2@{address}?sslmode=hunter2"), 4),
    ] {
        let ended = output_without_secrets(&small(), &url, &secrets);
        assert!(
            ended.status.code() == Some(code) || ended.status.code() == Some(3),
            "{url}: {}",
            ended.stderr
        );
        assert!(ended.stderr.contains("postgres.url"), "{url}: {}", ended.stderr);
    }
}

#[test]
fn passwords_of_generated_roles_are_not_shown() {
    // A role of a run has a random password of 32 digits, which its CREATE ROLE contains.
    let ended = output_without_secrets(&small(), &postgres().tcp_url("postgres"), &["PASSWORD '"])
        .success();
    assert!(ended.stdout.contains("passed"));
}
