//! Concurrently built indexes: they block nothing, so no lock timeout applies; a failed build's index is dropped.

use nix::sys::signal::Signal;
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::interruption::{COMPUTES, COMPUTING, hold, interrupted, until, until_waited};
use super::{counts, numbered, report, upgrade, with_tenants};
use crate::common::upgrade_report::UpgradeReport;
use crate::common::{Database, Project, postgres, project};

const INVALID: &str = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
const BUILT: &str = "SELECT count(*) FROM pg_index JOIN pg_class c ON c.oid = indexrelid \
    WHERE indisvalid AND c.relname = 't_v'";
const WAITING: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
    AND application_name LIKE 'mig-ci%' AND wait_event_type = 'Lock'";

/// A script outside of a transaction for each tool: its file name and text.
fn file(format: &str, number: usize, sql: &str) -> (String, String) {
    match format {
        "sqlx" => (format!("m/{number}_a.sql"), format!("-- no-transaction\n{sql}\n")),
        "dbmate" => {
            let text = format!("-- migrate:up transaction:false\n{sql}\n-- migrate:down\n");
            (format!("m/{number}_a.sql"), text)
        }
        "golang-migrate" => (format!("m/{number}_a.up.sql"), sql.to_owned()),
        _ => (format!("m/{number}_a.sql"), format!("-- mig-ci: no-transaction\n{sql}\n")),
    }
}

fn with(shop: Project, format: &str, number: usize, sql: &str) -> Project {
    let (path, text) = file(format, number, sql);
    shop.file(&path, text)
}

/// Tenants that have a table with two rows.
async fn begun(format: &str, tenants: usize) -> (Project, Database) {
    let config = format!(
        "[databases.app]\nurl = \"${{SHOP_URL}}\"\n[databases.app.tenants]\nmigrations = \"m\"\n\
         format = \"{format}\"\ntarget = \"tenant_{{tenant}}\"\n\
         from = {{ query = \"SELECT slug FROM audit.tenants ORDER BY id\" }}\n"
    );
    let shop = project().file("mig-ci.toml", config);
    let shop = with(shop, format, 1, "CREATE TABLE t AS SELECT v FROM generate_series(1, 2) AS v;");
    let database = with_tenants(&numbered(tenants)).await;
    upgrade(&shop, &database, ["--all-tenants"]).run().success();
    (shop, database)
}

/// One open reader, anywhere in the database, for longer than the lock timeout.
#[tokio::test]
async fn concurrent_index_waits_for_an_open_reader() {
    for (format, jobs) in [
        ("sqlx", "--jobs=2"),
        ("dbmate", "--jobs=8"),
        ("golang-migrate", "--jobs=2"),
        ("plain", "--jobs=8"),
    ] {
        let (shop, database) = begun(format, 6).await;
        let shop = with(shop, format, 2, "CREATE INDEX CONCURRENTLY t_v ON t (v);");
        let shop = with(shop, format, 3, "REINDEX INDEX CONCURRENTLY t_v;");
        let mut reader = hold(&database, "SELECT count(*) FROM audit.tenants").await;
        let args = ["--all-tenants", jobs, "--lock-timeout=100ms", "--format=json"];
        let run = upgrade(&shop, &database, args).start();
        until_waited(&database, "300 ms").await;
        reader.execute("ROLLBACK").await.unwrap();
        let run = report(&run.wait().success());
        assert_eq!((counts(&run), run.retries()), ([6, 0, 0, 0], 0), "{format}: {run}");
        assert_eq!(database.sql(BUILT).await, ["6"], "{format}");
        assert_eq!(database.sql(INVALID).await, ["0"], "{format}");
        let shop = with(shop, format, 4, "DROP INDEX CONCURRENTLY t_v;");
        let mut reader = hold(&database, "SELECT count(*) FROM tenant_t003.t").await;
        let run = upgrade(&shop, &database, args).start();
        until_waited(&database, "300 ms").await;
        reader.execute("ROLLBACK").await.unwrap();
        run.wait().success();
        assert_eq!(database.sql(BUILT).await, ["0"], "{format}");
    }
}

/// With several workers, one tenant's transaction is the reader that another one's index build waits for.
#[tokio::test]
async fn tenants_of_one_run_wait_for_each_other() {
    let (shop, database) = begun("sqlx", 2).await;
    let key = "(CASE current_schema() WHEN 'tenant_t001' THEN 1 ELSE 2 END)";
    let computes = COMPUTES.replace("(7)", key);
    assert_ne!(computes, COMPUTES);
    let shop = shop.file("m/2_waits.sql", computes);
    let shop = with(shop, "sqlx", 3, "CREATE INDEX CONCURRENTLY t_v ON t (v);");
    let args = ["--all-tenants", "--jobs=2", "--lock-timeout=100ms"];
    // Not in a transaction, which an index build would wait for.
    let mut gates = PgConnection::connect(&database.url()).await.unwrap();
    gates.execute("SELECT pg_advisory_lock(1), pg_advisory_lock(2)").await.unwrap();
    let run = upgrade(&shop, &database, args).start();
    until(&database, COMPUTING, "2").await;
    gates.execute("SELECT pg_advisory_unlock(2)").await.unwrap();
    until_waited(&database, "300 ms").await;
    gates.execute("SELECT pg_advisory_unlock(1)").await.unwrap();
    run.wait().success();
    assert_eq!(database.sql(BUILT).await, ["2"]);
}

/// A lock timeout of the script applies. Its invalid index is dropped, and the step is retried.
#[tokio::test]
async fn a_lock_timeout_of_the_script_applies() {
    let (shop, database) = begun("plain", 2).await;
    let sql =
        "SET lock_timeout = '100ms';\nCREATE INDEX CONCURRENTLY t_v ON t (v);\nRESET lock_timeout;";
    let shop = with(shop, "plain", 2, sql);
    let mut reader = hold(&database, "SELECT count(*) FROM audit.tenants").await;
    let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).start();
    database.until_logged("canceling statement due to lock timeout", 0);
    reader.execute("ROLLBACK").await.unwrap();
    let run = report(&run.wait().success());
    assert!(run.retries() > 0, "{run}");
    assert_eq!(database.sql(BUILT).await, ["2"]);
    assert_eq!(database.sql(INVALID).await, ["0"]);
}

/// A failure of the script itself is not retried, and leaves nothing.
#[tokio::test]
async fn a_failed_build_leaves_no_index() {
    for (sql, option, sqlstate) in [
        ("CREATE UNIQUE INDEX CONCURRENTLY t_v ON t ((v / 10));", "--statement-timeout=0", "23505"),
        ("CREATE INDEX CONCURRENTLY t_v ON t (v);", "--statement-timeout=300ms", "57014"),
    ] {
        let (shop, database) = begun("sqlx", 2).await;
        let shop = with(shop, "sqlx", 2, sql);
        let _reader = hold(&database, "SELECT count(*) FROM audit.tenants").await;
        let args = ["--all-tenants", option, "--format=json"];
        let args = [args[0], args[1], args[2], "--lock-timeout=5s"];
        if sqlstate == "23505" {
            drop(_reader);
        }
        let run = report(&upgrade(&shop, &database, args).run().exit(1));
        assert_eq!((counts(&run), run.retries()), ([0, 0, 2, 0], 0), "{run}");
        let failure = run.units[0].failure();
        assert_eq!(failure.sqlstate(), sqlstate, "{failure:?}");
        assert_eq!(database.sql(INVALID).await, ["0"], "{failure:?}");
    }
}

/// An index that was invalid before must be checked by its owner.
#[tokio::test]
async fn an_index_that_was_invalid_before_stays() {
    let (shop, database) = begun("sqlx", 1).await;
    let build = "CREATE UNIQUE INDEX CONCURRENTLY t_v ON tenant_t001.t ((v / 10))";
    let mut session =
        <sqlx::PgConnection as sqlx::Connection>::connect(&database.url()).await.unwrap();
    session.execute(build).await.unwrap_err();
    let other = "CREATE UNIQUE INDEX CONCURRENTLY t_w ON t ((v / 100));";
    let shop = with(shop, "sqlx", 2, other);
    upgrade(&shop, &database, ["--all-tenants"]).run().exit(1);
    let names = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid";
    assert_eq!(database.sql(names).await, ["tenant_t001.t_v"]);
}

/// Neither an index nor a mark in the ledger remains, and the next run applies it.
#[tokio::test]
async fn an_interrupted_build_leaves_no_index() {
    for (format, sql) in [
        ("sqlx", "CREATE INDEX CONCURRENTLY t_v ON t (v);"),
        ("golang-migrate", "CREATE INDEX CONCURRENTLY t_v ON t (v);"),
        ("dbmate", "REINDEX TABLE CONCURRENTLY t;"),
    ] {
        let (shop, database) = begun(format, 1).await;
        database.sql("CREATE INDEX t_old ON tenant_t001.t (v)").await;
        let shop = with(shop, format, 2, sql);
        let mut reader = hold(&database, "SELECT count(*) FROM audit.tenants").await;
        let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).start();
        until(&database, WAITING, "t").await;
        let run = report(&interrupted(&database, run, Signal::SIGINT).await);
        assert_eq!(counts(&run), [0, 0, 0, 1], "{format}: {run}");
        assert_eq!(run.units[0].reason(), "the run was interrupted", "{format}");
        assert_eq!(database.sql(INVALID).await, ["0"], "{format}");
        reader.execute("ROLLBACK").await.unwrap();
        upgrade(&shop, &database, ["--all-tenants"]).run().success();
    }
}

/// The statements of a hint, which fix the leftovers.
fn hinted(run: &UpgradeReport, begins: &str) -> String {
    let hint = run.units[0].failure().hint();
    let at = hint.find(begins).unwrap_or_else(|| panic!("no {begins}: {hint}"));
    hint[at..].to_owned()
}

/// All indexes of the rebuilt object, including those of TOAST tables.
#[tokio::test]
async fn an_interrupted_rebuild_leaves_no_index() {
    for what in ["TABLE t", "SCHEMA tenant_t001", "DATABASE {database}"] {
        let (shop, database) = begun("sqlx", 1).await;
        database
            .sql("ALTER TABLE tenant_t001.t ADD note text; CREATE INDEX t_old ON tenant_t001.t (v)")
            .await;
        // A role without access to that schema gets a message about the leftovers.
        let grant = "GRANT USAGE ON SCHEMA pg_toast TO PUBLIC";
        postgres().sql_in(&database.name, grant).await;
        let what = what.replace("{database}", &format!("\"{}\"", database.name));
        let shop = with(shop, "sqlx", 2, &format!("REINDEX (CONCURRENTLY) {what};"));
        let mut reader = hold(&database, "SELECT count(*) FROM audit.tenants").await;
        let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).start();
        until(&database, WAITING, "t").await;
        let copies = "SELECT count(*) > 0 FROM pg_class WHERE relname LIKE '%\\_ccnew'";
        until(&database, copies, "t").await;
        let run = report(&interrupted(&database, run, Signal::SIGINT).await);
        assert_eq!(counts(&run), [0, 0, 0, 1], "{what}: {run}");
        let left = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid";
        assert_eq!(database.sql(left).await, [""; 0], "{what}: {run}");
        reader.execute("ROLLBACK").await.unwrap();
        upgrade(&shop, &database, ["--all-tenants"]).run().success();
    }
}

/// Its second phase locks the table, so the lock timeout applies. A partly detached partition is reported, and the statement
/// is not retried, because it would be refused.
#[tokio::test]
async fn an_interrupted_detach_is_reported() {
    for format in ["sqlx", "dbmate", "golang-migrate", "plain"] {
        let (shop, database) = begun(format, 1).await;
        database
            .sql(
                "CREATE TABLE tenant_t001.p (v int) PARTITION BY LIST (v); \
                 CREATE TABLE tenant_t001.p1 PARTITION OF tenant_t001.p FOR VALUES IN (1)",
            )
            .await;
        let shop = with(shop, format, 2, "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;");
        let mut reader = hold(&database, "SELECT count(*) FROM tenant_t001.p").await;
        let args = ["--all-tenants", "--lock-timeout=200ms", "--format=json"];
        let run = report(&upgrade(&shop, &database, args).run().exit(1));
        assert_eq!((counts(&run), run.retries()), ([0, 0, 1, 0], 0), "{format}: {run}");
        assert_eq!(run.units[0].failure().sqlstate(), "55P03", "{format}");
        let finalize = hinted(&run, "ALTER TABLE");
        reader.execute("ROLLBACK").await.unwrap();
        upgrade(&shop, &database, args).run().exit(1);
        let finalize = finalize.split_inclusive(';').next().unwrap();
        database.sql(finalize).await;
        let left = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'tenant_t001.p'::regclass";
        assert_eq!(database.sql(left).await, ["0"], "{format}: {finalize}");
    }
}

/// Indexes that were built before remain, so the script is not restarted from its beginning.
#[tokio::test]
async fn only_the_failed_of_several_index_builds_is_dropped() {
    let (shop, database) = begun("plain", 1).await;
    let sql = "CREATE INDEX CONCURRENTLY t_v ON t (v);\nCREATE UNIQUE INDEX CONCURRENTLY t_w ON t ((v / 10));";
    let shop = with(shop, "plain", 2, sql);
    let args = ["--all-tenants", "--format=json"];
    let run = report(&upgrade(&shop, &database, args).run().exit(1));
    assert_eq!((counts(&run), run.retries()), ([0, 0, 1, 0], 0), "{run}");
    assert_eq!(run.units[0].failure().sqlstate(), "23505");
    assert_eq!([database.sql(BUILT).await, database.sql(INVALID).await], [["1"], ["0"]]);
    let run = report(&upgrade(&shop, &database, args).run().exit(1));
    assert_eq!(run.units[0].failure().sqlstate(), "42P07", "{run}");
    // The drivers of these formats send all statements at once, which the server refuses.
    for format in ["sqlx", "dbmate"] {
        let (shop, database) = begun(format, 1).await;
        let shop = with(shop, format, 2, sql);
        let run = report(&upgrade(&shop, &database, args).run().exit(1));
        assert_eq!(run.units[0].failure().sqlstate(), "25001", "{format}: {run}");
        assert_eq!([database.sql(BUILT).await, database.sql(INVALID).await], [["0"], ["0"]]);
    }
}

/// An interrupted `DROP INDEX CONCURRENTLY` leaves an unused index, which the next attempt drops.
#[tokio::test]
async fn an_interrupted_drop_is_retried() {
    let (shop, database) = begun("plain", 1).await;
    database.sql("CREATE INDEX t_v ON tenant_t001.t (v)").await;
    let sql = "SET lock_timeout = '100ms';\nDROP INDEX CONCURRENTLY t_v;\nRESET lock_timeout;";
    let shop = with(shop, "plain", 2, sql);
    let mut reader = hold(&database, "SELECT count(*) FROM tenant_t001.t").await;
    let run = upgrade(&shop, &database, ["--all-tenants", "--format=json"]).start();
    database.until_logged("canceling statement due to lock timeout", 0);
    reader.execute("ROLLBACK").await.unwrap();
    let run = report(&run.wait().success());
    assert!(run.retries() > 0, "{run}");
    assert_eq!([database.sql(BUILT).await, database.sql(INVALID).await], [["0"], ["0"]]);
}

/// A partitioned table cannot have one. Nothing remains, and nothing is retried.
#[tokio::test]
async fn an_index_of_a_partitioned_table_is_refused() {
    for format in ["sqlx", "dbmate", "golang-migrate", "plain"] {
        let (shop, database) = begun(format, 1).await;
        database.sql("CREATE TABLE tenant_t001.p (v int) PARTITION BY LIST (v)").await;
        let shop = with(shop, format, 2, "CREATE INDEX CONCURRENTLY p_v ON p (v);");
        let args = ["--all-tenants", "--format=json"];
        let run = report(&upgrade(&shop, &database, args).run().exit(1));
        assert_eq!((counts(&run), run.retries()), ([0, 0, 1, 0], 0), "{format}: {run}");
        assert_eq!(run.units[0].failure().sqlstate(), "0A000", "{format}");
        assert_eq!(
            database.sql("SELECT count(*) FROM pg_class WHERE relname = 'p_v'").await,
            ["0"]
        );
    }
}

/// A killed run cannot clean up: the next run fails with a hint, and leaves the index to the user, since its origin is
/// unknown.
#[tokio::test]
async fn the_run_after_a_kill_reports_invalid_indexes() {
    for (guard, format) in [("", "sqlx"), ("IF NOT EXISTS ", "sqlx"), ("IF NOT EXISTS ", "plain")] {
        let (shop, database) = begun(format, 1).await;
        let sql = format!("CREATE INDEX CONCURRENTLY {guard}t_v ON t (v);");
        let shop = with(shop, format, 2, &sql);
        let mut reader = hold(&database, "SELECT count(*) FROM audit.tenants").await;
        let args = ["--all-tenants", "--format=json"];
        let run = upgrade(&shop, &database, args).start();
        until(&database, WAITING, "t").await;
        run.signal(Signal::SIGKILL);
        drop(run.wait());
        // The backend would continue; it is terminated during its work, as with a server restart.
        let end = "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity \
            WHERE datname = current_database() AND application_name LIKE 'mig-ci%'";
        database.sql(end).await;
        until(
            &database,
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() \
            AND application_name LIKE 'mig-ci%'",
            "t",
        )
        .await;
        assert_eq!(database.sql(INVALID).await, ["1"]);
        reader.execute("ROLLBACK").await.unwrap();
        let run = report(&upgrade(&shop, &database, args).run().exit(1));
        assert_eq!(counts(&run), [0, 0, 1, 0], "{format}: {run}");
        let drops = hinted(&run, "DROP INDEX CONCURRENTLY");
        database.sql(drops.trim_end_matches(';')).await;
        upgrade(&shop, &database, args).run().success();
        assert_eq!([database.sql(BUILT).await, database.sql(INVALID).await], [["1"], ["0"]]);
    }
}
