//! The progress output of a run.

use serde_json::Value;
use sqlx::Executor as _;

use super::interruption::hold;
use super::{migration, numbered, shop, upgrade, with_tenants};
use crate::common::project;

fn objects(text: &str) -> Vec<Value> {
    let object = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
    text.lines().map(object).collect()
}

#[tokio::test]
async fn a_log_collector_gets_an_object_for_each_event() {
    let shop = shop(1).file("tenant/2_x.sql", migration(2, "ALTER TABLE t1 ADD x int NOT NULL;"));
    let database = with_tenants(&numbered(3)).await;
    upgrade(&shop, &database, ["--all-tenants", "1"]).run().success();
    database.sql("INSERT INTO tenant_t002.t1 VALUES (1)").await;
    let run = upgrade(&shop, &database, ["--all-tenants", "--jobs=1", "--log-format=json"]).run();
    let run = run.exit(1);
    assert!(run.stdout.contains("4 targets: 1 failed"), "stdout is the report's: {run:?}");
    let all = objects(&run.stderr);
    let events: Vec<_> = all.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events[0], "database-started");
    assert_eq!(events[1], "unit-finished", "the shared track has nothing to do");
    assert_eq!(events[2..5], ["unit-started", "migration-started", "unit-finished"]);
    assert_eq!(*events.last().unwrap(), "database-finished");
    let failed: Vec<&Value> = all.iter().filter(|line| line["verdict"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((&failed[0]["tenant"], &failed[0]["track"]), (&"t002".into(), &"tenant".into()));
    let end = all.last().unwrap();
    assert_eq!((&end["units"], &end["done"], &end["failed"]), (&4.into(), &4.into(), &1.into()));
}

#[test]
fn a_replay_has_the_same_events() {
    let shop = project().file("migrations/1.sql", "CREATE TABLE a (id int);");
    let all = objects(&shop.verify().arg("--log-format=json").run().success().stderr);
    let events: Vec<_> = all.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events[..3], ["provider-starting", "server-ready", "database-started"]);
    assert_eq!(*events.last().unwrap(), "cleaning-up");
    let note = project().file("migrations/1.sql", "").mig_ci(["init", "--log-format=json"]).run();
    assert_eq!(objects(&note.success().stderr)[0]["event"], "note");
}

/// Errors are objects, too, and there is no other output.
#[test]
fn an_error_is_an_object() {
    let shop = project().file("mig-ci.toml", "[databases.users]\nmigration = \"m\"\n");
    let run = shop.mig_ci(["upgrade", "--log-format", "json", "--color=always"]).run().exit(3);
    let lines = objects(&run.stderr);
    assert_eq!((lines.len(), &lines[0]["event"]), (1, &"error".into()));
    let message = lines[0]["message"].as_str().unwrap();
    assert!(message.contains("mig-ci.toml") && !message.contains('\u{1b}'), "{message}");
    let shop =
        shop.file("mig-ci.toml", "[databases.users]\nmigrations = \"m\"\n").file("m/1.sql", "");
    let run = shop.mig_ci(["--log-format=json", "upgrade"]).run().exit(3);
    let message = objects(&run.stderr)[0]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("`users` has no address"), "{message}");
    let quiet = shop.mig_ci(["--log-format=json", "--quiet", "upgrade"]).run().exit(3);
    assert_eq!(objects(&quiet.stderr).len(), 1);
}

/// A tenant that waits for a lock without a timeout is reported, so that the holder can be found.
#[tokio::test]
async fn a_wait_without_timeout_is_reported() {
    let shop = shop(1).file("tenant/2_x.sql", migration(2, "ALTER TABLE t1 ADD x int;"));
    let database = with_tenants(&numbered(2)).await;
    upgrade(&shop, &database, ["--all-tenants", "1"]).run().success();
    let mut holder = hold(&database, "LOCK tenant_t002.t1").await;
    let waiting = upgrade(&shop, &database, ["--all-tenants", "--lock-timeout=0"]).start();
    // This thread may block: the server holds the lock.
    waiting.says("2 of 3 done");
    waiting.says("; tenant t002 is at 2_x.sql for ");
    holder.execute("ROLLBACK").await.unwrap();
    waiting.wait().success();
}
