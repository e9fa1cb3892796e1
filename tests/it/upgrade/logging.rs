//! `MIG_CI_LOG=debug`: the log of one tenant, with the fields of its spans, and without secrets.

use serde_json::Value;
use sqlx::{Connection as _, Executor as _};

use super::{migration, numbered, shop, upgrade, with_tenants};
use crate::common::{Command, postgres, project};

/// The log of mig-ci itself, without progress and without the log of libraries.
fn log(stderr: &str) -> Vec<Value> {
    let lines = stderr.lines().map(|line| serde_json::from_str(line).unwrap());
    let is_own = |line: &Value| line["module"].as_str().is_some_and(|it| it.starts_with("mig_ci"));
    lines.filter(|line: &Value| line["event"] == "log" && is_own(line)).collect()
}

fn with_log(command: Command) -> Command {
    command.env("MIG_CI_LOG", "debug").arg("--log-format=json")
}

fn messages<'l>(lines: &[&'l Value]) -> Vec<&'l str> {
    lines.iter().map(|line| line["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_log_shows_all_steps_of_one_tenant_of_an_upgrade() {
    let shop = shop(1).file("tenant/2_x.sql", migration(2, "ALTER TABLE t1 ADD x int;"));
    let database = with_tenants(&numbered(2)).await;
    upgrade(&shop, &database, ["--all-tenants", "1"]).run().success();
    let mut holder = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    holder.execute("BEGIN; LOCK tenant_t002.t1").await.unwrap();
    let args = ["--all-tenants", "--jobs=1", "--lock-timeout=200ms"];
    let running = with_log(upgrade(&shop, &database, args)).start();
    running.says("\"to be retried\"");
    holder.close().await.unwrap();
    let ended = running.wait().success();
    let all = log(&ended.stderr);
    for line in &all {
        assert_eq!((&line["command"], &line["level"]), (&"upgrade".into(), &"debug".into()));
    }
    let of_tenant: Vec<&Value> = all.iter().filter(|line| line["tenant"] == "t002").collect();
    for line in &of_tenant {
        assert_eq!(line["database"], "app", "{line}");
        assert_eq!((&line["track"], &line["target"]), (&"tenant".into(), &"tenant_t002".into()));
    }
    // A lock may be held for longer than one attempt.
    let last = of_tenant.iter().filter_map(|line| line["attempt"].as_u64()).max().unwrap();
    assert!(last > 1);
    let of = |attempt: u64| -> Vec<&Value> {
        let of_attempt = of_tenant.iter().copied().filter(|line| line["attempt"] == attempt);
        // Sessions are shared: the attempt that opens one, and the time until the server ends the previous one, vary.
        let others = ["connected", "execution lock is held: retrying"];
        of_attempt.filter(|line| !others.iter().any(|other| line["message"] == *other)).collect()
    };
    let first = of(1);
    assert_eq!(
        messages(&first),
        ["ledger read", "decision", "sending", "step failed", "to be retried"]
    );
    assert_eq!((&first[0]["rows"], &first[0]["newest"]), (&1.into(), &"1".into()));
    assert_eq!(first[1]["apply"], "[\"2\"]");
    assert_eq!(first[2]["migrations"], "[\"2_x.sql\"]");
    assert_eq!(
        (&first[2]["migration"], &first[3]["migration"]),
        (&"2_x.sql".into(), &"2_x.sql".into())
    );
    assert!(first[3]["reason"].as_str().unwrap().contains("lock timeout"), "{}", first[3]);
    assert_eq!((&first[4]["reason"], &first[4]["retry"]), (&"lock".into(), &1.into()));
    assert!(first[4]["pause"].as_str().unwrap().ends_with("ms"), "{}", first[4]);
    let second = of(last);
    assert_eq!(messages(&second), ["ledger read", "decision", "sending", "postcondition read"]);
    assert_eq!(second[3]["recorded"], true);
    // Before the first attempt and after the last one.
    let around: Vec<&Value> =
        of_tenant.iter().copied().filter(|line| line.get("attempt").is_none()).collect();
    let told = messages(&around);
    assert_eq!(told[..2], ["scanned: ledger read", "lease acquired"], "{told:?}");
    let end = around.last().unwrap();
    assert_eq!((&end["message"], &end["verdict"]), (&"finished".into(), &"passed".into()));
    assert_eq!((&end["before"], &end["after"]), (&"1".into(), &"2".into()));
    assert_eq!(end["retries"], last - 1);
    assert!(all.iter().any(|line| line["message"] == "connected"));
}

#[test]
fn the_log_shows_all_steps_of_one_tenant_of_a_verification() {
    let app = project()
        .file(
            "mig-ci.toml",
            "[databases.app.tenants]\nmigrations = \"m\"\nformat = \"sqlx\"\n\
             target = \"tenant_{tenant}\"\n",
        )
        .file("m/1_a.sql", "CREATE TABLE a (id int);")
        .git_commit("base")
        .git_branch("feature")
        .file("m/2_b.sql", "SELECT no_such_column FROM a;")
        .git_commit("head");
    let ended = with_log(app.verify()).arg("--jobs=1").run().exit(1);
    let all = log(&ended.stderr);
    let of_tenant: Vec<&Value> = all.iter().filter(|line| line["tenant"] == "base").collect();
    for line in &of_tenant {
        assert_eq!((&line["command"], &line["database"]), (&"verify".into(), &"app".into()));
        assert_eq!((&line["attempt"], &line["track"]), (&1.into(), &"tenant".into()));
    }
    assert_eq!(
        messages(&of_tenant),
        [
            "phase started",
            "phase started",
            "connected",
            "ledger read",
            "decision",
            "sending",
            "postcondition read",
            "phase started",
            "connected",
            "ledger read",
            "decision",
            "sending",
            "step failed",
            "finished",
        ]
    );
    let phases = of_tenant.iter().filter_map(|line| line["phase"].as_str());
    assert_eq!(phases.collect::<Vec<_>>(), ["prepare", "base", "head"]);
    let sent = of_tenant.iter().filter(|line| line["message"] == "sending");
    let sent: Vec<_> = sent.map(|line| &line["migration"]).collect();
    assert_eq!(sent, ["1_a.sql", "2_b.sql"]);
    let applied = of_tenant.iter().find(|line| line["message"] == "postcondition read").unwrap();
    assert_eq!((&applied["migration"], &applied["recorded"]), (&"1_a.sql".into(), &true.into()));
    let failed = of_tenant.iter().find(|line| line["message"] == "step failed").unwrap();
    assert_eq!(failed["migration"], "2_b.sql");
    assert!(failed["reason"].as_str().unwrap().contains("no_such_column"), "{failed}");
    assert_eq!(of_tenant.last().unwrap()["verdict"], "failed");
    // Other concurrent tenants could have removed the column.
    let ended = with_log(app.verify()).arg("--jobs=2").run().exit(1);
    let all = log(&ended.stderr);
    let again = all.iter().find(|line| line["message"] == "replaying again").unwrap();
    assert_eq!(again["database"], "app");
    assert!(again["reason"].as_str().unwrap().contains("42703 at m/2_b.sql"), "{again}");
    let end = all.iter().rfind(|line| line["tenant"] == "base").unwrap();
    assert_eq!((&end["message"], &end["attempt"]), (&"finished".into(), &2.into()));
}

/// The message of a failure quotes SQL text, so the log is masked like reports.
#[test]
fn the_log_contains_no_secret() {
    const PASSWORD: &str = "pl4nted-in-the-log";
    let sql = format!("DO $$ BEGIN RAISE EXCEPTION 'x {PASSWORD} y'; END $$;\n");
    let app = project()
        .file("mig-ci.toml", "[databases.app]\nmigrations = \"m\"\nformat = \"sqlx\"\n")
        .file("m/1_a.sql", &sql);
    let address = postgres().url("postgres");
    let (scheme, rest) = address.split_once("://").unwrap();
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    let user = rest.split([':', '@']).next().unwrap();
    let with_password = format!("{scheme}://{user}:{PASSWORD}@{host}");
    let upgraded = || app.mig_ci(["upgrade", "-n", "app", "--yes", "--url", &with_password]);
    let verified = || app.verify().arg("--no-base").env("MY_PASSWORD", PASSWORD);
    for level in ["debug", "trace"] {
        for command in [upgraded(), verified()] {
            let ended = with_log(command).env("MIG_CI_LOG", level).run().exit(1);
            assert!(!ended.stderr.contains(PASSWORD), "{}", ended.stderr);
            let lines = log(&ended.stderr);
            let failed = lines.iter().find(|line| line["message"] == "step failed").unwrap();
            assert_eq!(failed["reason"], "x *** y");
        }
        for command in [upgraded(), verified()] {
            let ended = command.env("MIG_CI_LOG", level).run().exit(1);
            assert!(!ended.stderr.contains(PASSWORD), "{}", ended.stderr);
            let failed = ended.stderr.lines().find(|line| line.contains("step failed")).unwrap();
            assert!(failed.contains("x *** y"), "{failed}");
        }
    }
}
